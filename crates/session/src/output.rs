//! Bytes on their way to the client.

/// A buffer that commands write to. A command stops when it is [full](Output::is_full), so
/// that a slow client holds some steps' bytes and no more.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
}

impl Output {
    /// Bytes after which a command yields.
    const FULL: usize = 64 * 1024;

    /// Where responses are appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Likewise, where so many bytes of a message are to be appended: the buffer is made at once
    /// as large as it will get, and not step by step.
    pub(crate) fn buffer_for(&mut self, bytes: usize) -> &mut Vec<u8> {
        // A line more than one in 32 bytes is rare.
        let length = self.bytes.len() + bytes + bytes / 32;
        if length > self.bytes.capacity() {
            let length =
                if length > Self::FULL / 4 { length.max(Self::FULL + Self::FULL / 16) } else { length };
            self.bytes.reserve_exact(length - self.bytes.len());
        }
        &mut self.bytes
    }

    /// Whether the command should yield.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= Self::FULL
    }

    /// Room until full, in bytes; at least 1 KiB.
    pub(crate) fn room(&self) -> usize {
        Self::FULL.saturating_sub(self.bytes.len()).max(1024)
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes what is there.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}
