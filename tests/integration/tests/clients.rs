//! Real clients, from Debian's packages, against the running server: over IMAPS and STARTTLS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{PASSWORD, Target, make_mailbox};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A server with some mail for its user, and a directory for the client.
struct Site {
    server: Restante,
    client: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let server = Restante::start("");
        let maildir = server.maildir();
        for (mailbox, file, flags) in [
            ("INBOX", "plain.eml", "S"),
            ("INBOX", "mixed.eml", "FS"),
            ("INBOX", "bare.eml", ""),
            ("INBOX", "latin1.eml", "RS"),
            ("INBOX", "headers-only.eml", ""),
            ("Lists/rust", "plain.eml", "S"),
            ("Entwürfe", "bare.eml", "D"),
        ] {
            let directory = make_mailbox(&maildir, mailbox);
            let name =
                format!("17000000{:02}.P1.{}", names(&directory.join("cur")).len(), file.replace('.', "_"));
            std::fs::copy(messages().join(file), directory.join("cur").join(format!("{name}:2,{flags}")))
                .unwrap();
        }
        hand_over(&server.directory().join("mail"));
        Self { server, client: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.client.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn certificate(&self) -> String {
        self.server.directory().join("cert.pem").display().to_string()
    }

    /// Contents with their flags, by mailbox: what both sides must have.
    fn on_server(&self) -> BTreeMap<String, Vec<String>> {
        let maildir = self.server.maildir();
        let mut all = BTreeMap::from([("INBOX".to_owned(), contents(&maildir))]);
        for name in names(&maildir).iter().filter(|name| name.starts_with('.')) {
            all.insert(decoded(&name[1..]).replace('.', "/"), contents(&maildir.join(name)));
        }
        all
    }
}

fn messages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/mail")
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Names of mailboxes may be in modified UTF-7 on either side.
fn decoded(name: &str) -> String {
    mail::utf7::decode(name).unwrap_or_else(|| name.to_owned())
}

/// Messages of a Maildir, as a hash of what they say and their flags; sorted.
fn contents(maildir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for place in ["cur", "new"] {
        for name in names(&maildir.join(place)) {
            let message = std::fs::read(maildir.join(place).join(&name)).unwrap();
            let flags: String = name
                .split(":2,")
                .nth(1)
                .unwrap_or_default()
                .chars()
                .filter(char::is_ascii_uppercase)
                .collect();
            all.push(format!("{:016x} {flags}", hash(&message)));
        }
    }
    all.sort();
    all
}

/// Line ends apart, and the line that mbsync adds to what it uploads.
fn hash(message: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    for line in message.split_inclusive(|b| *b == b'\n').filter(|line| !line.starts_with(b"X-TUID")) {
        hasher.write(line.trim_ascii_end());
        hasher.write(b"\n");
    }
    hasher.finish()
}

/// Runs a client, which ends by itself; its output if it says that all is well.
fn run(command: &mut Command) -> String {
    let output = run_anyway(command);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

fn run_anyway(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| panic!("{}: {error}: tests/run installs it", program.display()))
}

/// A client under `timeout`, so that one that hangs fails the test.
fn client(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["120", program]).env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
    command
}

