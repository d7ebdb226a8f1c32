//! Commands about the connection: who is at its other end, and what it can do.

pub(crate) mod capability;
pub(crate) mod enable;
pub(crate) mod id;
pub(crate) mod idle;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod noop;
pub(crate) mod starttls;
