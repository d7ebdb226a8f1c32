//! FETCH, in sessions over a Maildir.

use crate::command::shared::fixture::{Fixture, NESTED, PLAIN, check};
use crate::testing::Client;
use crate::testing::Site;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use store::CacheKind;

fn check_all(messages: &[(&str, &str)], cases: &[(&str, &str)]) {
    let fixture = Fixture::new(messages);
    let mut client = fixture.select();
    for (command, expected) in cases {
        check(&mut client, command, expected);
    }
}

/// The literal of the only literal item in an answer.
fn literal(client: &mut Client, command: &str) -> Vec<u8> {
    let answer = client.send(format!("a {command}\r\n").as_bytes());
    let open = answer.iter().position(|&b| b == b'{').unwrap_or_else(|| panic!("no literal: {command}"));
    let close = open + answer[open..].iter().position(|&b| b == b'}').expect("a brace");
    let length: usize =
        std::str::from_utf8(&answer[open + 1..close]).expect("digits").parse().expect("a number");
    let start = close + 3;
    let rest = String::from_utf8_lossy(&answer[start + length..]).into_owned();
    assert!(rest.starts_with(')') && rest.contains("\r\na OK"), "the stream is out of frame: {rest:?}");
    answer[start..start + length].to_vec()
}

fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    mail::crlf::ToWire::new().convert(message, &mut wire);
    wire
}

#[test]
fn what_the_snapshot_and_the_file_tell() {
    check_all(
        &[(PLAIN, "S"), (NESTED, "FS")],
        &[
            ("FETCH 1 (UID FLAGS)", "* 1 FETCH (UID 1 FLAGS (\\Seen))\na OK"),
            ("UID FETCH 2 FLAGS", "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))\na OK"),
            ("FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Seen))\na OK"),
            (
                "FETCH 1 (INTERNALDATE RFC822.SIZE)",
                "* 1 FETCH (INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" RFC822.SIZE 167)\na OK",
            ),
            (
                "FETCH 1 ENVELOPE",
                "* 1 FETCH (ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" \"plain\" \
                 ((\"Anna\" NIL \"anna\" \"example.org\")) ((\"Anna\" NIL \"anna\" \"example.org\")) \
                 ((\"Anna\" NIL \"anna\" \"example.org\")) ((NIL NIL \"team\" \"example.com\")) \
                 NIL NIL NIL \"<plain@example.org>\"))\na OK",
            ),
            ("FETCH 3 FLAGS", "a BAD"),
            ("FETCH 1:3 FLAGS", "a BAD"),
            ("UID FETCH 3 FLAGS", "a OK"),
            ("UID FETCH 3:* FLAGS", "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))\na OK"),
            ("FETCH * UID", "* 2 FETCH (UID 2)\na OK"),
            ("FETCH 2,1,1:2 UID", "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\na OK"),
        ],
    );
}

/// Sizes in file names may be wrong, and what they say of the wire too small or too large although
/// they fit the file: RFC822.SIZE is the number of octets that BODY[] has, at once or once somebody
/// has read the message, and stays that.
#[test]
fn a_wrong_size_in_a_name_is_found_out() {
    const SHORT: &str = "Subject: 1\n\nbody\n";
    let long = format!("Subject: 1\n\n{}", "line\n".repeat(40_000));
    let (size, crlf) = (long.len(), "Subject: 8\r\n\r\nCRLF in the file\r\n");
    let names = [
        (",S=12,W=15".to_owned(), SHORT),
        (",S=99,W=105".to_owned(), SHORT),
        (",S=17,W=17".to_owned(), SHORT),
        (",S=17,W=18".to_owned(), SHORT),
        (",W=20,S=17,S=18".to_owned(), SHORT),
        (",S=0".to_owned(), SHORT),
        (",S=32,W=40".to_owned(), crlf),
        (format!(",S={size},W={}", size + 7), &long),
    ];
    let reads = ["BODY.PEEK[]", "BODY.PEEK[]<3.10>", "RFC822", "BODYSTRUCTURE", "BODY"];
    for (read, (name, message)) in reads.iter().flat_map(|read| names.iter().map(move |name| (read, name))) {
        let fixture = Fixture::new(&[]);
        let cur = fixture.site.maildir("user").join("cur");
        fs::write(cur.join(format!("1.M1P1.h{name}:2,S")), message).expect("a message");
        let octets = with_crlf(message.as_bytes()).len();
        let what = format!("{name} {read}");
        let mut client = fixture.select();
        client.command("FETCH 1 (UID RFC822.SIZE)");
        // Also in the response that reads it.
        let answer = client.command(&format!("FETCH 1 (RFC822.SIZE {read})"));
        assert!(answer.starts_with(&format!("* 1 FETCH (RFC822.SIZE {octets} ")), "{what}: {answer:.60}");
        assert_eq!(literal(&mut client, "FETCH 1 BODY.PEEK[]").len(), octets, "{what}");
        for mut client in [client, fixture.select()] {
            let told = format!("* 1 FETCH (UID 1 RFC822.SIZE {octets})\na OK");
            check(&mut client, "FETCH 1 (UID RFC822.SIZE)", &told);
            check(&mut client, &format!("SEARCH LARGER {}", octets - 1), "* SEARCH 1\na OK");
            check(&mut client, &format!("SEARCH LARGER {octets}"), "* SEARCH\na OK");
            check(&mut client, &format!("SEARCH SMALLER {}", octets + 1), "* SEARCH 1\na OK");
            check(&mut client, "STATUS INBOX (SIZE)", &format!("* STATUS INBOX (SIZE {octets})\na OK"));
        }
    }
}

