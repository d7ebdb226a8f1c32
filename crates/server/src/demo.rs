//! `restante demo`: a mailbox full of examples on loopback, gone when it is stopped.

use crate::listen::listeners;
use crate::runtime::block_on;
use crate::serve::serve;
use crate::server::Server;
use crate::settings::{Configuration, read_text};
use crate::{log, tls};
use clap::Args;
use maildir::Maildir;
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What `restante demo` understands.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Port for STARTTLS, or 0 for one that the system chooses.
    #[arg(long, value_name = "PORT", default_value_t = 1143)]
    port: u16,
    /// Port for TLS from the first byte, or 0 for one that the system chooses.
    #[arg(long, value_name = "PORT", default_value_t = 1993)]
    tls_port: u16,
}

const USER: &str = "demo@example.com";

const DAY: Duration = Duration::from_hours(24);

/// Where an example lies, Maildir's flags, and what it is; the oldest first.
const EXAMPLES: &[(&str, &str, &str)] = &[
    (".Archive.2025", "S", include_str!("../demo/1-welcome.eml")),
    ("", "", include_str!("../demo/1-welcome.eml")),
    ("", "S", include_str!("../demo/2-newsletter.eml")),
    ("", "FS", include_str!("../demo/3-invoice.eml")),
    ("", "S", include_str!("../demo/4-forwarded.eml")),
    ("", "", include_str!("../demo/5-utf8.eml")),
    ("", "RS", include_str!("../demo/6-thread-question.eml")),
    ("", "", include_str!("../demo/7-thread-answer.eml")),
];

/// Mailboxes beside the inbox.
const MAILBOXES: &[&str] = &[".Drafts", ".Sent", ".Junk", ".Trash", ".Archive", ".Archive.2025", ".Entwürfe"];

/// Serves the demo until Ctrl-C.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    log::start(log::Filter { level: "warn", changes: false }, log::Format::Text);
    let site = Site::make(options).map_err(|error| format!("cannot set the demo up: {error}"))?;
    let tls = tls::configure(&site.configuration).map_err(|problems| problems.join("\n"))?;
    let listeners = listeners(&site.configuration.listen).map_err(|refused| {
        let lines: Vec<String> = refused.iter().map(ToString::to_string).collect();
        format!("{}\nother ports can be chosen with --port and --tls-port", lines.join("\n"))
    })?;
    let port =
        |index: usize| listeners.get(index).and_then(|l| l.socket.local_addr().ok()).map_or(0, |a| a.port());
    say(&site.instructions(port(0), port(1)));
    let configuration = site.configuration.clone();
    let served = block_on(async {
        serve(Server::new(configuration, tls, None), listeners, None, std::future::pending()).await
    });
    drop(site);
    say("The demo's files are removed.");
    served
}

/// Prints a line. A reader who went away ends no server.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The demo's files; dropping it removes them.
struct Site {
    directory: PathBuf,
    configuration: Configuration,
    password: String,
}

impl Site {
    fn make(options: &Options) -> std::io::Result<Self> {
        let directory = new_directory()?;
        let password = random_word()?;
        let text = configuration_text(&directory, options);
        let made = (|| {
            write_certificate(&directory)?;
            write_mail(&directory.join("mail").join(USER))?;
            std::fs::write(directory.join("users"), format!("{USER}:{{PLAIN}}{password}::::::\n"))?;
            read_text(Path::new("demo"), &text).map_err(|problems| {
                Error::other(problems.iter().map(ToString::to_string).collect::<String>())
            })
        })();
        match made {
            Ok(configuration) => Ok(Self { directory, configuration, password }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&directory);
                Err(error)
            }
        }
    }

    fn instructions(&self, port: u16, tls_port: u16) -> String {
        let (directory, password) = (self.directory.display(), &self.password);
        format!(
            "Restante serves a mailbox of examples.

    user      {USER}
    password  {password}
    IMAP      localhost, port {port} (STARTTLS)
    IMAPS     localhost, port {tls_port}
    Maildir   {directory}/mail/{USER}

Try it from another terminal:

    curl --cacert {directory}/cert.pem --user '{USER}:{password}' 'imaps://localhost:{tls_port}/INBOX' -X 'SEARCH UNSEEN'
    curl --cacert {directory}/cert.pem --user '{USER}:{password}' 'imaps://localhost:{tls_port}/INBOX;MAILINDEX=2'
    openssl s_client -quiet -crlf -CAfile {directory}/cert.pem -connect localhost:{tls_port}
    mutt -e 'set certificate_file={directory}/cert.pem' -f 'imaps://{USER}:{password}@localhost:{tls_port}/'

Ctrl-C stops it and removes everything."
        )
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("restante: {} stays: {error}", self.directory.display());
        }
    }
}

fn configuration_text(directory: &Path, options: &Options) -> String {
    let directory = directory.display();
    let Options { port, tls_port } = options;
    format!(
        "hostname = \"localhost\"
[tls]
certificate = \"{directory}/cert.pem\"
key = \"{directory}/key.pem\"
[mail]
maildir = \"{directory}/mail/%u\"
[[users]]
passwd-file = \"{directory}/users\"
[[listen]]
address = \"127.0.0.1:{port}\"
tls = \"starttls\"
[[listen]]
address = \"127.0.0.1:{tls_port}\"
tls = \"implicit\"
[log]
level = \"warn\"
"
    )
}

/// A directory that only we can read and nobody could have made before.
fn new_directory() -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    for _ in 0..16 {
        let path = std::env::temp_dir().join(format!("restante-demo-{}", random_word()?));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(path),
        }
    }
    Err(Error::other("no name for a temporary directory"))
}

/// Sixteen letters that are easily told apart.
fn random_word() -> std::io::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

fn write_certificate(directory: &Path) -> std::io::Result<()> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(Error::other)?;
    std::fs::write(directory.join("cert.pem"), made.cert.pem())?;
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())
}

/// Fills the Maildir as another program does that delivers: by a library of its own.
fn write_mail(root: &Path) -> std::io::Result<()> {
    for mailbox in std::iter::once("").chain(MAILBOXES.iter().copied()) {
        Maildir::from(root.join(mailbox)).create_dirs()?;
        if !mailbox.is_empty() {
            std::fs::write(root.join(mailbox).join("maildirfolder"), "")?;
        }
    }
    let now = SystemTime::now();
    for (index, (mailbox, flags, message)) in (0_u32..).zip(EXAMPLES) {
        let maildir = Maildir::from(root.join(mailbox));
        let message = message.as_bytes();
        let id = match *flags {
            "" => maildir.store_new(message),
            flags => maildir.store_cur_with_flags(message, flags),
        };
        let id = id.map_err(Error::other)?;
        let entry = maildir.find(&id).ok_or_else(|| Error::other("a message that was delivered is gone"))?;
        // A day between two of them.
        let date = now - DAY * (EXAMPLES.len() as u32 - index);
        std::fs::File::options().write(true).open(entry.path())?.set_modified(date)?;
    }
    let subscribed: String = MAILBOXES.iter().map(|name| format!("INBOX{name}\n")).collect();
    std::fs::write(root.join("courierimapsubscribed"), format!("INBOX\n{subscribed}"))
}
