//! Maildir++ as an IMAP store, without sockets, protocols and tokio. All calls block.
//!
//! A [`Store`] serves a process; an [`Account`] is one user's Maildir; a [`Mailbox`] is one
//! directory of it, shared by all sessions that have it open; a [`Snapshot`] is what it held
//! at one moment, immutable.
//!
//! The Maildir is the truth. System flags live in file names, and other programs deliver,
//! rename and remove at any time; what they do is taken in by [`Mailbox::refresh`].

pub mod account;
pub mod delivery;
pub mod error;
pub mod mailbox;
pub mod message;
pub mod snapshot;
pub mod watch;

pub use account::{Account, Listed, Store, StoreSettings};
pub use delivery::{Appended, Delivery};
pub use error::{Error, ErrorKind, Result};
pub use mailbox::{Copied, FlagChange, FlagsStored, Mailbox, Refreshed};
pub use message::MessageFile;
pub use snapshot::{Row, Snapshot};
pub use watch::{Wake, Watch};
