//! Failed log-ins in the log, as fail2ban of Debian's packages reads them with the filters of
//! `config/fail2ban.local`: from a file, and as the journal shows them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// Names that want to be somebody else's address, or no line at all.
const HOSTILE: [&str; 6] = [
    "\"x, ip=[192.0.2.66]\"",
    "\"x ip=[192.0.2.66] \\\"\"",
    "\"ip=192.0.2.66\"",
    "\"x], ip=[192.0.2.66], user=y\"",
    "\"a\\\\nINFO LOGIN FAILED, user=b, ip=[192.0.2.66]\"",
    "anna@example.com",
];

const SETTINGS: &str = "[login]\ncleartext-from = [\"127.0.0.0/8\", \"::1\"]\n\
    trusted-networks = [\"127.0.0.0/8\", \"::1\"]\nfailures = 100\n";

/// Standard error is what systemd says is its journal.
const UNDER_JOURNAL: &str = "JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2) exec \"$0\" \"$@\"";

/// The filters of the example: first the journal's, then a file's.
fn filters() -> [String; 2] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/fail2ban.local");
    let example = std::fs::read_to_string(path).unwrap();
    let filter = |start: &str| example.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned();
    [filter("filter = "), filter("#filter = ")]
}

/// Fails once with each hostile name.
fn fail(address: &str) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let mut client = BufReader::new(stream);
    for name in HOSTILE {
        client.get_mut().write_all(format!("a LOGIN {name} wrong\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        while !answer.starts_with("a ") {
            answer.clear();
            assert!(client.read_line(&mut answer).unwrap() > 0, "closed");
        }
        assert!(answer.contains("AUTHENTICATIONFAILED"), "{name}: {answer}");
    }
}

/// The addresses that fail2ban finds in a log, one for each line that it takes for a failure.
fn found(filter: &str, log: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, log).unwrap();
    let output = Command::new("fail2ban-regex")
        .args(["-o", "ip"])
        .args([path.as_os_str(), filter.as_ref()])
        .output()
        .expect("fail2ban-regex: install the package fail2ban (tests/run does)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Lines of failures in the order of [`HOSTILE`], from a server whose log is `line`'s.
fn failures(server: &Restante, address: &str, peer: &str) -> Vec<String> {
    fail(address);
    server.wait_for_log(|line| line.contains("anna@example.com") && line.contains(&format!("ip=[{peer}]")));
    let all = server.logged();
    all.into_iter().filter(|line| line.contains(&format!("ip=[{peer}]"))).collect()
}

/// What is found in each form of the log is the peer, as often as it failed.
fn check(server: &Restante, address: &str, peer: &str, as_journal: bool) {
    let lines = failures(server, address, peer);
    assert_eq!(lines.len(), HOSTILE.len(), "{lines:?}");
    let [journal, file] = filters();
    let expected = vec![peer.to_owned(); HOSTILE.len()];
    if as_journal {
        let lines = lines.iter().map(|line| {
            let line = line.strip_prefix("<6>").expect("a priority, which systemd takes off");
            format!("Nov 25 06:00:00 mail restante[4711]: {line}\n")
        });
        assert_eq!(found(&journal, &lines.collect::<String>()), expected);
    } else {
        assert_eq!(found(&file, &(lines.join("\n") + "\n")), expected);
    }
}

#[test]
fn security_16_fail2ban_finds_who_failed_and_nobody_else() {
    let with_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let listen = if with_ipv6 { "[[listen]]\naddress = \"[::1]:0\"\ntls = \"starttls\"\n" } else { "" };
    let settings = format!("{SETTINGS}{listen}");
    let file = Restante::start(&settings);
    let mut shell = Command::new("sh");
    shell.args(["-c", UNDER_JOURNAL]).arg(binary()).stdin(Stdio::null());
    let journal = Restante::start_by(&mut shell, &settings);
    for (server, as_journal) in [(&file, false), (&journal, true)] {
        check(server, &format!("127.0.0.1:{}", server.port()), "127.0.0.1", as_journal);
        if !with_ipv6 {
            eprintln!("SKIPPED: there is no IPv6 here");
            continue;
        }
        let listening = server.wait_for_log(|line| line.contains("address=[::1]:"));
        let address = listening.split("address=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        check(server, address, "::1", as_journal);
    }
}

#[test]
fn a_banned_address_hears_that_the_server_is_unavailable() {
    let server =
        Restante::start("[login]\ncleartext-from = [\"127.0.0.0/8\"]\nban-after = 1\nban-for = \"1h\"\n");
    let answer = |command: &str| {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut client = BufReader::new(stream);
        client.get_mut().write_all(format!("a {command}\r\n").as_bytes()).unwrap();
        client.lines().map_while(Result::ok).find(|line| line.starts_with("a ")).expect("an answer")
    };
    let first = answer("LOGIN anna@example.com wrong");
    assert!(first.contains("AUTHENTICATIONFAILED") || first.contains("UNAVAILABLE"), "{first}");
    for _ in 0..3 {
        let right = answer("LOGIN user0@example.com \"pass word\"");
        assert!(right.starts_with("a NO [UNAVAILABLE]"), "{right}");
    }
    let log = server.logged().join("\n");
    assert_eq!(log.matches("banned: too many failed log-ins").count(), 1, "{log}");
}
