//! Playing a script against a target, strict about what comes and what comes too much.

use crate::response::{Captures, matches, parse};
use crate::script::{Exchange, Expect, Piece, Script, Send, State, Step};
use crate::target::{Connection, PASSWORD, Target, mailbox_directory, make_mailbox};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Puts a script's mailboxes and messages into the target's empty Maildir, and opens them once
/// so that no message is recent.
pub fn prepare(script: &Script, target: &mut dyn Target) {
    let maildir = target.maildir();
    make_mailbox(&maildir, "INBOX");
    let mut mailboxes = vec!["INBOX"];
    mailboxes.extend(script.mailboxes.iter().map(String::as_str));
    mailboxes.extend(script.mail.iter().map(|(mailbox, ..)| mailbox.as_str()));
    mailboxes.iter().for_each(|mailbox| drop(make_mailbox(&maildir, mailbox)));
    for (number, (mailbox, file, flags)) in (0..).zip(&script.mail) {
        put(&maildir, mailbox, &mail_file(script, file), number, Some(flags));
    }
    if let Some(limits) = &script.quota {
        mailboxes.sort_unstable();
        mailboxes.dedup();
        set_quota(&maildir, &mailboxes, limits);
    }
    if script.mail.is_empty() {
        return;
    }
    let mut player = Player::new(script, target);
    player.open(0).unwrap_or_else(|error| panic!("{error}"));
    if !matches!(script.state, State::Authenticated | State::Selected(_)) {
        player.log_in(1, 0).unwrap_or_else(|error| panic!("{error}"));
    }
    for mailbox in mailboxes {
        let name = player.name_on_the_wire(mailbox);
        player.quietly(1, 0, &format!("SELECT \"{name}\"")).unwrap_or_else(|error| panic!("{error}"));
    }
    player.quietly(1, 0, "LOGOUT").unwrap_or_else(|error| panic!("{error}"));
}

/// Writes `maildirsize` as another program would have left it.
fn set_quota(maildir: &Path, mailboxes: &[&str], limits: &str) {
    let (mut bytes, mut messages) = (0, 0);
    for mailbox in mailboxes {
        let cur = mailbox_directory(maildir, mailbox).join("cur");
        for entry in std::fs::read_dir(cur).expect("the messages") {
            bytes += entry.and_then(|entry| entry.metadata()).expect("a message").len();
            messages += 1;
        }
    }
    let text = format!("{limits}\n{bytes:>12} {messages:>12}\n");
    std::fs::write(maildir.join("maildirsize"), text).expect("maildirsize");
}

/// Plays a script from its beginning. `Err` says what was sent, expected and received.
pub fn play(script: &Script, target: &mut dyn Target) -> Result<(), String> {
    let mut player = Player::new(script, target);
    for step in &script.steps {
        match step {
            Step::Disk { line, words } => {
                player.disk(words).map_err(|error| player.fail(*line, &error))?;
            }
            Step::Exchange(exchange) => player.exchange(exchange)?,
        }
    }
    for (index, connection) in player.connections.iter_mut().enumerate() {
        if let Some(line) = connection.surplus() {
            return Err(format!(
                "{}: connection {} has more: {}",
                script.path.display(),
                index + 1,
                show(&line)
            ));
        }
    }
    Ok(())
}

struct Player<'a> {
    script: &'a Script,
    target: &'a mut dyn Target,
    connections: Vec<Box<dyn Connection>>,
    captures: Captures,
    /// The tag of each connection's last command.
    tags: Vec<Option<String>>,
    /// Commands sent, on all connections.
    sent: u32,
}

