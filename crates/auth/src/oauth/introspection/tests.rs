//! An authorization server of the tests' own, over TLS with a private authority: right, wrong,
//! slow and broken answers.

use super::*;
use crate::oauth::{OAuthSettings, Tokens};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does with a question.
#[derive(Clone)]
enum Behaviour {
    Answer(u16, String),
    Close,
    Hang,
}

struct Server {
    url: String,
    dir: TempDir,
    asked: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Server {
    async fn start(behaviour: Behaviour) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}/introspect", listener.local_addr().unwrap().port());
        let server = Self {
            url,
            dir,
            asked: Arc::default(),
            last: Arc::default(),
            behaviour: Arc::new(Mutex::new(behaviour)),
        };
        let (asked, last, behaviour) = (server.asked.clone(), server.last.clone(), server.behaviour.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, asked, last) = (acceptor.clone(), asked.clone(), last.clone());
                let behaviour = behaviour.lock().unwrap().clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let mut request = Vec::new();
                    while !is_whole(&request) {
                        let mut space = [0; 4096];
                        match stream.read(&mut space).await {
                            Ok(count) if count > 0 => request.extend_from_slice(&space[..count]),
                            _ => return,
                        }
                    }
                    *last.lock().unwrap() = String::from_utf8(request).unwrap();
                    asked.fetch_add(1, Ordering::SeqCst);
                    match behaviour {
                        Behaviour::Answer(status, body) => {
                            let head = format!(
                                "HTTP/1.1 {status} X\r\nLocation: /other\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                                body.len()
                            );
                            let _ = stream.write_all(head.as_bytes()).await;
                            let _ = stream.write_all(body.as_bytes()).await;
                            let _ = stream.shutdown().await;
                        }
                        Behaviour::Close => {}
                        Behaviour::Hang => std::future::pending().await,
                    }
                });
            }
        });
        server
    }

    fn settings(&self) -> IntrospectionSettings {
        IntrospectionSettings {
            url: self.url.clone(),
            client: Some(("imap server".to_owned(), ClientSecret::Given(Secret::new(b"p:w%".to_vec())))),
            ca: Some(self.dir.path().join("ca.pem")),
            timeout: Duration::from_secs(10),
            at_once: 4,
            remember: Duration::from_secs(600),
        }
    }
}

/// Head and body of a request are there.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match length {
        Some(length) => body.len() >= length.trim().parse::<usize>().unwrap(),
        None => body.ends_with("0\r\n\r\n"),
    }
}

fn tokens(settings: IntrospectionSettings) -> Tokens {
    Tokens::new(OAuthSettings { introspection: Some(settings), ..OAuthSettings::default() }).unwrap()
}

