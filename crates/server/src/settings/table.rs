//! The table of settings.

use super::kind::ValueKind;
use super::setting::{Section, Setting, at_start, optional, required, setting};
use super::{oauth, sources, special_use};
use session::Protocol;

/// All sections, in the order of the sample file.
pub(crate) static SECTIONS: &[&Section] = &[
    &TOP,
    &TLS,
    &TLS_MORE,
    &MAIL,
    &SPECIAL_USE,
    &sources::USERS,
    &sources::helped::CHECKPASSWORD,
    &sources::helped::PAM,
    &sources::ldap::LDAP,
    &sources::sql::SQL,
    &LOGIN,
    &oauth::OAUTH,
    &LIMITS,
    &LISTEN,
    &LOG,
];

/// All settings, each with its section.
pub(crate) fn settings() -> impl Iterator<Item = (&'static Section, &'static Setting)> {
    SECTIONS.iter().flat_map(|section| section.settings.iter().map(move |setting| (*section, setting)))
}

/// The section of that name.
pub(crate) fn find_section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name).copied()
}

/// The setting of that name.
pub(crate) fn find_setting(section: &str, key: &str) -> Option<&'static Setting> {
    find_section(section)?.find(key)
}

/// The section that repeats and within which this one stands.
pub(crate) fn parent(section: &Section) -> Option<&'static Section> {
    let (parent, _) = section.name.rsplit_once('.')?;
    find_section(parent).filter(|parent| parent.repeats)
}

/// What stands before the first table.
pub(super) static TOP: Section = Section {
    name: "",
    repeats: false,
    about: "",
    settings: &[optional(
        "hostname",
        ValueKind::Text,
        "\"mail.example.com\"",
        "The name in the greeting and in names of new message files. The system's host name where it is not given.",
    )],
};

/// `[tls]`.
pub(super) static TLS: Section = Section {
    name: "tls",
    repeats: false,
    about: "The certificate, and how TLS is spoken. Read again on SIGHUP.",
    settings: &[
        required(
            "certificate",
            ValueKind::Path,
            "\"/etc/restante/cert.pem\"",
            "PEM file with the certificate and those that lead to its authority.",
        ),
        required(
            "key",
            ValueKind::Path,
            "\"/etc/restante/key.pem\"",
            "PEM file with its private key. The user of [mail] must be able to read it for SIGHUP to renew it.",
        ),
        setting(
            "minimum-version",
            ValueKind::Choice(&["1.2", "1.3"]),
            "\"1.2\"",
            "Clients that speak older versions are refused.",
        ),
        setting(
            "handshake-timeout",
            ValueKind::Duration { min_ms: 1_000, max_ms: 300_000 },
            "\"30s\"",
            "Longest time for a TLS handshake.",
        ),
        setting(
            "client-certificates",
            ValueKind::Choice(&["no", "ask", "required"]),
            "\"no\"",
            "Certificates of clients: not asked for, asked for, or required of everybody. With one, AUTH=EXTERNAL logs in if it is among the mechanisms. TLS sessions are then not resumed.",
        ),
        optional(
            "client-ca",
            ValueKind::Path,
            "\"/etc/restante/client-ca.pem\"",
            "PEM file with the authorities that clients' certificates are from.",
        ),
        optional(
            "client-crl",
            ValueKind::Path,
            "\"/etc/restante/client-crl.pem\"",
            "PEM file with lists of certificates that these authorities have revoked.",
        ),
    ],
};

/// `[[tls.more]]`.
pub(super) static TLS_MORE: Section = Section {
    name: "tls.more",
    repeats: true,
    about: "Further certificates, chosen by the server name that a client asks for.",
    settings: &[
        required(
            "names",
            ValueKind::TextList,
            "[\"imap.example.org\", \"*.example.net\"]",
            "Server names it is for; a star stands for one label.",
        ),
        required("certificate", ValueKind::Path, "\"/etc/restante/example.org.pem\"", "As in [tls]."),
        required("key", ValueKind::Path, "\"/etc/restante/example.org.key\"", "As in [tls]."),
    ],
};

