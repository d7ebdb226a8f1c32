//! Users of the system: pam_unix lets them in, and the server works on their files as them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, is_root};
use restante_tests::target::{Connection, PASSWORD};
use restante_tests::users::{AT_ONCE, auth, check_log_ins, log_in, log_in_on, open_directory};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const OK: &str = "OK";
const WRONG: &str = "NO [AUTHENTICATIONFAILED]";

/// Mail is in the users' homes and theirs.
const START: &str = "sed -i 's|^maildir = .*|maildir = \"%h/Maildir\"|; \
    s/^create = true/create = true\\nown-uid = true/' \"$3\" && exec \"$0\" \"$@\"";

/// A user of the system for the time of a test; there is a group of the same name.
struct SystemUser {
    name: String,
    home: PathBuf,
}

/// A group of the system for the time of a test.
struct SystemGroup(String);

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

impl SystemUser {
    /// With a home below `directory`, and in these further groups.
    fn add(name: &str, directory: &Path, groups: &[&str]) -> Self {
        let name = format!("rt{}{name}", std::process::id());
        let home = directory.join(&name);
        run(Command::new("useradd")
            .args(["--no-create-home", "--user-group", "--shell", "/bin/false"])
            .args(["--groups", &groups.join(","), "--home-dir"])
            .arg(&home)
            .arg(&name));
        let user = Self { name, home };
        user.set_password(PASSWORD);
        std::fs::create_dir(&user.home).unwrap();
        std::fs::set_permissions(&user.home, std::fs::Permissions::from_mode(0o700)).unwrap();
        chown(&user.home, Some(user.id("-u")), Some(user.id("-g"))).unwrap();
        user
    }

    fn set_password(&self, password: &str) {
        let mut child = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{}:{password}", self.name).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn id(&self, which: &str) -> u32 {
        let output = Command::new("id").args([which, &self.name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}

impl Drop for SystemUser {
    fn drop(&mut self) {
        // Its own group goes with it.
        let _ = Command::new("userdel").arg(&self.name).status();
    }
}

impl SystemGroup {
    fn add(name: &str) -> Self {
        let name = format!("rt{}{name}", std::process::id());
        run(Command::new("groupadd").arg(&name));
        Self(name)
    }
}

impl Drop for SystemGroup {
    fn drop(&mut self) {
        let _ = Command::new("groupdel").arg(&self.0).status();
    }
}

/// A server that asks pam_unix; `None`, which is said, for who may not add users.
fn server(services: &Path) -> Option<Restante> {
    if !is_root() {
        eprintln!("SKIPPED: only root can add users to the system");
        return None;
    }
    let service = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";
    std::fs::write(services.join("restante-test"), service).unwrap();
    let settings = format!(
        "[[users]]\n[users.pam]\nservice = \"restante-test\"\ndirectory = {:?}\n{AT_ONCE}",
        services.display().to_string()
    );
    let mut command = Command::new("sh");
    Some(Restante::start_by(command.args(["-c", START]).arg(binary()), &settings))
}

fn command(connection: &mut dyn Connection, text: &str) {
    connection.send(format!("a {text}\r\n").as_bytes());
    loop {
        let line = connection.line().expect("an answer");
        if line.starts_with(b"a ") {
            assert!(line.starts_with(b"a OK"), "{text}: {}", line.escape_ascii());
            return;
        }
    }
}

#[test]
fn pam_unix_decides() {
    let services = open_directory();
    let Some(server) = server(services.path()) else { return };
    let user = SystemUser::add("a", services.path(), &[]);
    let name = user.name.as_str();
    check_log_ins(
        &server,
        &[
            (name, PASSWORD, OK),
            (&name.to_uppercase(), PASSWORD, OK),
            (name, "wrong", WRONG),
            (name, "", WRONG),
            (&format!("{name}@example.org"), PASSWORD, WRONG),
            ("root", "", WRONG),
            ("nobody", "", WRONG),
            ("rt-no-such-user", PASSWORD, WRONG),
        ],
    );
    // What administrators do to an account, and undo.
    for (off, on) in [
        (["chage", "-E", "0"], ["chage", "-E", "-1"]),
        (["passwd", "-q", "-l"], ["passwd", "-q", "-u"]),
        (["usermod", "-p", "*"], ["", "", ""]),
        // The password is to be changed, which cannot be done here.
        (["chage", "-d", "0"], ["chage", "-d", "20000"]),
    ] {
        run(Command::new(off[0]).args(&off[1..]).arg(name));
        for password in [PASSWORD, "wrong"] {
            let answer = log_in(&server, name, password);
            assert!(answer.starts_with("a NO") && !answer.contains("UNAVAILABLE"), "{off:?}: {answer}");
        }
        if on[0].is_empty() {
            user.set_password(PASSWORD);
        } else {
            run(Command::new(on[0]).args(&on[1..]).arg(name));
        }
        check_log_ins(&server, &[(name, PASSWORD, OK)]);
    }
    let (succeeded, said) = auth(&server, &["lookup", name], "");
    let uid = user.id("-u");
    assert!(succeeded && said.contains(&format!("uid: {uid}, ")), "{said}");
    let changed = "pässword: a new one";
    user.set_password(changed);
    check_log_ins(&server, &[(name, PASSWORD, WRONG), (name, changed, OK)]);
    for (input, expected, text) in [(changed, true, "decision: comes in"), (PASSWORD, false, "refused: ")] {
        let (succeeded, said) = auth(&server, &["test", name], &format!("{input}\n"));
        assert!(succeeded == expected && said.contains(text), "{said}");
        assert!(!said.contains(changed) && !said.contains(PASSWORD), "security 16: {said}");
    }
    drop(user);
    assert!(log_in(&server, &format!("rt{}a", std::process::id()), changed).starts_with("a NO"));
}

#[test]
fn files_are_the_users_and_so_are_the_groups() {
    let services = open_directory();
    let Some(server) = server(services.path()) else { return };
    let group = SystemGroup::add("g");
    let inner = services.path().join("members-only");
    std::fs::create_dir(&inner).unwrap();
    let output = Command::new("chgrp").arg(&group.0).arg(&inner).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o710)).unwrap();
    let member = SystemUser::add("m", &inner, &[&group.0]);
    let other = SystemUser::add("o", &inner, &[]);

    let mut connection = server.tls();
    let answer = log_in_on(&mut connection, &member.name, PASSWORD);
    assert!(answer.starts_with("a OK"), "{answer}");
    for text in ["APPEND INBOX {4+}\r\nA: b", "CREATE Box", "SELECT INBOX", "COPY 1 Box", "FETCH 1 ENVELOPE"]
    {
        command(&mut connection, text);
    }
    command(&mut connection, "LOGOUT");
    let (uid, gid) = (member.id("-u"), member.id("-g"));
    let mut directories = vec![member.home.join("Maildir")];
    assert!(directories[0].join(".Box/cur").is_dir());
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (uid, gid), "{}", path.display());
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    // With a home of their own there, but not in the group.
    let answer = log_in(&server, &other.name, PASSWORD);
    assert!(answer.starts_with("a NO") && !answer.contains("AUTHENTICATIONFAILED"), "{answer}");
    server.wait_for_log(|line| line.contains(&other.name) && line.contains("Permission denied"));
    assert!(!other.home.join("Maildir").exists());
}