/// A SEARCH that reads a message counts it too.
#[test]
fn a_search_finds_a_wrong_size_out() {
    let fixture = Fixture::new(&[]);
    let cur = fixture.site.maildir("user").join("cur");
    fs::write(cur.join("1.M1P1.h,S=17,W=19:2,S"), "Subject: 1\n\nbody\n").expect("a message");
    let mut client = fixture.select();
    check(&mut client, "FETCH 1 RFC822.SIZE", "* 1 FETCH (RFC822.SIZE 19)\na OK");
    check(&mut client, "SEARCH BODY body", "* SEARCH 1\na OK");
    check(&mut client, "FETCH 1 RFC822.SIZE", "* 1 FETCH (RFC822.SIZE 20)\na OK");
}

#[test]
fn structures_come_from_the_cache_the_second_time() {
    let fixture = Fixture::new(&[(NESTED, "S")]);
    let mut client = fixture.select();
    for item in ["ENVELOPE", "BODY", "BODYSTRUCTURE"] {
        let first = client.command(&format!("FETCH 1 {item}"));
        assert!(first.starts_with(&format!("* 1 FETCH ({item} (")), "{first}");
        assert_eq!(client.command(&format!("FETCH 1 {item}")), first);
    }
}

/// What an older version kept of structures counts no more.
#[test]
fn structures_of_an_older_version_are_made_again() {
    let fixture = Fixture::new(&[(NESTED, "S")]);
    {
        let mailbox = fixture.site.account("user").open(&mail::MailboxName::inbox()).expect("the inbox");
        let mut pass = mailbox.pass();
        for kind in ["BODY", "BODYSTRUCTURE", "PARTS"] {
            pass.keep(mail::Uid::MIN, CacheKind::named(kind.as_bytes()), b"\x00\x00\x00\x00\x00");
        }
    }
    let mut client = fixture.select();
    for item in ["BODY", "BODYSTRUCTURE"] {
        let answer = client.command(&format!("FETCH 1 {item}"));
        assert!(answer.starts_with(&format!("* 1 FETCH ({item} ((\"text\"")), "{answer}");
    }
    check(&mut client, "FETCH 1 BODY[2.1]", "* 1 FETCH (BODY[2.1] {7}\ntwo one)\na OK");
}

/// A structure that is read window by window is that of a message read at once.
#[test]
fn a_long_message_has_the_structure_of_a_short_one() {
    let message = |words: usize| {
        let text = "some words\n".repeat(words);
        NESTED.replace("two one\n", &text)
    };
    let fixture = Fixture::new(&[(&message(10), "S"), (&message(200_000), "S")]);
    let mut client = fixture.select();
    let short = client.command("FETCH 1 BODYSTRUCTURE");
    let mut expected = short.replacen("* 1", "* 2", 1);
    // 199,990 lines more, of 12 octets.
    for (short, long) in
        [(" 118 9 NIL", " 2399998 199999 NIL"), (" 284 (", " 2400164 ("), (" 21 NIL", " 200011 NIL")]
    {
        assert!(expected.contains(short), "{expected}");
        expected = expected.replace(short, long);
    }
    assert_eq!(client.command("FETCH 2 BODYSTRUCTURE"), expected);
    let inside = client.command("FETCH 2 BODY[2.2]");
    assert!(inside.contains("<b>two two</b>"), "{inside}");
}

