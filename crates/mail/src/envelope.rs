//! The ENVELOPE of a message (RFC 3501 section 7.4.2).

use crate::address::{self, Address};
use crate::header::Header;

/// Parsed, not decoded: strings as in the header with folding removed. An absent field is
/// `None` or an empty list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Date field, as written.
    pub date: Option<Vec<u8>>,
    /// Subject field.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender, as written; see [`Envelope::sender`].
    sender: Vec<Address>,
    /// Reply-To, as written; see [`Envelope::reply_to`].
    reply_to: Vec<Address>,
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

/// The fields that it is made of.
const NAMES: [&str; 10] =
    ["Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID"];

impl Envelope {
    /// From a message's header. Of a field that is there twice the first counts.
    pub fn of(header: &Header<'_>) -> Self {
        let mut envelope = Self::default();
        let mut seen = [false; NAMES.len()];
        for field in header.fields() {
            let is_called = |name: &&str| field.name.eq_ignore_ascii_case(name.as_bytes());
            let Some(which) = NAMES.iter().position(is_called) else { continue };
            if std::mem::replace(&mut seen[which], true) {
                continue;
            }
            let text = || {
                let mut value = field.unfolded();
                value.truncate(VALUE_MAX);
                Some(value)
            };
            let addresses = || address::parse(field.value);
            match NAMES[which] {
                "Date" => envelope.date = text(),
                "Subject" => envelope.subject = text(),
                "From" => envelope.from = addresses(),
                "Sender" => envelope.sender = addresses(),
                "Reply-To" => envelope.reply_to = addresses(),
                "To" => envelope.to = addresses(),
                "Cc" => envelope.cc = addresses(),
                "Bcc" => envelope.bcc = addresses(),
                "In-Reply-To" => envelope.in_reply_to = text(),
                "Message-ID" => envelope.message_id = text(),
                _ => {}
            }
        }
        envelope
    }

    /// Who sent it: the author where no other is named.
    pub fn sender(&self) -> &[Address] {
        if self.sender.is_empty() { &self.from } else { &self.sender }
    }

    /// Who gets replies: the author where no other is named.
    pub fn reply_to(&self) -> &[Address] {
        if self.reply_to.is_empty() { &self.from } else { &self.reply_to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_senders_are_the_author_and_first_fields_count() {
        let header = b"FROM: a@x\nSender: \nSubject: one\n two\nSubject: three\nDate:\n\n";
        let envelope = Envelope::of(&Header::of(header));
        assert_eq!((envelope.sender(), envelope.reply_to()), (&envelope.from[..], &envelope.from[..]));
        assert_eq!(envelope.subject.as_deref(), Some(&b"one two"[..]));
        assert_eq!((envelope.date.as_deref(), envelope.message_id), (Some(&b""[..]), None));
    }
}
