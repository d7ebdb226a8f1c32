//! How much a task does before it yields.

/// The work left in one piece of a task, in nanoseconds as estimated from what is done: the
/// session has no clock, and an estimate gives the same pieces on every machine.
///
/// A piece of some tens of milliseconds lets other sessions at the thread, and the client see
/// the first messages of many.
#[derive(Debug)]
pub(crate) struct Pace {
    left_ns: u64,
}

impl Pace {
    /// A piece.
    const PIECE_NS: u64 = 20_000_000;
    /// To look at a message, in memory.
    const ROW_NS: u64 = 1_000;
    /// To evaluate a search key of a message, in memory.
    const KEY_NS: u64 = 100;
    /// To follow a character of a name through a pattern of LIST.
    const CHARACTER_NS: u64 = 20;
    /// To look at a field of a header that is known.
    const FIELD_NS: u64 = 2;
    /// To open and close a file, or ask for its attributes.
    const FILE_NS: u64 = 20_000;
    /// To open a mailbox and look at it: most are known, and the first time waits for the disk.
    const MAILBOX_NS: u64 = 1_000_000;
    /// To count messages by the names of their files: some calls of the system, and a name each.
    const GLANCE_NS: u64 = 100_000;
    const NAME_NS: u64 = 200;
    /// To rename a file and note it in the mailbox's list.
    const CHANGE_NS: u64 = 100_000;
    /// Bytes read, or converted, in a microsecond.
    const BYTES_READ_A_US: u64 = 2048;
    /// Bytes of decoded text searched in a microsecond.
    const BYTES_SEARCHED_A_US: u64 = 1024;
    /// Bytes parsed, or decoded and searched, in a microsecond.
    const BYTES_PARSED_A_US: u64 = 128;

    /// The start of a piece.
    pub(crate) fn new() -> Self {
        Self { left_ns: Self::PIECE_NS }
    }

    /// Whether the task should yield.
    pub(crate) fn is_spent(&self) -> bool {
        self.left_ns == 0
    }

    pub(crate) fn row(&mut self) {
        self.spend(Self::ROW_NS);
    }

    pub(crate) fn key(&mut self) {
        self.spend(Self::KEY_NS);
    }

    /// A name of this length is compared with this many patterns.
    pub(crate) fn compare(&mut self, characters: usize, patterns: usize) {
        self.spend(characters as u64 * patterns as u64 * Self::CHARACTER_NS);
    }

    pub(crate) fn fields(&mut self, count: usize) {
        self.spend(count as u64 * Self::FIELD_NS);
    }

    pub(crate) fn file(&mut self) {
        self.spend(Self::FILE_NS);
    }

    pub(crate) fn mailbox(&mut self) {
        self.spend(Self::MAILBOX_NS);
    }

    pub(crate) fn glance(&mut self, messages: usize) {
        self.spend(Self::GLANCE_NS + messages as u64 * Self::NAME_NS);
    }

    pub(crate) fn change(&mut self) {
        self.spend(Self::CHANGE_NS);
    }

    pub(crate) fn read(&mut self, bytes: usize) {
        self.spend(bytes as u64 * 1000 / Self::BYTES_READ_A_US);
    }

    pub(crate) fn search(&mut self, bytes: usize) {
        self.spend(bytes as u64 * 1000 / Self::BYTES_SEARCHED_A_US);
    }

    pub(crate) fn parse(&mut self, bytes: usize) {
        self.spend(bytes as u64 * 1000 / Self::BYTES_PARSED_A_US);
    }

    fn spend(&mut self, ns: u64) {
        self.left_ns = self.left_ns.saturating_sub(ns);
    }
}
