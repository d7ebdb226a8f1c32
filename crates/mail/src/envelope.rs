//! The ENVELOPE of a message (RFC 3501 section 7.4.2).

use crate::address::Address;
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

impl Envelope {
    /// From a message's header. Of a field that is there twice the first counts.
    pub fn of(header: &Header<'_>) -> Self {
        let _ = header;
        todo!()
    }
}