#[test]
fn sections() {
    let inside = "Subject: inside\nFrom: carl@example.org\nContent-Type: multipart/mixed; boundary=inner\n\n";
    check_all(
        &[(PLAIN, "S"), (NESTED, "S")],
        &[
            ("FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {25}\nfirst line\nsecond line\n)\na OK"),
            ("FETCH 1 BODY[1]", "* 1 FETCH (BODY[1] {25}\nfirst line\nsecond line\n)\na OK"),
            ("FETCH 1 RFC822.TEXT", "* 1 FETCH (RFC822.TEXT {25}\nfirst line\nsecond line\n)\na OK"),
            ("FETCH 1 BODY[2]", "* 1 FETCH (BODY[2] {0}\n)\na OK"),
            ("FETCH 1 BODY[1.HEADER]", "* 1 FETCH (BODY[1.HEADER] {0}\n)\na OK"),
            ("FETCH 2 BODY[1]", "* 2 FETCH (BODY[1] {3}\none)\na OK"),
            ("FETCH 2 BODY[1.MIME]", "* 2 FETCH (BODY[1.MIME] {28}\nContent-Type: text/plain\n\n)\na OK"),
            ("FETCH 2 BODY[2.1]", "* 2 FETCH (BODY[2.1] {7}\ntwo one)\na OK"),
            ("FETCH 2 BODY[2.2]", "* 2 FETCH (BODY[2.2] {14}\n<b>two two</b>)\na OK"),
            ("FETCH 2 BODY[2.2.MIME]", "* 2 FETCH (BODY[2.2.MIME] {27}\nContent-Type: text/html\n\n)\na OK"),
            (
                "FETCH 2 BODY[2.HEADER]",
                &format!("* 2 FETCH (BODY[2.HEADER] {{{}}}\n{inside})\na OK", inside.len() + 4),
            ),
            (
                "FETCH 2 BODY[2.HEADER.FIELDS (FROM)]",
                "* 2 FETCH (BODY[2.HEADER.FIELDS (FROM)] {26}\nFrom: carl@example.org\n\n)\na OK",
            ),
            ("FETCH 2 BODY[3]", "* 2 FETCH (BODY[3] {0}\n)\na OK"),
            ("FETCH 2 BODY[2.3]", "* 2 FETCH (BODY[2.3] {0}\n)\na OK"),
            ("FETCH 2 BODY[MIME]", "a BAD"),
        ],
    );
}

#[test]
fn header_fields() {
    check_all(
        &[
            (PLAIN, "S"),
            ("Subject: no body", "S"),
            ("Subject: no body\n", "S"),
            ("\nonly a body\n", "S"),
            ("", "S"),
        ],
        &[
            (
                "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject TO)]",
                "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT TO)] {40}\nTo: team@example.com\nSubject: plain\n\n)\na OK",
            ),
            (
                "FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Date Message-Id from to)]",
                "* 1 FETCH (BODY[HEADER.FIELDS.NOT (DATE MESSAGE-ID FROM TO)] {18}\nSubject: plain\n\n)\na OK",
            ),
            (
                "FETCH 1 BODY.PEEK[HEADER.FIELDS (X-None)]",
                "* 1 FETCH (BODY[HEADER.FIELDS (X-NONE)] {2}\n\n)\na OK",
            ),
            (
                "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]<9.5>",
                "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)]<9> {5}\nplain)\na OK",
            ),
            // Without an empty line in the header there is none in its subset.
            ("FETCH 2 BODY.PEEK[HEADER]", "* 2 FETCH (BODY[HEADER] {16}\nSubject: no body)\na OK"),
            (
                "FETCH 3 BODY.PEEK[HEADER.FIELDS (Subject)]",
                "* 3 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {18}\nSubject: no body\n)\na OK",
            ),
            ("FETCH 3 BODY.PEEK[TEXT]", "* 3 FETCH (BODY[TEXT] {0}\n)\na OK"),
            ("FETCH 4 BODY.PEEK[HEADER]", "* 4 FETCH (BODY[HEADER] {2}\n\n)\na OK"),
            ("FETCH 4 BODY.PEEK[TEXT]", "* 4 FETCH (BODY[TEXT] {13}\nonly a body\n)\na OK"),
            ("FETCH 5 (BODY.PEEK[] RFC822.SIZE)", "* 5 FETCH (BODY[] {0}\n RFC822.SIZE 0)\na OK"),
        ],
    );
}

