//! The ENVELOPE of a message (RFC 3501 section 7.4.2).

use crate::address::{self, Address};
use crate::encoded_word;
use crate::header::{Field, Header};

/// Parsed, not decoded: strings as in the header with folding removed. An absent field is
/// `None` or an empty list.
///
/// Of a field of more than 1 MiB the beginning counts: text is cut between encoded words, lists
/// of addresses behind an address.
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

/// Longest value of a field that is taken whole, in bytes.
pub(crate) const VALUE_MAX: usize = 1 << 20;

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
                encoded_word::shorten(&mut value, VALUE_MAX);
                Some(value)
            };
            let addresses = || addresses(&field);
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

    /// Whether it is made of a field of that name.
    pub(crate) fn has(name: &[u8]) -> bool {
        NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
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

/// The addresses of a field that are whole in the first [`VALUE_MAX`] bytes.
pub(crate) fn addresses(field: &Field<'_>) -> Vec<Address> {
    match field.value.get(..VALUE_MAX) {
        Some(start) if field.value.len() > VALUE_MAX => {
            address::parse(&start[..memchr::memrchr(b',', start).unwrap_or(start.len())])
        }
        _ => address::parse(field.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_cuts_no_word_and_no_address() {
        let word = "=?utf-8?q?gr=C3=BC=C3=9Fe?= ";
        let address = "\"Anna M.\" <anna@example.org>, ";
        let header = format!("Subject: {}\nTo: {}\n\n", word.repeat(50_000), address.repeat(50_000));
        let envelope = Envelope::of(&Header::of(header.as_bytes()));
        let subject = envelope.subject.expect("a subject");
        assert!(subject.len() <= VALUE_MAX && subject.len() + word.len() > VALUE_MAX);
        assert!(subject.ends_with(word.as_bytes()));
        let long = format!("To: {address}\"{}\" <long@example.org>\n\n", "x".repeat(VALUE_MAX));
        for header in [header, long] {
            let envelope = Envelope::of(&Header::of(header.as_bytes()));
            let last = envelope.to.last().expect("an address");
            let host = last.host.as_deref();
            assert_eq!((last.mailbox.as_deref(), host), (Some(&b"anna"[..]), Some(&b"example.org"[..])));
        }
    }

    #[test]
    fn absent_senders_are_the_author_and_first_fields_count() {
        let header = b"FROM: a@x\nSender: \nSubject: one\n two\nSubject: three\nDate:\n\n";
        let envelope = Envelope::of(&Header::of(header));
        assert_eq!((envelope.sender(), envelope.reply_to()), (&envelope.from[..], &envelope.from[..]));
        assert_eq!(envelope.subject.as_deref(), Some(&b"one two"[..]));
        assert_eq!((envelope.date.as_deref(), envelope.message_id), (Some(&b""[..]), None));
    }
}
