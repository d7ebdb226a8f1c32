//! ID (RFC 2971).

use crate::answer::Answer;
use crate::context::Context;
use crate::task::Task;
use codec::response::list;

/// The task of an ID with the client's fields.
pub(crate) fn id(fields: Vec<(String, Option<String>)>) -> Box<dyn Task> {
    Box::new(Id { fields })
}

struct Id {
    fields: Vec<(String, Option<String>)>,
}

/// Longest client name with version that is kept for the log, in characters of the client's.
const CLIENT_LENGTH_MAX: usize = 100;

impl Task for Id {
    fn run(&mut self, context: &mut Context<'_>) -> Answer {
        if let Some(client) = self.client() {
            context.stats.client = Some(client);
        }
        let fields: Vec<(&str, &str)> =
            context.settings.id.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        list::id(context.out.buffer(), &fields);
        Answer::ok("Pleased to meet you")
    }
}

impl Id {
    /// Name and version, with everything escaped that could forge a log line.
    fn client(&self) -> Option<String> {
        let field = |wanted: &str| {
            self.fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.as_deref())
        };
        let name = field("name")?;
        let version = field("version").map(|version| format!(" {version}")).unwrap_or_default();
        let text: String = format!("{name}{version}").chars().take(CLIENT_LENGTH_MAX).collect();
        Some(text.escape_debug().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_16_a_client_cannot_forge_a_log_line() {
        let field = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        for (fields, expected) in [
            (vec![field("name", "mutt"), field("version", "2.2")], Some("mutt 2.2")),
            (vec![field("NAME", "a\r\nOct 1 login\x1b[2J")], Some("a\\r\\nOct 1 login\\u{1b}[2J")),
            (vec![field("vendor", "x")], None),
        ] {
            assert_eq!(Id { fields }.client().as_deref(), expected);
        }
        let long = Id { fields: vec![field("name", &"x".repeat(5000))] };
        assert_eq!(long.client().map(|client| client.len()), Some(CLIENT_LENGTH_MAX));
    }
}
