//! What a setting may be: reading a value, and saying what is allowed.

use ipnet::IpNet;
use std::net::SocketAddr;
use store::QuotaLimits;
use toml_edit::Value as Toml;

/// What may be said for a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueKind {
    /// Any text that is not empty.
    Text,
    /// One character of punctuation, such as stands between names.
    Separator,
    /// An absolute path.
    Path,
    /// A path with `%u`, `%n`, `%d`, `%h`.
    Template,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    #[allow(missing_docs)]
    Count { min: u64, max: u64 },
    /// Bytes: a number, or text with K, M or G (of 1024).
    #[allow(missing_docs)]
    Size { min: u64, max: u64 },
    /// Text with ms, s, m or h.
    #[allow(missing_docs)]
    Duration { min_ms: u64, max_ms: u64 },
    /// One of these.
    Choice(&'static [&'static str]),
    /// A list of texts.
    TextList,
    /// A list of networks.
    Networks,
    /// An address with a port.
    Address,
    /// Limits of a quota.
    Quota,
}

/// A value that was read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// Of texts, paths, templates and choices.
    Text(String),
    /// Of bools.
    Bool(bool),
    /// Of counts, sizes and durations (in milliseconds).
    Number(u64),
    /// Of lists of texts.
    Texts(Vec<String>),
    /// Of networks.
    Networks(Vec<IpNet>),
    /// Of addresses.
    Address(SocketAddr),
    /// Of quotas.
    Quota(QuotaLimits),
}

impl ValueKind {
    /// Reads a value; `None` when it is not allowed.
    pub(crate) fn read(self, toml: &Toml) -> Option<Value> {
        let text = || toml.as_str().filter(|text| !text.trim().is_empty());
        match self {
            Self::Text => text().map(|text| Value::Text(text.to_owned())),
            Self::Separator => text()
                .filter(|text| text.len() == 1 && text.chars().all(|c| c.is_ascii_punctuation()))
                .map(|text| Value::Text(text.to_owned())),
            Self::Path => {
                text().filter(|text| text.starts_with('/')).map(|text| Value::Text(text.to_owned()))
            }
            Self::Template => {
                let template = text().filter(|text| text.starts_with('/') || text.starts_with("%h"))?;
                crate::template::is_valid(template).then(|| Value::Text(template.to_owned()))
            }
            Self::Bool => toml.as_bool().map(Value::Bool),
            Self::Count { min, max } => {
                let number = u64::try_from(toml.as_integer()?).ok()?;
                (min..=max).contains(&number).then_some(Value::Number(number))
            }
            Self::Size { min, max } => {
                let number = match toml.as_integer() {
                    Some(number) => u64::try_from(number).ok()?,
                    None => with_unit(text()?, &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("", 1)])?,
                };
                (min..=max).contains(&number).then_some(Value::Number(number))
            }
            Self::Duration { min_ms, max_ms } => {
                let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
                let number = with_unit(text()?, &units)?;
                (min_ms..=max_ms).contains(&number).then_some(Value::Number(number))
            }
            Self::Choice(allowed) => {
                text().filter(|text| allowed.contains(text)).map(|text| Value::Text(text.to_owned()))
            }
            Self::TextList => {
                let texts = toml.as_array()?.iter().map(|item| Some(item.as_str()?.to_owned()));
                texts.collect::<Option<Vec<_>>>().map(Value::Texts)
            }
            Self::Networks => {
                let networks = toml.as_array()?.iter().map(|item| network(item.as_str()?));
                networks.collect::<Option<Vec<_>>>().map(Value::Networks)
            }
            Self::Address => text()?.parse().ok().map(Value::Address),
            Self::Quota => QuotaLimits::parse(text()?).ok().map(Value::Quota),
        }
    }

    /// What is allowed, in words that follow "must be".
    pub(crate) fn allowed(self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Separator => "one character of punctuation in quotes, such as \"*\"".to_owned(),
            Self::Path => "an absolute path in quotes".to_owned(),
            Self::Template => "an absolute path in quotes, with %u, %n, %d, %h or %% in it".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Count { min, max } => format!("a number from {min} to {max}"),
            Self::Size { min, max } => {
                format!("a size from {} to {}, such as \"64K\" or \"4M\"", size(min), size(max))
            }
            Self::Duration { min_ms, max_ms } => {
                format!("a time from {} to {}, such as \"30s\" or \"5m\"", duration(min_ms), duration(max_ms))
            }
            Self::Choice(allowed) => {
                let quoted: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::TextList => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
            Self::Networks => "a list of networks, such as [\"127.0.0.0/8\", \"::1\"]".to_owned(),
            Self::Address => {
                "an address with a port, such as \"127.0.0.1:1143\" or \"[::1]:1143\"".to_owned()
            }
            Self::Quota => {
                "a size, a number of messages with C behind it, or both, such as \"500M,100000C\"".to_owned()
            }
        }
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn size(bytes: u64) -> String {
    [("G", 30), ("M", 20), ("K", 10)]
        .into_iter()
        .find(|(_, shift)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift))
        .map_or(bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

fn duration(ms: u64) -> String {
    [("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        .into_iter()
        .find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor))
        .map_or(format!("{ms}ms"), |(unit, factor)| format!("{}{unit}", ms / factor))
}
