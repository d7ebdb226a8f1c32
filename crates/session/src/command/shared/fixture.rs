//! What the tests of the message commands share: a site with messages in the inbox, and sessions
//! of its user.

use crate::testing::{Client, Site};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A site whose user's inbox holds messages with UIDs from 1 on.
pub(crate) struct Fixture {
    pub(crate) site: Site,
    delivered: usize,
    _root: TempDir,
}

/// Two lines of text.
pub(crate) const PLAIN: &str = "From: Anna <anna@example.org>\n\
    To: team@example.com\n\
    Subject: plain\n\
    Date: Mon, 7 Feb 1994 21:52:25 -0800\n\
    Message-ID: <plain@example.org>\n\
    \n\
    first line\n\
    second line\n";

/// Two parts: text, and a message of two parts.
pub(crate) const NESTED: &str = "From: bob@example.org\n\
    Subject: nested\n\
    MIME-Version: 1.0\n\
    Content-Type: multipart/mixed; boundary=outer\n\
    \n\
    preamble\n\
    --outer\n\
    Content-Type: text/plain\n\
    \n\
    one\n\
    --outer\n\
    Content-Type: message/rfc822\n\
    \n\
    Subject: inside\n\
    From: carl@example.org\n\
    Content-Type: multipart/mixed; boundary=inner\n\
    \n\
    --inner\n\
    \n\
    two one\n\
    --inner\n\
    Content-Type: text/html\n\
    \n\
    <b>two two</b>\n\
    --inner--\n\
    --outer--\n";

impl Fixture {
    /// With these messages in `cur/`: their bytes, and their flags as Maildir's letters.
    pub(crate) fn new(messages: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let site = Site::new(root.path());
        site.account("user");
        let mut fixture = Self { site, delivered: 0, _root: root };
        for (message, letters) in messages {
            fixture.write(message.as_bytes(), letters);
        }
        fixture.settle();
        fixture
    }

    /// Puts a message into `cur/`.
    pub(crate) fn put(&mut self, message: &[u8], letters: &str) {
        self.write(message, letters);
        self.settle();
    }

    /// Lets a session take in what is there, so that it is recent to no later one.
    fn settle(&self) {
        self.site.select("INBOX");
    }

    fn write(&mut self, message: &[u8], letters: &str) {
        self.delivered += 1;
        let name = format!("{}.M{}.host:2,{letters}", 1_700_000_000 + self.delivered, self.delivered);
        let path = self.maildir().join("cur").join(name);
        fs::write(&path, message).expect("a message");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let file = fs::File::options().write(true).open(&path).expect("the message");
        file.set_modified(time).expect("its time");
    }

    pub(crate) fn maildir(&self) -> PathBuf {
        self.site.maildir("user")
    }

    /// Path of the `n`-th file in `cur/`, counted from 1 in the order of names.
    pub(crate) fn path(&self, n: usize) -> PathBuf {
        let entries = fs::read_dir(self.maildir().join("cur")).expect("cur");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.swap_remove(n - 1)
    }

    /// Renames the `n`-th file as another program does that sets flags.
    pub(crate) fn rename(&self, n: usize, letters: &str) {
        let path = self.path(n);
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (base, _) = name.split_once(":2,").expect("an info");
        fs::rename(&path, path.with_file_name(format!("{base}:2,{letters}"))).expect("renamed");
    }

    /// A session with the inbox selected.
    pub(crate) fn select(&self) -> Client {
        self.site.select("INBOX")
    }

    /// A session with the inbox examined.
    pub(crate) fn examine(&self) -> Client {
        let mut client = self.site.log_in();
        let answer = client.command("EXAMINE INBOX");
        assert!(answer.contains("a OK [READ-ONLY]"), "{answer}");
        client
    }
}

/// Sends a command and compares what comes, tagged answer without its text included; lines are
/// parted by `\n`, and in literals too.
pub(crate) fn check(client: &mut Client, command: &str, expected: &str) {
    let answer = client.command(command).replace("\r\n", "\n");
    let body = answer.strip_suffix('\n').unwrap_or(&answer);
    let (untagged, tagged) = body.rsplit_once('\n').map_or(("", body), |(first, last)| (first, last));
    let words = if tagged.contains('[') {
        tagged.split_inclusive(']').next().unwrap_or_default().to_owned()
    } else {
        tagged.split(' ').take(2).collect::<Vec<_>>().join(" ")
    };
    let told = if untagged.is_empty() { words } else { format!("{untagged}\n{words}") };
    assert_eq!(told, expected, "{command}");
}