#[test]
fn partials() {
    check_all(
        &[(PLAIN, "S")],
        &[
            ("FETCH 1 BODY[TEXT]<6.4>", "* 1 FETCH (BODY[TEXT]<6> {4}\nline)\na OK"),
            ("FETCH 1 BODY[TEXT]<12.3>", "* 1 FETCH (BODY[TEXT]<12> {3}\nsec)\na OK"),
            ("FETCH 1 BODY[TEXT]<19.100>", "* 1 FETCH (BODY[TEXT]<19> {6}\nline\n)\na OK"),
            ("FETCH 1 BODY[TEXT]<25.1>", "* 1 FETCH (BODY[TEXT]<25> {0}\n)\na OK"),
            ("FETCH 1 BODY[TEXT]<4000000000.1>", "* 1 FETCH (BODY[TEXT]<4000000000> {0}\n)\na OK"),
            (
                "FETCH 1 (BODY[TEXT]<0.5> BODY[TEXT]<6.4>)",
                "* 1 FETCH (BODY[TEXT]<0> {5}\nfirst BODY[TEXT]<6> {4}\nline)\na OK",
            ),
        ],
    );
}

#[test]
fn seen_is_set_and_told_once() {
    let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, ""), (PLAIN, ""), (PLAIN, "")]);
    let mut client = fixture.select();
    for (command, expected) in [
        ("FETCH 1 BODY.PEEK[TEXT]<0.5>", "* 1 FETCH (BODY[TEXT]<0> {5}\nfirst)\na OK"),
        ("FETCH 1 RFC822.HEADER", ""),
        ("FETCH 1 BODY[TEXT]<0.5>", "* 1 FETCH (FLAGS (\\Seen) BODY[TEXT]<0> {5}\nfirst)\na OK"),
        ("FETCH 1 BODY[TEXT]<0.5>", "* 1 FETCH (BODY[TEXT]<0> {5}\nfirst)\na OK"),
        ("UID FETCH 2 BODY[TEXT]<0.5>", "* 2 FETCH (UID 2 FLAGS (\\Seen) BODY[TEXT]<0> {5}\nfirst)\na OK"),
        ("FETCH 3 (FLAGS BODY[TEXT]<0.5>)", "* 3 FETCH (FLAGS (\\Seen) BODY[TEXT]<0> {5}\nfirst)\na OK"),
        ("NOOP", "a OK"),
    ] {
        if !expected.is_empty() {
            check(&mut client, command, expected);
        } else {
            assert!(!client.command(command).contains("FLAGS"));
        }
    }
    assert!(fixture.path(1).to_string_lossy().ends_with(":2,S"));
    check(&mut client, "FETCH 4 FLAGS", "* 4 FETCH (FLAGS ())\na OK");

    let mut reader = fixture.examine();
    check(&mut reader, "FETCH 4 BODY[TEXT]<0.5>", "* 4 FETCH (BODY[TEXT]<0> {5}\nfirst)\na OK");
    check(&mut reader, "FETCH 4 FLAGS", "* 4 FETCH (FLAGS ())\na OK");
}

#[test]
fn changed_since_and_modseq() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    let first = client.command("FETCH 1:2 (MODSEQ)");
    assert!(first.starts_with("* OK [HIGHESTMODSEQ "), "{first}");
    let modseq: u64 = {
        let at = first.find("MODSEQ (").expect("a MODSEQ") + 8;
        first[at..].split(')').next().expect("a number").parse().expect("a number")
    };
    check(&mut client, &format!("FETCH 1:2 FLAGS (CHANGEDSINCE {modseq})"), "a OK");
    client.command("STORE 2 +FLAGS.SILENT (\\Flagged)");
    let told = client.command(&format!("UID FETCH 1:* FLAGS (CHANGEDSINCE {modseq})"));
    assert!(told.starts_with("* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen) MODSEQ ("), "{told}");
    assert!(!told.contains("HIGHESTMODSEQ"), "told once: {told}");
}

