//! ENVELOPE (RFC 3501 section 7.4.2).

use mail::envelope::Envelope;

/// The parenthesized envelope, without the item's name.
pub fn envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let _ = (out, envelope);
    todo!()
}
