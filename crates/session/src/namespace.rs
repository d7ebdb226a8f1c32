//! Names between clients and the store.
