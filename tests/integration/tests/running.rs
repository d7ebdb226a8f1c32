//! The server and the system below it: systemd, time-outs, descriptors, clients on the wrong port.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::{Connection, PASSWORD, Target};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Only a server that hangs takes as long.
const WAIT: Duration = Duration::from_secs(20);

fn line(connection: &mut dyn Connection) -> String {
    String::from_utf8(connection.line().expect("a line")).unwrap()
}

fn log_in(server: &Restante, connection: &mut dyn Connection) {
    connection.send(format!("a LOGIN {} \"{PASSWORD}\"\r\n", server.user()).as_bytes());
    let answer = line(connection);
    assert!(answer.starts_with("a OK"), "{answer}");
}

/// A process that ends with its test.
struct Process(Child);

impl Process {
    /// The server by a shell's command line, in which `$0` is the binary and `$1` its settings.
    fn by_shell(line: &str, settings: &Path, stdin: Stdio) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(binary()).arg(settings);
        command.env_remove("RUST_LOG").stdin(stdin).stderr(Stdio::piped());
        Self(command.spawn().expect("sh"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sockets_come_from_systemd() {
    let server = Restante::start("[login]\ncleartext-from = [\"127.0.0.0/8\"]");
    // As systemd makes it: one socket for both IPv6 and IPv4.
    let Ok(socket) = TcpListener::bind("[::]:0") else {
        eprintln!("SKIPPED: there is no IPv6 here");
        return;
    };
    let port = socket.local_addr().unwrap().port();
    let line_of_shell = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --config \"$1\" 3<&0 </dev/null";
    let settings = server.directory().join("restante.toml");
    let mut process = Process::by_shell(line_of_shell, &settings, OwnedFd::from(socket).into());
    let mut log = BufReader::new(process.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listening = log.find(|line| line.contains("listening")).expect("it listens");
    assert!(
        listening.contains(&format!("address=[::]:{port} protocol=\"imap\" tls=StartTls")),
        "{listening}"
    );

    // A client by IPv4 is one, for networks and in the log.
    let mut client = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    client.get_ref().set_read_timeout(Some(WAIT)).unwrap();
    let mut greeting = String::new();
    client.read_line(&mut greeting).unwrap();
    assert!(greeting.contains("AUTH=PLAIN") && !greeting.contains("LOGINDISABLED"), "{greeting}");
    client.get_mut().write_all(b"a LOGOUT\r\n").unwrap();
    let ended = log.find(|line| line.contains("connection ended")).expect("its end");
    assert!(ended.contains("peer=127.0.0.1:") && ended.contains("tls=\"none\""), "{ended}");
}

#[test]
fn systemd_is_told_of_start_reload_and_stop() {
    let server = Restante::start("");
    let path = server.directory().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    hand_over(server.directory());
    let line = format!("NOTIFY_SOCKET='{}' exec \"$0\" serve --config \"$1\"", path.display());
    let mut process = Process::by_shell(&line, &server.directory().join("restante.toml"), Stdio::null());
    let told = || {
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).expect("a word to systemd");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert!(told().starts_with("READY=1"));
    process.signal("HUP");
    let reloading = told();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(told().starts_with("READY=1"));
    process.signal("TERM");
    assert!(told().starts_with("STOPPING=1"));
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn silence_is_ended_in_time() {
    let server = Restante::start("[login]\ntimeout = \"1s\"\n[limits]\nidle-timeout = \"1s\"\n");
    let mut fresh = server.tls();
    assert!(line(&mut fresh).starts_with("* OK"));
    assert_eq!(line(&mut fresh), "* BYE Log-in took too long\r\n");
    assert_eq!(fresh.line(), None, "closed");

    let mut known = server.tls();
    assert!(line(&mut known).starts_with("* OK"));
    log_in(&server, &mut known);
    assert_eq!(line(&mut known), "* BYE Silent for too long\r\n");
    assert_eq!(known.line(), None, "closed");
}

#[test]
fn a_handshake_has_its_time() {
    let server = Restante::start("");
    let path = server.directory().join("restante.toml");
    let text =
        std::fs::read_to_string(&path).unwrap().replace("[mail]", "handshake-timeout = \"1s\"\n[mail]");
    std::fs::write(&path, text).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.ends_with("reloaded"));
    let mut silent = TcpStream::connect(("127.0.0.1", server.tls_port())).unwrap();
    silent.set_read_timeout(Some(WAIT)).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "closed");
    server.wait_for_log(|line| line.contains("handshake took too long"));
}

#[test]
fn clients_on_the_wrong_port_are_logged_in_words() {
    let server = Restante::start("");
    let mut clear = TcpStream::connect(("127.0.0.1", server.tls_port())).unwrap();
    clear.write_all(b"a CAPABILITY\r\n").unwrap();
    server.wait_for_log(|line| line.contains("the client spoke no TLS"));

    let mut tls = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    tls.set_read_timeout(Some(WAIT)).unwrap();
    tls.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").unwrap();
    let mut all = Vec::new();
    tls.read_to_end(&mut all).unwrap();
    let all = String::from_utf8_lossy(&all);
    assert!(all.starts_with("* OK") && all.matches("\r\n").count() == 1, "only greeted: {all}");
    server.wait_for_log(|line| line.contains("the client spoke TLS at once"));
}

#[test]
fn tickets_resume_and_other_protocols_are_refused() {
    let server = Restante::start("");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.directory().join("cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let connect = |config: &ClientConfig| {
            let socket = TcpStream::connect(("127.0.0.1", server.tls_port())).unwrap();
            socket.set_read_timeout(Some(WAIT)).unwrap();
            let client = ClientConnection::new(Arc::new(config.clone()), "localhost".try_into().unwrap());
            StreamOwned::new(client.unwrap(), socket)
        };
        let kinds = [(); 2].map(|()| {
            let mut stream = connect(&config);
            // Tickets come before the greeting.
            assert!(stream.read(&mut [0; 2000]).unwrap() > 0);
            stream.conn.handshake_kind().unwrap()
        });
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");

        // A browser that is led here gets no further (RFC 7301 section 3.2).
        let mut other = config.clone();
        other.alpn_protocols = vec![b"http/1.1".to_vec()];
        let error = connect(&other).read(&mut [0; 2000]).unwrap_err().to_string();
        assert!(error.contains("NoApplicationProtocol"), "{error}");
    }
}

#[test]
fn a_server_without_descriptors_waits_for_some() {
    let server = Restante::start("");
    let mut process = Process::by_shell(
        "ulimit -n 40; exec \"$0\" serve --config \"$1\"",
        &server.directory().join("restante.toml"),
        Stdio::null(),
    );
    let mut log = BufReader::new(process.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listening = log.find(|line| line.contains("tls=StartTls")).expect("it listens");
    let address = listening.split("address=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    let began = Instant::now();
    let many: Vec<TcpStream> = (0..60).map(|_| connect()).collect();
    log.find(|line| line.contains("cannot accept a connection")).expect("there are too few");
    std::thread::sleep(Duration::from_secs(1));
    drop(many);
    let mut late = BufReader::new(connect());
    late.get_ref().set_read_timeout(Some(WAIT)).unwrap();
    let mut greeting = String::new();
    late.read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("* OK"), "{greeting}");
    let tenths = usize::try_from(began.elapsed().as_millis() / 100).unwrap();
    process.signal("TERM");
    let tries = log.filter(|line| line.contains("cannot accept a connection")).count();
    assert!(tries <= tenths + 2, "{tries} tries in {tenths} tenths of a second");
}
