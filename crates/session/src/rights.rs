//! What a user may do to the mailboxes of an account (RFC 4314 section 2.1).

/// What may be done. Rights are those of an account as a whole: all, or to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights(u8);

/// One thing that may be done, by the letter that RFC 4314 has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Right {
    /// `r`: SELECT, STATUS, quota.
    Read = 1,
    /// `i`: APPEND, and COPY and MOVE to it.
    Insert = 1 << 1,
    /// `s`, `w`, `t` and `e`: flags, and what follows from them.
    Change = 1 << 2,
    /// `k`: CREATE, and RENAME to it.
    Create = 1 << 3,
    /// `x`: DELETE, and RENAME from it.
    Delete = 1 << 4,
}

impl Rights {
    /// Those of a user in their own account.
    pub const ALL: Self = Self(0b1_1111);
    /// To look, and to change nothing.
    pub const READ: Self = Self(Right::Read as u8);

    pub(crate) fn has(self, right: Right) -> bool {
        self.0 & right as u8 != 0
    }
}
