//! For tests of user sources: log-ins over TLS, and `restante auth` beside the server.

use crate::target::Connection;
use crate::target::restante::{Restante, binary};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// `[login]` under which wrong passwords cost next to no time and nothing is remembered.
pub const AT_ONCE: &str = "[login]\ntrusted-networks = [\"127.0.0.0/8\"]\n\
    cache-lifetime = \"0s\"\ncache-negative-lifetime = \"0s\"\n";

/// A directory that the server's user may enter and read, whoever that is.
pub fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("restante-users").tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
    directory
}

/// The tagged answer to a LOGIN on a connection of its own. Name and password are literals: any
/// bytes but NUL.
pub fn log_in(server: &Restante, name: &str, password: &str) -> String {
    let mut connection = server.tls();
    log_in_on(&mut connection, name, password)
}

/// The same on a connection whose greeting has not been read.
pub fn log_in_on(connection: &mut dyn Connection, name: &str, password: &str) -> String {
    connection.line().expect("a greeting");
    let (name_length, length) = (name.len(), password.len());
    connection
        .send(format!("a LOGIN {{{name_length}+}}\r\n{name} {{{length}+}}\r\n{password}\r\n").as_bytes());
    loop {
        let line = connection.line().expect("an answer");
        if line.starts_with(b"a ") {
            return String::from_utf8_lossy(&line).into_owned();
        }
    }
}

/// Logs in by each row: name, password, how the answer begins behind its tag.
pub fn check_log_ins(server: &Restante, rows: &[(&str, &str, &str)]) {
    for (name, password, expected) in rows {
        let answer = log_in(server, name, password);
        assert!(answer.starts_with(&format!("a {expected}")), "{name:?} {password:?}: {answer}");
    }
}

/// `restante auth` with these arguments, and `input` on its standard input: whether it
/// succeeded, and all that it said.
pub fn auth(server: &Restante, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(binary());
    command.arg("auth").args(arguments).arg("--config").arg(settings_file(server));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("restante auth");
    // It may end without reading.
    let _ = child.stdin.take().expect("its standard input").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

/// The server's settings.
pub fn settings_file(server: &Restante) -> PathBuf {
    server.directory().join("restante.toml")
}

/// A hash as crypt(3) makes it.
pub fn hashed(password: &str) -> String {
    let output = Command::new("openssl").args(["passwd", "-6", password]).output();
    let output = output.expect("openssl: install the package of that name (tests/run does)");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
