//! Messages that Dovecot's zlib plug-in compressed, beside Dovecot.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::observer::{Client, USER};
use restante_tests::target::dovecot::Dovecot;
use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::stream::Stream;
use restante_tests::target::{Target, make_mailbox};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// All that a client can ask of a message's content.
const QUESTIONS: [&str; 6] = [
    "UID FETCH 1:* (UID RFC822.SIZE)",
    "UID FETCH 1:* (UID BODY.PEEK[])",
    "UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[1])",
    "UID FETCH 1:* (UID BODY.PEEK[]<1000000.70000>)",
    "UID SEARCH TEXT needle",
    "UID SEARCH LARGER 1000",
];

fn messages() -> [Vec<u8>; 3] {
    let short = b"Subject: short\r\n\r\nneedle\r\n".to_vec();
    let mut parts = b"Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
        first\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>needle</b>\r\n--b--\r\n"
        .to_vec();
    parts.extend(b"epilogue\r\n".repeat(200));
    let mut long = b"Subject: long\r\n\r\n".to_vec();
    for line in 0_u32..60_000 {
        long.extend(
            format!("{:08x} a line of a long message\r\n", line.wrapping_mul(2_654_435_761)).into_bytes(),
        );
    }
    [short, parts, long]
}

/// A Dovecot that saves so, with the messages in its inbox, and what it answers.
fn filled(algorithm: &str) -> Result<(Dovecot, Vec<Vec<String>>), String> {
    let dovecot = Dovecot::start_with(&format!(
        "protocol imap {{\n  mail_plugins = quota imap_quota zlib\n}}\nplugin {{\n  zlib_save = {algorithm}\n}}\n"
    ))?;
    make_mailbox(&dovecot.maildir(), "INBOX");
    hand_over(dovecot.maildir().parent().unwrap());
    let stream = TcpStream::connect(("127.0.0.1", dovecot.port())).unwrap();
    let mut client = Client::new(Box::new(Stream::new(stream)));
    for message in messages() {
        let answer = client.append_bytes("INBOX", "\\Seen", &message);
        assert!(answer.starts_with("OK"), "{algorithm}: {answer}");
    }
    let answers = ask(&mut client);
    Ok((dovecot, answers))
}

fn ask(client: &mut Client) -> Vec<Vec<String>> {
    client.command("SELECT INBOX");
    let mut answers: Vec<Vec<String>> = QUESTIONS.iter().map(|question| client.command(question)).collect();
    for answer in &mut answers {
        // Servers may say other things besides.
        answer.retain(|line| line.contains(" FETCH ") || line.contains("SEARCH"));
    }
    answers
}

fn copied_from(dovecot: &Dovecot, server: &Restante) {
    let to = server.maildir();
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let status = Command::new("cp").arg("-a").args([dovecot.maildir(), to.clone()]).status().unwrap();
    assert!(status.success());
    hand_over(&to);
}

/// What a command of ours says, and whether it went well.
fn run(server: &Restante, arguments: &[&str]) -> (bool, String) {
    let configuration = server.directory().join("restante.toml");
    let output = Command::new(binary()).args(arguments).arg("--config").arg(configuration).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn is_compressed(maildir: &Path, magic: &[u8]) -> usize {
    let files = ["cur", "new"].into_iter().flat_map(|place| std::fs::read_dir(maildir.join(place)).unwrap());
    files.filter(|file| std::fs::read(file.as_ref().unwrap().path()).unwrap().starts_with(magic)).count()
}

#[test]
fn gzip_and_zstd_are_served_as_dovecot_serves_them() {
    for (algorithm, magic) in [("gz", &b"\x1f\x8b"[..]), ("zstd", b"\x28\xb5\x2f\xfd")] {
        let (dovecot, expected) = match filled(algorithm) {
            Ok(filled) => filled,
            Err(why) => return eprintln!("SKIPPED: {why}"),
        };
        let server = Restante::start("");
        copied_from(&dovecot, &server);
        assert_eq!(is_compressed(&server.maildir(), magic), 3, "{algorithm}");
        let mut client = Client::new(Box::new(server.tls()));
        let found = ask(&mut client);
        for ((question, found), expected) in QUESTIONS.iter().zip(&found).zip(&expected) {
            assert!(found == expected, "{algorithm}: {question}");
        }
        // A copy is stored as it is.
        client.command("CREATE Copies");
        client.command("UID COPY 1:* Copies");
        assert_eq!(is_compressed(&server.maildir().join(".Copies"), magic), 0, "{algorithm}");
        client.command("SELECT Copies");
        let copies = client.command(QUESTIONS[1]);
        let of_copies = |line: &&String| line.contains(" FETCH ");
        assert!(copies.iter().filter(of_copies).eq(expected[1].iter()), "{algorithm}");
        let (is_sound, report) = run(&server, &["mailbox", "check", "--sizes", USER]);
        assert!(is_sound, "{algorithm}: {report}");
    }
}

#[test]
fn what_is_not_read_is_refused_and_named() {
    for (algorithm, name) in [("bz2", "bzip2"), ("lz4", "LZ4")] {
        let (dovecot, _) = match filled(algorithm) {
            Ok(filled) => filled,
            Err(why) => return eprintln!("SKIPPED: {why}"),
        };
        let server = Restante::start("");
        copied_from(&dovecot, &server);
        let (is_done, report) = run(&server, &["migrate", "--from", "dovecot", "--dry-run", USER]);
        assert!(
            !is_done && report.contains(&format!("INBOX: 3 messages are compressed with {name}")),
            "{report}"
        );
        let mut client = Client::new(Box::new(server.tls()));
        client.append("INBOX", "", "plain");
        client.command("SELECT INBOX");
        let (answers, answer) = client.ask("UID FETCH 1:* (UID BODY.PEEK[TEXT])");
        assert!(answer.starts_with("NO [CANNOT] "), "{algorithm}: {answer}");
        let fetched: Vec<&String> = answers.iter().filter(|line| line.contains(" FETCH ")).collect();
        assert!(fetched.len() == 1 && fetched[0].contains("plain"), "what can be read is sent: {fetched:?}");
        client.ask("UID FETCH 1 BODY.PEEK[]");
        // Of four refusals, in two commands.
        let says_it = |line: &str| line.contains(&format!("{name} is not read"));
        server.wait_for_log(says_it);
        let (is_sound, report) = run(&server, &["mailbox", "check", USER]);
        assert!(
            !is_sound && report.contains("compressed and cannot be served") && report.contains("(3)"),
            "{report}"
        );
        assert_eq!(server.logged().iter().filter(|line| says_it(line)).count(), 1, "it is said once");
    }
}

#[test]
fn what_a_client_compressed_is_not_stored() {
    let server = Restante::start("");
    let mut client = Client::new(Box::new(server.tls()));
    let gzip = b"\x1f\x8b\x08\x04\x01\x01\x01\x01\x02\xff\x4b\x05\x04\x43";
    let answer = client.append_bytes("INBOX", "", gzip);
    assert!(answer.starts_with("NO [CANNOT] "), "{answer}");
    let answer = client.append_bytes("INBOX", "", b"\x1f\x8b\x08\x01Subject: text\r\n\r\nx\r\n");
    assert!(answer.starts_with("OK"), "{answer}");
}
