//! Who may come in: password schemes, SASL mechanisms, user sources, delays.
//!
//! Absent on purpose: sockets of mail clients, and mail. A [`User`] says where somebody's
//! mail lies; opening it is the caller's.

pub mod authenticator;
pub mod delay;
pub mod hash_pool;
pub mod passwd_file;
pub mod sasl;
pub mod scheme;
pub mod secret;
pub mod source;

mod crypt;

pub use authenticator::{Authenticator, Outcome, Refusal};
pub use sasl::{Exchange, Mechanism, Progress};
pub use secret::Secret;
pub use source::{Found, Source, Unavailable, User};
