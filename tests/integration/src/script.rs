//! Protocol scripts: reading them. The format is described in `tests/scripts/README.md`.

use std::path::{Path, PathBuf};

/// A script.
#[derive(Debug, Default)]
pub struct Script {
    /// Its file.
    pub path: PathBuf,
    /// Messages that are there before it begins: mailbox, file, flags.
    pub mail: Vec<(String, String, String)>,
    /// Mailboxes that are there before it begins.
    pub mailboxes: Vec<String>,
    /// Limits, as Maildir++ writes them, that another program left with a right count.
    pub quota: Option<String>,
    /// The state in which each connection begins.
    pub state: State,
    /// Settings that it needs (`courier`, `no-cleartext`, `tls`).
    pub needs: Vec<String>,
    /// Played over TCP and TLS too.
    pub over_network: bool,
    /// Why it is not played against Dovecot, if it is not.
    pub not_dovecot: Option<String>,
    /// What happens.
    pub steps: Vec<Step>,
}

/// The state in which a script's connections begin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// Nothing was read or sent: the greeting comes first.
    Greeting,
    /// The greeting was read.
    #[default]
    Connected,
    /// Logged in.
    Authenticated,
    /// Logged in, with this mailbox selected.
    Selected(String),
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Bytes are sent, lines are expected.
    Exchange(Exchange),
    /// Somebody else does something in the Maildir: the words of the line.
    #[allow(missing_docs, reason = "as said")]
    Disk { line: usize, words: Vec<String> },
}

/// What is sent on one connection, and what is expected for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// Line in the file.
    pub line: usize,
    /// Connection, from 1.
    pub connection: usize,
    /// What is sent, if anything.
    pub send: Option<Send>,
    /// What is expected, in order.
    pub expect: Vec<Expect>,
}

/// What is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// A tag is put before it.
    pub tagged: bool,
    /// Text and literals in turn.
    pub pieces: Vec<Piece>,
}

/// A part of what is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// As it stands; captures are filled in.
    Text(Vec<u8>),
    /// A literal; with `non_sync` without waiting for leave.
    #[allow(missing_docs, reason = "as said")]
    Literal { bytes: Vec<u8>, non_sync: bool },
}

/// A line that is expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expect {
    /// Line in the file.
    pub line: usize,
    /// What a response must look like, literals spliced in.
    pub text: Vec<u8>,
    /// It may come in any order with its unordered neighbours.
    pub unordered: bool,
    /// Only from this server.
    pub only: Option<String>,
}

impl Script {
    /// Reads a script. Errors say file and line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut script = Self { path: path.to_owned(), ..Self::default() };
        let mut lines = Lines { all: text.lines().collect(), at: 0, mail: path.with_file_name("mail") };
        script.parse(&mut lines).map_err(|error| format!("{}:{}: {error}", path.display(), lines.at))?;
        Ok(script)
    }

    fn parse(&mut self, lines: &mut Lines<'_>) -> Result<(), String> {
        let mut in_header = true;
        let mut comment = "";
        while let Some(line) = lines.next() {
            if let Some(text) = line.strip_prefix('#') {
                comment = text;
            } else if in_header && line.trim() == "---" {
                in_header = false;
            } else if line.trim().is_empty() {
                comment = "";
            } else if in_header {
                self.header(line)?;
            } else {
                self.step(line, comment, lines)?;
            }
        }
        if in_header { Err("no line --- ends the header".to_owned()) } else { Ok(()) }
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(':').ok_or("a header line is `word: value`")?;
        let rest = rest.trim();
        match word {
            "mail" => {
                let mut words = rest.splitn(3, ' ');
                let mailbox = words.next().unwrap_or_default().to_owned();
                let file = words.next().ok_or("mail: MAILBOX FILE [FLAGS]")?.to_owned();
                self.mail.push((mailbox, file, words.next().unwrap_or_default().to_owned()));
            }
            "quota" => self.quota = Some(rest.to_owned()),
            "mailbox" => self.mailboxes.push(rest.to_owned()),
            "state" => {
                self.state = match rest.split_once(' ') {
                    None if rest == "greeting" => State::Greeting,
                    None if rest == "connected" => State::Connected,
                    None if rest == "authenticated" => State::Authenticated,
                    Some(("selected", mailbox)) => State::Selected(mailbox.to_owned()),
                    _ => return Err(format!("no state {rest}")),
                }
            }
            "needs" => self.needs.extend(rest.split(' ').map(str::to_owned)),
            "network" => self.over_network = rest == "yes",
            "not dovecot" => self.not_dovecot = Some(rest.to_owned()),
            _ => return Err(format!("no header word {word}")),
        }
        Ok(())
    }

    fn step(&mut self, line: &str, comment: &str, lines: &mut Lines<'_>) -> Result<(), String> {
        let (head, rest) = line.split_once(':').ok_or("a step is `C:`, `R:`, `S:`, `U:` or `X:`")?;
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let digits = head.bytes().take_while(u8::is_ascii_digit).count();
        let connection =
            if digits == 0 { 1 } else { head[..digits].parse().map_err(|_| "bad connection")? };
        let at = lines.at;
        match &head[digits..] {
            "X" => {
                let words = rest.split(' ').map(str::to_owned).collect();
                self.steps.push(Step::Disk { line: at, words });
            }
            verb @ ("C" | "R") => {
                let send = Some(Send { tagged: verb == "C", pieces: lines.pieces(rest)? });
                self.steps.push(Step::Exchange(Exchange { line: at, connection, send, expect: Vec::new() }));
            }
            verb => {
                let expect = lines.expect(verb, rest, comment)?;
                self.expecting(at, connection).expect.push(expect);
            }
        }
        Ok(())
    }

    /// The exchange that a line of that connection is expected in.
    fn expecting(&mut self, line: usize, connection: usize) -> &mut Exchange {
        let same = matches!(self.steps.last(), Some(Step::Exchange(last)) if last.connection == connection);
        if !same {
            let exchange = Exchange { line, connection, send: None, expect: Vec::new() };
            self.steps.push(Step::Exchange(exchange));
        }
        match self.steps.last_mut() {
            Some(Step::Exchange(last)) => last,
            _ => unreachable!("pushed above"),
        }
    }
}

