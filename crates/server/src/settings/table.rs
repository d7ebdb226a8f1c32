//! The table of settings.

use super::kind::Kind;
use super::{oauth, sources, special_use};
use session::Protocol;

/// A table of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// Its name; empty for what stands before the first table.
    pub(crate) name: &'static str,
    /// It is written `[[name]]` and may come several times.
    pub(crate) repeats: bool,
    /// What it is about.
    pub(crate) about: &'static str,
}

impl Section {
    /// The section that repeats and within which it stands.
    pub(crate) fn parent(&self) -> Option<&'static Section> {
        let (parent, _) = self.name.rsplit_once('.')?;
        SECTIONS.iter().find(|section| section.name == parent && section.repeats)
    }

    /// As it stands above its settings.
    pub(crate) fn heading(&self) -> String {
        if self.repeats { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The section it stands in.
    pub(crate) section: &'static str,
    /// Its name.
    pub(crate) key: &'static str,
    /// What may be said.
    pub(crate) kind: Kind,
    /// As it would be written in the file; `None` where it must be given, or has no default.
    pub(crate) default: Option<&'static str>,
    /// What the sample file shows where there is no default.
    pub(crate) example: &'static str,
    /// The section or file makes no sense without it.
    pub(crate) required: bool,
    /// The sample file has it in use, though there are others that would do.
    pub(crate) in_sample: bool,
    /// Why one would set it.
    pub(crate) why: &'static str,
}

/// All sections, in the order of the sample file.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "", repeats: false, about: "" },
    Section {
        name: "tls",
        repeats: false,
        about: "The certificate, and how TLS is spoken. Read again on SIGHUP.",
    },
    Section {
        name: "tls.more",
        repeats: true,
        about: "Further certificates, chosen by the server name that a client asks for.",
    },
    Section { name: "mail", repeats: false, about: "Where mail lies, and how it looks to clients." },
    Section {
        name: "special-use",
        repeats: false,
        about: "Mailboxes for special uses (RFC 6154): of each list the first name that exists is shown as such, unless another mailbox is remembered for the use. A mailbox that a client renames keeps its use; see restante-uidlist(5). Levels are parted by a dot.",
    },
    sources::SECTION,
    sources::helped::CHECKPASSWORD,
    sources::helped::PAM,
    sources::LDAP,
    sources::SQL,
    Section { name: "login", repeats: false, about: "Who may log in, and how." },
    oauth::SECTION,
    Section {
        name: "limits",
        repeats: false,
        about: "What one client may make the server do. A refusal names the limit.",
    },
    Section {
        name: "listen",
        repeats: true,
        about: "Addresses to listen on. Without any: port 143 with STARTTLS and port 993 with TLS, on IPv4 and IPv6.",
    },
    Section { name: "log", repeats: false, about: "The log goes to standard error, one line an event." },
];

pub(super) const fn setting(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    why: &'static str,
) -> Setting {
    Setting {
        section,
        key,
        kind,
        default: Some(default),
        example: "",
        required: false,
        in_sample: false,
        why,
    }
}

pub(super) const fn required(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    example: &'static str,
    why: &'static str,
) -> Setting {
    Setting { section, key, kind, default: None, example, required: true, in_sample: false, why }
}

pub(super) const fn optional(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    example: &'static str,
    why: &'static str,
) -> Setting {
    Setting { section, key, kind, default: None, example, required: false, in_sample: false, why }
}

/// All settings; those of one section in the order of the sample file.
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    [SETTINGS, oauth::SETTINGS].into_iter().chain(sources::SETTINGS.iter().copied()).flatten()
}