/// `[mail]`.
pub(super) static MAIL: Section = Section {
    name: "mail",
    repeats: false,
    about: "Where mail lies, and how it looks to clients.",
    settings: &[
        required(
            "maildir",
            ValueKind::Template,
            "\"/srv/mail/%d/%n/Maildir\"",
            "Where a user's Maildir is: %u is the user's name, %n the part before the @, %d the domain behind it, %h the home directory that the user source gives, %% a percent sign. A user source may give another place.",
        ),
        optional(
            "index",
            ValueKind::Template,
            "\"/var/cache/restante/%d/%n\"",
            "Where the index and the cache of a user's mailboxes lie, restante-index(5) and restante-cache(5), if not with the mail. They can be made again, so that they may be on a fast disk of this host while the mail is on one that several share; each host then has its own. Variables are those of maildir, and each user must have another directory. It is made if it is missing, and must belong to the owner of the mail; nobody else may write in it. restante-uidlist and the files in the Maildir itself stay with the mail.",
        ),
        at_start(optional(
            "user",
            ValueKind::Text,
            "\"vmail\"",
            "Who the mail belongs to. Started as root, the server becomes this user for good once its ports are open.",
        )),
        at_start(optional("group", ValueKind::Text, "\"vmail\"", "Its group, if it is not the user's own.")),
        at_start(setting(
            "own-uid",
            ValueKind::Bool,
            "false",
            "Mail belongs to the uid and gid that the user source gives, and is worked on as that user; a user without a uid has that of user. Else all of it belongs to user. Started as root, the server then keeps the capabilities to change uid and gid, and no others.",
        )),
        setting(
            "minimum-uid",
            ValueKind::Count { min: 1, max: 4_294_967_294 },
            "100",
            "With own-uid: users with a smaller uid cannot log in. Root never can.",
        ),
        setting(
            "minimum-gid",
            ValueKind::Count { min: 1, max: 4_294_967_294 },
            "100",
            "With own-uid: likewise for the gid. System users of old may have 50 or even less.",
        ),
        setting(
            "create",
            ValueKind::Bool,
            "true",
            "Make a missing Maildir at the first log-in of a user whom the source knows, unless one is there whose name differs in case only: names of users are in lower case here. If false, the log-in is refused, and the log says which directory is missing.",
        ),
        setting(
            "namespace",
            ValueKind::Choice(&["plain", "courier"]),
            "\"plain\"",
            "How mailbox names look: plain (Lists/rust; names typed as INBOX.Lists.rust go on working) or courier (INBOX.Lists.rust).",
        ),
        at_start(setting(
            "utf8-names",
            ValueKind::Bool,
            "true",
            "Directories of new mailboxes are named in UTF-8, as by Courier 5 and later; else in modified UTF-7, as by Dovecot. Both are read.",
        )),
        at_start(optional(
            "name-escape",
            ValueKind::Separator,
            "\"\\\\\"",
            "The character that begins escapes in the names of directories, where Dovecot had its plug-in listescape or mailbox_list_storage_escape_char: .example\\2eorg then is example.org. Without it a dot within a level is &AC4-, which is read in any case.",
        )),
        at_start(setting(
            "mailboxes",
            ValueKind::Count { min: 1, max: 1_000_000 },
            "20000",
            "Mailboxes of one user. More are not made, whoever asks: each one costs time whenever mailboxes are listed, and an entry of the Maildir's directory. Those that are there already stay.",
        )),
        at_start(setting(
            "levels",
            ValueKind::Count { min: 1, max: 120 },
            "30",
            "Levels of a mailbox's name. Deeper ones are not made: all levels above a new mailbox are made with it. People have four or five.",
        )),
        at_start(setting(
            "keywords",
            ValueKind::Count { min: 0, max: 10_000 },
            "1000",
            "Different keywords in one mailbox.",
        )),
        at_start(setting(
            "take-over",
            ValueKind::Choice(&["newer", "courier", "dovecot"]),
            "\"newer\"",
            "Whose UIDs and keywords are taken over when a mailbox is opened for the first time and has lists of both: the one that was written last, or always this server's.",
        )),
        optional(
            "dovecot-control",
            ValueKind::Template,
            "\"/var/lib/dovecot/control/%d/%n\"",
            "Where Dovecot keeps a user's dovecot-uidlist, dovecot-keywords and subscriptions, if its mail_location has CONTROL=: they are taken over from there, and written there by restante migrate --to. Variables are those of maildir. A mail location that the user source gives is obeyed instead.",
        ),
        setting(
            "dovecot-layout",
            ValueKind::Choice(&["maildir++", "fs"]),
            "\"maildir++\"",
            "How Dovecot lays out mailboxes (LAYOUT= of its mail_location). With fs, restante migrate --from dovecot turns them into Maildir++, which is what is served; users whose mailboxes are not converted cannot log in. Once all are, take the line away.",
        ),
        optional(
            "dovecot-inbox",
            ValueKind::Template,
            "\"/var/mail/%d/%n\"",
            "Where Dovecot keeps a user's inbox, if its mail_location has INBOX= and that is not the Maildir. restante migrate --from dovecot moves it there; till then the user cannot log in.",
        ),
        at_start(setting(
            "lock-wait",
            ValueKind::Duration { min_ms: 100, max_ms: 300_000 },
            "\"10s\"",
            "Longest wait for a mailbox that another process holds.",
        )),
        at_start(setting(
            "kept-memory",
            ValueKind::Size { min: 0, max: 1 << 40 },
            "\"64M\"",
            "Memory for mailboxes that nobody has open any more: clients come back, and find them at once. Others are loaded from their index.",
        )),
        optional(
            "quota",
            ValueKind::Quota,
            "\"500M,100000C\"",
            "How much mail a user may keep, unless the user source says otherwise: bytes, messages (C), or both; \"0S\" is as much as they like. Without it, limits in a maildirsize that another program left are obeyed.",
        ),
        at_start(setting(
            "quota-counts-trash",
            ValueKind::Bool,
            "false",
            "Messages in Trash and those marked as deleted count for the quota too, as with Dovecot; else they do not, as with Courier. All programs that keep a maildirsize must agree on it.",
        )),
    ],
};

