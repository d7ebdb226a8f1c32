//! A client that believes only what it is told.

use crate::response::{Node, parse};
use crate::target::restante::Restante;
use crate::target::{Connection, PASSWORD, Target};
use std::collections::{BTreeMap, BTreeSet};

/// A client with a mailbox selected, and what it was told: a UID for each number once it asked
/// for it, and flags. What it is told must hold together at every line.
pub struct Believer {
    connection: Box<dyn Connection + Send>,
    /// By number.
    pub messages: Vec<Believed>,
    /// Content by UID, of messages whose content was fetched.
    pub contents: BTreeMap<u32, String>,
    /// The last tagged line.
    pub answer: String,
    /// UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ, as last told by codes.
    pub told: BTreeMap<String, u64>,
    tag: u32,
}

/// What a client knows of a message.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Believed {
    /// Its UID.
    pub uid: Option<u32>,
    /// Its flags, but for `\\Recent`.
    pub flags: Option<BTreeSet<String>>,
}

impl Believer {
    /// Connects and logs in. `None` when the server dies meanwhile.
    pub fn connect(server: &Restante) -> Option<Self> {
        let mut connection: Box<dyn Connection + Send> = Box::new(server.tls());
        assert!(connection.line()?.starts_with(b"* OK"), "a greeting");
        let mut client = Self {
            connection,
            messages: Vec::new(),
            contents: BTreeMap::new(),
            answer: String::new(),
            told: BTreeMap::new(),
            tag: 0,
        };
        client.command(&format!("LOGIN {} \"{PASSWORD}\"", server.user())).then_some(client)
    }

    /// Sends a command and believes what comes. `false` when the server is gone.
    #[must_use]
    pub fn command(&mut self, text: &str) -> bool {
        self.tag += 1;
        let tag = format!("c{}", self.tag);
        self.connection.send(format!("{tag} {text}\r\n").as_bytes());
        let by_number = ["FETCH", "STORE", "SEARCH"].iter().any(|verb| text.starts_with(verb));
        loop {
            let Some(line) = self.connection.line() else { return false };
            let nodes = parse(line.trim_ascii_end(), false);
            if matches!(&nodes[0], Node::Atom(word) if *word == tag) {
                let answer = nodes[1].to_string();
                // A message may have gone that the client still has: NO, never BAD.
                assert!(answer == "OK" || answer == "NO", "{text}: {}", line.escape_ascii());
                self.answer = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                return true;
            }
            self.believe(&nodes, by_number, text);
        }
    }

    fn believe(&mut self, nodes: &[Node], by_number: bool, text: &str) {
        let word = |at: usize| nodes.get(at).map(ToString::to_string).unwrap_or_default();
        let number = word(1).parse::<usize>().ok();
        if let Some(Node::List(code)) = nodes.get(2)
            && let Some(number) = code.get(1).and_then(|number| number.to_string().parse().ok())
        {
            self.told.insert(code[0].to_string(), number);
        }
        match (number, word(2).as_str()) {
            (Some(count), "EXISTS") => {
                assert!(count >= self.messages.len(), "EXISTS takes no message away");
                self.messages.resize(count, Believed::default());
            }
            (Some(number), "EXPUNGE") => {
                assert!(!by_number, "EXPUNGE during {text}");
                assert!(
                    (1..=self.messages.len()).contains(&number),
                    "EXPUNGE {number} of {}",
                    self.messages.len()
                );
                self.messages.remove(number - 1);
            }
            (Some(number), "FETCH") => {
                let message = self.messages.get_mut(number - 1).expect("a number that exists");
                let Some(Node::List(items)) = nodes.get(3) else { panic!("items") };
                let mut content = None;
                for pair in items.chunks(2) {
                    match (pair[0].to_string().as_str(), &pair[1]) {
                        ("UID", uid) => {
                            let uid = uid.to_string().parse().unwrap();
                            assert!(
                                message.uid.is_none_or(|known| known == uid),
                                "number {number} was another message"
                            );
                            message.uid = Some(uid);
                        }
                        ("FLAGS", Node::List(flags)) => {
                            let flags =
                                flags.iter().map(ToString::to_string).filter(|flag| flag != "\\Recent");
                            message.flags = Some(flags.collect());
                        }
                        (item, Node::Text(text)) if item.starts_with("BODY[") => {
                            content = Some(String::from_utf8_lossy(text).into_owned());
                        }
                        _ => {}
                    }
                }
                if let (Some(uid), Some(content)) = (message.uid, content) {
                    let known = self.contents.entry(uid).or_insert_with(|| content.clone());
                    assert_eq!(*known, content, "UID {uid} is another message");
                }
                let uids: Vec<u32> = self.messages.iter().filter_map(|message| message.uid).collect();
                assert!(uids.is_sorted_by(|a, b| a < b), "UIDs ascend: {uids:?}");
            }
            _ => {}
        }
    }
}
