//! An IMAP client that reads as fast as a server writes: it knows lines and literals, and counts
//! what the workloads check.

use crate::Result;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// A server that is silent for so long fails the benchmark.
const SILENCE_SECONDS_MAX: u64 = 900;

/// Read at once.
const PIECE: usize = 256 * 1024;

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
    /// What is read and not yet looked at: `buffer[start..end]`.
    start: usize,
    end: usize,
    commands: u32,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// What came before the tagged line, counted.
#[derive(Default, Debug)]
pub(crate) struct Answer {
    /// `FETCH` responses.
    pub(crate) fetched: usize,
    /// The number of the last `EXISTS`.
    pub(crate) exists: Option<usize>,
    /// Numbers in `SEARCH` responses.
    pub(crate) found: usize,
    /// Octets in literals.
    pub(crate) literal_octets: u64,
    /// Octets in lines, literals apart.
    pub(crate) line_octets: u64,
}

impl Client {
    /// Connects in clear, and reads the greeting.
    pub(crate) fn clear(port: u16) -> Result<Self> {
        Self::greeted(Stream::Clear(connect(port)?), PIECE)
    }

    /// Connects under TLS, and reads the greeting. Its buffer is small: there may be thousands.
    pub(crate) fn tls(socket: TcpStream, config: &Arc<ClientConfig>) -> Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(SILENCE_SECONDS_MAX)))?;
        let name = ServerName::try_from("localhost")?;
        let session = ClientConnection::new(config.clone(), name)?;
        Self::greeted(Stream::Tls(Box::new(StreamOwned::new(session, socket))), 1024)
    }

    fn greeted(stream: Stream, size: usize) -> Result<Self> {
        let mut client = Self { stream, buffer: vec![0; size], start: 0, end: 0, commands: 0 };
        let (start, end) = client.line()?;
        let greeting = &client.buffer[start..end];
        if !greeting.starts_with(b"* OK") {
            return Err(format!("the greeting is {}", greeting.escape_ascii()).into());
        }
        Ok(client)
    }

    /// Reads much at once from now on.
    pub(crate) fn expect_much(&mut self) {
        self.buffer.resize(PIECE, 0);
    }

    pub(crate) fn log_in(&mut self, user: &str) -> Result<()> {
        self.log_in_with(user, crate::servers::PASSWORD)
    }

    pub(crate) fn log_in_with(&mut self, user: &str, password: &str) -> Result<()> {
        self.command(&format!("LOGIN {user} {password}")).map(drop)
    }

    /// Sends a command and reads its whole answer, which must be OK.
    pub(crate) fn command(&mut self, command: &str) -> Result<Answer> {
        let tag = self.send(command)?;
        self.answer(&tag).map_err(|error| format!("{command}: {error}").into())
    }

    /// `SELECT INBOX`, which must have `messages`.
    pub(crate) fn select(&mut self, messages: usize) -> Result<()> {
        let answer = self.command("SELECT INBOX")?;
        match answer.exists {
            Some(exists) if exists == messages => Ok(()),
            other => Err(format!("SELECT: {messages} messages are there, the server says {other:?}").into()),
        }
    }

    /// A command that must be answered with one `FETCH` for each of `messages`.
    pub(crate) fn fetch(&mut self, command: &str, messages: usize) -> Result<Answer> {
        let answer = self.command(command)?;
        if answer.fetched != messages {
            let fetched = answer.fetched;
            return Err(format!("{command}: {fetched} FETCH responses for {messages} messages").into());
        }
        Ok(answer)
    }

    /// A search that must find so many.
    pub(crate) fn search(&mut self, command: &str, expected: usize) -> Result<()> {
        let answer = self.command(command)?;
        if answer.found != expected {
            let found = answer.found;
            return Err(format!("{command}: {found} found, {expected} are there").into());
        }
        Ok(())
    }

    /// Appends a message to INBOX.
    pub(crate) fn append(&mut self, message: &[u8]) -> Result<()> {
        let tag = self.send(&format!("APPEND INBOX (\\Seen) {{{}}}", message.len()))?;
        self.expect("+")?;
        self.write(message)?;
        self.write(b"\r\n")?;
        self.answer(&tag).map_err(|error| format!("APPEND: {error}").into()).map(drop)
    }

    /// Enters IDLE; left only by closing the connection.
    pub(crate) fn idle(&mut self) -> Result<()> {
        self.send("IDLE")?;
        self.expect("+")
    }

    /// Waits, in IDLE, until the mailbox has so many messages.
    pub(crate) fn wait_for_exists(&mut self, messages: usize) -> Result<()> {
        loop {
            let (start, end) = self.line()?;
            let mut answer = Answer::default();
            answer.count(&self.buffer[start..end]);
            if answer.exists.is_some_and(|exists| exists >= messages) {
                return Ok(());
            }
        }
    }

    /// Logs out, and waits until the server has closed.
    pub(crate) fn log_out(mut self) -> Result<()> {
        self.command("LOGOUT")?;
        let mut rest = [0; 256];
        while self.read_some(&mut rest).is_ok_and(|count| count > 0) {}
        Ok(())
    }

    fn send(&mut self, command: &str) -> Result<String> {
        self.commands += 1;
        let tag = format!("a{}", self.commands);
        self.write(format!("{tag} {command}\r\n").as_bytes())?;
        Ok(tag)
    }

    /// Passes lines over until one that starts so.
    fn expect(&mut self, beginning: &str) -> Result<()> {
        loop {
            let (start, end) = self.line()?;
            let line = &self.buffer[start..end];
            if line.starts_with(beginning.as_bytes()) {
                return Ok(());
            }
            if !line.starts_with(b"* ") {
                return Err(format!("not {beginning}: {}", line.escape_ascii()).into());
            }
        }
    }

    fn answer(&mut self, tag: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        let mut inside = false;
        loop {
            let (start, end) = self.line()?;
            let line = &self.buffer[start..end];
            if !inside {
                if let Some(rest) = line.strip_prefix(tag.as_bytes()) {
                    if rest.starts_with(b" OK") {
                        return Ok(answer);
                    }
                    return Err(line.escape_ascii().to_string().into());
                }
                answer.count(line);
            }
            answer.line_octets += line.len() as u64;
            let literal = literal_size(line);
            inside = literal.is_some();
            if let Some(size) = literal {
                answer.literal_octets += size;
                self.skip(size)?;
            }
        }
    }

    /// Where the next line is in the buffer, without its end.
    fn line(&mut self) -> Result<(usize, usize)> {
        let mut looked = 0;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.start + looked..self.end]) {
                let start = self.start;
                let end = start + looked + found;
                self.start = end + 1;
                let end = if end > start && self.buffer[end - 1] == b'\r' { end - 1 } else { end };
                return Ok((start, end));
            }
            looked = self.end - self.start;
            self.fill()?;
        }
    }

    fn skip(&mut self, mut octets: u64) -> Result<()> {
        loop {
            let here = octets.min((self.end - self.start) as u64);
            self.start += here as usize;
            octets -= here;
            if octets == 0 {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let count = match &mut self.stream {
            Stream::Clear(stream) => stream.read(&mut self.buffer[self.end..])?,
            Stream::Tls(stream) => stream.read(&mut self.buffer[self.end..])?,
        };
        if count == 0 {
            return Err("the server closed the connection".into());
        }
        self.end += count;
        Ok(())
    }

    fn read_some(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.read(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.write_all(octets)?,
            Stream::Tls(stream) => {
                stream.write_all(octets)?;
                stream.flush()?;
            }
        }
        Ok(())
    }
}

impl Answer {
    /// Takes the first line of an untagged response into the counts.
    fn count(&mut self, line: &[u8]) {
        let Some(rest) = line.strip_prefix(b"* ") else { return };
        if let Some(numbers) = rest.strip_prefix(b"SEARCH") {
            self.found += numbers.split(|&octet| octet == b' ').filter(|number| !number.is_empty()).count();
            return;
        }
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        if digits == 0 {
            return;
        }
        let word = &rest[digits..];
        if word.starts_with(b" FETCH") {
            self.fetched += 1;
        } else if word.starts_with(b" EXISTS") {
            self.exists = std::str::from_utf8(&rest[..digits]).ok().and_then(|number| number.parse().ok());
        }
    }
}

/// The size of the literal that a line announces at its end.
fn literal_size(line: &[u8]) -> Option<u64> {
    let inside = line.strip_suffix(b"}")?;
    let brace = memchr::memrchr(b'{', inside)?;
    std::str::from_utf8(&inside[brace + 1..]).ok()?.parse().ok()
}

/// A socket to that port of this machine.
fn connect(port: u16) -> Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(SILENCE_SECONDS_MAX)))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_literals() {
        for (line, expected) in [
            (&b"* 1 FETCH (BODY[] {12}"[..], Some(12)),
            (b"* 1 FETCH (FLAGS ())", None),
            (b"{}", None),
            (b"x}", None),
            (b"", None),
        ] {
            assert_eq!(literal_size(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn responses_are_counted() {
        let mut answer = Answer::default();
        for line in
            [&b"* 7 EXISTS"[..], b"* 3 FETCH (FLAGS ())", b"* SEARCH 1 2 3", b"* SEARCH", b"* FLAGS (x)"]
        {
            answer.count(line);
        }
        assert_eq!((answer.exists, answer.fetched, answer.found), (Some(7), 1, 3));
    }
}