impl<'a> Player<'a> {
    fn new(script: &'a Script, target: &'a mut dyn Target) -> Self {
        let captures = Captures::from([
            ("user".to_owned(), target.user()),
            ("password".to_owned(), PASSWORD.to_owned()),
        ]);
        Self { script, target, connections: Vec::new(), captures, tags: Vec::new(), sent: 0 }
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<(), String> {
        while self.connections.len() < exchange.connection {
            self.open(exchange.line)?;
        }
        let expected: Vec<&Expect> = self.expected_here(&exchange.expect);
        if let Some(send) = &exchange.send {
            self.send(exchange, send)?;
        }
        let tag = self.tags[exchange.connection - 1].clone();
        let received = self.receive(exchange, &expected, tag.as_deref())?;
        if std::env::var_os("RECORD").is_some() {
            record(exchange, &received, tag.as_deref());
            return Ok(());
        }
        self.compare(exchange, &expected, &received, tag.as_deref())
    }

    fn expected_here<'e>(&self, expect: &'e [Expect]) -> Vec<&'e Expect> {
        let name = self.target.name();
        let here = |expect: &&Expect| match expect.only.as_deref() {
            None => true,
            Some(only) => only == name,
        };
        expect.iter().filter(here).collect()
    }

    fn open(&mut self, line: usize) -> Result<(), String> {
        let connection = self.target.connect();
        self.connections.push(connection);
        self.tags.push(None);
        let number = self.connections.len();
        if self.script.state == State::Greeting {
            return Ok(());
        }
        let greeting = self.connections[number - 1].line();
        if !greeting.as_deref().is_some_and(|line| line.starts_with(b"* OK")) {
            return Err(self.fail(line, "no greeting"));
        }
        if matches!(self.script.state, State::Authenticated | State::Selected(_)) {
            self.log_in(number, line)?;
        }
        if let State::Selected(mailbox) = &self.script.state {
            self.quietly(number, line, &format!("SELECT \"{mailbox}\""))?;
        }
        Ok(())
    }

    fn log_in(&mut self, connection: usize, line: usize) -> Result<(), String> {
        self.quietly(connection, line, &format!("LOGIN {} \"{PASSWORD}\"", self.target.user()))
    }

    /// A mailbox name as a client of the script's namespace writes it.
    fn name_on_the_wire(&self, mailbox: &str) -> String {
        if mailbox != "INBOX" && self.script.needs.iter().any(|need| need == "courier") {
            return format!("INBOX.{}", mailbox.replace('/', "."));
        }
        mailbox.to_owned()
    }

    /// A command of the preparation: it must be answered with OK.
    fn quietly(&mut self, connection: usize, line: usize, command: &str) -> Result<(), String> {
        let connection = &mut self.connections[connection - 1];
        connection.send(format!("prepare {command}\r\n").as_bytes());
        loop {
            match connection.line() {
                Some(response) if response.starts_with(b"prepare OK") => return Ok(()),
                Some(response) if response.starts_with(b"* ") => {}
                other => {
                    let got = other.as_deref().map_or("nothing".to_owned(), show);
                    return Err(self.fail(line, &format!("{command} was answered with {got}")));
                }
            }
        }
    }

    fn send(&mut self, exchange: &Exchange, send: &Send) -> Result<(), String> {
        let mut bytes = Vec::new();
        if send.tagged {
            self.sent += 1;
            let tag = format!("t{}", self.sent);
            bytes.extend_from_slice(format!("{tag} ").as_bytes());
            self.tags[exchange.connection - 1] = Some(tag);
        }
        for piece in &send.pieces {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(&self.fill_in(text)),
                Piece::Literal { bytes: literal, non_sync } => {
                    let plus = if *non_sync { "+" } else { "" };
                    bytes.extend_from_slice(format!("{{{}{plus}}}\r\n", literal.len()).as_bytes());
                    if !non_sync {
                        self.connections[exchange.connection - 1].send(&std::mem::take(&mut bytes));
                        match self.connections[exchange.connection - 1].line() {
                            Some(line) if line.starts_with(b"+") => {}
                            // Refused: the answer is compared, the literal is not sent.
                            Some(line) => {
                                self.connections[exchange.connection - 1] = Box::new(Refused {
                                    first: Some(line),
                                    below: std::mem::replace(
                                        &mut self.connections[exchange.connection - 1],
                                        Box::new(Closed),
                                    ),
                                });
                                return Ok(());
                            }
                            None => return Err(self.fail(exchange.line, "no leave for the literal")),
                        }
                    }
                    bytes.extend_from_slice(literal);
                }
            }
        }
        bytes.extend_from_slice(b"\r\n");
        self.connections[exchange.connection - 1].send(&bytes);
        Ok(())
    }

    fn fill_in(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for (name, value) in &self.captures {
            text = replace(&text, format!("<{name}>").as_bytes(), value.as_bytes());
        }
        text
    }

    /// With a tagged line expected, reads to the tagged line; else as many lines as expected.
    fn receive(
        &mut self,
        exchange: &Exchange,
        expected: &[&Expect],
        tag: Option<&str>,
    ) -> Result<Vec<Vec<u8>>, String> {
        let ends_tagged = expected.last().is_some_and(|last| is_tagged(&last.text));
        let mut received: Vec<Vec<u8>> = Vec::new();
        let connection = &mut self.connections[exchange.connection - 1];
        loop {
            let done = match (ends_tagged, received.last()) {
                (true, Some(last)) => !last.starts_with(b"* ") && !last.starts_with(b"+"),
                (true, None) => false,
                (false, _) => received.len() >= expected.len(),
            };
            if done {
                return Ok(received);
            }
            let Some(line) = connection.line() else {
                if expected.last().is_some_and(|last| last.text == b"closed")
                    && received.len() + 1 == expected.len()
                {
                    received.push(b"closed\r\n".to_vec());
                    return Ok(received);
                }
                let why = format!("the server says no more; {}", transcript(expected, &received, tag));
                return Err(self.fail(exchange.line, &why));
            };
            received.push(line);
        }
    }

    fn compare(
        &mut self,
        exchange: &Exchange,
        expected: &[&Expect],
        received: &[Vec<u8>],
        tag: Option<&str>,
    ) -> Result<(), String> {
        let mut remaining: Vec<&Vec<u8>> = received.iter().collect();
        let mut at = 0;
        while at < expected.len() {
            let group = expected[at..].iter().take_while(|e| e.unordered).count().max(1);
            for expect in &expected[at..at + group] {
                let reach = group.min(remaining.len());
                let found = (0..reach).find(|&index| self.line_matches(expect, remaining[index], tag));
                match found {
                    Some(index) => drop(remaining.remove(index)),
                    None => return Err(self.fail(expect.line, &transcript(expected, received, tag))),
                }
            }
            at += group;
        }
        if remaining.is_empty() {
            return Ok(());
        }
        Err(self.fail(exchange.line, &transcript(expected, received, tag)))
    }

    fn line_matches(&mut self, expect: &Expect, line: &[u8], tag: Option<&str>) -> bool {
        let text = self.fill_in(&expect.text);
        let mut pattern = parse(&text, true);
        let line = line.trim_ascii_end();
        let line = match tag {
            Some(tag) if is_tagged(&text) => {
                match line.strip_prefix(tag.as_bytes()).and_then(|l| l.strip_prefix(b" ")) {
                    Some(rest) => rest,
                    None => return false,
                }
            }
            _ => line,
        };
        let mut actual = parse(line, false);
        forget_human_text(&mut pattern, &mut actual);
        matches(&pattern, &actual, &mut self.captures)
    }

    fn disk(&self, words: &[String]) -> Result<(), String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let maildir = &self.target.maildir();
        match words.as_slice() {
            ["deliver", mailbox, file] => {
                let number = 1_000 + self.sent;
                put(maildir, mailbox, &mail_file(self.script, file), number, None);
            }
            ["remove", mailbox, file] => {
                let found = find(maildir, mailbox, file)?;
                std::fs::remove_file(found).map_err(|error| error.to_string())?;
            }
            ["flag", mailbox, file, flags] => {
                let found = find(maildir, mailbox, file)?;
                let name = found.file_name().unwrap().to_str().unwrap();
                let base = name.split_once(':').map_or(name, |(base, _)| base);
                let to = mailbox_directory(maildir, mailbox).join("cur").join(format!("{base}:2,{flags}"));
                std::fs::rename(&found, to).map_err(|error| error.to_string())?;
            }
            _ => return Err("X: deliver|remove MAILBOX FILE, or flag MAILBOX FILE LETTERS".to_owned()),
        }
        Ok(())
    }

    fn fail(&self, line: usize, why: &str) -> String {
        format!("{}:{line} against {}: {why}", self.script.path.display(), self.target.name())
    }
}

