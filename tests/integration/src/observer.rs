//! A client that remembers all that a server tells of an account, so that what two servers tell can
//! be compared.

use crate::target::{Connection, PASSWORD};
use std::collections::BTreeMap;

/// The user, the same with all servers.
pub const USER: &str = "user0@example.com";

/// A client that speaks plain IMAP.
pub struct Client {
    connection: Box<dyn Connection>,
    tag: usize,
}

impl Client {
    /// Logs in over a connection that was just made.
    pub fn new(mut connection: Box<dyn Connection>) -> Self {
        assert!(connection.line().unwrap().starts_with(b"* OK"));
        let mut client = Self { connection, tag: 0 };
        client.command(&format!("LOGIN {USER} \"{PASSWORD}\""));
        client
    }

    /// The untagged answers to a command that is answered with OK.
    pub fn command(&mut self, text: &str) -> Vec<String> {
        let (lines, answer) = self.ask(text);
        assert!(answer.starts_with("OK"), "{text}: {answer}");
        lines
    }

    /// The untagged answers to a command, and the tagged one without its tag.
    pub fn ask(&mut self, text: &str) -> (Vec<String>, String) {
        self.tag += 1;
        self.connection.send(format!("a{} {text}\r\n", self.tag).as_bytes());
        self.answers(text)
    }

    /// Appends a short message.
    pub fn append(&mut self, mailbox: &str, flags: &str, subject: &str) {
        let message = format!(
            "From: a@example.com\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\n{subject}\r\n"
        );
        let answer = self.append_bytes(mailbox, flags, message.as_bytes());
        assert!(answer.starts_with("OK"), "{subject}: {answer}");
    }

    /// Appends bytes; returns the tagged answer without its tag.
    pub fn append_bytes(&mut self, mailbox: &str, flags: &str, message: &[u8]) -> String {
        self.tag += 1;
        let text = format!("APPEND \"{mailbox}\" ({flags}) {{{}}}", message.len());
        self.connection.send(format!("a{} {text}\r\n", self.tag).as_bytes());
        assert!(self.connection.line().unwrap().starts_with(b"+"), "{text}");
        self.connection.send(&[message, b"\r\n"].concat());
        self.answers(&text).1
    }

    fn answers(&mut self, command: &str) -> (Vec<String>, String) {
        let tag = format!("a{} ", self.tag);
        let mut lines = Vec::new();
        loop {
            let line = self.connection.line().unwrap_or_else(|| panic!("{command}: no answer"));
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match line.strip_prefix(&tag) {
                Some(answer) => return (lines, answer.to_owned()),
                None => lines.push(line),
            }
        }
    }

    /// Names in LIST's or LSUB's answers: what a server says, and without what differs between
    /// servers.
    pub fn names(&mut self, list: &str) -> BTreeMap<String, String> {
        let answers = self.command(&format!("{list} \"\" \"*\""));
        let is_there = |line: &&String| {
            let attributes = line.to_ascii_lowercase();
            line.starts_with("* L") && !["\\noselect", "\\nonexistent"].iter().any(|a| attributes.contains(a))
        };
        let names = answers.iter().filter(is_there).filter_map(|line| {
            let (_, name) = line.split_once(") ")?.1.split_once(' ')?;
            let name = name.trim_matches('"').to_owned();
            let plain = name.strip_prefix("INBOX.").unwrap_or(&name).replace('.', "/");
            Some((plain, name))
        });
        names.collect()
    }

    /// All that a client remembers of an account: by mailbox, UIDVALIDITY and UIDNEXT, then UID
    /// and flags of each message; and subscriptions.
    pub fn observe(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for (plain, name) in self.names("LIST") {
            let status = self.command(&format!("STATUS \"{name}\" (UIDVALIDITY UIDNEXT)"));
            let number = |key: &str| {
                let text = status.iter().find_map(|line| line.split(key).nth(1)).unwrap();
                text.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>()
            };
            let mut lines = vec![number("UIDVALIDITY"), number("UIDNEXT")];
            self.command(&format!("EXAMINE \"{name}\""));
            for line in self.command("UID FETCH 1:* (UID FLAGS)") {
                let Some(uid) = line.split("UID ").nth(1) else { continue };
                let uid: String = uid.chars().take_while(char::is_ascii_digit).collect();
                let flags = line.split("FLAGS (").nth(1).unwrap().split(')').next().unwrap();
                let mut flags: Vec<&str> =
                    flags.split(' ').filter(|f| !f.is_empty() && *f != "\\Recent").collect();
                flags.sort_unstable();
                lines.push(format!("{uid} {}", flags.join(" ")));
            }
            all.insert(plain, lines);
        }
        all.insert("subscribed".to_owned(), self.names("LSUB").into_keys().collect());
        all
    }
}
