//! The log: one line an event on standard error, which no text of a client can break or forge.
//!
//! Under systemd each line says its priority in the form of sd-daemon(3) and leaves the time to
//! the journal. Passwords are never given to the log: see `auth::Secret`.

use std::io::{self, Write};
use std::sync::OnceLock;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// What changes the level; there once the log is started.
static SET_LEVEL: OnceLock<SetLevel> = OnceLock::new();

/// Starts the log. RUST_LOG, where it is set, overrides the level, and stays.
pub(crate) fn start(level: &str) {
    let from_environment = EnvFilter::try_from_default_env().ok();
    let is_fixed = from_environment.is_some();
    let filter = from_environment.unwrap_or_else(|| EnvFilter::new(level));
    let lines = Lines { with_priority: is_journal() };
    let builder = tracing_subscriber::fmt().with_ansi(false).with_target(false).with_env_filter(filter);
    // A second start, in tests, keeps the first.
    let started = if lines.with_priority {
        let builder = builder.without_time().with_writer(lines).with_filter_reloading();
        let handle = builder.reload_handle();
        let set_level = move |level: &str| drop(handle.reload(EnvFilter::new(level)));
        builder.try_init().map(|()| Box::new(set_level) as SetLevel)
    } else {
        let builder = builder.with_writer(lines).with_filter_reloading();
        let handle = builder.reload_handle();
        let set_level = move |level: &str| drop(handle.reload(EnvFilter::new(level)));
        builder.try_init().map(|()| Box::new(set_level) as SetLevel)
    };
    if let Ok(set_level) = started
        && !is_fixed
    {
        let _ = SET_LEVEL.set(set_level);
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(place, text, "panic");
    }));
}

/// Changes the level, unless the environment set it.
pub(crate) fn set_level(level: &str) {
    if let Some(set_level) = SET_LEVEL.get() {
        set_level(level);
    }
}

/// Whether standard error is systemd's journal.
fn is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    // As systemd.exec(5) has it: inherited by a program whose output goes elsewhere, the
    // variable names another file.
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|stat| stream.to_str() == Some(&format!("{}:{}", stat.st_dev, stat.st_ino)))
}

struct Lines {
    with_priority: bool,
}

/// One event's line.
struct Line {
    priority: &'static str,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { priority: "" }
    }

    fn make_writer_for(&'a self, event: &tracing::Metadata<'_>) -> Line {
        let priority = match *event.level() {
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            _ => "<7>",
        };
        Line { priority: if self.with_priority { priority } else { "" } }
    }
}

impl Write for Line {
    /// Writes a whole event, which comes in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = format!("{}{}\n", self.priority, escaped(&String::from_utf8_lossy(event)));
        io::stderr().lock().write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// An event without what would end its line or drive a terminal. Texts of clients are escaped
/// where they are logged; this is for what went unnoticed there, such as a path in an error.
fn escaped(event: &str) -> String {
    let event = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(event.len());
    for c in event.chars() {
        // U+2028 and U+2029 end lines for some who read logs.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_16_an_event_is_one_line_whatever_is_in_it() {
        for (event, expected) in [
            ("listening port=143\n", "listening port=143"),
            ("cannot open /m/.a\nINFO logged in user=root\n", "cannot open /m/.a\\nINFO logged in user=root"),
            ("\u{1b}[2J\r\u{7f}\u{9b}\u{2028}é", "\\u{1b}[2J\\r\\u{7f}\\u{9b}\\u{2028}é"),
        ] {
            assert_eq!(escaped(event), expected);
        }
    }
}
