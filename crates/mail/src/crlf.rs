//! Line ends: a file has LF, CRLF or both; what is sent has CRLF.

/// How many bytes `bytes` has with every bare LF as CRLF. `after_cr`: the byte before was CR.
pub fn octets(bytes: &[u8], after_cr: bool) -> u64 {
    count(bytes, after_cr).0
}

/// Likewise, and how many line ends there are.
pub(crate) fn count(bytes: &[u8], after_cr: bool) -> (u64, u64) {
    let length = bytes.len() as u64;
    if !after_cr && memchr::memchr(b'\r', bytes).is_none() {
        // As most files are: counting takes a fraction of the time of looking at each.
        let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
        return (length + ends, ends);
    }
    let (mut ends, mut bare) = (0, 0);
    for at in memchr::memchr_iter(b'\n', bytes) {
        let cr = if at == 0 { after_cr } else { bytes[at - 1] == b'\r' };
        ends += 1;
        bare += u64::from(!cr);
    }
    (length + bare, ends)
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
        let from = out.len();
        let mut start = 0;
        for at in memchr::memchr_iter(b'\n', chunk) {
            let cr = if at == 0 { self.after_cr } else { chunk[at - 1] == b'\r' };
            if !cr {
                out.extend_from_slice(&chunk[start..at]);
                out.push(b'\r');
                start = at;
            }
        }
        out.extend_from_slice(&chunk[start..]);
        if let Some(&last) = chunk.last() {
            self.after_cr = last == b'\r';
        }
        if memchr::memchr(0, &out[from..]).is_some() {
            out[from..].iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = 0x80);
        }
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
        if chunk.is_empty() {
            return;
        }
        if self.pending_cr && chunk[0] != b'\n' {
            out.push(b'\r');
        }
        self.pending_cr = chunk.ends_with(b"\r");
        let chunk = chunk.strip_suffix(b"\r").unwrap_or(chunk);
        let mut start = 0;
        for at in memchr::memmem::find_iter(chunk, b"\r\n") {
            out.extend_from_slice(&chunk[start..at]);
            start = at + 1;
        }
        out.extend_from_slice(&chunk[start..]);
    }

    /// Appends what was held back.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.pending_cr {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_wire(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut converter, mut out) = (ToWire::new(), Vec::new());
        chunks.iter().for_each(|chunk| converter.convert(chunk, &mut out));
        out
    }

    fn to_disk(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut converter, mut out) = (ToDisk::new(), Vec::new());
        chunks.iter().for_each(|chunk| converter.convert(chunk, &mut out));
        converter.finish(&mut out);
        out
    }

    #[test]
    fn lines_end_with_crlf_on_the_wire_and_lf_on_disk() {
        for (disk, wire) in [
            (&b""[..], &b""[..]),
            (b"a\nb", b"a\r\nb"),
            (b"a\r\nb\n", b"a\r\nb\r\n"),
            (b"\n\n", b"\r\n\r\n"),
            (b"a\rb\r", b"a\rb\r"),
            (b"\0", b"\x80"),
        ] {
            assert_eq!(to_wire(&[disk]), wire);
            assert_eq!(octets(disk, false), wire.len() as u64);
        }
        for (wire, disk) in [
            (&b"a\r\nb\r\n"[..], &b"a\nb\n"[..]),
            (b"a\rb\r", b"a\rb\r"),
            (b"\r\r\n", b"\r\n"),
            (b"a\n", b"a\n"),
        ] {
            assert_eq!(to_disk(&[wire]), disk);
        }
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[a\r\n\0]{0,40}", at in 0_usize..40) {
            let text = text.as_bytes();
            let (a, b) = text.split_at(at.min(text.len()));
            prop_assert_eq!(to_wire(&[a, b]), to_wire(&[text]));
            prop_assert_eq!(to_disk(&[a, b]), to_disk(&[text]));
            prop_assert_eq!(octets(text, false), to_wire(&[text]).len() as u64);
            let after_cr = a.ends_with(b"\r");
            prop_assert_eq!(octets(a, false) + octets(b, after_cr), octets(text, false));
        }
    }
}
