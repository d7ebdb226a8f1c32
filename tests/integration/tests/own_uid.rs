//! Mail of users with uids of their own: who owns what the server makes, and what is left of root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, is_root};
use restante_tests::target::{Connection, PASSWORD};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Users by name and uid; the gid is 1,000 more. None of them is in the system's passwd file.
const USERS: [(&str, u32); 2] = [("anna", 40_001), ("bert", 40_002)];

/// Edits the settings and puts users of our own in place before the server starts.
const START: &str = "cat \"$USERS_FILE\" > \"$(dirname \"$3\")/users\" && \
    sed -i 's/^create = true/create = true\\nown-uid = true\\nkept-memory = 0\\nquota = \"50M\"/' \"$3\" && \
    exec \"$0\" \"$@\"";

/// A server for the users, each with a home that nobody else can enter.
struct Site {
    homes: tempfile::TempDir,
    server: Restante,
}

impl Site {
    /// `None` where the tests do not run as root, which is said. `more`: further lines of users.
    fn start(more: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !is_root() {
            eprintln!("SKIPPED: only root can start a server that works as others");
            return None;
        }
        let homes = tempfile::tempdir().unwrap();
        std::fs::set_permissions(homes.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut users = String::new();
        for (name, uid) in USERS {
            let home = homes.path().join(name);
            std::fs::create_dir(&home).unwrap();
            std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
            chown(&home, Some(uid), Some(uid + 1000)).unwrap();
            users += &line(name, uid, uid + 1000, &home.join("Maildir"));
        }
        users += &more(homes.path());
        let file = homes.path().join("users");
        std::fs::write(&file, users).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", START]).arg(binary()).env("USERS_FILE", &file);
        Some(Self { server: Restante::start_by(&mut command, ""), homes })
    }

    fn maildir(&self, name: &str) -> PathBuf {
        self.homes.path().join(name).join("Maildir")
    }

    /// A connection, and what LOGIN answered.
    fn log_in(&self, name: &str) -> (Box<dyn Connection>, String) {
        let mut connection: Box<dyn Connection> = Box::new(self.server.tls());
        connection.line().expect("a greeting");
        let answer = command(&mut *connection, &format!("LOGIN {name}@example.com \"{PASSWORD}\""));
        (connection, answer)
    }

    fn restante(&self, arguments: &[&str]) -> Output {
        let settings = self.server.directory().join("restante.toml");
        Command::new(binary()).args(arguments).arg("--config").arg(settings).output().unwrap()
    }
}

fn line(name: &str, uid: u32, gid: u32, maildir: &Path) -> String {
    format!("{name}@example.com:{{PLAIN}}{PASSWORD}:{uid}:{gid}::::mail={}\n", maildir.display())
}

fn command(connection: &mut dyn Connection, text: &str) -> String {
    connection.send(format!("a {text}\r\n").as_bytes());
    let mut all = String::new();
    while let Some(line) = connection.line() {
        all.push_str(&String::from_utf8_lossy(&line));
        if line.starts_with(b"a ") {
            break;
        }
    }
    all
}

fn done(connection: &mut dyn Connection, text: &str) {
    let answer = command(connection, text);
    assert!(answer.contains("a OK"), "{text}: {answer}");
}

/// What a user does in a session: everything that makes files.
fn use_mail(connection: &mut dyn Connection, round: u32) {
    let message = "Subject: a word\r\n\r\nbody\r\n";
    for _ in 0..3 {
        done(connection, &format!("APPEND INBOX (\\Seen $Work) {{{}+}}\r\n{message}", message.len()));
    }
    done(connection, &format!("CREATE Box{round}"));
    done(connection, &format!("SUBSCRIBE Box{round}"));
    done(connection, "SELECT INBOX");
    done(connection, "FETCH 1:* (ENVELOPE BODYSTRUCTURE FLAGS)");
    done(connection, "SEARCH BODY body");
    done(connection, &format!("COPY 1:2 Box{round}"));
    done(connection, "STORE 1 +FLAGS (\\Deleted $Later)");
    done(connection, "EXPUNGE");
    done(connection, "GETQUOTAROOT INBOX");
}

fn assert_owned(maildir: &Path, uid: u32) {
    let mut directories = vec![maildir.to_owned()];
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (uid, uid + 1000), "{}", path.display());
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
}

/// The lines of all threads of the process that begin with `name`, without it.
fn of_threads(pid: u32, name: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).ok());
    let line =
        |text: String| text.lines().find_map(|line| line.strip_prefix(name)).map(|l| l.trim().to_owned());
    texts.filter_map(line).collect()
}