#[test]
fn a_message_that_is_gone_is_left_out() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    fs::remove_file(fixture.path(2)).expect("removed");
    check(
        &mut client,
        "FETCH 1:3 BODY.PEEK[TEXT]<0.5>",
        "* 1 FETCH (BODY[TEXT]<0> {5}\nfirst)\n* 3 FETCH (BODY[TEXT]<0> {5}\nfirst)\na NO [EXPUNGEISSUED]",
    );
    check(&mut client, "UID FETCH 1:3 UID", "* 1 FETCH (UID 1)\n* 3 FETCH (UID 3)\n* 2 EXPUNGE\na OK");
}

/// Another session expunges the messages of `set`.
fn expunge_elsewhere(fixture: &Fixture, set: &str) {
    let mut other = fixture.select();
    other.command(&format!("STORE {set} +FLAGS.SILENT (\\Deleted)"));
    assert!(other.command("EXPUNGE").contains("\r\na OK "));
}

#[test]
fn what_is_known_of_a_message_whose_expunge_is_withheld_is_told() {
    let fixture = Fixture::new(&[(PLAIN, "FS"), (PLAIN, ""), (PLAIN, "S")]);
    let mut client = fixture.select();
    let header = client.command("FETCH 1 (ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    let body_structure = client.command("FETCH 1 BODYSTRUCTURE");
    expunge_elsewhere(&fixture, "1:2");
    for (command, expected) in [
        (
            "FETCH 1:3 (UID FLAGS)",
            "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))\n* 2 FETCH (UID 2 FLAGS ())\n\
             * 3 FETCH (UID 3 FLAGS (\\Seen))\na OK",
        ),
        (
            // Nobody had asked for these before: they were looked up when the message went.
            "FETCH 1:2 (RFC822.SIZE INTERNALDATE)",
            "* 1 FETCH (RFC822.SIZE 167 INTERNALDATE \"14-Nov-2023 22:13:20 +0000\")\n\
             * 2 FETCH (RFC822.SIZE 167 INTERNALDATE \"14-Nov-2023 22:13:20 +0000\")\na OK",
        ),
        (
            "FETCH 1:2 SAVEDATE",
            "* 1 FETCH (SAVEDATE \"14-Nov-2023 22:13:21 +0000\")\n\
             * 2 FETCH (SAVEDATE \"14-Nov-2023 22:13:22 +0000\")\na OK",
        ),
        (
            // All that can be told comes, and then the NO.
            "FETCH 1:3 (UID BODY.PEEK[TEXT]<0.5>)",
            "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\n* 3 FETCH (UID 3 BODY[TEXT]<0> {5}\nfirst)\n\
             a NO [EXPUNGEISSUED]",
        ),
        ("FETCH 2 ENVELOPE", "a NO [EXPUNGEISSUED]"),
        ("FETCH 1 BODY[TEXT]", "a NO [EXPUNGEISSUED]"),
    ] {
        check(&mut client, command, expected);
    }
    assert_eq!(client.command("FETCH 1 (ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"), header);
    assert_eq!(client.command("FETCH 1 BODYSTRUCTURE"), body_structure);
    check(&mut client, "NOOP", "* 2 EXPUNGE\n* 1 EXPUNGE\na OK");
    check(&mut client, "FETCH 1 UID", "* 1 FETCH (UID 3)\na OK");
}

#[test]
fn uid_commands_pass_over_messages_whose_expunge_is_withheld() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    expunge_elsewhere(&fixture, "2");
    check(&mut client, "FETCH 1:* UID", "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\n* 3 FETCH (UID 3)\na OK");
    check(
        &mut client,
        "UID FETCH 1:* (FLAGS RFC822.SIZE)",
        "* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 167)\n\
         * 3 FETCH (UID 3 FLAGS (\\Seen) RFC822.SIZE 167)\n* 2 EXPUNGE\na OK",
    );
    expunge_elsewhere(&fixture, "1");
    check(&mut client, "FETCH 1 UID", "* 1 FETCH (UID 1)\na OK");
    check(&mut client, "UID FETCH 1 UID", "* 1 EXPUNGE\na OK");
}

