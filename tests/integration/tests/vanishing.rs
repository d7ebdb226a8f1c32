//! Directories that vanish under a session and come back: a mailbox, a part of it, the Maildir.
//! What vanished is not taken for expunged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::client::{Client, Everything};
use restante_tests::response::Node;
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{Target, make_mailbox};
use std::path::{Path, PathBuf};

struct Site {
    server: Restante,
    maildir: PathBuf,
    before: Everything,
}

impl Site {
    fn new() -> Self {
        let server = Restante::start("");
        let maildir = server.maildir();
        for mailbox in ["INBOX", "Archive"] {
            make_mailbox(&maildir, mailbox);
        }
        hand_over(&server.directory().join("mail"));
        let mut client = Client::log_in(&server, &server.user());
        for number in 0..4 {
            for mailbox in ["INBOX", "Archive"] {
                let text = format!("Subject: {number}\r\n\r\ntext\r\n");
                client.ok(&format!("APPEND {mailbox} (\\Flagged k{number}) {{{}+}}\r\n{text}", text.len()));
            }
        }
        let before = client.everything();
        Self { server, maildir, before }
    }

    /// A session with a mailbox selected meets its directory away, then back.
    fn check(&self, mailbox: &str, directory: &Path) {
        let mut client = Client::log_in(&self.server, &self.server.user());
        client.ok(&format!("SELECT {mailbox}"));
        client.ok("UID FETCH 1:* (FLAGS)");
        let away = self.server.directory().join("away");
        for command in
            ["NOOP", "UID FETCH 1:* (FLAGS BODY.PEEK[])", "UID STORE 1:* +FLAGS (\\Seen)", "EXPUNGE"]
        {
            std::fs::rename(directory, &away).unwrap();
            let answer = client.command(command);
            let told = |word: &str| {
                let is = |node: &Node| node.to_string() == word;
                answer.untagged.iter().any(|nodes| nodes.iter().any(is))
            };
            assert!(!told("EXPUNGE") && !told("VANISHED"), "{command}: {answer:?}");
            assert!(answer.status != "OK" || !command.contains("STORE"), "{command}: {answer:?}");
            // Nothing was put in its place.
            assert!(!directory.exists(), "{command}: {} was made anew", directory.display());
            std::fs::rename(&away, directory).unwrap();
            if answer.status == "closed" {
                client = Client::log_in(&self.server, &self.server.user());
                client.ok(&format!("SELECT {mailbox}"));
            }
        }
        for server in [&self.server, &self.server.start_beside()] {
            let mut client = Client::log_in(server, &self.server.user());
            assert_eq!(client.everything(), self.before);
        }
        client.ok(&format!("SELECT {mailbox}"));
        client.ok("UID STORE 1:* +FLAGS (k9)");
        client.ok("UID STORE 1:* -FLAGS (k9)");
    }
}

#[test]
fn a_mailbox() {
    let site = Site::new();
    site.check("Archive", &site.maildir.join(".Archive"));
}

#[test]
fn the_messages_of_a_mailbox() {
    let site = Site::new();
    site.check("Archive", &site.maildir.join(".Archive/cur"));
}

#[test]
fn the_maildir() {
    let site = Site::new();
    site.check("INBOX", &site.maildir);
}
