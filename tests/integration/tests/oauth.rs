//! Access tokens with curl's OAUTHBEARER and XOAUTH2: signed ones, and those that an
//! authorization server is asked about.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::Restante;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The end of a good token: no test lives to see it.
const LATER: u64 = 99_999_999_999;

/// A server that takes tokens by these settings of `[oauth]`.
fn server(oauth: &str) -> Restante {
    Restante::start(&format!(
        "[login]\nmechanisms = [\"PLAIN\", \"OAUTHBEARER\", \"XOAUTH2\"]\ndefault-domain = \"example.com\"\n\
         failures = 100\ntrusted-networks = [\"127.0.0.0/8\"]\n[oauth]\n{oauth}"
    ))
}

/// A directory that the server's user may read, whoever that is.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("restante-oauth").tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn openssl(directory: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("openssl: install the package of that name (tests/run does)");
    running.stdin.take().unwrap().write_all(input).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// A new key pair: `NAME.key`, and `keys/NAME.pem` for the server.
fn key_pair(directory: &Path, name: &str) {
    let (private, public) = (format!("{name}.key"), format!("keys/{name}.pem"));
    std::fs::create_dir_all(directory.join("keys")).unwrap();
    openssl(directory, &["genpkey", "-quiet", "-algorithm", "RSA", "-out", &private], b"");
    openssl(directory, &["pkey", "-in", &private, "-pubout", "-out", &public], b"");
    std::fs::set_permissions(directory.join(public), std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// Base64 with the alphabet for URLs, without padding (RFC 7515 section 2).
fn base64url(directory: &Path, bytes: &[u8]) -> String {
    let text = String::from_utf8(openssl(directory, &["base64", "-A"], bytes)).unwrap();
    text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// A token that OpenSSL signs.
fn token(directory: &Path, key: &str, claims: &str) -> String {
    let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{key}"}}"#);
    let signed = [header.as_str(), claims].map(|part| base64url(directory, part.as_bytes())).join(".");
    let key = format!("{key}.key");
    let signature = openssl(directory, &["dgst", "-sha256", "-sign", &key], signed.as_bytes());
    format!("{signed}.{}", base64url(directory, &signature))
}

/// What curl says of a log-in: whether it came in, and all that went over the wire.
fn curl(server: &Restante, mechanism: &str, user: &str, token: &str) -> (bool, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--verbose", "--max-time", "60", "--cacert"])
        .arg(server.directory().join("cert.pem"))
        .args(["--login-options", &format!("AUTH={mechanism}"), "--user", user, "--oauth2-bearer", token])
        .arg(format!("imaps://localhost:{}/", server.tls_port()))
        .output()
        .expect("curl: install the package of that name (tests/run does)");
    let listed = String::from_utf8_lossy(&output.stdout).contains("INBOX");
    assert_eq!(listed, output.status.success(), "{output:?}");
    (listed, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn signed_tokens_let_their_users_in() {
    let directory = directory();
    let path = directory.path();
    key_pair(path, "first");
    let server = server(&format!(
        "keys = [{:?}]\nissuers = [\"https://id.example\"]\naudiences = [\"restante\"]\nscopes = [\"mail\"]\n\
         openid-configuration = \"https://id.example/.well-known/openid-configuration\"",
        path.join("keys").display().to_string()
    ));
    let claims = |email: &str, scope: &str, exp: u64| {
        format!(
            r#"{{"iss":"https://id.example","aud":"restante","email":"{email}","scope":"openid {scope}","exp":{exp}}}"#
        )
    };
    let good = token(path, "first", &claims("user1@example.com", "mail", LATER));
    let expired = token(path, "first", &claims("user1@example.com", "mail", 1_000_000_000));
    let files = token(path, "first", &claims("user1@example.com", "files", LATER));
    let nobody = token(path, "first", &claims("nobody@example.com", "mail", LATER));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
        for (user, token, expected) in [
            ("user1@example.com:", &good, true),
            ("user1:", &good, true),
            ("user2@example.com:", &good, false),
            ("user1@example.com:", &expired, false),
            ("user1@example.com:", &files, false),
            ("nobody@example.com:", &nobody, false),
            ("user1@example.com:", &forged, false),
        ] {
            let (came_in, said) = curl(&server, mechanism, user, token);
            assert_eq!(came_in, expected, "{mechanism} {user} {said}");
            assert_eq!(said.contains("AUTHENTICATIONFAILED"), !expected, "{said}");
        }
    }
    server.wait_for_log(|line| line.contains("a token was refused") && line.contains("it has expired"));

    // A new key works at once, and one that is gone does not any more.
    key_pair(path, "second");
    let by_second = token(path, "second", &claims("user1@example.com", "mail", LATER));
    assert!(curl(&server, "OAUTHBEARER", "user1@example.com:", &by_second).0);
    std::fs::remove_file(path.join("keys/first.pem")).unwrap();
    assert!(!curl(&server, "OAUTHBEARER", "user1@example.com:", &good).0);
    std::fs::remove_dir_all(path.join("keys")).unwrap();
    let (_, said) = curl(&server, "OAUTHBEARER", "user1@example.com:", &by_second);
    assert!(said.contains("[UNAVAILABLE]"), "{said}");
}

/// An authorization server: it knows the token `good` of user3, and whoever asks it must know
/// its secret. Counts the questions.
fn authorization_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let questions = Arc::new(AtomicUsize::new(0));
    let counted = questions.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut authorized, mut line) = (0, false, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                authorized |= line.contains("Basic cmVzdGFudGU6dGhlIHNlY3JldA==")
                    || line.contains("Basic cmVzdGFudGU6dGhlJTIwc2VjcmV0");
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let body = String::from_utf8(body).unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = match body.split('&').find_map(|field| field.strip_prefix("token=")) {
                Some("good") => r#"{"active":true,"email":"user3@example.com","scope":"mail"}"#,
                _ => r#"{"active":false}"#,
            };
            let status = if authorized { "200 OK" } else { "401 Unauthorized" };
            let length = answer.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });
    (url, questions)
}

#[test]
fn an_authorization_server_is_asked() {
    let directory = directory();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "the secret\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (url, questions) = authorization_server();
    let asking = |secret: &Path| {
        let secret = secret.display().to_string();
        format!("introspection-url = {url:?}\nclient-id = \"restante\"\nclient-secret = {secret:?}\n")
    };
    let server = server(&asking(&secret));
    assert!(curl(&server, "OAUTHBEARER", "user3@example.com:", "good").0);
    assert!(curl(&server, "XOAUTH2", "user3@example.com:", "good").0);
    assert_eq!(questions.load(Ordering::Relaxed), 1, "a good token is remembered");
    let (came_in, said) = curl(&server, "XOAUTH2", "user3@example.com:", "bad");
    assert!(!came_in && said.contains("AUTHENTICATIONFAILED"), "{said}");
    assert!(!curl(&server, "XOAUTH2", "user1@example.com:", "good").0, "a token of another");

    // A secret that the server does not know is our fault, and not the client's.
    std::fs::write(&secret, "not the secret\n").unwrap();
    let (came_in, said) = curl(&server, "OAUTHBEARER", "user3@example.com:", "another");
    assert!(!came_in && said.contains("[UNAVAILABLE]"), "{said}");
    server.wait_for_log(|line| line.contains("tokens cannot be checked") && line.contains("401"));
}