#[test]
fn modseq_of_a_message_whose_expunge_is_withheld() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    let told = client.command("FETCH 1 (FLAGS MODSEQ)");
    let told = told.split_inclusive("\r\n").nth(1).expect("a response").to_owned();
    expunge_elsewhere(&fixture, "1");
    assert!(client.command("FETCH 1 (FLAGS MODSEQ)").starts_with(&told));
    let since = told.split_once("MODSEQ (").and_then(|(_, rest)| rest.split(')').next());
    let since: u64 = since.and_then(|number| number.parse().ok()).expect("a number");
    check(&mut client, &format!("FETCH 1 UID (CHANGEDSINCE {since})"), "a OK");
    let answer = client.command(&format!("FETCH 1 UID (CHANGEDSINCE {})", since - 1));
    assert!(answer.starts_with("* 1 FETCH (UID 1 MODSEQ ("), "{answer}");
    check(&mut client, "NOOP", "* 1 EXPUNGE\na OK");
}

#[test]
fn a_file_renamed_by_another_program_is_found() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    fixture.rename(2, "FS");
    let answer = client.command("FETCH 2 BODY.PEEK[TEXT]<0.5>");
    assert!(answer.starts_with("* 2 FETCH (BODY[TEXT]<0> {5}\r\nfirst)\r\n"), "{answer}");
    assert!(answer.contains("\r\na OK"), "{answer}");
}

#[test]
fn a_message_that_may_not_be_read_is_told_as_that() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let path = fixture.path(1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("its mode");
    if fs::File::open(&path).is_ok() {
        eprintln!("SKIPPED: root may read everything");
        return;
    }
    let mut client = fixture.select();
    let answer = client.command("FETCH 1:2 BODY.PEEK[TEXT]<0.5>");
    assert!(answer.starts_with("* 2 FETCH (BODY[TEXT]<0> {5}\r\nfirst)\r\n"), "{answer}");
    assert!(answer.contains("a NO [NOPERM] The server may not read this"), "{answer}");
}

#[test]
fn security_22_what_is_no_file_is_left_out_and_told() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    let path = fixture.path(1);
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    let answer = client.command("FETCH 1:2 BODY.PEEK[TEXT]<0.5>");
    assert!(!answer.contains("root"), "{answer}");
    assert!(answer.contains("* 2 FETCH (BODY[TEXT]<0> {5}\r\nfirst)\r\n"), "{answer}");
    assert!(answer.contains("\r\na NO "), "{answer}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_others_are_sent() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    fs::set_permissions(fixture.path(1), fs::Permissions::from_mode(0o000)).expect("closed");
    if fs::read(fixture.path(1)).is_ok() {
        return; // Nothing is closed to root.
    }
    let answer = client.command("FETCH 1:2 BODY.PEEK[TEXT]<0.5>");
    assert!(answer.starts_with("* 2 FETCH (BODY[TEXT]<0> {5}\r\nfirst)\r\na NO [NOPERM]"), "{answer}");
}

#[test]
fn sizes_agree_with_what_is_sent() {
    let bodies: [&[u8]; 9] = [
        PLAIN.as_bytes(),
        &with_crlf(PLAIN.as_bytes()),
        b"Subject: mixed\r\n\nlf\ncrlf\r\nbare cr\rend",
        b"Subject: nul\n\n\0\n\0",
        b"",
        b"\n",
        b"no header",
        b"Subject: cr at the end\n\nx\r",
        NESTED.as_bytes(),
    ];
    let mut fixture = Fixture::new(&[]);
    for body in bodies {
        fixture.put(body, "S");
    }
    // Longer than what is held, with a line end right at and across the bounds of chunks.
    let long: Vec<u8> =
        b"Subject: long\n\n".iter().copied().chain((0..200_000).map(|n| b"ab\nc\r\n"[n % 6])).collect();
    fixture.put(&long, "S");
    let mut client = fixture.select();
    for n in 1..=bodies.len() + 1 {
        let size = client.command(&format!("FETCH {n} RFC822.SIZE"));
        let whole = literal(&mut client, &format!("FETCH {n} BODY.PEEK[]"));
        assert_eq!(size.split("\r\n").next(), Some(&*format!("* {n} FETCH (RFC822.SIZE {})", whole.len())));
        assert_eq!(whole, with_crlf(bodies.get(n - 1).copied().unwrap_or(&long)));
        let mut halves = literal(&mut client, &format!("FETCH {n} RFC822.HEADER"));
        halves.extend(literal(&mut client, &format!("FETCH {n} BODY.PEEK[TEXT]")));
        assert_eq!(halves, whole, "message {n}");
    }
}

