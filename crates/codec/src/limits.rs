//! Limits on what one client may make the server hold and do.

/// Limits on what a client may make us hold. All in bytes unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest command without its literals.
    pub line_max: usize,
    /// Largest literal that is not a message.
    pub literal_max: usize,
    /// Sum of the literals of one command, messages apart.
    pub literals_sum_max: usize,
    /// Literals in one command, messages apart (a count).
    pub literals_max: usize,
    /// Depth of parentheses in a command (levels).
    pub nesting_max: usize,
    /// Largest message of an APPEND.
    pub append_max: u64,
    /// Parts of one command.
    pub parts: Parts,
}

/// How many parts one command may have, by their kind (counts). A part that was parsed takes
/// more memory and more work than its text: `OR NEW NEW` is ten bytes and three search keys.
/// The parser stops at the first part above its limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Search keys, those within other keys included.
    pub search_keys_max: usize,
    /// Patterns of a LIST.
    pub patterns_max: usize,
    /// Items of a FETCH.
    pub items_max: usize,
    /// Names: header fields of a FETCH, keywords of a STORE or APPEND, capabilities of an ENABLE,
    /// resources of a SETQUOTA.
    pub names_max: usize,
    /// Ranges of all sets together. Clients send sets of megabytes.
    pub ranges_max: usize,
}

impl Parts {
    /// The defaults of the settings.
    pub const DEFAULT: Self = Self {
        search_keys_max: 1_000,
        patterns_max: 100,
        items_max: 1_000,
        names_max: 1_000,
        ranges_max: 1_000_000,
    };
}
