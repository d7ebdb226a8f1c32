//! Who may come in: password schemes, SASL mechanisms, user sources, delays.
//!
//! Absent on purpose: sockets of mail clients, and mail. A [`User`] says where somebody's
//! mail lies; opening it is the caller's.

pub mod authdaemon;
pub mod authenticator;
pub mod cache;
pub mod chain;
pub mod checkpassword;
pub mod counters;
pub mod delay;
pub mod down;
pub mod failure_line;
pub mod hash_pool;
pub mod helper;
pub mod ldap;
pub mod login_name;
pub mod network;
pub mod oauth;
pub mod pam;
pub mod passwd_directory;
pub mod passwd_file;
pub mod sasl;
pub mod scheme;
pub mod secret;
pub mod source;
#[cfg(feature = "sql")]
pub mod sql;
pub mod trace;
pub mod userdb;
pub mod vpopmail;

mod cdb;
mod courier_options;
mod crypt;
mod dovecot_location;
mod line_table;
mod random;
mod regular_file;
mod system_users;
#[cfg(test)]
mod testing;

pub use authenticator::{Authenticator, Client, Masters, Outcome, Refusal};
pub use cache::CacheSettings;
pub use chain::{Chain, Link};
pub use login_name::LoginName;
pub use network::{Network, networks_of};
pub use sasl::{Binding, Exchange, Mechanism, Progress};
pub use secret::Secret;
pub use source::{Query, Source, SourceAnswer, Unavailable, User};
pub use trace::Trace;
