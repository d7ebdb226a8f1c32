//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2).

use mail::mime::Structure;

/// The parenthesized structure of the whole message, without the item's name; with extension
/// data for BODYSTRUCTURE, without for BODY.
pub fn body_structure(out: &mut Vec<u8>, structure: &Structure, extended: bool) {
    let _ = (out, structure, extended);
    todo!()
}
