//! The protocols: a row each, which is all that a server knows of them.

use crate::imap;
use crate::machine::Machine;
use crate::settings::SessionSettings;
use crate::step::{Connection, Now};
use std::fmt;
use std::sync::Arc;
use store::Wake;

/// A protocol.
pub struct Protocol {
    /// In settings and in the log.
    pub name: &'static str,
    /// In texts for people.
    pub title: &'static str,
    /// What user sources call the service.
    pub service: &'static str,
    /// The identification in TLS (RFC 7301).
    pub alpn: &'static [u8],
    /// The usual port of connections that begin in the clear.
    pub port: u16,
    /// The usual port of connections that begin with TLS.
    pub tls_port: u16,
    /// What a client is sent when no machine of its can say anything.
    pub last_words: fn(LastWords<'_>) -> Vec<u8>,
    /// A machine, whose first step is to greet. The wake is rung from other threads; the driver
    /// then ends its [`crate::Step::Watch`].
    pub machine: fn(Arc<SessionSettings>, Connection, Wake, Now) -> Box<dyn Machine>,
}

/// Why a connection ends without its machine's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastWords<'a> {
    /// It exceeds a limit, which the text names.
    TooMany(&'a str),
    /// The server cannot work as the owner of the mail.
    Unreachable,
    /// The machine panicked.
    InternalError,
}

impl Protocol {
    /// IMAP4rev1 (RFC 3501; ports and ALPN: RFC 8314 section 7).
    pub const IMAP: Self = Self {
        name: "imap",
        title: "IMAP",
        service: "imap",
        alpn: b"imap",
        port: 143,
        tls_port: 993,
        last_words: imap::last_words,
        machine: imap::machine,
    };

    /// All of them. The first is meant where none is named.
    pub const ALL: &[Self] = &[Self::IMAP];

    /// The one that is meant where none is named.
    pub const DEFAULT: &'static Self = &Self::ALL[0];

    /// Names of all.
    pub const NAMES: &[&str] = &names();

    /// By its name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|protocol| protocol.name == name)
    }
}

const fn names() -> [&'static str; Protocol::ALL.len()] {
    let mut names = [""; Protocol::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Protocol::ALL[index].name;
        index += 1;
    }
    names
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Protocol {}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