/// `[special-use]`.
pub(super) static SPECIAL_USE: Section = Section {
    name: "special-use",
    repeats: false,
    about: "Mailboxes for special uses (RFC 6154): of each list the first name that exists is shown as such, unless another mailbox is remembered for the use. A mailbox that a client renames keeps its use; see restante-uidlist(5). Levels are parted by a dot.",
    settings: &[
        setting("drafts", ValueKind::TextList, special_use::DRAFTS, "Messages being written."),
        setting("sent", ValueKind::TextList, special_use::SENT, "Messages that were sent."),
        setting("junk", ValueKind::TextList, special_use::JUNK, "Spam."),
        setting("trash", ValueKind::TextList, special_use::TRASH, "Messages to be deleted."),
        setting("archive", ValueKind::TextList, special_use::ARCHIVE, "Messages to be kept."),
    ],
};

/// `[login]`.
pub(super) static LOGIN: Section = Section {
    name: "login",
    repeats: false,
    about: "Who may log in, and how.",
    settings: &[
        optional("default-domain", ValueKind::Text, "\"example.com\"", "Added to user names without an @."),
        setting(
            "external-name",
            ValueKind::Choice(&["email", "subject-cn", "subject-uid", "dns"]),
            "\"email\"",
            "What of a client's certificate is the user's name: its mail address (of the subject only where the alternative names have none), the subject's common name or user id, or a DNS name. Where there are several, the client must say which.",
        ),
        setting(
            "mechanisms",
            ValueKind::TextList,
            "[\"PLAIN\", \"LOGIN\"]",
            "SASL mechanisms to offer. OAUTHBEARER and XOAUTH2 want [oauth].",
        ),
        setting(
            "cleartext-from",
            ValueKind::Networks,
            "[]",
            "Networks from which a password may come without TLS, such as [\"127.0.0.0/8\"] behind a proxy. From everywhere else it is refused unread.",
        ),
        setting(
            "timeout",
            ValueKind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
            "\"1m\"",
            "Time to log in.",
        ),
        setting(
            "failures",
            ValueKind::Count { min: 1, max: 100 },
            "5",
            "Failed log-ins on one connection before it is closed.",
        ),
        setting(
            "ban-after",
            ValueKind::Count { min: 0, max: 1_000_000 },
            "0",
            "Failed log-ins within some ten minutes after which an address is refused at once; 0: never, as an office, a webmail or a provider may be one address. 100 leaves room for slips. Repeating a wrong password does not count; users who came in from the address within seven days are still asked for their password; an IPv6 /48 takes eight times as many.",
        ),
        setting(
            "ban-for",
            ValueKind::Duration { min_ms: 1_000, max_ms: 30 * 86_400_000 },
            "\"15m\"",
            "How long it is refused.",
        ),
        setting(
            "trusted-networks",
            ValueKind::Networks,
            "[]",
            "Networks whose failed log-ins are neither counted nor banned, nor delayed by more than a quarter of a second, such as a webmail's or a proxy's, which must slow attackers themselves.",
        ),
        setting(
            "hashes-at-once",
            ValueKind::Count { min: 1, max: 1_000 },
            "2",
            "Passwords checked at the same time: each check costs a processor some 50 ms, and up to 64 MB.",
        ),
        setting(
            "hashes-waiting",
            ValueKind::Count { min: 0, max: 100_000 },
            "100",
            "Passwords that wait to be checked. Addresses have turns, and so have their users; users who came in from an address within seven days go first. When the queue is full, the address that has most in it is told that the server is busy, never that a password is wrong.",
        ),
        setting(
            "cache-lifetime",
            ValueKind::Duration { min_ms: 0, max_ms: 86_400_000 },
            "\"5m\"",
            "How long a password that was right is not checked again, so that a client's ten connections cost one check. A new password works at once; an old one of LDAP and the like goes on working that long, or until SIGHUP or `restante auth flush`. Passwords in files are compared with the file each time.",
        ),
        setting(
            "cache-negative-lifetime",
            ValueKind::Duration { min_ms: 0, max_ms: 3_600_000 },
            "\"10s\"",
            "Likewise for wrong passwords and unknown users.",
        ),
        setting(
            "cache-entries",
            ValueKind::Count { min: 1, max: 10_000_000 },
            "50000",
            "Answers that are kept, some 500 bytes each.",
        ),
        setting(
            "weak-schemes",
            ValueKind::Choice(&["accept", "refuse"]),
            "\"accept\"",
            "Whether users whose password is stored in a weak scheme (plain, MD5, SHA, traditional DES) may come in. `restante auth status` counts them.",
        ),
        setting(
            "rehash",
            ValueKind::Bool,
            "false",
            "Store a weakly stored password anew, in the system's best scheme, when its user logs in; where the source can be written. That ends CRAM-MD5, and SCRAM without keys of its own, for that user.",
        ),
        setting(
            "master-separator",
            ValueKind::Separator,
            "\"*\"",
            "One character between a user and the master who acts for them: anna@example.com*admin. Only with sources that have masters-of.",
        ),
        at_start(optional(
            "control-socket",
            ValueKind::Path,
            "\"/run/restante/control\"",
            "A Unix socket for `restante reload`, `restante auth flush` and `restante auth status`. Only root and the user who started the server may use it. Without this setting it is /run/restante/control, if that directory is there: the systemd unit makes it.",
        )),
    ],
};

