//! systemd's journal, where standard error is it: each event with its fields, so that
//! `journalctl RESTANTE_USER=anna@example.com` finds a user's lines.
//!
//! The protocol is that of systemd's page "Native Journal Protocol": one datagram an entry.

use super::fields::Fields;
use std::os::unix::net::UnixDatagram;
use tracing::Level;

const SOCKET: &str = "/run/systemd/journal/socket";

/// Longest value of a field, in bytes: an entry fits into a datagram.
const VALUE_MAX: usize = 16 * 1024;

pub(super) struct Journal(UnixDatagram);

/// Whether standard error is the journal. As systemd.exec(5) has it: inherited by a program whose
/// output goes elsewhere, the variable names another file.
pub(super) fn is_standard_error() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| stream.to_str() == Some(&format!("{}:{}", stat.st_dev, stat.st_ino)))
}

/// As syslog(3) counts.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

impl Journal {
    /// `None` where it cannot be reached.
    pub(super) fn connect() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(SOCKET).ok()?;
        Some(Self(socket))
    }

    /// An entry. `text` is what `journalctl` shows.
    pub(super) fn send(&self, level: Level, text: &str, fields: &Fields) {
        // A journal that does not take it has nobody to be told.
        let _ = self.0.send(&entry(level, text, fields));
    }
}

fn entry(level: Level, text: &str, fields: &Fields) -> Vec<u8> {
    let mut entry = Vec::new();
    put(&mut entry, "MESSAGE", text);
    put(&mut entry, "PRIORITY", priority(level));
    put(&mut entry, "SYSLOG_IDENTIFIER", "restante");
    for (name, value) in fields.others() {
        let value = value.value();
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        put(&mut entry, &format!("RESTANTE_{}", name.to_ascii_uppercase().replace(['.', '-'], "_")), &value);
    }
    entry
}

/// A field in the form that takes any bytes: name, length, value.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    let value = &value.as_bytes()[..value.len().min(VALUE_MAX)];
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_16_no_value_ends_its_field() {
        let mut entry = Vec::new();
        put(&mut entry, "MESSAGE", "a\nPRIORITY=0");
        assert_eq!(entry, b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n");
    }
}