/// Texts are for people: without one in the pattern, none is compared.
fn forget_human_text(pattern: &mut [crate::response::Node], actual: &mut Vec<crate::response::Node>) {
    use crate::response::Node;
    let condition = |nodes: &[Node]| {
        let at = usize::from(matches!(nodes.first(), Some(Node::Atom(a)) if a == "*"));
        match nodes.get(at) {
            Some(Node::Atom(word))
                if ["OK", "NO", "BAD", "BYE"].contains(&word.to_ascii_uppercase().as_str()) =>
            {
                Some(at)
            }
            _ => None,
        }
    };
    if let (Some(at), Some(_)) = (condition(pattern), condition(actual)) {
        let code = matches!(actual.get(at + 1), Some(Node::List(_)));
        let bare = pattern.len() <= at + 1 + usize::from(matches!(pattern.get(at + 1), Some(Node::List(_))));
        if bare {
            actual.truncate(at + 1 + usize::from(code));
        }
    } else if matches!(pattern, [Node::Atom(plus)] if plus == "+") {
        actual.truncate(1);
    }
}

/// `text` with `word` replaced; bytes, as messages in it have any charset.
fn replace(text: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(word.len()).position(|window| window == word) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + word.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn is_tagged(text: &[u8]) -> bool {
    [&b"OK"[..], b"NO", b"BAD"].iter().any(|word| text.starts_with(word))
}

/// Writes a message as another program would: into `cur/` with `flags`, else into `new/`.
/// `number` gives its place in the order of delivery, and its date.
fn put(maildir: &Path, mailbox: &str, file: &Path, number: u32, flags: Option<&str>) {
    let message = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let seconds = 1_700_000_000 + u64::from(number);
    let name = format!("{seconds}.P{}.{}", std::process::id(), file_label(file));
    let directory = mailbox_directory(maildir, mailbox);
    let temporary = directory.join("tmp").join(&name);
    std::fs::write(&temporary, message).expect("a message in tmp");
    let opened = std::fs::File::options().write(true).open(&temporary).expect("the message");
    opened.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("its date");
    let to = match flags {
        Some(flags) => directory.join("cur").join(format!("{name}:2,{flags}")),
        None => directory.join("new").join(name),
    };
    std::fs::rename(temporary, to).expect("the message delivered");
}

fn mail_file(script: &Script, name: &str) -> PathBuf {
    script.path.with_file_name("mail").join(name)
}

fn file_label(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap().replace(['.', ':'], "_")
}

fn find(maildir: &Path, mailbox: &str, file: &str) -> Result<PathBuf, String> {
    let directory = mailbox_directory(maildir, mailbox);
    let label = file_label(Path::new(file));
    ["cur", "new"]
        .iter()
        .filter_map(|name| std::fs::read_dir(directory.join(name)).ok())
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains(&label))
        .ok_or_else(|| format!("no message {file} in {mailbox}"))
}

