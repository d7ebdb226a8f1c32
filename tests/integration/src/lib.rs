//! Tests of Restante as a whole: protocol scripts, real clients, faults.
//!
//! A [`script`] is a data file under `tests/scripts`; a [`target`] is what it is played
//! against: a session in memory, a running Restante, an installed Dovecot. [`response`] parses
//! what comes back, so that a script says what is meant and not how it is quoted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

pub mod authdaemond;
pub mod believer;
pub mod client;
pub mod databases;
pub mod journal;
pub mod observer;
pub mod page;
pub mod play;
pub mod random;
pub mod response;
pub mod script;
pub mod shim;
pub mod slapd;
pub mod target;
pub mod users;
pub mod worker;