#[test]
fn mbsync_both_ways() {
    for (tls, port) in [("IMAPS", true), ("STARTTLS", false)] {
        let site = Site::new();
        let port = if port { site.server.tls_port() } else { site.server.port() };
        let local = site.path("local");
        std::fs::create_dir(&local).unwrap();
        let configuration = site.write(
            "mbsyncrc",
            &format!(
                "IMAPAccount a\nHost localhost\nPort {port}\nUser {}\nPass \"{PASSWORD}\"\nSSLType {tls}\n\
                 CertificateFile {}\n\nIMAPStore remote\nAccount a\n\nMaildirStore local\nPath {local}/\n\
                 Inbox {local}/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :remote:\nNear :local:\nPatterns *\n\
                 Create Both\nExpunge Both\nSyncState *\n",
                site.server.user(),
                site.certificate(),
                local = local.display(),
            ),
        );
        let sync = || run(client("mbsync").arg("-c").arg(&configuration).arg("-a"));
        let on_client = || {
            let boxes = ["INBOX", "Lists/rust", "Entw&APw-rfe", "New", "New/below"];
            let there = boxes.into_iter().filter(|name| local.join(name).join("cur").is_dir());
            there.map(|name| (decoded(name), contents(&local.join(name)))).collect::<BTreeMap<_, _>>()
        };
        sync();
        let first = on_client();
        assert_eq!(first, site.on_server(), "{tls}: what was on the server is on the client");
        assert_eq!(first["INBOX"].len(), 5);

        // The client deletes, flags, adds, and makes mailboxes with mail in them.
        let cur = local.join("INBOX/cur");
        let of = |text: &str| {
            let has = |name: &String| {
                String::from_utf8_lossy(&std::fs::read(cur.join(name)).unwrap()).contains(text)
            };
            names(&cur).into_iter().find(has).unwrap()
        };
        let (removed, flagged) = (of("Subject: folded"), of("afternoon"));
        let retagged = |name: &str, flags: &str| format!("{}:2,{flags}", name.split(":2,").next().unwrap());
        std::fs::rename(cur.join(&removed), cur.join(retagged(&removed, "ST"))).unwrap();
        std::fs::rename(cur.join(&flagged), cur.join(retagged(&flagged, "FRS"))).unwrap();
        for mailbox in ["New", "New/below"] {
            for place in ["cur", "new", "tmp"] {
                std::fs::create_dir_all(local.join(mailbox).join(place)).unwrap();
            }
            std::fs::copy(messages().join("mixed.eml"), local.join(mailbox).join("cur/1.x:2,S")).unwrap();
        }
        // Meanwhile somebody delivers.
        let new = site.server.maildir().join("new/1800000000.qmail");
        std::fs::copy(messages().join("headers-only.eml"), &new).unwrap();
        hand_over(&new);
        sync();
        let second = on_client();
        assert_eq!(second, site.on_server(), "{tls}: both sides have both sides' changes");
        assert_eq!((second["INBOX"].len(), second["New/below"].len()), (5, 1));
        assert!(second["INBOX"].iter().any(|message| message.ends_with(" FRS")));
        sync();
        assert_eq!((on_client(), site.on_server()), (second.clone(), second), "{tls}: nothing is left to do");
    }
}

#[test]
fn curl_reads_searches_and_appends() {
    let site = Site::new();
    let login = format!("{}:{PASSWORD}", site.server.user());
    let schemes = [("imaps", site.server.tls_port()), ("imap", site.server.port())];
    for (round, (scheme, port)) in schemes.into_iter().enumerate() {
        let url = |path: &str| format!("{scheme}://localhost:{port}/{path}");
        let curl = || {
            let mut curl = client("curl");
            curl.args([
                "--silent",
                "--show-error",
                "--ssl-reqd",
                "--cacert",
                &site.certificate(),
                "--user",
                &login,
            ]);
            curl
        };
        let read = run_anyway(curl().arg(url("INBOX;UID=1"))).stdout;
        assert_eq!(hash(&read), hash(&std::fs::read(messages().join("plain.eml")).unwrap()), "{scheme}");
        assert!(run(curl().arg(url("INBOX")).args(["-X", "SEARCH FLAGGED"])).contains("* SEARCH 2"));
        assert!(run(curl().arg(url("")).args(["-X", "LIST \"\" *"])).contains("Entw&APw-rfe"));
        run(curl().arg(url("INBOX")).arg("-T").arg(messages().join("mixed.eml")));
        assert_eq!(contents(&site.server.maildir()).len(), 6 + round);
    }
    let refused = run_anyway(
        client("curl")
            .args(["--silent", "--user", &login])
            .arg(format!("imap://localhost:{}/INBOX;UID=1", site.server.port())),
    );
    assert!(!refused.status.success() && refused.stdout.is_empty(), "no password in clear");
}