/// `[limits]`.
pub(super) static LIMITS: Section = Section {
    name: "limits",
    repeats: false,
    about: "What one client may make the server do. A refusal names the limit.",
    settings: &[
        setting(
            "connections",
            ValueKind::Count { min: 1, max: 1_000_000 },
            "10000",
            "Connections in all. The last quarter of them is kept for addresses that hold few, ten at most.",
        ),
        setting(
            "connections-per-address",
            ValueKind::Count { min: 1, max: 1_000_000 },
            "500",
            "Connections from one address: an office shares one. An IPv6 /64 is one address, and a /48 may have eight times as many. Those beyond it are refused before they cost anything: with TLS from the first byte they are cut off, else they are told.",
        ),
        setting(
            "connections-before-login",
            ValueKind::Count { min: 1, max: 1_000_000 },
            "250",
            "Of those, connections that have not logged in: a client without a password cannot hold more. All clients of an office or a webmail come at once after a restart.",
        ),
        setting(
            "connections-per-user-and-address",
            ValueKind::Count { min: 1, max: 1_000_000 },
            "50",
            "Connections of one user from one address (IPv6 by /64): some clients open ten.",
        ),
        setting(
            "idle-timeout",
            ValueKind::Duration { min_ms: 1_000, max_ms: 86_400_000 },
            "\"30m\"",
            "Silence after which a client that logged in is sent away. RFC 3501 wants 30 minutes or more.",
        ),
        setting(
            "idle-keepalive",
            ValueKind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
            "\"2m\"",
            "Time between two signs of life to a client that waits in IDLE.",
        ),
        setting(
            "write-timeout",
            ValueKind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
            "\"5m\"",
            "Longest time for a client to take what is sent to it.",
        ),
        setting(
            "message",
            ValueKind::Size { min: 1, max: 1 << 40 },
            "\"100M\"",
            "Largest message that a client may append.",
        ),
        setting(
            "line",
            ValueKind::Size { min: 1_000, max: 1 << 30 },
            "\"4M\"",
            "Longest command, its literals not counted: some clients send sets of a megabyte.",
        ),
        setting(
            "literal",
            ValueKind::Size { min: 1_000, max: 1 << 30 },
            "\"64K\"",
            "Largest literal in a command, but for messages.",
        ),
        setting("literals", ValueKind::Count { min: 1, max: 10_000 }, "100", "Literals in one command."),
        setting(
            "literals-together",
            ValueKind::Size { min: 1_000, max: 1 << 30 },
            "\"256K\"",
            "All literals of one command together.",
        ),
        setting(
            "nesting",
            ValueKind::Count { min: 1, max: 200 },
            "50",
            "Levels of parentheses in a command.",
        ),
        setting(
            "search-keys",
            ValueKind::Count { min: 10, max: 100_000 },
            "1000",
            "Keys in one SEARCH, those within others included: each may be looked for in every message.",
        ),
        setting(
            "list-patterns",
            ValueKind::Count { min: 1, max: 10_000 },
            "100",
            "Patterns in one LIST: each is compared with every mailbox.",
        ),
        setting(
            "fetch-items",
            ValueKind::Count { min: 10, max: 10_000 },
            "1000",
            "Items in one FETCH: each is answered for every message.",
        ),
        setting(
            "names",
            ValueKind::Count { min: 10, max: 100_000 },
            "1000",
            "Names in one command: header fields to fetch, keywords to set, capabilities to enable.",
        ),
        setting(
            "set-ranges",
            ValueKind::Count { min: 1_000, max: 100_000_000 },
            "1000000",
            "Numbers and ranges in all sets of one command, 8 bytes of memory each: webmails and programs that synchronise send some hundred thousand.",
        ),
        setting(
            "line-before-login",
            ValueKind::Size { min: 1_000, max: 1 << 20 },
            "\"32K\"",
            "Longest command before log-in; literals together likewise. An ID may have thirty fields of a kilobyte (RFC 2971).",
        ),
        setting(
            "bytes-before-login",
            ValueKind::Size { min: 4_000, max: 1 << 30 },
            "\"64K\"",
            "All that a client may send before log-in.",
        ),
        setting(
            "bad-commands",
            ValueKind::Count { min: 1, max: 10_000 },
            "20",
            "Malformed commands in a row before the connection is closed.",
        ),
        at_start(setting(
            "file-jobs",
            ValueKind::Count { min: 1, max: 512 },
            "32",
            "Pieces of commands that work on files at the same time. One user has half of them at most, so that others need not wait.",
        )),
    ],
};

