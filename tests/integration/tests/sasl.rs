//! Who comes in how: SASL with clients that are not ours, masters, certificates, and the
//! administrator's `restante auth`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MECHANISMS: &str = "[\"PLAIN\", \"LOGIN\", \"SCRAM-SHA-1\", \"SCRAM-SHA-256\", \
    \"SCRAM-SHA-1-PLUS\", \"SCRAM-SHA-256-PLUS\", \"EXTERNAL\", \"CRAM-MD5\"]";

/// The password of all users of [`Restante`].
const PASSWORD: &str = "pass word";

/// A server with all mechanisms, masters of example.com, a control socket, and `more` settings.
fn server(directory: &Path, more: &str) -> Restante {
    std::fs::write(directory.join("masters"), "admin:{PLAIN}master's own\n").unwrap();
    std::os::unix::fs::chown(directory, None, None).unwrap();
    let masters = directory.join("masters");
    Restante::start(&format!(
        "[[users]]\npasswd-file = {:?}\nmasters-of = [\"example.com\"]\n[login]\nmechanisms = {MECHANISMS}\n\
         failures = 100\ntrusted-networks = [\"127.0.0.0/8\"]\ncontrol-socket = {:?}\n{more}",
        masters.display().to_string(),
        directory.join("control").display().to_string(),
    ))
}

/// A directory that the server's user may read, whoever that is.
fn directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::Builder::new().prefix("restante-sasl").tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    directory
}

/// GNU SASL's client, over STARTTLS.
fn gsasl(server: &Restante, mechanism: &str, user: &str, password: &str) -> Output {
    let binding: &[&str] = if mechanism.ends_with("-PLUS") { &[] } else { &["--no-cb"] };
    Command::new("gsasl")
        .args(binding)
        .args(["--imap", "--quiet", "--connect", &format!("localhost:{}", server.port())])
        .args(["--mechanism", mechanism, "--authentication-id", user])
        .args(["--password", password, "--realm", "", "--x509-ca-file"])
        .arg(server.directory().join("cert.pem"))
        .stdin(Stdio::null())
        .output()
        .expect("gsasl: install the package of that name (tests/run does)")
}

#[test]
fn mechanisms_work_with_another_client() {
    let directory = directory();
    let server = server(directory.path(), "");
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
        for (password, expected) in [(PASSWORD, true), ("pass wore", false)] {
            let output = gsasl(&server, mechanism, "user1@example.com", password);
            let said = format!("{output:?}");
            assert_eq!(output.status.success(), expected, "{mechanism} {password}: {said}");
        }
    }
}

