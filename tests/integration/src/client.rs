//! A client for tests of faults: sends commands, keeps what is answered, and looks at all that
//! a user has.

use crate::response::{Node, parse};
use crate::target::{Connection, PASSWORD, restante::Restante};
use std::collections::{BTreeMap, BTreeSet};

/// A session that is logged in.
pub struct Client {
    connection: Box<dyn Connection + Send>,
    tag: usize,
}

/// What a command was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `OK`, `NO` or `BAD`; `closed` when no answer came: the server hung up, or hangs.
    pub status: String,
    /// The tagged line.
    pub line: String,
    /// The untagged responses.
    pub untagged: Vec<Vec<Node>>,
}

/// A message as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// All but `\Recent`, which belongs to a session.
    pub flags: BTreeSet<String>,
    /// All of it.
    pub content: String,
    /// Its MODSEQ.
    pub modseq: u64,
}

/// A mailbox as a client sees it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Contents {
    /// UIDVALIDITY.
    pub validity: u64,
    /// UIDNEXT.
    pub next: u64,
    /// HIGHESTMODSEQ.
    pub highest: u64,
    /// By UID.
    pub messages: BTreeMap<u64, Message>,
}

/// All that a user has.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Everything {
    /// By name.
    pub mailboxes: BTreeMap<String, Contents>,
    /// Subscribed names.
    pub subscribed: BTreeSet<String>,
}

impl Client {
    /// Connects and logs in.
    pub fn log_in(server: &Restante, user: &str) -> Self {
        let mut connection: Box<dyn Connection + Send> = Box::new(server.tls());
        let greeting = connection.line().expect("a greeting");
        assert!(greeting.starts_with(b"* OK"), "{}", greeting.escape_ascii());
        let mut client = Self { connection, tag: 0 };
        client.ok(&format!("LOGIN {user} \"{PASSWORD}\""));
        client
    }

    /// Sends a command; its answer. Literals in it do not wait (LITERAL+).
    pub fn command(&mut self, text: &str) -> Answer {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.connection.send(format!("{tag} {text}\r\n").as_bytes());
        let mut untagged = Vec::new();
        loop {
            let Some(line) = self.connection.line() else {
                return Answer { status: "closed".to_owned(), line: String::new(), untagged };
            };
            let nodes = parse(line.trim_ascii_end(), false);
            if matches!(&nodes[0], Node::Atom(word) if *word == tag) {
                let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                return Answer { status: nodes[1].to_string(), line, untagged };
            }
            untagged.push(nodes);
        }
    }

    /// A command that must be answered with OK.
    pub fn ok(&mut self, text: &str) -> Answer {
        let answer = self.command(text);
        assert_eq!(answer.status, "OK", "{text}: {answer:?}");
        answer
    }

    /// All that the user has. No mailbox is selected after it.
    pub fn everything(&mut self) -> Everything {
        let names = |answer: Answer| -> BTreeSet<String> {
            answer
                .untagged
                .iter()
                .filter(|nodes| word(nodes, 1).ends_with("LIST") || word(nodes, 1) == "LSUB")
                .map(|nodes| word(nodes, nodes.len() - 1))
                .collect()
        };
        let selectable: BTreeSet<String> = names(self.ok("LIST \"\" *"));
        let subscribed = names(self.ok("LSUB \"\" *"));
        let mailboxes = selectable.into_iter().map(|name| {
            let contents = self.contents(&name);
            (name, contents)
        });
        Everything { mailboxes: mailboxes.collect(), subscribed }
    }

    /// What a mailbox holds. None is selected after it.
    pub fn contents(&mut self, mailbox: &str) -> Contents {
        let selected = self.ok(&format!("EXAMINE \"{mailbox}\" (CONDSTORE)"));
        let exists: usize = selected
            .untagged
            .iter()
            .find(|nodes| word(nodes, 2) == "EXISTS")
            .map(|nodes| word(nodes, 1).parse().expect("a number"))
            .expect("EXISTS");
        let fetched = self.ok("UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[])");
        let mut contents = Contents { messages: messages(&fetched), ..code_numbers(&selected) };
        assert_eq!(contents.messages.len(), exists, "in {mailbox}: {fetched:?}");
        let status = self.ok(&format!("STATUS \"{mailbox}\" (UIDNEXT HIGHESTMODSEQ)"));
        self.ok("UNSELECT");
        let numbers = status_numbers(&status);
        contents.next = contents.next.max(numbers["UIDNEXT"]);
        contents.highest = contents.highest.max(numbers["HIGHESTMODSEQ"]);
        contents
    }
}

