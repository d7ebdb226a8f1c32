//! The protocol machines, without network I/O: bytes in, steps out.
//!
//! A [`Machine`] is a value owned by its driver, which feeds it bytes and does what each
//! [`Step`] says. It never waits: not for the network, not for a lock of another session, not
//! for a password check. Files are touched in [`Machine::work`] and when the machine is dropped,
//! and nowhere else, so that the driver can do both where blocking is allowed. Each [`Protocol`]
//! makes machines of its own; IMAP's is [`Session`].
//!
//! Absent on purpose: sockets, tokio, TLS, the clock (time is an argument), password checks
//! (the driver is asked), file names.

mod accounts;
mod allowed;
mod answer;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub mod capability;
mod command;
mod context;
mod dialogue;
mod drop_in_work;
mod failure;
mod imap;
mod input;
mod machine;
mod mailbox_tree;
mod namespace;
mod output;
mod pattern;
mod protocol;
mod read_mark;
mod rights;
mod room;
mod selected;
mod settings;
mod step;
mod stop;
mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod view;

pub use imap::Session;
pub use machine::Machine;
pub use protocol::{LastWords, Protocol};
pub use rights::Rights;
pub use settings::{NamespaceClass, NamespaceStyle, OtherNamespace, SessionSettings};
pub use step::{
    Accepted, Attempt, Connection, Elsewhere, NotOpened, Now, Refused, Stats, Step, Transport, Verdict,
};