#[test]
fn a_long_body_goes_out_in_pieces() {
    let mut message = b"Subject: long\n\n".to_vec();
    for line in 0..200_000 {
        message.extend_from_slice(format!("line {line}\n").as_bytes());
    }
    let mut fixture = Fixture::new(&[]);
    fixture.put(&message, "S");
    let mut client = fixture.select();
    assert_eq!(literal(&mut client, "FETCH 1 BODY[]"), with_crlf(&message));
    assert!(client.written_max <= 256 * 1024, "{} bytes at once", client.written_max);
}

#[test]
fn items_are_sent_once_and_not_too_many() {
    check_all(
        &[(PLAIN, "S")],
        &[
            ("FETCH 1 (UID FLAGS UID FLAGS)", "* 1 FETCH (UID 1 FLAGS (\\Seen))\na OK"),
            (
                &format!(
                    "FETCH 1 ({})",
                    (1..=1001).map(|n| format!("BODY[{n}]")).collect::<Vec<_>>().join(" ")
                ),
                "a NO [LIMIT]",
            ),
        ],
    );
}

/// Window by window, forwards, backwards and with a message in between.
#[test]
fn windows_of_a_long_body() {
    let mut message = b"Subject: long\n\n".to_vec();
    for line in 0..60_000 {
        message.extend_from_slice(format!("line {line}\n").as_bytes());
    }
    let mut fixture = Fixture::new(&[(PLAIN, "S")]);
    fixture.put(&message, "S");
    let whole = with_crlf(&message);
    let mut client = fixture.select();
    let step = 70_001;
    let forwards = (0..whole.len()).step_by(step);
    for origin in forwards.clone().chain(forwards.rev()) {
        let window = literal(&mut client, &format!("FETCH 2 BODY[]<{origin}.{step}>"));
        assert!(window == whole[origin..whole.len().min(origin + step)], "at {origin}");
        if origin % 2 == 1 {
            literal(&mut client, "FETCH 1 BODY[TEXT]<3.5>");
        }
    }
    let two = client.command("FETCH 2 (BODY[]<100000.4> BODY[TEXT]<100000.4> BODY[]<100004.4>)");
    let at = |n: usize| String::from_utf8_lossy(&whole[n..n + 4]).into_owned();
    let expected = format!(
        "* 2 FETCH (BODY[]<100000> {{4}}\r\n{} BODY[TEXT]<100000> {{4}}\r\n{} BODY[]<100004> {{4}}\r\n{})\r\n",
        at(100_000),
        at(100_000 + 17),
        at(100_004)
    );
    assert!(two.starts_with(&expected), "{two}");
    // Another file of the same name is another file.
    let path = fixture.path(2);
    let mut changed = message.clone();
    changed.extend_from_slice(b"more\n");
    fs::write(&path, &changed).expect("written");
    assert!(literal(&mut client, "FETCH 2 BODY[]<0.2000000>") == with_crlf(&changed));
}

/// The announced octets are all sent, or the connection ends inside them: the client is never
/// given something else in their place.
#[test]
fn a_file_that_shrinks_ends_the_connection() {
    let (written, closed) = fetch_and_cut(2_000_000);
    assert!(closed);
    assert!(written.len() < 2_000_000 && written.ends_with(b"xxxx"), "nothing follows the message's bytes");
}

/// A message that is not too long is read once, and does not change while it is sent.
#[test]
fn a_file_that_shrinks_was_read_before() {
    let (written, closed) = fetch_and_cut(1_000_000);
    assert!(!closed);
    let x = written.iter().filter(|byte| **byte == b'x').count();
    assert!(x == 1_000_000 && written.ends_with(b"b OK Nothing done\r\n"), "{x}");
}

