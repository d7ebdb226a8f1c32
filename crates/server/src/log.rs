//! The log: one line an event on standard error, which no text of a client can break or forge.
//!
//! A line is `time level text field=value …`, and ends with the fields of the session that it is
//! about. In JSON it is an object. Under systemd the journal gets the same text with the fields
//! beside it. Passwords are never given to the log: see `auth::Secret`.

mod fields;
mod journal;

use fields::Fields;
use journal::Journal;
use serde_json::{Map, Value};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as Clock};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

type SetFilter = Box<dyn Fn(Filter<'_>) + Send + Sync>;

/// What changes the filter; there once the log is started.
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// Which lines there are.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// Those of this level, and of those above it.
    pub(crate) level: &'a str,
    /// Those of what users do to their mail too.
    pub(crate) changes: bool,
}

impl Filter<'_> {
    fn compiled(self) -> EnvFilter {
        let Self { level, changes } = self;
        if changes {
            EnvFilter::new(level)
        } else {
            EnvFilter::new(format!("{level},{}=off", store::CHANGES))
        }
    }
}

/// Starts the log. RUST_LOG, where it is set, overrides the filter, and stays.
pub(crate) fn start(lines: Filter<'_>, format: Format) {
    let from_environment = EnvFilter::try_from_default_env().ok();
    let is_fixed = from_environment.is_some();
    let (filter, handle) = reload::Layer::new(from_environment.unwrap_or_else(|| lines.compiled()));
    let output = match format {
        Format::Json => Output::Json,
        Format::Text if journal::is_standard_error() => {
            Journal::connect().map_or(Output::ForJournal, Output::Journal)
        }
        Format::Text => Output::Text,
    };
    // A second start, in tests, keeps the first.
    let started = tracing_subscriber::registry().with(filter).with(Lines { output }).try_init();
    if started.is_ok() && !is_fixed {
        let _ = SET_FILTER.set(Box::new(move |lines| drop(handle.reload(lines.compiled()))));
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no text");
        let backtrace = Backtrace::capture();
        let words = || backtrace.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(words);
        tracing::error!(place, text, backtrace, "panic");
    }));
}

/// Changes which lines there are, unless the environment set it.
pub(crate) fn set_filter(lines: Filter<'_>) {
    if let Some(set_filter) = SET_FILTER.get() {
        set_filter(lines);
    }
}

/// What every line about a connection ends with: the session's id, which no other of this host has
/// for a while, its peer, and its user once there is one.
pub(crate) fn session(peer: SocketAddr) -> Span {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    // A span below the level of the log would have no fields.
    tracing::error_span!("session", session = %id, %peer, user = tracing::field::Empty)
}

/// The work for another thread, whose lines are of the session of this one.
pub(crate) fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = Span::current();
    move || span.in_scope(work)
}

/// Writes events as lines.
struct Lines {
    output: Output,
}

enum Output {
    Text,
    Json,
    Journal(Journal),
    /// Standard error is the journal, whose socket cannot be reached: lines with their priority, in
    /// the form of sd-daemon(3), and without the time, which the journal has.
    ForJournal,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.add_missing(of_span);
            }
        }
        self.output.write(*event.metadata().level(), &fields);
    }
}

impl Output {
    fn write(&self, level: Level, fields: &Fields) {
        let line = match self {
            Self::Text => format!("{} {level:>5} {}", now(), text(fields)),
            Self::Json => json(level, fields),
            Self::Journal(journal) => return journal.send(level, &text(fields), fields),
            Self::ForJournal => format!("<{}>{level:>5} {}", journal::priority(level), text(fields)),
        };
        // Nobody is there to be told that the log cannot be written.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// Now, in UTC, to the microsecond.
fn now() -> String {
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = Clock.format_time(&mut Writer::new(&mut text));
    text
}

/// The message and its fields, as one line.
fn text(fields: &Fields) -> String {
    let mut line = fields.message().to_owned();
    for (name, value) in fields.others() {
        let _ = write!(line, " {name}={}", value.in_line());
    }
    escaped(&line)
}

fn json(level: Level, fields: &Fields) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), now().into());
    object.insert("level".to_owned(), level.as_str().to_ascii_lowercase().into());
    object.insert("message".to_owned(), fields.message().into());
    for (name, value) in fields.others() {
        object.insert(name.to_owned(), value.value());
    }
    Value::Object(object).to_string()
}

/// An event without what would end its line or drive a terminal. Texts of clients are quoted as
/// values; this is for what went unnoticed there, such as a path in an error.
fn escaped(event: &str) -> String {
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
    use std::sync::{Arc, Mutex};

    #[test]
    fn security_16_an_event_is_one_line_whatever_is_in_it() {
        for (event, expected) in [
            ("listening port=143", "listening port=143"),
            ("cannot open /m/.a\nINFO logged in user=root", "cannot open /m/.a\\nINFO logged in user=root"),
            ("\u{1b}[2J\r\u{7f}\u{9b}\u{2028}é", "\\u{1b}[2J\\r\\u{7f}\\u{9b}\\u{2028}é"),
        ] {
            assert_eq!(escaped(event), expected);
        }
    }

    /// Keeps the fields of events instead of writing them.
    struct Kept(Lines, Arc<Mutex<Vec<Fields>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
            self.0.on_new_span(attributes, id, context);
        }

        fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
            self.0.on_record(id, values, context);
        }

        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
                fields.add_missing(span.extensions().get::<Fields>().expect("the span's fields"));
            }
            self.1.lock().expect("no panic").push(fields);
        }
    }

    #[test]
    fn a_line_has_what_its_session_has() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let layer = Kept(Lines { output: Output::Text }, kept.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("session", session = "7", peer = %"192.0.2.1:5", user = tracing::field::Empty);
            let _entered = span.enter();
            tracing::info!(port = 143, "connected");
            span.record("user", "anna\" x=1");
            tracing::warn!(path = %"/m\u{1b}x", "cannot read: {}", 5);
        });
        let lines: Vec<String> = kept.lock().expect("no panic").iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "connected port=143 session=\"7\" peer=192.0.2.1:5",
                "cannot read: 5 path=/m\\u{1b}x session=\"7\" peer=192.0.2.1:5 user=\"anna\\\" x=1\"",
            ]
        );
        let object = json(Level::WARN, &kept.lock().expect("no panic")[1]);
        let object: Value = serde_json::from_str(&object).expect("JSON");
        assert_eq!(object["user"], "anna\" x=1");
        assert_eq!(object["level"], "warn");
        assert_eq!(object["message"], "cannot read: 5");
    }
}
