//! Settings of a whole store.

use crate::directory_name::DirectoryNames;
use crate::take_over::Preference;

/// How new directories and files are made, and other settings of the whole store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Names of new mailboxes on disk in UTF-8 (Courier 5 and later); else in modified UTF-7
    /// (Dovecot, older Couriers). Both are read.
    pub utf8_names: bool,
    /// What two hexadecimal digits follow in names on disk that stand for a character, as with
    /// Dovecot's listescape (`\\2e` for a dot); `None` where names have no such escapes.
    pub name_escape: Option<char>,
    /// Mailboxes of one account at most: more cannot be made.
    pub mailboxes_max: usize,
    /// Levels of a mailbox's name at most: deeper ones cannot be made.
    pub levels_max: usize,
    /// Longest wait for a lock, in milliseconds.
    pub lock_wait_ms_max: u64,
    /// Keywords in one mailbox at most.
    pub keywords_max: usize,
    /// Which of two other servers' lists is taken over where both are there.
    pub take_over: Preference,
    /// Host name for names of new message files; `/` and `:` are escaped.
    pub hostname: String,
    /// Memory that mailboxes may take which nobody has open any more, in bytes.
    pub kept_bytes_max: usize,
    /// `Trash` and messages with `\Deleted` count for the quota, as Dovecot counts; else they do
    /// not, as Courier counts.
    pub quota_counts_trash: bool,
}

impl StoreSettings {
    /// How directories are named.
    pub(crate) fn directory_names(&self) -> DirectoryNames {
        DirectoryNames { utf8: self.utf8_names, escape: self.name_escape }
    }
}

/// The settings of a site that has none.
impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            utf8_names: true,
            name_escape: None,
            mailboxes_max: 20_000,
            levels_max: 30,
            lock_wait_ms_max: 10_000,
            keywords_max: 1_000,
            take_over: Preference::Newer,
            hostname: "localhost".to_owned(),
            kept_bytes_max: 64 << 20,
            quota_counts_trash: false,
        }
    }
}