/// Fetches a message of so many letters whose file is cut short once some of it is written: what
/// came, and whether the connection ended.
fn fetch_and_cut(letters: usize) -> (Vec<u8>, bool) {
    let message = [b"Subject: cut\n\n".to_vec(), vec![b'x'; letters]].concat();
    let mut fixture = Fixture::new(&[]);
    fixture.put(&message, "S");
    let mut client = fixture.select();
    let path = fixture.path(1);
    let written = client.send_watched(b"a FETCH 1 BODY[]\r\nb NOOP\r\n", |written| {
        if written > 0 {
            fs::File::options().write(true).open(&path).and_then(|file| file.set_len(100_000)).expect("cut");
        }
    });
    (written, client.closed())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn partials_make_up_the_whole(
        body in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x'), Just(0)], 0..300),
        scale in prop_oneof![Just(1usize), Just(500)],
        step in 1usize..100,
    ) {
        let mut message = b"Subject: partial\n\n".to_vec();
        for byte in &body {
            message.extend(std::iter::repeat_n(*byte, scale));
        }
        let mut fixture = Fixture::new(&[]);
        fixture.put(&message, "S");
        let mut client = fixture.select();
        let whole = literal(&mut client, "FETCH 1 BODY[]");
        prop_assert_eq!(&whole, &with_crlf(&message));
        let step = step * scale;
        let mut parts = Vec::new();
        for origin in (0..=whole.len()).step_by(step) {
            parts.extend(literal(&mut client, &format!("FETCH 1 BODY[]<{origin}.{step}>")));
        }
        prop_assert_eq!(parts, whole);
    }
}

/// Many subsets of a header with many fields: it is read and looked through once.
#[test]
fn security_18_a_header_is_looked_through_once_for_all_subsets() {
    let fields: String = (0..30_000).map(|n| format!("X-{n}: {n}\n")).collect();
    let message = format!("{fields}\nbody");
    let fixture = Fixture::new(&[(message.as_str(), "S")]);
    let mut client = fixture.select();
    let items: String = (0..950).map(|n| format!("BODY.PEEK[HEADER.FIELDS (x-{n})] ")).collect();
    let before = client.worked;
    let answer = client.command(&format!("FETCH 1 ({items} BODY.PEEK[HEADER.FIELDS (X-7 x-29999 X-5)])"));
    let pieces = client.worked - before;
    assert!(answer.contains("BODY[HEADER.FIELDS (X-949)] {14}\r\nX-949: 949\r\n\r\n"), "{answer}");
    assert!(answer.contains("X-5: 5\r\nX-7: 7\r\nX-29999: 29999\r\n\r\n)\r\n"), "{answer}");
    assert!(answer.ends_with("a OK Fetch completed\r\n"), "{answer}");
    assert!(pieces <= 3, "{pieces} pieces");
}

#[test]
fn save_dates_are_as_sure_as_the_names_of_files() {
    let fixture = Fixture::new(&[(PLAIN, "S")]);
    let [named, nameless] = ["1600000000.M1.host:2,F", "a.host:2,"];
    for name in [named, nameless] {
        std::fs::write(fixture.maildir().join("cur").join(name), PLAIN).expect("a message");
    }
    let expected = "* 1 FETCH (SAVEDATE \"14-Nov-2023 22:13:21 +0000\")\n\
        * 2 FETCH (SAVEDATE NIL)\n\
        * 3 FETCH (SAVEDATE \"13-Sep-2020 12:26:40 +0000\")\na OK";
    check(&mut fixture.select(), "FETCH 1:3 SAVEDATE", expected);
    // Flags rename the file; list and index may be lost.
    let mut client = fixture.select();
    client.command("STORE 1 +FLAGS (\\Flagged)");
    check(&mut client, "FETCH 1:3 SAVEDATE", expected);
    drop(client);
    for lost in ["restante-uidlist", "restante-index", "restante-cache"] {
        drop(std::fs::remove_file(fixture.maildir().join(lost)));
    }
    let root = fixture.maildir();
    let mut client = Site::new(root.parent().expect("a root")).select("INBOX");
    check(
        &mut client,
        "FETCH 1:3 SAVEDATE",
        "* 1 FETCH (SAVEDATE NIL)\n* 2 FETCH (SAVEDATE \"13-Sep-2020 12:26:40 +0000\")\n\
         * 3 FETCH (SAVEDATE \"14-Nov-2023 22:13:21 +0000\")\na OK",
    );
    // INTERNALDATE, which is now, stands for what the name does not say.
    check(&mut client, "SEARCH SAVEDBEFORE 14-Nov-2023", "* SEARCH 2\na OK");
    check(&mut client, "SEARCH SAVEDSINCE 15-Nov-2023", "* SEARCH 1\na OK");
}