impl Answer {
    /// The UIDs of a SEARCH.
    pub fn found(&self) -> BTreeSet<u64> {
        let search = self.untagged.iter().filter(|nodes| word(nodes, 1) == "SEARCH");
        search.flat_map(|nodes| nodes[2..].iter().filter_map(|node| node.to_string().parse().ok())).collect()
    }

    /// Whether an untagged NO came: the answer is not all that there is.
    pub fn warned(&self) -> bool {
        self.untagged.iter().any(|nodes| word(nodes, 1) == "NO")
    }

    /// The number before `EXISTS`.
    pub fn exists(&self) -> Option<usize> {
        self.untagged
            .iter()
            .rev()
            .find(|nodes| word(nodes, 2) == "EXISTS")
            .and_then(|nodes| word(nodes, 1).parse().ok())
    }
}

/// The messages of an answer to FETCH of UID, FLAGS, MODSEQ and BODY.
pub fn messages(answer: &Answer) -> BTreeMap<u64, Message> {
    let mut messages: BTreeMap<u64, Message> = BTreeMap::new();
    for nodes in answer.untagged.iter().filter(|nodes| word(nodes, 2) == "FETCH") {
        let Some(Node::List(items)) = nodes.get(3) else { panic!("items: {nodes:?}") };
        let mut uid = 0;
        let mut message = Message { flags: BTreeSet::new(), content: String::new(), modseq: 0 };
        let mut parts = 0;
        for pair in items.chunks(2) {
            match (pair[0].to_string().as_str(), &pair[1]) {
                ("UID", number) => uid = number.to_string().parse().expect("a UID"),
                ("MODSEQ", Node::List(number)) => {
                    message.modseq = number[0].to_string().parse().expect("a MODSEQ")
                }
                ("FLAGS", Node::List(flags)) => {
                    message.flags =
                        flags.iter().map(ToString::to_string).filter(|flag| flag != "\\Recent").collect();
                }
                ("BODY[]", Node::Text(text)) => {
                    message.content = String::from_utf8_lossy(text).into_owned();
                    parts += 1;
                }
                ("BODY[]", _) => parts += 1,
                _ => {}
            }
        }
        // News of another's change comes without content.
        if parts > 0 {
            messages.insert(uid, message);
        } else if let Some(known) = messages.get_mut(&uid) {
            known.flags = message.flags;
        }
    }
    messages
}

/// The numbers of an answer to STATUS; none where there is none.
pub fn status_numbers(answer: &Answer) -> BTreeMap<String, u64> {
    let nodes = answer.untagged.iter().find(|nodes| word(nodes, 1) == "STATUS");
    let Some(Node::List(items)) = nodes.and_then(|nodes| nodes.last()) else { return BTreeMap::new() };
    items
        .chunks(2)
        .map(|pair| (pair[0].to_string(), pair[1].to_string().parse().expect("a number")))
        .collect()
}

fn code_numbers(answer: &Answer) -> Contents {
    let mut contents = Contents::default();
    for nodes in &answer.untagged {
        let Some(Node::List(code)) = nodes.get(2) else { continue };
        let number = code.get(1).and_then(|node| node.to_string().parse().ok()).unwrap_or_default();
        match code[0].to_string().as_str() {
            "UIDVALIDITY" => contents.validity = number,
            "UIDNEXT" => contents.next = number,
            "HIGHESTMODSEQ" => contents.highest = number,
            _ => {}
        }
    }
    contents
}

fn word(nodes: &[Node], at: usize) -> String {
    match nodes.get(at) {
        Some(Node::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(node) => node.to_string(),
        None => String::new(),
    }
}
