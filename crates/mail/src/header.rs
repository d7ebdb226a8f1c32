//! Header fields: where they begin and end, as bytes.

/// A header section: fields up to the empty line, over bytes with LF, CRLF or mixed ends.
///
/// Holds the bytes and nothing else; fields are found by iterating.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    bytes: &'a [u8],
}

/// One field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// Name before the colon, trailing white space removed.
    pub name: &'a [u8],
    /// All after the colon, folding and final line end included.
    pub value: &'a [u8],
    /// The whole field with its final line end: what HEADER.FIELDS sends.
    pub raw: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header at the start of `message`, the empty line that ends it included in
    /// [`Header::bytes`]. A line that is no field (no colon, and no continuation) does not end
    /// the header and is no field; a leading `From ` line is skipped likewise.
    pub fn of(message: &'a [u8]) -> Self {
        let _ = message;
        todo!()
    }

    /// The header's bytes with the empty line at its end, if it has one.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        todo!();
        #[allow(unreachable_code)]
        std::iter::empty()
    }

    /// The first field of that name, any case.
    pub fn first(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Field<'_> {
    /// The value on one line: line ends removed, white space at both ends too
    /// (RFC 5322 section 2.2.3).
    pub fn unfolded(&self) -> Vec<u8> {
        todo!()
    }
}