async fn outcome(tokens: &Tokens, token: &str) -> String {
    match tokens.check(&Secret::new(token.as_bytes().to_vec())).await {
        Ok(user) => user.name,
        Err(TokenRefusal::Unavailable(_)) => "unavailable".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}

fn answer(text: &str) -> Behaviour {
    Behaviour::Answer(200, text.to_owned())
}

#[tokio::test]
async fn answers_of_every_kind() {
    let good = r#"{"active":true,"email":"anna@example.com"}"#;
    let status = |status| Behaviour::Answer(status, good.to_owned());
    for (behaviour, expected) in [
        (answer(good), "anna@example.com"),
        (answer(r#"{"active":false,"email":"anna@example.com"}"#), "the token is not good: it is not active"),
        (answer(r#"{"active":true,"email":"a","exp":1}"#), "the token is not good: it has expired"),
        (
            answer(r#"{"active":true,"username":"anna"}"#),
            "the token is not good: it has not the claim with the user's name",
        ),
        (answer(r#"{"active":"true","email":"a"}"#), "unavailable"),
        (answer(r#"{"email":"a"}"#), "unavailable"),
        (answer("[]"), "unavailable"),
        (answer("<html>"), "unavailable"),
        (answer(""), "unavailable"),
        (answer(&format!(r#"{{"active":true,"email":"a","x":"{}"}}"#, "x".repeat(70_000))), "unavailable"),
        (status(500), "unavailable"),
        (status(401), "unavailable"),
        (status(302), "unavailable"),
        (status(307), "unavailable"),
        (Behaviour::Close, "unavailable"),
    ] {
        let server = Server::start(behaviour).await;
        assert_eq!(outcome(&tokens(server.settings()), "opaque-token").await, expected);
        assert_eq!(
            server.asked.load(Ordering::SeqCst),
            1,
            "a redirection was followed, or it was asked again"
        );
    }
}

#[tokio::test]
async fn the_question_is_as_the_rfc_has_it() {
    let server = Server::start(answer(r#"{"active":true,"email":"a"}"#)).await;
    assert_eq!(outcome(&tokens(server.settings()), "a+b/c&d=").await, "a");
    let asked = server.last.lock().unwrap().clone();
    assert!(asked.starts_with("POST /introspect HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("token=a%2Bb%2Fc%26d%3D&token_type_hint=access_token"), "{asked}");
    // "imap%20server:p%3Aw%25"
    assert!(asked.contains("Basic aW1hcCUyMHNlcnZlcjpwJTNBdyUyNQ=="), "{asked}");
}

#[tokio::test]
async fn good_tokens_are_remembered_and_bad_ones_are_not() {
    let server = Server::start(answer(r#"{"active":true,"email":"a"}"#)).await;
    let checked = tokens(server.settings());
    let asked = || server.asked.load(Ordering::SeqCst);
    for (token, expected) in [("one", 1), ("one", 1), ("two", 2), ("one", 2)] {
        assert_eq!(outcome(&checked, token).await, "a");
        assert_eq!(asked(), expected);
    }
    checked.reload();
    assert_eq!((outcome(&checked, "one").await.as_str(), asked()), ("a", 3));
    *server.behaviour.lock().unwrap() = answer(r#"{"active":false}"#);
    for expected in [4, 5] {
        assert_eq!(outcome(&checked, "three").await, "the token is not good: it is not active");
        assert_eq!(asked(), expected);
    }
    let forgetful = tokens(IntrospectionSettings { remember: Duration::ZERO, ..server.settings() });
    *server.behaviour.lock().unwrap() = answer(r#"{"active":true,"email":"a"}"#);
    for expected in [6, 7] {
        assert_eq!((outcome(&forgetful, "one").await.as_str(), asked()), ("a", expected));
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone_or_a_stranger() {
    let server = Server::start(Behaviour::Hang).await;
    let hurried =
        IntrospectionSettings { timeout: Duration::from_millis(300), at_once: 1, ..server.settings() };
    let hurried = tokens(hurried);
    let (first, second) = tokio::join!(outcome(&hurried, "one"), outcome(&hurried, "two"));
    assert_eq!((first.as_str(), second.as_str()), ("unavailable", "unavailable"));
    let other = Server::start(answer(r#"{"active":true,"email":"a"}"#)).await;
    let stranger = IntrospectionSettings { ca: server.settings().ca, ..other.settings() };
    assert_eq!(outcome(&tokens(stranger), "one").await, "unavailable");
    assert_eq!(other.asked.load(Ordering::SeqCst), 0, "a stranger got to see a token");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", closed.local_addr().unwrap().port());
    drop(closed);
    assert_eq!(
        outcome(&tokens(IntrospectionSettings { url, ..server.settings() }), "one").await,
        "unavailable"
    );
}

#[tokio::test]
async fn the_client_secret_of_a_file_is_read_at_each_question() {
    let server = Server::start(answer(r#"{"active":true,"email":"a"}"#)).await;
    let file = server.dir.path().join("secret");
    let client = Some(("c".to_owned(), ClientSecret::File(file.clone())));
    let checked = tokens(IntrospectionSettings { client, remember: Duration::ZERO, ..server.settings() });
    assert_eq!(outcome(&checked, "one").await, "unavailable");
    for secret in ["old", "new"] {
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        assert_eq!(outcome(&checked, "one").await, "a");
        let expected = format!("Basic {}", BASE64.encode(format!("c:{secret}").as_bytes()));
        assert!(server.last.lock().unwrap().contains(&expected));
    }
}

#[test]
fn tokens_go_in_clear_to_this_machine_only() {
    for (url, expected) in [
        ("https://id.example/introspect", Some(true)),
        ("http://127.0.0.1:8080/introspect", Some(false)),
        ("http://[::1]:8080/introspect", Some(false)),
        ("http://localhost/introspect", Some(false)),
        ("http://id.example/introspect", None),
        ("http://127.0.0.1.example/introspect", None),
        ("http://localhost.example/introspect", None),
        ("http://localhost@id.example/introspect", None),
        ("https://user:pw@id.example/introspect", None),
        ("ftp://localhost/", None),
        ("/introspect", None),
        ("", None),
    ] {
        assert_eq!(is_https(url).ok(), expected, "{url}");
    }
}
