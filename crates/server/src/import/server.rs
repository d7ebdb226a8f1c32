//! The servers whose settings are read, and how they are told apart.

use clap::ValueEnum;
use std::fmt;
use std::path::Path;

/// Whose settings are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Server {
    Courier,
    Dovecot,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Courier => "Courier-IMAP",
            Self::Dovecot => "Dovecot",
        })
    }
}

/// By the files that are there.
pub(super) fn server_of_directory(directory: &Path) -> Option<Server> {
    let has = |name: &str| directory.join(name).is_file();
    if ["imapd", "imapd-ssl", "authdaemonrc"].iter().any(|name| has(name)) {
        return Some(Server::Courier);
    }
    has("dovecot.conf").then_some(Server::Dovecot)
}

/// By the first line that is neither empty nor a comment: Courier's have no blank before `=`.
pub(super) fn server_of_text(bytes: &[u8]) -> Option<Server> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"))?;
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    match line.get(name) {
        Some(b'=') if name > 0 => Some(Server::Courier),
        Some(b' ' | b'\t') if line.contains(&b'=') || line.contains(&b'{') => Some(Server::Dovecot),
        _ => None,
    }
}
