//! What a script is played against.

pub mod courier;
pub mod dovecot;
pub mod memory;
pub mod restante;
pub mod stream;

use std::path::{Path, PathBuf};

/// The password of every user.
pub const PASSWORD: &str = "pass word";

/// A server with a user for each script.
pub trait Target {
    /// Its name in scripts.
    fn name(&self) -> &'static str;

    /// The user of this script.
    fn user(&self) -> String;

    /// The user's Maildir.
    fn maildir(&self) -> PathBuf;

    /// A new connection.
    fn connect(&mut self) -> Box<dyn Connection>;
}

/// A client's end of a connection.
pub trait Connection: Send {
    /// Sends bytes.
    fn send(&mut self, bytes: &[u8]);

    /// The next line with its line end, literals spliced in; `None` when the server closed, or
    /// said nothing for so long that it will not.
    fn line(&mut self) -> Option<Vec<u8>>;

    /// A line that nobody waits for, if one is there already.
    fn surplus(&mut self) -> Option<Vec<u8>>;
}

/// The directory of a mailbox whose levels are parted by `/`.
pub fn mailbox_directory(maildir: &Path, mailbox: &str) -> PathBuf {
    if mailbox.eq_ignore_ascii_case("INBOX") {
        return maildir.to_owned();
    }
    maildir.join(format!(".{}", mailbox.replace('/', ".")))
}

/// Makes a mailbox as any Maildir++ program would.
pub fn make_mailbox(maildir: &Path, mailbox: &str) -> PathBuf {
    let directory = mailbox_directory(maildir, mailbox);
    for name in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(directory.join(name)).expect("a mailbox directory");
    }
    if directory != maildir {
        std::fs::write(directory.join("maildirfolder"), "").expect("maildirfolder");
    }
    directory
}
