//! The IMAP protocol machine, without network I/O: bytes in, steps out.
//!
//! A [`Session`] is a value owned by its driver, which feeds it bytes and does what each
//! [`Step`] says. The session never waits: not for the network, not for a lock of another
//! session, not for a password check. What touches files happens in [`Session::work`] and
//! nowhere else, so that the driver can run it where blocking is allowed.
//!
//! Absent on purpose: sockets, tokio, TLS, the clock (time is an argument), password checks
//! (the driver is asked), file names.

mod accounts;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub mod capability;
mod command;
mod context;
mod failure;
mod imap;
mod mailbox_tree;
mod namespace;
mod output;
mod pattern;
mod rights;
mod settings;
mod step;
mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod view;

pub use imap::Session;
pub use rights::Rights;
pub use settings::{NamespaceClass, NamespaceStyle, OtherNamespace, SessionSettings, SpecialUse};
pub use step::{Accepted, Attempt, Connection, NotOpened, Now, Refused, Stats, Step, Verdict};