#[test]
fn everything_is_made_as_the_user() {
    let Some(mut site) = Site::start(|_| String::new()) else { return };
    for round in 0..2 {
        std::thread::scope(|scope| {
            for (name, _) in USERS {
                let site = &site;
                scope.spawn(move || {
                    let (mut connection, answer) = site.log_in(name);
                    assert!(answer.contains("a OK"), "{answer}");
                    use_mail(&mut *connection, round);
                    done(&mut *connection, "LOGOUT");
                });
            }
        });
    }
    // What is left of root, in each thread, and that none of them is still a user.
    let pid = site.server.pid();
    for (name, expected) in [
        ("CapPrm:", "00000000000000c0"),
        ("CapEff:", "00000000000000c0"),
        ("CapInh:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
        ("CapBnd:", "00000000000000c0"),
        ("NoNewPrivs:", "1"),
    ] {
        assert!(of_threads(pid, name).iter().all(|value| value == expected), "{name}");
    }
    site.server.signal("TERM");
    assert!(site.server.wait_until_it_ends());
    for (name, uid) in USERS {
        let maildir = site.maildir(name);
        assert_owned(&maildir, uid);
        for file in ["restante-uidlist", "restante-index", "restante-cache", "maildirsize", ".Box1/cur"] {
            assert!(maildir.join(file).exists(), "{name}: {file}");
        }
    }
    for (arguments, expected) in [
        (&["quota", "--recalculate", "anna@example.com"][..], "messages: 8"),
        (&["mailbox", "list", "bert@example.com"], "Box1"),
        (&["mailbox", "repair", "anna@example.com"], "3 mailboxes"),
    ] {
        let output = site.restante(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(expected), "{arguments:?}: {output:?}");
    }
    USERS.iter().for_each(|(name, uid)| assert_owned(&site.maildir(name), *uid));
}

#[test]
fn no_thread_stays_a_user() {
    let Some(site) = Site::start(|_| String::new()) else { return };
    let mut connections: Vec<_> = USERS.iter().map(|(name, _)| site.log_in(name).0).collect();
    for _ in 0..20 {
        for connection in &mut connections {
            done(&mut **connection, "STATUS INBOX (MESSAGES)");
        }
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let own = std::fs::metadata(site.server.directory()).unwrap().uid().to_string();
    loop {
        let uids = of_threads(site.server.pid(), "Uid:");
        if uids.iter().all(|uids| uids.split_whitespace().all(|uid| uid == own)) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{uids:?}");
        std::thread::yield_now();
    }
}

#[test]
fn another_users_mail_is_refused() {
    let more = |homes: &Path| {
        symlink(homes.join("bert/Maildir"), homes.join("anna/link")).unwrap();
        let berts = homes.join("bert/Maildir");
        line("thief", 40_003, 41_003, &berts)
            + &line("linked", 40_001, 41_001, &homes.join("anna/link"))
            + &line("root", 0, 41_001, &berts)
            + &line("wheel", 40_001, 0, &berts)
            + &line("daemon", 1, 1, &berts)
    };
    let Some(site) = Site::start(more) else { return };
    let (mut bert, answer) = site.log_in("bert");
    assert!(answer.contains("a OK"), "{answer}");
    use_mail(&mut *bert, 0);
    for (name, logged) in [
        ("thief", "Permission denied"),
        ("linked", ""),
        ("root", "uid 0 is below"),
        ("wheel", "gid 0 is below"),
        ("daemon", "uid 1 is below"),
    ] {
        let (_, answer) = site.log_in(name);
        assert!(answer.contains("a NO"), "{name}: {answer}");
        site.server
            .wait_for_log(|line| line.contains(&format!("{name}@example.com")) && line.contains(logged));
    }
    // A mailbox of Anna's that is Bert's: neither listed nor opened.
    let (mut anna, answer) = site.log_in("anna");
    assert!(answer.contains("a OK"), "{answer}");
    symlink(site.maildir("bert").join(".Box0"), site.maildir("anna").join(".Theirs")).unwrap();
    let answer = command(&mut *anna, "SELECT Theirs");
    assert!(answer.contains("a NO"), "{answer}");
    assert_owned(&site.maildir("bert"), 40_002);
}

#[test]
fn a_maildir_of_somebody_else_is_a_problem_that_check_finds() {
    let more = |homes: &Path| {
        std::fs::create_dir(homes.join("shared")).unwrap();
        line("carl", 40_003, 41_003, &homes.join("shared")) + &line("dora", 99, 41_004, &homes.join("none"))
    };
    let Some(site) = Site::start(more) else { return };
    let output = site.restante(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    for expected in
        ["belongs to uid 0, and not to theirs, 40003", "dora@example.com: uid 99 is below minimum-uid"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("anna") && !said.contains("bert"), "{said}");
}

#[test]
fn without_own_uid_nothing_of_root_is_left() {
    if !is_root() {
        eprintln!("SKIPPED: only root has something to give up");
        return;
    }
    let server = Restante::start("");
    for name in ["CapPrm:", "CapEff:"] {
        assert!(of_threads(server.pid(), name).iter().all(|value| value == "0000000000000000"), "{name}");
    }
}
