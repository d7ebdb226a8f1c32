//! How our own files are called, each in one place.

/// In each mailbox: the UID list. See [`crate::uid_list`].
pub(crate) const UID_LIST: &str = "restante-uidlist";

/// In each mailbox: locked by whoever works on it.
pub(crate) const UID_LIST_LOCK: &str = "restante-uidlist.lock";

/// In a mailbox that was handed over to another server: what its UID list is called then.
pub(crate) const HANDED_OVER: &str = "restante-uidlist.handed-over";

/// The state of a mailbox in columns; it can be made again.
pub(crate) const INDEX: &str = "restante-index";

/// What was worked out about messages; likewise.
pub(crate) const CACHE: &str = "restante-cache";

/// In the Maildir: the greatest UIDVALIDITY that may have been given out.
pub(crate) const UID_VALIDITY: &str = "restante-uidvalidity";

/// In the Maildir: how far each mailbox was seen to get.
pub(crate) const WITNESS: &str = "restante-witness";

/// In the Maildir: special uses that names of mailboxes do not say. See [`crate::special_uses`].
pub(crate) const SPECIAL_USES: &str = "restante-specialuse";

/// In the Maildir: locked while a file is written that belongs to no mailbox.
pub(crate) const LOCK: &str = "restante.lock";

/// In the Maildir: by its lock a server tells that it has the account open.
pub(crate) const SERVED_LOCK: &str = "restante-served.lock";

/// Files of ours in each mailbox.
pub(crate) const OF_MAILBOX: [&str; 2] = [UID_LIST, UID_LIST_LOCK];

/// Likewise, those that may lie elsewhere.
pub(crate) const OF_INDEX: [&str; 2] = [INDEX, CACHE];

/// Files of ours in the Maildir.
pub(crate) const OF_ACCOUNT: [&str; 5] = [UID_VALIDITY, LOCK, SERVED_LOCK, WITNESS, SPECIAL_USES];

/// What names of mailboxes begin with that are being deleted, in the inbox's `tmp/`.
pub(crate) const DELETED_PREFIX: &str = "restante-deleted.";
