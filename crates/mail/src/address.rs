//! Addresses in header fields, as ENVELOPE wants them (RFC 5322 section 3.4, RFC 3501
//! section 7.4.2).

/// One element of an ENVELOPE's address list. Bytes are as in the header, quotes, escapes,
/// comments and folding removed, encoded words left as they are.
///
/// RFC 3501's group syntax: a start has no host and the group's name as mailbox; an end has
/// neither.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Display name.
    pub name: Option<Vec<u8>>,
    /// Source route of RFC 822 (`@a,@b`), obsolete.
    pub route: Option<Vec<u8>>,
    /// Local part; the group's name at a group's start; absent at a group's end.
    pub mailbox: Option<Vec<u8>>,
    /// Domain; absent at a group's start and end.
    pub host: Option<Vec<u8>>,
}

/// The addresses of a field's value, at most [`ADDRESSES_MAX`]; linear in its length.
pub fn parse(value: &[u8]) -> Vec<Address> {
    let _ = value;
    todo!()
}

/// Most addresses taken from one field; the rest are left out.
pub const ADDRESSES_MAX: usize = 10_000;
