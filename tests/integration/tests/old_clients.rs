//! Clients that speak TLS 1.0 at most: what the log says of them, and the proxy in front of
//! `docs/old-clients.md` that serves them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::Restante;
use restante_tests::target::{PASSWORD, Target};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a client of TLS 1.0 is answered: commands are sent once it is connected.
fn old_client(port: u16, commands: &str) -> String {
    let mut client = Command::new("timeout")
        .args([
            "20",
            "openssl",
            "s_client",
            "-quiet",
            "-crlf",
            "-tls1",
            "-cipher",
            "ALL:@SECLEVEL=0",
            "-connect",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl: install the package of that name (tests/run does)");
    // It may have hung up by now.
    let _ = client.stdin.take().unwrap().write_all(commands.as_bytes());
    let output = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The configuration that the page shows, for this port, certificate and server.
fn configuration(port: u16, certificate: &Path, server: u16) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/old-clients.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block =
        page.split("```\n").find(|block| block.starts_with("global\n")).expect("HAProxy's configuration");
    let mut text = block.to_owned();
    for (from, to) in [
        (":9933", format!("127.0.0.1:{port}")),
        ("/etc/haproxy/mail.pem", certificate.display().to_string()),
        ("127.0.0.1:143", format!("127.0.0.1:{server}")),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, &to);
    }
    text
}

struct Proxy {
    process: Child,
    port: u16,
}

impl Proxy {
    fn start(directory: &Path, server: &Restante) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let certificate: PathBuf = directory.join("both.pem");
        let read = |name: &str| std::fs::read_to_string(server.directory().join(name)).unwrap();
        std::fs::write(&certificate, read("cert.pem") + &read("key.pem")).unwrap();
        let settings = directory.join("haproxy.cfg");
        std::fs::write(&settings, configuration(port, &certificate, server.port())).unwrap();
        let process = Command::new("/usr/sbin/haproxy")
            .args(["-db", "-f"])
            .arg(&settings)
            .spawn()
            .expect("haproxy: install the package of that name (tests/run does)");
        let started = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(started, "haproxy does not listen");
        Self { process, port }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_log_says_that_a_client_is_too_old() {
    let server = Restante::start("");
    let said = old_client(server.tls_port(), "");
    assert!(said.contains("alert"), "{said}");
    let line = server.wait_for_log(|line| line.contains("no TLS connection"));
    assert!(line.contains("the client offers TLS 1.1 at most"), "{line}");
}

#[test]
fn old_clients_are_served_behind_a_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let server = Restante::start("[login]\ncleartext-from = [\"127.0.0.1/32\"]\n");
    let proxy = Proxy::start(directory.path(), &server);
    let commands = format!("a LOGIN {} \"{PASSWORD}\"\nb SELECT INBOX\nc LOGOUT\n", server.user());
    let said = old_client(proxy.port, &commands);
    assert!(said.contains("a OK") && said.contains("b OK") && said.contains("c OK"), "{said}");
}