/// `[[listen]]`.
pub(super) static LISTEN: Section = Section {
    name: "listen",
    repeats: true,
    about: "Addresses to listen on. Without any: port 143 with STARTTLS and port 993 with TLS, on IPv4 and IPv6.",
    settings: &[
        at_start(required(
            "address",
            ValueKind::Address,
            "\"127.0.0.1:1143\"",
            "Address and port; IPv6 as \"[::1]:1143\". Port 0 lets the system choose.",
        )),
        at_start(setting(
            "protocol",
            ValueKind::Choice(Protocol::NAMES),
            "\"imap\"",
            "What is spoken there.",
        )),
        at_start(required(
            "tls",
            ValueKind::Choice(&["starttls", "implicit"]),
            "\"starttls\"",
            "implicit: TLS from the first byte. starttls: TLS when the client asks for it.",
        )),
    ],
};

/// `[log]`.
pub(super) static LOG: Section = Section {
    name: "log",
    repeats: false,
    about: "The log goes to standard error, one line an event.",
    settings: &[
        setting(
            "level",
            ValueKind::Choice(&["error", "warn", "info", "debug"]),
            "\"info\"",
            "What is logged: info has a line for each connection's end.",
        ),
        setting(
            "changes",
            ValueKind::Bool,
            "true",
            "Log what users do to their mail, at level info: messages that are expunged or moved, with mailbox, UIDs, count, and the Message-IDs of the first ten; mailboxes that are created, renamed or deleted.",
        ),
        at_start(setting(
            "format",
            ValueKind::Choice(&["text", "json"]),
            "\"text\"",
            "text: lines for people; under systemd the journal gets the fields of each line too, such as RESTANTE_USER. json: an object a line, for programs.",
        )),
    ],
};