struct Lines<'a> {
    all: Vec<&'a str>,
    at: usize,
    mail: PathBuf,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.all.get(self.at)?;
        self.at += 1;
        Some(line)
    }

    /// The lines that begin with `|`, with CRLF.
    fn block(&mut self) -> Vec<u8> {
        let mut block = Vec::new();
        while let Some(text) = self.all.get(self.at).and_then(|line| line.strip_prefix('|')) {
            block.extend_from_slice(text.strip_prefix(' ').unwrap_or(text).as_bytes());
            block.extend_from_slice(b"\r\n");
            self.at += 1;
        }
        block
    }

    /// Text with `~text`, `~text+`, `~file(NAME)` and `~file+(NAME)` taken as literals.
    fn pieces(&mut self, text: &str) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("~text").or_else(|| rest.find("~file")) {
            pieces.push(Piece::Text(rest.as_bytes()[..at].to_vec()));
            let file = rest[at..].starts_with("~file");
            rest = &rest[at + 5..];
            let non_sync = rest.starts_with('+');
            rest = rest.strip_prefix('+').unwrap_or(rest);
            let bytes = if file {
                let (name, after) =
                    rest.strip_prefix('(').and_then(|r| r.split_once(')')).ok_or("~file(NAME)")?;
                rest = after;
                self.message(name)?
            } else {
                self.block()
            };
            pieces.push(Piece::Literal { bytes, non_sync });
        }
        pieces.push(Piece::Text(rest.as_bytes().to_vec()));
        Ok(pieces)
    }

    fn expect(&mut self, verb: &str, text: &str, comment: &str) -> Result<Expect, String> {
        let line = self.at;
        let (verb, only) = match verb.split_once('[') {
            None => (verb, None),
            Some((verb, server)) => {
                let server = server.strip_suffix(']').ok_or("S[server]: …")?;
                if !comment.contains("Dovecot") {
                    return Err(
                        "a difference has the reason in a comment above that names Dovecot".to_owned()
                    );
                }
                (verb, Some(server.to_owned()))
            }
        };
        let unordered = match verb {
            "S" => false,
            "U" => true,
            _ => return Err(format!("no step {verb}:")),
        };
        let mut bytes = Vec::new();
        for piece in self.pieces(text)? {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(&text),
                Piece::Literal { bytes: literal, .. } => {
                    bytes.extend_from_slice(format!("{{{}}}\r\n", literal.len()).as_bytes());
                    bytes.extend_from_slice(&literal);
                }
            }
        }
        Ok(Expect { line, text: self.sizes(&bytes)?, unordered, only })
    }

    /// `~size(NAME)` is the size of that message.
    fn sizes(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        let Ok(text) = std::str::from_utf8(text) else { return Ok(text.to_vec()) };
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("~size(") {
            let (name, after) = after.split_once(')').ok_or("~size(NAME)")?;
            filled.push_str(before);
            filled.push_str(&self.message(name)?.len().to_string());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled.into_bytes())
    }

    fn message(&self, name: &str) -> Result<Vec<u8>, String> {
        read_message(&self.mail.join(name)).map_err(|error| format!("{name}: {error}"))
    }
}

/// A message as it is sent: with CRLF.
pub fn read_message(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut last = 0;
    for byte in std::fs::read(path)? {
        if byte == b'\n' && last != b'\r' {
            message.push(b'\r');
        }
        message.push(byte);
        last = byte;
    }
    Ok(message)
}

/// All scripts below `folder`, in order of their names.
pub fn all(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of scripts")
        .map(|entry| entry.expect("its entries").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "imap"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    paths
}