/// Prints an exchange as it was, in the form of a script.
fn record(exchange: &Exchange, received: &[Vec<u8>], tag: Option<&str>) {
    let number = if exchange.connection == 1 { String::new() } else { exchange.connection.to_string() };
    for piece in exchange.send.iter().flat_map(|send| &send.pieces) {
        match piece {
            Piece::Text(text) if text.is_empty() => {}
            Piece::Text(text) => println!("\n{number}C: {}", show(text)),
            Piece::Literal { bytes, .. } => println!("| {}", show(bytes)),
        }
    }
    for line in received {
        let mut text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        while let Some(size) =
            text.find("\r\n").and_then(|end| crate::response::literal_size(&text.as_bytes()[..end + 2]))
        {
            let end = text.find("\r\n").unwrap();
            let open = text[..end].rfind('{').unwrap();
            let literal = &text[end + 2..end + 2 + size];
            let quoted =
                literal.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r").replace('\n', "\\n");
            text = format!("{}\"{quoted}\"{}", &text[..open], &text[end + 2 + size..]);
        }
        let text = match tag.and_then(|tag| text.strip_prefix(tag)) {
            Some(rest) => rest.trim_start().to_owned(),
            None => text,
        };
        println!("{number}S: {text}");
    }
}

fn transcript(expected: &[&Expect], received: &[Vec<u8>], tag: Option<&str>) -> String {
    let mut text = format!("tag {}\n  expected:\n", tag.unwrap_or("none"));
    for expect in expected {
        let _ = writeln!(text, "    {}", show(&expect.text));
    }
    text.push_str("  received:\n");
    for line in received {
        let _ = writeln!(text, "    {}", show(line));
    }
    text
}

fn show(line: &[u8]) -> String {
    line.trim_ascii_end().escape_ascii().to_string().replace("\\\"", "\"")
}

/// A connection whose next line was read already.
struct Refused {
    first: Option<Vec<u8>>,
    below: Box<dyn Connection>,
}

impl Connection for Refused {
    fn send(&mut self, bytes: &[u8]) {
        self.below.send(bytes);
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        self.first.take().or_else(|| self.below.line())
    }

    fn surplus(&mut self) -> Option<Vec<u8>> {
        self.first.take().or_else(|| self.below.surplus())
    }
}

/// A connection that is no more.
struct Closed;

impl Connection for Closed {
    fn send(&mut self, _: &[u8]) {}

    fn line(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn surplus(&mut self) -> Option<Vec<u8>> {
        None
    }
}