#[test]
fn pythons_imaplib() {
    let site = Site::new();
    let script = site.write("client.py", include_str!("clients/imaplib_client.py"));
    let output = run(client("python3")
        .arg(script)
        .args([site.server.port().to_string(), site.server.tls_port().to_string()])
        .args([&site.server.user(), PASSWORD, &site.certificate()]));
    assert!(output.contains("all is well"), "{output}");
}

#[test]
fn offlineimap_copies_everything() {
    // Over IMAPS only: its library reads in one thread while it starts TLS in another, and ends
    // now and then with a connection that it takes for terminated.
    let site = Site::new();
    let local = site.path("local");
    let configuration = site.write(
        "offlineimaprc",
        &format!(
            "[general]\naccounts = a\nmetadata = {meta}\nui = quiet\n\n[Account a]\nlocalrepository = l\n\
             remoterepository = r\n\n[Repository l]\ntype = Maildir\nlocalfolders = {local}\nsep = /\n\
             utime_from_header = no\n\n[Repository r]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\n\
             remoteuser = {}\nremotepass = {PASSWORD}\nssl = yes\nsslcacertfile = {}\nauth_mechanisms = PLAIN\n",
            site.server.tls_port(),
            site.server.user(),
            site.certificate(),
            meta = site.path("meta").display(),
            local = local.display(),
        ),
    );
    let sync = || run(client("offlineimap").arg("-o").arg("-c").arg(&configuration));
    // It folds header fields in its own way: flags tell the messages apart.
    let flags = |messages: &[String]| {
        let mut flags: Vec<String> =
            messages.iter().filter_map(|message| Some(message.split_once(' ')?.1.to_owned())).collect();
        flags.sort();
        flags
    };
    sync();
    assert_eq!(flags(&contents(&local.join("INBOX"))), flags(&site.on_server()["INBOX"]));
    assert_eq!(contents(&local.join("Lists/rust")), site.on_server()["Lists/rust"]);
    // A new mailbox and a changed flag go up.
    for place in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(local.join("Made here").join(place)).unwrap();
    }
    std::fs::copy(messages().join("plain.eml"), local.join("Made here/new/1.x")).unwrap();
    let seen = names(&local.join("INBOX/cur")).into_iter().find(|name| name.ends_with(":2,S")).unwrap();
    let cur = local.join("INBOX/cur");
    std::fs::rename(cur.join(&seen), cur.join(seen.replace(":2,S", ":2,FS"))).unwrap();
    sync();
    let server = site.on_server();
    assert_eq!(server["Made here"].len(), 1);
    assert_eq!(flags(&contents(&local.join("INBOX"))), flags(&server["INBOX"]));
    assert_eq!(flags(&server["INBOX"]), ["", "", "FS", "FS", "RS"]);
}

#[test]
fn mutt_copies_a_message() {
    let site = Site::new();
    let url =
        format!("imaps://{}@localhost:{}/", site.server.user().replace('@', "%40"), site.server.tls_port());
    let configuration = site.write(
        "muttrc",
        &format!(
            "set imap_pass=\"{PASSWORD}\"\nset folder=\"{url}\"\nset certificate_file=\"{}\"\nset ssl_force_tls\nset ssl_starttls=yes\n\
             set ssl_verify_host=no\nset mail_check=1\nset confirmcreate=no\nset confirmappend=no\nset quit=yes\n\
             set header_cache=\"\"\nset move=no\nset spoolfile=\"{url}INBOX\"\n",
            site.certificate()
        ),
    );
    let keys = "push '<first-entry><copy-message>=Copied<enter><flag-message><sync-mailbox><quit>'";
    // mutt wants a terminal.
    let command = format!("mutt -n -F {} -f {url}INBOX -e \"{keys}\"", configuration.display());
    run(client("script").args(["--quiet", "--return", "--command", &command, "/dev/null"]));
    let server = site.on_server();
    assert_eq!(server["Copied"].len(), 1, "{server:?}");
    assert_eq!(server["INBOX"].len(), 5);
}