/// What `doveadm pw` makes of [`PASSWORD`].
fn doveadm(scheme: &str) -> String {
    let output = Command::new("doveadm")
        .args(["-O", "pw", "-s", scheme, "-p", PASSWORD])
        .output()
        .expect("doveadm: install dovecot-imapd (tests/run does)");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn secrets_of_dovecot_serve_their_mechanism_and_plain() {
    const SCHEMES: &[&str] =
        &["CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5.b64", "SCRAM-SHA-256.hex"];
    let directory = directory();
    let path = directory.path().join("hashed");
    let line = |scheme: &&str| format!("{}@example.com:{}\n", scheme.to_lowercase(), doveadm(scheme));
    std::fs::write(&path, SCHEMES.iter().map(line).collect::<String>()).unwrap();
    let server =
        server(directory.path(), &format!("[[users]]\npasswd-file = {:?}\n", path.display().to_string()));
    for scheme in SCHEMES {
        let user = format!("{}@example.com", scheme.to_lowercase());
        let serves = scheme.split('.').next().unwrap();
        for mechanism in ["PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"] {
            for (password, right) in [(PASSWORD, true), ("pass wore", false)] {
                let output = gsasl(&server, mechanism, &user, password);
                let expected = right && ["PLAIN", serves].contains(&mechanism);
                assert_eq!(output.status.success(), expected, "{scheme} {mechanism} {password}: {output:?}");
            }
        }
    }
}

/// `curl` over TLS; what it lists proves that somebody came in.
fn curl(server: &Restante, arguments: &[&str]) -> bool {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--cacert"])
        .arg(server.directory().join("cert.pem"))
        .args(arguments)
        .arg(format!("imaps://localhost:{}/", server.tls_port()))
        .output()
        .expect("curl: install the package of that name (tests/run does)");
    let listed = String::from_utf8_lossy(&output.stdout).contains("INBOX");
    assert_eq!(listed, output.status.success(), "{output:?}");
    listed
}

#[test]
fn masters_act_for_others() {
    let directory = directory();
    let server = server(directory.path(), "");
    for (user, authorize, expected) in [
        ("user1@example.com*admin:master's own", None, true),
        ("user1@example.com*admin:pass word", None, false),
        ("user1@example.com*user2@example.com:pass word", None, false),
        ("nobody@example.com*admin:master's own", None, false),
        ("user1@example.org*admin:master's own", None, false),
        ("admin:master's own", Some("user3@example.com"), true),
        ("user2@example.com:pass word", Some("user3@example.com"), false),
        ("admin:master's own", None, false),
    ] {
        let mut arguments = vec!["--login-options", "AUTH=PLAIN", "--user", user];
        arguments.extend(authorize.iter().flat_map(|name| ["--sasl-authzid", *name]));
        assert_eq!(curl(&server, &arguments), expected, "{user} {authorize:?}");
    }
    server.wait_for_log(|line| line.contains("a master acts for a user") && line.contains("admin"));
}

/// Makes an authority, and a certificate of it for `email`.
fn certificate(directory: &Path, email: &str) {
    let script = format!(
        "cd {:?} && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca \
         && openssl req -newkey rsa:2048 -nodes -keyout client.key -out client.csr -subj /CN=somebody \
         && printf 'subjectAltName=email:{email}\\nextendedKeyUsage=clientAuth\\n' >client.ext \
         && openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile client.ext -out client.pem && chmod 644 ca.pem",
        directory.display().to_string()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_certificate_is_enough_with_external() {
    let directory = directory();
    certificate(directory.path(), "user4@example.com");
    let ca = directory.path().join("ca.pem").display().to_string();
    let server = server(directory.path(), "");
    // [tls] stands in what the server has already: the settings are put into it.
    let path = server.directory().join("restante.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let asked = format!("[tls]\nclient-certificates = \"ask\"\nclient-ca = {ca:?}\n");
    std::fs::write(&path, text.replacen("[tls]\n", &asked, 1)).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("reloaded"));
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let with = ["--cert", &certificate, "--key", &key];
    let external = ["--login-options", "AUTH=EXTERNAL", "--user", "user4@example.com:"];
    assert!(curl(&server, &[&with[..], &external].concat()));
    assert!(!curl(&server, &external), "without a certificate");
    let other = ["--login-options", "AUTH=EXTERNAL", "--user", "user5@example.com:"];
    assert!(!curl(&server, &[&with[..], &other].concat()), "the certificate of another");
}

/// `restante auth` with these arguments and this standard input.
fn auth(server: &Restante, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(binary());
    command.arg("auth").args(arguments).arg("--config").arg(server.directory().join("restante.toml"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_administrator_sees_why() {
    let directory = directory();
    let server = server(directory.path(), "");
    let in_and_out = [
        (&["test", "user1@example.com"][..], "pass word\n", true, "decision: comes in"),
        (&["test", "user1@example.com"], "wrong\n", false, "does not match what is stored (PLAIN)"),
        (&["test", "nobody@example.com"], "wrong\n", false, "no source knows the user"),
        (&["test", "user1@example.com*admin"], "master's own\n", true, "is a master of user1@example.com"),
        (&["lookup", "user1@example.com"], "", true, "Maildir: "),
        (&["lookup", "nobody@example.com"], "", false, "no user nobody@example.com"),
    ];
    for (arguments, input, expected, text) in in_and_out {
        let (succeeded, said) = auth(&server, arguments, input);
        assert_eq!(succeeded, expected, "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains("master's own"), "security 16: {said}");
    }
}

#[test]
fn the_running_server_is_asked() {
    let directory = directory();
    let server = server(directory.path(), "");
    let plain = ["--login-options", "AUTH=PLAIN", "--user"];
    assert!(curl(&server, &[&plain[..], &["user1@example.com:pass word"]].concat()));
    assert!(!curl(&server, &[&plain[..], &["user1@example.com:wrong"]].concat()));
    let (_, status) = auth(&server, &["status"], "");
    for line in [
        "restante_log_ins_accepted_total 1\n",
        "restante_log_ins_weak_scheme_total 1\n",
        "restante_panics_total 0\n",
    ] {
        assert!(status.contains(line), "{status}");
    }
    assert!(status.contains("restante_log_ins_failed_total"), "{status}");
    assert_eq!(auth(&server, &["flush"], ""), (true, "flushed\n".to_owned()));
    assert_eq!(auth(&server, &["flush", "user1@example.com"], ""), (true, "flushed\n".to_owned()));
    server.wait_for_log(|line| line.contains("flushed the cache of log-ins"));
}
