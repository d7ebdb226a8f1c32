//! The server's memory while it works on large messages: it does not grow with their size.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::client::Client;
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{Target, make_mailbox};
use std::fs::File;
use std::io::{BufWriter, Write};

/// Bytes of each message.
const SIZE: usize = 12 << 20;
/// What the server may take more for all of them, in bytes: less than one of them is long.
const GROWTH_MAX: u64 = 12 << 20;

/// A message: what it begins with, and what is repeated until it is as long as it should be.
const MESSAGES: [(&str, &str); 6] = [
    // "Some text that is not what is looked for, again and again" in base64.
    (
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n",
        "U29tZSB0ZXh0IHRoYXQgaXMgbm90IHdoYXQgaXMgbG9va2VkIGZvciwgYWdhaW4gYW5kIGFnYWlu\n",
    ),
    ("Content-Type: text/plain; charset=x-none\n\n", "k\u{f6}nnte UTF-8 sein, oder \u{212a}elvin\n"),
    ("Content-Type: text/plain; charset=iso-2022-jp\n\n", "one line without end "),
    ("To: ", "anna@example.org, \u{fc}, =?utf-8?q?=C3?= "),
    ("Subject: many fields\n", "X-Field: and another value of it\n"),
    (
        "Content-Type: multipart/mixed; boundary=b\n\n",
        "--b\nContent-Type: message/rfc822\n\nSubject: part\nX: 0123456789\n\ntext of a part\n",
    ),
];

#[test]
fn search_and_structure_take_no_memory_for_a_messages_size() {
    let server = Restante::start("");
    let maildir = server.maildir();
    make_mailbox(&maildir, "INBOX");
    for (number, (head, again)) in MESSAGES.iter().enumerate() {
        let path = maildir.join(format!("cur/170000000{number}.M1P1.host:2,S"));
        let mut file = BufWriter::new(File::create(path).unwrap());
        file.write_all(head.as_bytes()).unwrap();
        for _ in 0..SIZE / again.len() {
            file.write_all(again.as_bytes()).unwrap();
        }
    }
    hand_over(&server.directory().join("mail"));
    let mut client = Client::log_in(&server, &server.user());
    client.ok("SELECT INBOX");
    client.ok("FETCH 1:* (FLAGS)");
    let before = begin_peak(server.pid());
    let text = literal("gr\u{fc}n kelly");
    let two_lines = literal("line\r\nend");
    // One by one: unoptimized, it takes a while.
    let of_each = |number: usize| {
        [
            format!("SEARCH CHARSET UTF-8 {number} TEXT {text}"),
            format!("SEARCH {number} BODY {two_lines}"),
            format!("SEARCH {number} OR TO kelly SUBJECT kelly"),
            format!("SEARCH {number} SENTON 1-Jan-2020"),
            format!("FETCH {number} BODYSTRUCTURE"),
        ]
    };
    // The last one's structure has 10,000 parts, and is long itself.
    for command in (1..=MESSAGES.len()).flat_map(of_each).take(5 * MESSAGES.len() - 1) {
        let answer = client.ok(&command);
        assert!(!answer.untagged.is_empty(), "{command}: {answer:?}");
        let growth = memory_peak(server.pid()).saturating_sub(before);
        assert!(growth < GROWTH_MAX, "{growth} bytes more after {command}");
        println!("{growth} bytes more after {command}");
    }
}

fn literal(text: &str) -> String {
    format!("{{{}+}}\r\n{text}", text.len())
}

/// Forgets what the process had at most before, such as for hashing a password; what it has now.
fn begin_peak(pid: u32) -> u64 {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    memory_peak(pid)
}

/// The most memory that the process had since then, in bytes.
fn memory_peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
