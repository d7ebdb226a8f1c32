//! How much a task does before it yields.

/// The work left in one piece of a task, in microseconds as estimated from what is done: the
/// session has no clock, and an estimate gives the same pieces on every machine.
///
/// A piece of some tens of milliseconds lets other sessions at the thread, and the client see
/// the first messages of many.
#[derive(Debug)]
pub(crate) struct Pace {
    left_us: u64,
}

impl Pace {
    /// A piece.
    const PIECE_US: u64 = 20_000;
    /// To look at a message, in memory.
    const ROW_US: u64 = 1;
    /// To open and close a file, or ask for its attributes.
    const FILE_US: u64 = 20;
    /// To rename a file and note it in the mailbox's list.
    const CHANGE_US: u64 = 100;
    /// Bytes read, or converted, in a microsecond.
    const BYTES_READ_A_US: u64 = 2048;
    /// Bytes parsed or searched in a microsecond.
    const BYTES_PARSED_A_US: u64 = 128;

    /// The start of a piece.
    pub(crate) fn new() -> Self {
        Self { left_us: Self::PIECE_US }
    }

    /// Whether the task should yield.
    pub(crate) fn is_spent(&self) -> bool {
        self.left_us == 0
    }

    pub(crate) fn row(&mut self) {
        self.spend(Self::ROW_US);
    }

    pub(crate) fn file(&mut self) {
        self.spend(Self::FILE_US);
    }

    pub(crate) fn change(&mut self) {
        self.spend(Self::CHANGE_US);
    }

    pub(crate) fn read(&mut self, bytes: usize) {
        self.spend(bytes as u64 / Self::BYTES_READ_A_US);
    }

    pub(crate) fn parse(&mut self, bytes: usize) {
        self.spend(bytes as u64 / Self::BYTES_PARSED_A_US);
    }

    fn spend(&mut self, us: u64) {
        self.left_us = self.left_us.saturating_sub(us);
    }
}
