//! Line ends: a file has LF, CRLF or both; what is sent has CRLF.

/// How many bytes `bytes` has with every bare LF as CRLF. `after_cr`: the byte before was CR.
pub fn octets(bytes: &[u8], after_cr: bool) -> u64 {
    let _ = (bytes, after_cr);
    todo!()
}

/// Converts a stream chunk by chunk to what is sent: bare LF becomes CRLF, and NUL, which no
/// literal may carry, becomes 0x80 (as Dovecot does); lengths are those of [`octets`].
#[derive(Clone, Debug, Default)]
pub struct ToWire {
    after_cr: bool,
}

impl ToWire {
    /// A converter at the start of a range.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the converted `chunk` to `out`.
    pub fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let _ = (chunk, out);
        todo!()
    }
}

/// Converts what a client appends to what lies on disk: CRLF becomes LF. A CR at a chunk's
/// end is held back until the next chunk or [`ToDisk::finish`].
#[derive(Clone, Debug, Default)]
pub struct ToDisk {
    pending_cr: bool,
}

impl ToDisk {
    /// A converter at the start of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the converted `chunk` to `out`.
    pub fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let _ = (chunk, out);
        todo!()
    }

    /// Appends what was held back.
    pub fn finish(self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}
