//! Sessions in memory, over a store in a temporary directory. No sockets, and a clock that
//! stands still.

use crate::script::Script;
use crate::target::stream::{Bytes, Stream};
use crate::target::{Connection, Target};
use mail::{SpecialUse, SpecialUseNames};
use session::NamespaceStyle;
use session::testing::{CLEAR, Client, Site, TLS};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a session in IDLE is asked whether there is news.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// A site with one user, for one script.
pub struct Memory {
    site: Site,
    tls: bool,
    _directory: tempfile::TempDir,
}

impl Memory {
    /// A site with the settings that the script needs.
    pub fn new(script: &Script) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut site = Site::new(directory.path());
        let needs = |word: &str| script.needs.iter().any(|need| need == word);
        if needs("courier") {
            site.settings.namespace = NamespaceStyle::Courier;
        }
        site.settings.special_use_names = special_use_names();
        Self { site, tls: !needs("no-cleartext"), _directory: directory }
    }
}

impl Target for Memory {
    fn name(&self) -> &'static str {
        "restante"
    }

    fn user(&self) -> String {
        "user".to_owned()
    }

    fn maildir(&self) -> PathBuf {
        self.site.maildir("user")
    }

    fn connect(&mut self) -> Box<dyn Connection> {
        let client = self.site.connect(if self.tls { TLS } else { CLEAR });
        Box::new(Stream::new(InMemory { client, written: Vec::new(), wait: Duration::ZERO }))
    }
}

/// A session as a byte stream: what is written is answered before the write returns.
struct InMemory {
    client: Client,
    /// By the session, and not read yet.
    written: Vec<u8>,
    wait: Duration,
}

impl Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let answer = self.client.send(bytes);
        self.written.extend(answer);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for InMemory {
    /// Waits only where something can come by itself: in IDLE.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let until = Instant::now() + self.wait;
        loop {
            let news = self.client.take();
            self.written.extend(news);
            if !self.written.is_empty() {
                let count = buffer.len().min(self.written.len());
                buffer[..count].copy_from_slice(&self.written[..count]);
                self.written.drain(..count);
                return Ok(count);
            }
            if self.client.closed() {
                return Ok(0);
            }
            if !self.client.watches() || Instant::now() > until {
                return Err(ErrorKind::WouldBlock.into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Bytes for InMemory {
    fn set_wait(&mut self, wait: Duration) {
        self.wait = wait;
    }
}

/// The names that sites have for them.
fn special_use_names() -> Vec<SpecialUseNames> {
    let names_of = |special_use, names: &[&str]| SpecialUseNames {
        special_use,
        names: names.iter().map(|name| mail::MailboxName::new(name).expect("a name")).collect(),
    };
    vec![
        names_of(SpecialUse::Archive, &["Archive"]),
        names_of(SpecialUse::Drafts, &["Drafts"]),
        names_of(SpecialUse::Junk, &["Junk", "Junk E-mail", "Spam"]),
        names_of(SpecialUse::Sent, &["Sent", "Sent Items", "Sent Messages"]),
        names_of(SpecialUse::Trash, &["Trash", "Deleted Items", "Deleted Messages"]),
    ]
}
