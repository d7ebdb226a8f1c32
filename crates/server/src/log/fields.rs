//! The fields of an event, and those of the spans around it.

use serde_json::Value;
use std::fmt;
use tracing::field::{Field, Visit};

/// Names and values in their order, each name once.
#[derive(Clone, Default, Debug)]
pub(super) struct Fields(Vec<(&'static str, FieldValue)>);

/// A value as it was recorded.
#[derive(Clone, Debug)]
pub(super) enum FieldValue {
    /// A text, which a line has in quotes.
    Text(String),
    /// What `Display` or `Debug` made, which a line has as it is if it is one word or in quotes.
    Shown(String),
    /// A number, or true or false.
    Plain(Value),
}

impl FieldValue {
    /// As it stands in a line.
    pub(super) fn in_line(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            // A path that a client chose could look like fields of the line.
            Self::Shown(text) if text.contains(char::is_whitespace) && !is_quoted(text) => {
                format!("{text:?}")
            }
            Self::Shown(text) => text.clone(),
            Self::Plain(value) => value.to_string(),
        }
    }

    /// For programs: without the quotes that `Debug` puts around a text.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Shown(text) if text.starts_with('"') => {
                serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
            }
            Self::Shown(text) => text.as_str().into(),
            Self::Plain(value) => value.clone(),
        }
    }
}

/// Whether it is one text in quotes, and nothing besides.
fn is_quoted(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for c in inside.chars() {
        if c == '"' && !escaped {
            return false;
        }
        escaped = c == '\\' && !escaped;
    }
    !escaped
}

impl Fields {
    /// What happened.
    pub(super) fn message(&self) -> &str {
        let message = self.0.iter().find(|(name, _)| *name == "message");
        match message {
            Some((_, FieldValue::Text(text) | FieldValue::Shown(text))) => text,
            _ => "",
        }
    }

    /// All but the message.
    pub(super) fn others(&self) -> impl Iterator<Item = (&'static str, &FieldValue)> {
        self.0.iter().filter(|(name, _)| *name != "message").map(|(name, value)| (*name, value))
    }

    /// Adds what is not there yet: an event's own word counts.
    pub(super) fn add_missing(&mut self, others: &Self) {
        for (name, value) in others.others() {
            if self.0.iter().all(|(known, _)| *known != name) {
                self.0.push((name, value.clone()));
            }
        }
    }

    fn set(&mut self, field: &Field, value: FieldValue) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, known)) => *known = value,
            None => self.0.push((field.name(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, FieldValue::Shown(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, FieldValue::Text(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, FieldValue::Plain(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, FieldValue::Plain(value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, FieldValue::Plain(value.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_16_no_value_is_taken_for_fields() {
        for (shown, expected) in [
            ("/m/.a", "/m/.a"),
            ("[::1]:993", "[::1]:993"),
            ("\"in quotes\"", "\"in quotes\""),
            ("\"a\\\" b\"", "\"a\\\" b\""),
            ("cannot open /m/.a user=\"root\"", "\"cannot open /m/.a user=\\\"root\\\"\""),
            ("\"a\" user=\"root\"", "\"\\\"a\\\" user=\\\"root\\\"\""),
            ("\"a b\\\"", "\"\\\"a b\\\\\\\"\""),
        ] {
            assert_eq!(FieldValue::Shown(shown.to_owned()).in_line(), expected);
        }
        assert_eq!(FieldValue::Text("a\" b=\"c".to_owned()).in_line(), "\"a\\\" b=\\\"c\"");
    }
}
