//! Who may come in: password schemes, SASL mechanisms, user sources, delays.
//!
//! Absent on purpose: sockets of mail clients, and mail. A [`User`] says where somebody's
//! mail lies; opening it is the caller's.

pub mod authdaemon;
pub mod authenticator;
pub mod chain;
pub mod checkpassword;
pub mod delay;
pub mod failure_line;
pub mod hash_pool;
pub mod helper;
pub mod ldap;
pub mod login_name;
pub mod pam;
pub mod oauth;
pub mod passwd_directory;
pub mod passwd_file;
pub mod sasl;
pub mod scheme;
pub mod secret;
pub mod source;
pub mod trace;
pub mod userdb;

mod courier_options;
mod crypt;
mod system_users;
mod line_table;
mod regular_file;
#[cfg(test)]
mod testing;

pub use authenticator::{Authenticator, Outcome, Refusal};
pub use chain::Link;
pub use login_name::LoginName;
pub use sasl::{Binding, Exchange, Mechanism, Progress};
pub use secret::Secret;
pub use source::{Found, Query, Source, Unavailable, User};
pub use trace::Trace;
