//! A bounded pool for hashing passwords.