/// The settings that are not of one source of users.
const SETTINGS: &[Setting] = &[
    optional(
        "",
        "hostname",
        Kind::Text,
        "\"mail.example.com\"",
        "The name in the greeting and in names of new message files. The system's host name where it is not given.",
    ),
    required(
        "tls",
        "certificate",
        Kind::Path,
        "\"/etc/restante/cert.pem\"",
        "PEM file with the certificate and those that lead to its authority.",
    ),
    required(
        "tls",
        "key",
        Kind::Path,
        "\"/etc/restante/key.pem\"",
        "PEM file with its private key. The user of [mail] must be able to read it for SIGHUP to renew it.",
    ),
    setting(
        "tls",
        "minimum-version",
        Kind::Choice(&["1.2", "1.3"]),
        "\"1.2\"",
        "Clients that speak older versions are refused.",
    ),
    setting(
        "tls",
        "handshake-timeout",
        Kind::Duration { min_ms: 1_000, max_ms: 300_000 },
        "\"30s\"",
        "Longest time for a TLS handshake.",
    ),
    setting(
        "tls",
        "client-certificates",
        Kind::Choice(&["no", "ask", "required"]),
        "\"no\"",
        "Certificates of clients: not asked for, asked for, or required of everybody. With one, AUTH=EXTERNAL logs in if it is among the mechanisms. TLS sessions are then not resumed.",
    ),
    optional(
        "tls",
        "client-ca",
        Kind::Path,
        "\"/etc/restante/client-ca.pem\"",
        "PEM file with the authorities that clients' certificates are from.",
    ),
    optional(
        "tls",
        "client-crl",
        Kind::Path,
        "\"/etc/restante/client-crl.pem\"",
        "PEM file with lists of certificates that these authorities have revoked.",
    ),
    required(
        "tls.more",
        "names",
        Kind::TextList,
        "[\"imap.example.org\", \"*.example.net\"]",
        "Server names it is for; a star stands for one label.",
    ),
    required("tls.more", "certificate", Kind::Path, "\"/etc/restante/example.org.pem\"", "As in [tls]."),
    required("tls.more", "key", Kind::Path, "\"/etc/restante/example.org.key\"", "As in [tls]."),
    required(
        "mail",
        "maildir",
        Kind::Template,
        "\"/srv/mail/%d/%n/Maildir\"",
        "Where a user's Maildir is: %u is the user's name, %n the part before the @, %d the domain behind it, %h the home directory that the user source gives, %% a percent sign. A user source may give another place.",
    ),
    optional(
        "mail",
        "user",
        Kind::Text,
        "\"vmail\"",
        "Who the mail belongs to. Started as root, the server becomes this user for good once its ports are open.",
    ),
    optional("mail", "group", Kind::Text, "\"vmail\"", "Its group, if it is not the user's own."),
    setting(
        "mail",
        "own-uid",
        Kind::Bool,
        "false",
        "Mail belongs to the uid and gid that the user source gives, and is worked on as that user; a user without a uid has that of user. Else all of it belongs to user. Started as root, the server then keeps the capabilities to change uid and gid, and no others.",
    ),
    setting(
        "mail",
        "minimum-uid",
        Kind::Count { min: 1, max: 4_294_967_294 },
        "100",
        "With own-uid: users with a smaller uid cannot log in. Root never can.",
    ),
    setting(
        "mail",
        "minimum-gid",
        Kind::Count { min: 1, max: 4_294_967_294 },
        "100",
        "With own-uid: likewise for the gid. System users of old may have 50 or even less.",
    ),
    setting(
        "mail",
        "create",
        Kind::Bool,
        "true",
        "Make a missing Maildir at the first log-in of a user whom the source knows, unless one is there whose name differs in case only: names of users are in lower case here. If false, the log-in is refused, and the log says which directory is missing.",
    ),
    setting(
        "mail",
        "namespace",
        Kind::Choice(&["plain", "courier"]),
        "\"plain\"",
        "How mailbox names look: plain (Lists/rust; names typed as INBOX.Lists.rust go on working) or courier (INBOX.Lists.rust).",
    ),
    setting(
        "mail",
        "utf8-names",
        Kind::Bool,
        "true",
        "Directories of new mailboxes are named in UTF-8, as by Courier 5 and later; else in modified UTF-7, as by Dovecot. Both are read.",
    ),
    optional(
        "mail",
        "name-escape",
        Kind::Separator,
        "\"\\\\\"",
        "The character that begins escapes in the names of directories, where Dovecot had its plug-in listescape or mailbox_list_storage_escape_char: .example\\2eorg then is example.org. Without it a dot within a level is &AC4-, which is read in any case.",
    ),
    setting(
        "mail",
        "mailboxes",
        Kind::Count { min: 1, max: 1_000_000 },
        "20000",
        "Mailboxes of one user. More are not made, whoever asks: each one costs time whenever mailboxes are listed, and an entry of the Maildir's directory. Those that are there already stay.",
    ),
    setting(
        "mail",
        "levels",
        Kind::Count { min: 1, max: 120 },
        "30",
        "Levels of a mailbox's name. Deeper ones are not made: all levels above a new mailbox are made with it. People have four or five.",
    ),
    setting(
        "mail",
        "keywords",
        Kind::Count { min: 0, max: 10_000 },
        "1000",
        "Different keywords in one mailbox.",
    ),
    setting(
        "mail",
        "take-over",
        Kind::Choice(&["newer", "courier", "dovecot"]),
        "\"newer\"",
        "Whose UIDs and keywords are taken over when a mailbox is opened for the first time and has lists of both: the one that was written last, or always this server's.",
    ),
    optional(
        "mail",
        "dovecot-control",
        Kind::Template,
        "\"/var/lib/dovecot/control/%d/%n\"",
        "Where Dovecot keeps a user's dovecot-uidlist, dovecot-keywords and subscriptions, if its mail_location has CONTROL=: they are taken over from there, and written there by restante migrate --to. Variables are those of maildir. A mail location that the user source gives is obeyed instead.",
    ),
    setting(
        "mail",
        "dovecot-layout",
        Kind::Choice(&["maildir++", "fs"]),
        "\"maildir++\"",
        "How Dovecot lays out mailboxes (LAYOUT= of its mail_location). With fs, restante migrate --from dovecot turns them into Maildir++, which is what is served; users whose mailboxes are not converted cannot log in. Once all are, take the line away.",
    ),
    optional(
        "mail",
        "dovecot-inbox",
        Kind::Template,
        "\"/var/mail/%d/%n\"",
        "Where Dovecot keeps a user's inbox, if its mail_location has INBOX= and that is not the Maildir. restante migrate --from dovecot moves it there; till then the user cannot log in.",
    ),
    setting(
        "mail",
        "lock-wait",
        Kind::Duration { min_ms: 100, max_ms: 300_000 },
        "\"10s\"",
        "Longest wait for a mailbox that another process holds.",
    ),
    setting(
        "mail",
        "kept-memory",
        Kind::Size { min: 0, max: 1 << 40 },
        "\"64M\"",
        "Memory for mailboxes that nobody has open any more: clients come back, and find them at once. Others are loaded from their index.",
    ),
    optional(
        "mail",
        "quota",
        Kind::Quota,
        "\"500M,100000C\"",
        "How much mail a user may keep, unless the user source says otherwise: bytes, messages (C), or both; \"0S\" is as much as they like. Without it, limits in a maildirsize that another program left are obeyed.",
    ),
    setting(
        "mail",
        "quota-counts-trash",
        Kind::Bool,
        "false",
        "Messages in Trash and those marked as deleted count for the quota too, as with Dovecot; else they do not, as with Courier. All programs that keep a maildirsize must agree on it.",
    ),
    setting("special-use", "drafts", Kind::TextList, special_use::DRAFTS, "Messages being written."),
    setting("special-use", "sent", Kind::TextList, special_use::SENT, "Messages that were sent."),
    setting("special-use", "junk", Kind::TextList, special_use::JUNK, "Spam."),
    setting("special-use", "trash", Kind::TextList, special_use::TRASH, "Messages to be deleted."),
    setting("special-use", "archive", Kind::TextList, special_use::ARCHIVE, "Messages to be kept."),
    optional("login", "default-domain", Kind::Text, "\"example.com\"", "Added to user names without an @."),
    setting(
        "login",
        "external-name",
        Kind::Choice(&["email", "subject-cn", "subject-uid", "dns"]),
        "\"email\"",
        "What of a client's certificate is the user's name: its mail address (of the subject only where the alternative names have none), the subject's common name or user id, or a DNS name. Where there are several, the client must say which.",
    ),
    setting(
        "login",
        "mechanisms",
        Kind::TextList,
        "[\"PLAIN\", \"LOGIN\"]",
        "SASL mechanisms to offer. OAUTHBEARER and XOAUTH2 want [oauth].",
    ),
    setting(
        "login",
        "cleartext-from",
        Kind::Networks,
        "[]",
        "Networks from which a password may come without TLS, such as [\"127.0.0.0/8\"] behind a proxy. From everywhere else it is refused unread.",
    ),
    setting(
        "login",
        "timeout",
        Kind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
        "\"1m\"",
        "Time to log in.",
    ),
    setting(
        "login",
        "failures",
        Kind::Count { min: 1, max: 100 },
        "5",
        "Failed log-ins on one connection before it is closed.",
    ),
    setting(
        "login",
        "ban-after",
        Kind::Count { min: 0, max: 1_000_000 },
        "0",
        "Failed log-ins within some ten minutes after which an address is refused at once; 0: never, as an office, a webmail or a provider may be one address. 100 leaves room for slips. Repeating a wrong password does not count; users who came in from the address within seven days are still asked for their password; an IPv6 /48 takes eight times as many.",
    ),
    setting(
        "login",
        "ban-for",
        Kind::Duration { min_ms: 1_000, max_ms: 30 * 86_400_000 },
        "\"15m\"",
        "How long it is refused.",
    ),
    setting(
        "login",
        "trusted-networks",
        Kind::Networks,
        "[]",
        "Networks whose failed log-ins are neither counted nor banned, nor delayed by more than a quarter of a second, such as a webmail's or a proxy's, which must slow attackers themselves.",
    ),
    setting(
        "login",
        "hashes-at-once",
        Kind::Count { min: 1, max: 1_000 },
        "2",
        "Passwords checked at the same time: each check costs a processor some 50 ms, and up to 64 MB.",
    ),
    setting(
        "login",
        "hashes-waiting",
        Kind::Count { min: 0, max: 100_000 },
        "100",
        "Passwords that wait to be checked. Addresses have turns, and so have their users; users who came in from an address within seven days go first. When the queue is full, the address that has most in it is told that the server is busy, never that a password is wrong.",
    ),
    setting(
        "login",
        "cache-lifetime",
        Kind::Duration { min_ms: 0, max_ms: 86_400_000 },
        "\"5m\"",
        "How long a password that was right is not checked again, so that a client's ten connections cost one check. A new password works at once; an old one of LDAP and the like goes on working that long, or until SIGHUP or `restante auth flush`. Passwords in files are compared with the file each time.",
    ),
    setting(
        "login",
        "cache-negative-lifetime",
        Kind::Duration { min_ms: 0, max_ms: 3_600_000 },
        "\"10s\"",
        "Likewise for wrong passwords and unknown users.",
    ),
    setting(
        "login",
        "cache-entries",
        Kind::Count { min: 1, max: 10_000_000 },
        "50000",
        "Answers that are kept, some 500 bytes each.",
    ),
    setting(
        "login",
        "weak-schemes",
        Kind::Choice(&["accept", "refuse"]),
        "\"accept\"",
        "Whether users whose password is stored in a weak scheme (plain, MD5, SHA, traditional DES) may come in. `restante auth status` counts them.",
    ),
    setting(
        "login",
        "rehash",
        Kind::Bool,
        "false",
        "Store a weakly stored password anew, in the system's best scheme, when its user logs in; where the source can be written. That ends CRAM-MD5, and SCRAM without keys of its own, for that user.",
    ),
    setting(
        "login",
        "master-separator",
        Kind::Separator,
        "\"*\"",
        "One character between a user and the master who acts for them: anna@example.com*admin. Only with sources that have masters-of.",
    ),
    optional(
        "login",
        "control-socket",
        Kind::Path,
        "\"/run/restante/control\"",
        "A Unix socket for `restante reload`, `restante auth flush` and `restante auth status`. Only root and the user who started the server may use it. Without this setting it is /run/restante/control, if that directory is there: the systemd unit makes it.",
    ),
    setting(
        "limits",
        "connections",
        Kind::Count { min: 1, max: 1_000_000 },
        "10000",
        "Connections in all. The last quarter of them is kept for addresses that hold few, ten at most.",
    ),
    setting(
        "limits",
        "connections-per-address",
        Kind::Count { min: 1, max: 1_000_000 },
        "500",
        "Connections from one address: an office shares one. An IPv6 /64 is one address, and a /48 may have eight times as many. Those beyond it are refused before they cost anything: with TLS from the first byte they are cut off, else they are told.",
    ),
    setting(
        "limits",
        "connections-before-login",
        Kind::Count { min: 1, max: 1_000_000 },
        "250",
        "Of those, connections that have not logged in: a client without a password cannot hold more. All clients of an office or a webmail come at once after a restart.",
    ),
    setting(
        "limits",
        "connections-per-user-and-address",
        Kind::Count { min: 1, max: 1_000_000 },
        "50",
        "Connections of one user from one address (IPv6 by /64): some clients open ten.",
    ),
    setting(
        "limits",
        "idle-timeout",
        Kind::Duration { min_ms: 1_000, max_ms: 86_400_000 },
        "\"30m\"",
        "Silence after which a client that logged in is sent away. RFC 3501 wants 30 minutes or more.",
    ),
    setting(
        "limits",
        "idle-keepalive",
        Kind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
        "\"2m\"",
        "Time between two signs of life to a client that waits in IDLE.",
    ),
    setting(
        "limits",
        "write-timeout",
        Kind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
        "\"5m\"",
        "Longest time for a client to take what is sent to it.",
    ),
    setting(
        "limits",
        "message",
        Kind::Size { min: 1, max: 1 << 40 },
        "\"100M\"",
        "Largest message that a client may append.",
    ),
    setting(
        "limits",
        "line",
        Kind::Size { min: 1_000, max: 1 << 30 },
        "\"4M\"",
        "Longest command, its literals not counted: some clients send sets of a megabyte.",
    ),
    setting(
        "limits",
        "literal",
        Kind::Size { min: 1_000, max: 1 << 30 },
        "\"64K\"",
        "Largest literal in a command, but for messages.",
    ),
    setting("limits", "literals", Kind::Count { min: 1, max: 10_000 }, "100", "Literals in one command."),
    setting(
        "limits",
        "literals-together",
        Kind::Size { min: 1_000, max: 1 << 30 },
        "\"256K\"",
        "All literals of one command together.",
    ),
    setting(
        "limits",
        "nesting",
        Kind::Count { min: 1, max: 200 },
        "50",
        "Levels of parentheses in a command.",
    ),
    setting(
        "limits",
        "search-keys",
        Kind::Count { min: 10, max: 100_000 },
        "1000",
        "Keys in one SEARCH, those within others included: each may be looked for in every message.",
    ),
    setting(
        "limits",
        "list-patterns",
        Kind::Count { min: 1, max: 10_000 },
        "100",
        "Patterns in one LIST: each is compared with every mailbox.",
    ),
    setting(
        "limits",
        "fetch-items",
        Kind::Count { min: 10, max: 10_000 },
        "1000",
        "Items in one FETCH: each is answered for every message.",
    ),
    setting(
        "limits",
        "names",
        Kind::Count { min: 10, max: 100_000 },
        "1000",
        "Names in one command: header fields to fetch, keywords to set, capabilities to enable.",
    ),
    setting(
        "limits",
        "set-ranges",
        Kind::Count { min: 1_000, max: 100_000_000 },
        "1000000",
        "Numbers and ranges in all sets of one command, 8 bytes of memory each: webmails and programs that synchronise send some hundred thousand.",
    ),
    setting(
        "limits",
        "line-before-login",
        Kind::Size { min: 1_000, max: 1 << 20 },
        "\"32K\"",
        "Longest command before log-in; literals together likewise. An ID may have thirty fields of a kilobyte (RFC 2971).",
    ),
    setting(
        "limits",
        "bytes-before-login",
        Kind::Size { min: 4_000, max: 1 << 30 },
        "\"64K\"",
        "All that a client may send before log-in.",
    ),
    setting(
        "limits",
        "bad-commands",
        Kind::Count { min: 1, max: 10_000 },
        "20",
        "Malformed commands in a row before the connection is closed.",
    ),
    setting(
        "limits",
        "file-jobs",
        Kind::Count { min: 1, max: 512 },
        "32",
        "Pieces of commands that work on files at the same time. One user has half of them at most, so that others need not wait.",
    ),
    required(
        "listen",
        "address",
        Kind::Address,
        "\"127.0.0.1:1143\"",
        "Address and port; IPv6 as \"[::1]:1143\". Port 0 lets the system choose.",
    ),
    setting("listen", "protocol", Kind::Choice(Protocol::NAMES), "\"imap\"", "What is spoken there."),
    required(
        "listen",
        "tls",
        Kind::Choice(&["starttls", "implicit"]),
        "\"starttls\"",
        "implicit: TLS from the first byte. starttls: TLS when the client asks for it.",
    ),
    setting(
        "log",
        "level",
        Kind::Choice(&["error", "warn", "info", "debug"]),
        "\"info\"",
        "What is logged: info has a line for each connection's end.",
    ),
    setting(
        "log",
        "changes",
        Kind::Bool,
        "true",
        "Log what users do to their mail, at level info: messages that are expunged or moved, with mailbox, UIDs, count, and the Message-IDs of the first ten; mailboxes that are created, renamed or deleted.",
    ),
    setting(
        "log",
        "format",
        Kind::Choice(&["text", "json"]),
        "\"text\"",
        "text: lines for people; under systemd the journal gets the fields of each line too, such as RESTANTE_USER. json: an object a line, for programs. Read at the start only.",
    ),
];

/// The setting of that name.
pub(crate) fn find(section: &str, key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.section == section && setting.key == key)
}
