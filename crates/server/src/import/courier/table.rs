//! What becomes of each setting of Courier-IMAP: `imapd`, `imapd-ssl`, `pop3d`, `pop3d-ssl`.

/// What becomes of a setting.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It is looked at by name.
    Used,
    /// It tells how Courier works, not what clients or mail see of it.
    NoDifference,
    /// It has no counterpart.
    Lost {
        /// Values with which nothing is lost.
        unless: &'static [&'static str],
        /// Why, or what to do instead.
        why: &'static str,
    },
}

use Fate::{NoDifference, Used};

const fn lost(unless: &'static [&'static str], why: &'static str) -> Fate {
    Fate::Lost { unless, why }
}

/// Settings that start POP3, with a value for yes.
pub(super) const POP3: &[&str] = &["POP3DSTART", "POP3DSSLSTART"];

/// Settings of IMAP, as in the files of Courier-IMAP 4 to 5 and their documentation.
pub(super) const IMAP: &[(&str, Fate)] = &[
    ("ADDRESS", Used),
    ("PORT", Used),
    ("SSLADDRESS", Used),
    ("SSLPORT", Used),
    ("IMAPDSTART", Used),
    ("IMAPDSSLSTART", Used),
    ("IMAPDSTARTTLS", Used),
    ("IMAP_TLS_REQUIRED", Used),
    ("MAXDAEMONS", Used),
    ("MAXPERIP", Used),
    ("MAILDIRPATH", Used),
    ("DEFDOMAIN", Used),
    ("IMAP_CAPABILITY", Used),
    ("IMAP_CAPABILITY_TLS", Used),
    ("IMAP_KEYWORDS", Used),
    ("IMAP_TRASHFOLDERNAME", Used),
    ("AUTH_MKHOMEDIR_SKEL", Used),
    ("TLS_CERTFILE", Used),
    ("TLS_PRIVATE_KEYFILE", Used),
    ("TLS_PROTOCOL", Used),
    ("TLS_STARTTLS_PROTOCOL", Used),
    ("TLS_PRIORITY", Used),
    ("IMAPACCESSFILE", Used),
    ("IMAP_SHAREDINDEXFILE", Used),
    // For webadmin and for start-up scripts.
    ("IMAP_CAPABILITY_ORIG", NoDifference),
    ("IMAP_CAPABILITY_TLS_ORIG", NoDifference),
    // Changes are logged unless [log] says otherwise.
    ("IMAP_LOG_DELETIONS", NoDifference),
    ("PIDFILE", NoDifference),
    ("SSLPIDFILE", NoDifference),
    ("LOGGEROPTS", NoDifference),
    ("SSLLOGGEROPTS", NoDifference),
    ("COURIERTLS", NoDifference),
    ("PROXY_HOSTNAME", NoDifference),
    ("IMAP_PROXY_FOREIGN", NoDifference),
    // How changes are found; here they are found at once, under locks, always.
    ("IMAP_IDLE_TIMEOUT", NoDifference),
    ("IMAP_ENHANCEDIDLE", NoDifference),
    ("IMAP_USELOCKS", NoDifference),
    ("IMAP_CHECK_ALL_FOLDERS", NoDifference),
    // The server runs as the one user of [mail] and can open nobody else's Maildir.
    ("IMAP_MAILBOX_SANITY_CHECK", NoDifference),
    ("IMAP_DISABLETHREADSORT", NoDifference),
    // Only with OUTBOX.
    ("SENDMAIL", NoDifference),
    ("HEADERFROM", NoDifference),
    ("OUTBOX_MULTIPLE_SEND", NoDifference),
    // TLS without Diffie-Hellman over primes, and with sessions kept by the clients.
    ("TLS_DHPARAMS", NoDifference),
    ("TLS_MIN_DH_BITS", NoDifference),
    ("TLS_DHCERTFILE", NoDifference),
    ("TLS_CACHEFILE", NoDifference),
    ("TLS_CACHESIZE", NoDifference),
    ("TLS_TIMEOUT", NoDifference),
    ("TLS_TRUSTCERTS", NoDifference),
    ("TLS_COMPRESSION", NoDifference),
    ("TLS_KX_LIST", NoDifference),
    (
        "TCPDOPTS",
        lost(
            &["-nodnslookup -noidentlookup", "-noidentlookup -nodnslookup", "-nodnslookup", "-noidentlookup"],
            "names of clients are never looked up; what else couriertcpd does is done by the packet filter",
        ),
    ),
    ("DOMAINSEP", lost(&["@"], "a domain is added to names without an @, see default-domain of [login]")),
    (
        "IMAP_ACL",
        lost(
            &["0"],
            "ACL is not there yet: rights that were granted are not looked at, and everybody sees their own mailboxes only",
        ),
    ),
    (
        "SMAP_CAPABILITY",
        lost(&["0"], "SMAP is not spoken; Courier's own webmail and clients fall back to IMAP"),
    ),
    (
        "SMAP1_CAPABILITY",
        lost(&["0"], "SMAP is not spoken; Courier's own webmail and clients fall back to IMAP"),
    ),
    ("IMAP_PROXY", lost(&["0"], "log-ins are not passed on to other servers: put a proxy before them")),
    (
        "IMAP_OBSOLETE_CLIENT",
        lost(&["0"], "mailboxes without others below them are \\HasNoChildren, never \\Noinferiors"),
    ),
    (
        "IMAP_UMASK",
        lost(
            &["022", "0022", "077", "0077", "22", "77"],
            "new files and directories belong to the user of [mail] alone (modes 600 and 700)",
        ),
    ),
    (
        "IMAP_ULIMITD",
        lost(
            &["131072", "65536", "0"],
            "one process serves everybody: limit its memory with MemoryMax= in restante.service",
        ),
    ),
    (
        "IMAP_EMPTYTRASH",
        lost(
            &[],
            "nothing is deleted for its age: let cron do it, such as find …/Maildir/.Trash/cur -type f -ctime +7 -delete",
        ),
    ),
    (
        "IMAP_MOVE_EXPUNGE_TO_TRASH",
        lost(&["0"], "what a client expunges is gone: set mail programs to move deleted messages to Trash"),
    ),
    ("IMAPDEBUGFILE", lost(&[], "commands are not written to a file in the Maildir")),
    ("OUTBOX", lost(&[], "mail is not sent by copying it into a mailbox: mail programs send it by SMTP")),
    ("IMAP_ID_FIELDS", lost(&["0", "1"], "ID tells name and version, not the operating system")),
    ("IMAP_BROKENUIDV", lost(&["0"], "UIDVALIDITY is kept as it was")),
    ("IMAP_SHAREDMUNGENAMES", lost(&["0"], "shared mailboxes are not there yet")),
    ("TLS_CIPHER_LIST", lost(&[], "cipher suites cannot be chosen: only those that are safe are offered")),
    ("TLS_CERTS", lost(&[], "further certificates are tables [[tls.more]]")),
    (
        "TLS_VERIFYPEER",
        lost(&["NONE"], "clients' certificates are client-certificates and client-ca of [tls]"),
    ),
    ("TLS_EXTERNAL", lost(&[], "log-in by client certificate is EXTERNAL among mechanisms of [login]")),
];
