//! Restante, an IMAP server on Maildir.

fn main() {}
