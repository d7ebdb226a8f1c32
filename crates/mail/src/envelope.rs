//! The ENVELOPE of a message (RFC 3501 section 7.4.2).

use crate::address::{self, Address};
use crate::header::Header;

/// Parsed, not decoded: strings as in the header with folding removed. An absent field is
/// `None` or an empty list. `sender` and `reply_to` default to `from`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Date field, as written.
    pub date: Option<Vec<u8>>,
    /// Subject field.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender, else From.
    pub sender: Vec<Address>,
    /// Reply-To, else From.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To, as written.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID, as written.
    pub message_id: Option<Vec<u8>>,
}

/// Longest value of a field that is sent whole; a longer one is cut.
const VALUE_MAX: usize = 1 << 20;

impl Envelope {
    /// From a message's header. Of a field that is there twice the first counts.
    pub fn of(header: &Header<'_>) -> Self {
        let mut envelope = Self::default();
        let (mut sender, mut reply_to) = (None, None);
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for field in header.fields() {
            let name = field.name.to_ascii_lowercase();
            let known: &[&[u8]] = &[
                b"date",
                b"subject",
                b"from",
                b"sender",
                b"reply-to",
                b"to",
                b"cc",
                b"bcc",
                b"in-reply-to",
                b"message-id",
            ];
            if !known.contains(&&name[..]) || seen.contains(&name) {
                continue;
            }
            let text = || {
                let mut value = field.unfolded();
                value.truncate(VALUE_MAX);
                Some(value)
            };
            let addresses = || address::parse(field.value);
            match &name[..] {
                b"date" => envelope.date = text(),
                b"subject" => envelope.subject = text(),
                b"from" => envelope.from = addresses(),
                b"sender" => sender = Some(addresses()),
                b"reply-to" => reply_to = Some(addresses()),
                b"to" => envelope.to = addresses(),
                b"cc" => envelope.cc = addresses(),
                b"bcc" => envelope.bcc = addresses(),
                b"in-reply-to" => envelope.in_reply_to = text(),
                b"message-id" => envelope.message_id = text(),
                _ => {}
            }
            seen.push(name);
        }
        let or_from = |list: Option<Vec<Address>>| {
            list.filter(|list| !list.is_empty()).unwrap_or_else(|| envelope.from.clone())
        };
        (envelope.sender, envelope.reply_to) = (or_from(sender), or_from(reply_to));
        envelope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_senders_are_the_author_and_first_fields_count() {
        let header = b"FROM: a@x\nSender: \nSubject: one\n two\nSubject: three\nDate:\n\n";
        let envelope = Envelope::of(&Header::of(header));
        assert_eq!((&envelope.sender, &envelope.reply_to), (&envelope.from, &envelope.from));
        assert_eq!(envelope.subject.as_deref(), Some(&b"one two"[..]));
        assert_eq!((envelope.date.as_deref(), envelope.message_id), (Some(&b""[..]), None));
    }
}
