//! Maildir++ as an IMAP store: accounts, mailboxes, messages, without protocols or sockets.
//!
//! The Maildir is the truth: system flags are in file names, dates are mtimes, and other
//! programs deliver, rename and remove as they like. What IMAP needs beyond that (UIDs,
//! keywords, MODSEQ) is in `restante-uidlist`, one in each mailbox; see [`uid_list`].
//!
//! Every call may block on the file system. No lock is held between calls.

pub mod file_name;
pub mod owner;
pub mod take_over;
pub mod uid_list;

mod account;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod cache;
mod changes;
mod column;
mod compressed;
mod delivery;
mod directory;
mod directory_name;
mod disk;
mod error;
mod extract;
mod faults;
mod glance;
mod hand_over;
mod hooks;
mod index_root;
mod kept;
mod layout;
mod list_file;
mod lock;
mod mailbox;
mod message;
mod names;
mod odd;
mod open_ahead;
mod own_files;
mod packed;
mod quota;
mod rename;
mod root;
mod said;
mod scan;
mod sent_date;
mod settings;
mod shared;
mod snapshot;
mod special_uses;
mod store;
mod subscriptions;
mod temporary;
mod uid_validity;
mod watch;
mod witness;

#[cfg(test)]
mod tests;

pub use account::{Account, Listed};
pub use cache::CacheKind;
pub use changes::CHANGES;
pub use compressed::Compression;
pub use delivery::{Appended, Delivery};
pub use directory::strange_directories;
pub use error::{Error, ErrorKind, Result};
pub use glance::Glance;
pub use hand_over::{AccountHandedOver, HandedOver, Survey};
pub use hooks::{Commit, CommitHook, MessageChange, MessageChangeKind};
pub use index_root::index_fault;
pub use layout::{Conversion, DovecotLayout};
pub use lock::Lock;
pub use mailbox::{CheckOptions, CheckReport, Finding, FindingKind};
pub use mailbox::{Copied, ExpungedSince, FlagChange, FlagsStored, Mailbox, Pass, Refreshed, Rest, SaveDate};
pub use message::MessageFile;
pub use odd::OddDirectory;
pub use owner::Owner;
pub use quota::{Quota, QuotaLimits, QuotaStatus, QuotaUsage};
pub use root::OddReason;
pub use sent_date::SentDate;
pub use settings::StoreSettings;
pub use snapshot::{Row, Snapshot, SnapshotBuilder};
pub use special_uses::SpecialUses;
pub use store::{AccountPlace, Store};
pub use watch::{AccountChanges, AccountId, AccountWatch, Wake, WakeReason, Watch};
