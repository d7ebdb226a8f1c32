//! SEARCH, in sessions over a Maildir.

use crate::command::shared::fixture::{Fixture, NESTED, PLAIN, check};
use crate::testing::START;
use std::fs;

const LATIN: &str = "From: =?iso-8859-1?q?J=F6rg?= <joerg@example.org>\n\
    Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= aus\n Berlin\n\
    Date: Thu, 1 Feb 2024 00:30:00 +0200\n\
    X-Spam:\n\
    Content-Type: text/plain; charset=utf-8\n\
    Content-Transfer-Encoding: quoted-printable\n\
    \n\
    K=C3=B6ln\n";

fn check_all(cases: &[(&str, &str)]) {
    let fixture = Fixture::new(&[(PLAIN, "S"), (NESTED, "FS"), (LATIN, ""), (PLAIN, "T")]);
    let mut client = fixture.select();
    for (keys, found) in cases {
        let found = if found.is_empty() { String::new() } else { format!(" {found}") };
        check(&mut client, &format!("SEARCH {keys}"), &format!("* SEARCH{found}\na OK"));
    }
}

#[test]
fn keys_of_flags_and_sets() {
    check_all(&[
        ("ALL", "1 2 3 4"),
        ("SEEN", "1 2"),
        ("UNSEEN", "3 4"),
        ("FLAGGED", "2"),
        ("UNFLAGGED", "1 3 4"),
        ("DELETED", "4"),
        ("UNDELETED", "1 2 3"),
        ("ANSWERED", ""),
        ("UNANSWERED", "1 2 3 4"),
        ("DRAFT", ""),
        ("UNDRAFT", "1 2 3 4"),
        ("KEYWORD work", ""),
        ("UNKEYWORD work", "1 2 3 4"),
        ("2:3", "2 3"),
        ("*", "4"),
        ("9", ""),
        ("UID 1,3:*", "1 3 4"),
        ("UID 99:*", "4"),
        ("2:4 UNSEEN", "3 4"),
        ("NOT SEEN", "3 4"),
        ("NOT NOT SEEN", "1 2"),
        ("OR FLAGGED DELETED", "2 4"),
        ("OR SEEN (DELETED NOT DRAFT)", "1 2 4"),
        ("NOT (SEEN FLAGGED)", "1 3 4"),
    ]);
}

#[test]
fn recent_is_of_the_session() {
    let fixture = Fixture::new(&[(PLAIN, "")]);
    fs::write(fixture.maildir().join("new/1700000100.M9.host"), PLAIN).expect("delivered");
    fs::write(fixture.maildir().join("new/1700000101.M10.host"), PLAIN).expect("delivered");
    let mut client = fixture.select();
    client.command("STORE 3 +FLAGS.SILENT (\\Seen)");
    for (key, found) in [("RECENT", " 2 3"), ("NEW", " 2"), ("OLD", " 1")] {
        check(&mut client, &format!("SEARCH {key}"), &format!("* SEARCH{found}\na OK"));
    }
    check(&mut fixture.select(), "SEARCH RECENT", "* SEARCH\na OK");
}

#[test]
fn keys_of_dates_and_sizes() {
    check_all(&[
        ("ON 14-Nov-2023", "1 2 3 4"),
        ("BEFORE 14-Nov-2023", ""),
        ("SINCE 14-Nov-2023", "1 2 3 4"),
        ("SINCE 15-Nov-2023", ""),
        ("BEFORE 15-Nov-2023", "1 2 3 4"),
        ("SENTON 7-Feb-1994", "1 4"),
        // As written, in whatever zone: it is still January in UTC.
        ("SENTON 1-Feb-2024", "3"),
        ("SENTSINCE 8-Feb-1994", "3"),
        ("SENTBEFORE 8-Feb-1994", "1 2 4"),
        ("LARGER 167", "2 3"),
        ("SMALLER 168", "1 4"),
        ("LARGER 166 SMALLER 168", "1 4"),
    ]);
}

/// Dates that mailers write, and none. Once they are known, neither file nor cache is read: both are
/// replaced.
#[test]
fn sent_dates_are_the_same_once_they_are_known() {
    let dates = [
        "Date: Fri, 31 Dec 1999 23:30:00 -0500\n",
        "date: Sat, 1 Jan 2000 00:30 +1345\n",
        "Date: 31 Dec 99 23:59:59 EST\n",
        "Date: yesterday\n",
        "Subject: of no date\n",
        "Date: Fri,\n 31 (last) Dec\n\t1999 10:00:00 nowhere\n",
        "Date: Thu, 1 Jan 1970 00:00:00 +0000\n",
        "Date: Wed, 31 Dec 1969 12:00:00 +0000\n",
        "Date: Fri, 1 Jan 2100 12:00:00 +0000\nDate: Fri, 31 Dec 1999 10:00:00 +0000\n",
        "Date:\n",
    ];
    let messages: Vec<String> = dates.iter().map(|date| format!("From: a@x\n{date}\nbody\n")).collect();
    let messages: Vec<(&str, &str)> = messages.iter().map(|message| (message.as_str(), "S")).collect();
    let keys = [
        ("SENTBEFORE 31-Dec-1969", ""),
        ("SENTBEFORE 1-Jan-1970", " 8"),
        ("SENTON 1-Jan-1970", " 4 5 7 10"),
        ("SENTBEFORE 31-Dec-1999", " 4 5 7 8 10"),
        ("SENTON 31-Dec-1999", " 1 3 6"),
        ("SENTSINCE 31-Dec-1999", " 1 2 3 6 9"),
        ("SENTON 1-Jan-2000", " 2"),
        ("SENTSINCE 1-Jan-2000", " 2 9"),
        ("NOT SENTSINCE 1-Jan-2000", " 1 3 4 5 6 7 8 10"),
        ("SENTBEFORE 1-Jan-2100", " 1 2 3 4 5 6 7 8 10"),
        ("SENTON 1-Jan-2100", " 9"),
        ("SENTSINCE 1-Jan-2100", " 9"),
        ("SENTSINCE 2-Jan-2100", ""),
    ];
    let check_key = |client: &mut _, (key, found): &(&str, &str)| {
        check(client, &format!("SEARCH {key}"), &format!("* SEARCH{found}\na OK"));
    };
    for before in ["NOOP", "SEARCH HEADER DATE 1999", "FETCH 2:4 ENVELOPE"] {
        for unknown in keys.iter().step_by(3) {
            let fixture = Fixture::new(&messages);
            let mut client = fixture.select();
            client.command(before);
            check_key(&mut client, unknown);
        }
    }
    for before in ["SEARCH SENTON 1-Jan-2000", "FETCH 1:* ENVELOPE", "FETCH 1:* (BODYSTRUCTURE ENVELOPE)"] {
        let fixture = Fixture::new(&messages);
        let mut client = fixture.select();
        client.command(before);
        fs::remove_file(fixture.maildir().join("restante-cache")).expect("removed");
        for n in 1..=dates.len() {
            fs::write(fixture.path(n), "Date: Mon, 5 May 2025 12:00:00 +0000\n\n").expect("replaced");
        }
        keys.iter().for_each(|known| check_key(&mut client, known));
    }
}

#[test]
fn keys_of_text() {
    check_all(&[
        ("FROM anna", "1 4"),
        ("FROM \"ANNA <anna@\"", "1 4"),
        ("TO team", "1 4"),
        ("CC x", ""),
        ("BCC x", ""),
        ("SUBJECT lain", "1 4"),
        ("SUBJECT \"aus berlin\"", "3"),
        ("HEADER X-Spam \"\"", "3"),
        ("HEADER X-Spam yes", ""),
        ("HEADER message-id plain@", "1 4"),
        ("BODY \"second line\"", "1 4"),
        ("BODY \"two two\"", "2"),
        ("BODY preamble", ""),
        ("TEXT carl@", "2"),
        ("TEXT \"subject: plain\"", "1 4"),
        ("TEXT \"SECOND\"", "1 4"),
        ("BODY plain@example", ""),
        ("NOT TEXT line", "2 3"),
        ("OR BODY \"two two\" SEEN", "1 2"),
        ("UNSEEN BODY line FROM anna", "4"),
    ]);
}

/// Messages and headers that are longer than what is kept in memory: read window by window.
#[test]
fn long_messages_and_headers_are_searched_like_short_ones() {
    let long_body = format!("{LATIN}{}here=\n it is\n", "a line of text\n".repeat(100_000));
    let fields = "X-Field: and its value\n".repeat(50_000);
    let long_header =
        format!("From: a@x\n{fields}Subject: far\n down\nno field\nDate: 1 Feb 2024 00:30 +0200\n\nbody\n");
    let long_field =
        format!("To: {}last <z (z) @example.org>\n\nbody\n", "a@example.org, ".repeat(9_000).repeat(10));
    let fixture = Fixture::new(&[(PLAIN, "S"), (&long_body, "S"), (&long_header, "S"), (&long_field, "S")]);
    let mut client = fixture.select();
    for (keys, found) in [
        ("BODY \"here it is\"", " 2"),
        ("TEXT \"here it is\"", " 2"),
        ("TEXT \"joerg@\"", " 2"),
        ("BODY \"joerg@\"", ""),
        ("SUBJECT \"far down\"", " 3"),
        ("TEXT \"far down\"", " 3"),
        ("TEXT \"no field\"", " 3"),
        ("BODY body", " 3 4"),
        ("FROM a@x", " 3"),
        ("SENTON 1-Feb-2024", " 2 3"),
        ("TO \"last <z\"", " 4"),
        ("TO \"a@example.org, a@\"", " 4"),
        ("NOT TEXT a", ""),
        ("NOT SUBJECT far", " 1 2 4"),
    ] {
        for _ in 0..2 {
            check(&mut client, &format!("SEARCH {keys}"), &format!("* SEARCH{found}\na OK"));
        }
    }
}

/// What was found in a message's file is found in what the cache keeps of it.
#[test]
fn addresses_are_found_in_the_cache_as_in_the_file() {
    let fixture = Fixture::new(&[("From: <user (x)@ (y)\n example.org>\nTo: \"Carl, Jr.\" <c@x>\n\n", "S")]);
    let mut client = fixture.select();
    for key in
        ["FROM user@example.org", "FROM \"(x)@ (y) example\"", "TO \"carl, jr. <c@\"", "TO \"\\\"Carl\""]
    {
        for _ in 0..2 {
            check(&mut client, &format!("SEARCH {key}"), "* SEARCH 1\na OK");
            check(&mut client, &format!("SEARCH NOT {key}"), "* SEARCH\na OK");
        }
        check(&mut fixture.select(), &format!("SEARCH {key}"), "* SEARCH 1\na OK");
    }
}

#[test]
fn charsets() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (LATIN, "")]);
    let mut client = fixture.select();
    for (command, expected) in [
        (&b"a SEARCH CHARSET UTF-8 SUBJECT \"gr\xC3\xBC\xC3\x9Fe\"\r\n"[..], "* SEARCH 2\r\na OK "),
        (b"a SEARCH CHARSET utf-8 SUBJECT {5+}\r\nGR\xC3\x9C\xC3\r\n", "* SEARCH\r\na OK "),
        (b"a SEARCH CHARSET ISO-8859-1 FROM {4+}\r\nJ\xD6RG\r\n", "* SEARCH 2\r\na OK "),
        (b"a SEARCH CHARSET UTF-8 BODY {5+}\r\nk\xC3\xB6ln\r\n", "* SEARCH 2\r\na OK "),
        (b"a SEARCH CHARSET US-ASCII SUBJECT plain\r\n", "* SEARCH 1\r\na OK "),
        (b"a SEARCH CHARSET X-NONE SUBJECT plain\r\n", "a NO [BADCHARSET (US-ASCII UTF-8)] "),
    ] {
        let answer = String::from_utf8_lossy(&client.send(command)).into_owned();
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[test]
fn esearch() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S"), (PLAIN, ""), (PLAIN, "S")]);
    let mut client = fixture.select();
    client.command("STORE 3 +FLAGS.SILENT (\\Deleted)");
    for (command, expected) in [
        ("RETURN (MIN MAX COUNT ALL) SEEN", "* ESEARCH (TAG \"a\") MIN 1 MAX 4 COUNT 3 ALL 1:2,4\na OK"),
        ("RETURN () SEEN", "* ESEARCH (TAG \"a\") ALL 1:2,4\na OK"),
        ("RETURN (COUNT) DRAFT", "* ESEARCH (TAG \"a\") COUNT 0\na OK"),
        ("RETURN (MIN MAX ALL) DRAFT", "* ESEARCH (TAG \"a\")\na OK"),
        ("RETURN (MIN) DELETED", "* ESEARCH (TAG \"a\") MIN 3\na OK"),
    ] {
        check(&mut client, &format!("SEARCH {command}"), expected);
    }
    client.command("UID EXPUNGE 3");
    check(&mut client, "SEARCH RETURN (ALL MAX) ALL", "* ESEARCH (TAG \"a\") MAX 3 ALL 1:3\na OK");
    check(&mut client, "UID SEARCH RETURN (ALL MAX) ALL", "* ESEARCH (TAG \"a\") UID MAX 4 ALL 1:2,4\na OK");
    check(&mut client, "UID SEARCH 3", "* SEARCH 4\na OK");
}

#[test]
fn modseq_of_what_is_found() {
    let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, ""), (PLAIN, "")]);
    let mut client = fixture.select();
    client.command("ENABLE CONDSTORE");
    let told = client.command("STORE 1 +FLAGS.SILENT (\\Seen)");
    let (_, rest) = told.split_once("MODSEQ (").expect("a MODSEQ");
    let low: u64 = rest.split(')').next().expect("a number").parse().expect("a number");
    client.command("STORE 2 +FLAGS.SILENT (\\Seen)");
    let high = low + 1;
    for (command, expected) in [
        (format!("SEARCH MODSEQ {low}"), format!("* SEARCH 1 2 (MODSEQ {high})\na OK")),
        (format!("SEARCH MODSEQ {}", high + 1), "* SEARCH\na OK".to_owned()),
        (
            format!("SEARCH RETURN (MIN) MODSEQ {low}"),
            format!("* ESEARCH (TAG \"a\") MIN 1 MODSEQ {low}\na OK"),
        ),
        (
            format!("SEARCH RETURN (MIN COUNT) MODSEQ {low}"),
            format!("* ESEARCH (TAG \"a\") MIN 1 COUNT 2 MODSEQ {high}\na OK"),
        ),
        (
            format!("SEARCH RETURN (MIN MAX) MODSEQ \"/flags/\\\\seen\" all {low}"),
            format!("* ESEARCH (TAG \"a\") MIN 1 MAX 2 MODSEQ {high}\na OK"),
        ),
    ] {
        check(&mut client, &command, &expected);
    }
}

#[test]
fn expunged_messages_keep_their_numbers_and_are_not_found() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    fs::remove_file(fixture.path(1)).expect("removed");
    check(&mut client, "SEARCH BODY line", "* SEARCH 2 3\na OK");
    check(&mut client, "SEARCH NOT BODY nothing", "* SEARCH 2 3\na OK");
    check(&mut client, "UID SEARCH ALL", "* SEARCH 2 3\n* 1 EXPUNGE\na OK");
}

#[test]
fn a_message_that_cannot_be_read_is_told_of() {
    let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "S")]);
    let mut client = fixture.select();
    let path = fixture.path(1);
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    let answer = client.command("SEARCH NOT BODY nothing");
    assert!(answer.starts_with("* SEARCH 2\r\n"), "{answer}");
    assert!(answer.contains("a OK "), "{answer}");
}

#[test]
fn security_06_nesting_is_capped() {
    let fixture = Fixture::new(&[(PLAIN, "S")]);
    let mut client = fixture.select();
    let answer = client.command(&format!("SEARCH {}SEEN", "NOT ".repeat(20)));
    assert!(answer.starts_with("* SEARCH 1\r\n"), "{answer}");
    for deep in ["NOT ".repeat(500_000), "OR SEEN ".repeat(300_000), "(".repeat(100_000)] {
        let answer = client.command(&format!("SEARCH {deep}SEEN"));
        assert!(answer.starts_with("a BAD"), "{}", &answer[..answer.len().min(80)]);
    }
}

#[test]
fn security_27_too_many_keys_are_refused_and_nothing_is_built_of_them() {
    let fixture = Fixture::new(&[(PLAIN, "S")]);
    let mut client = fixture.select();
    let answer = client.command(&format!("SEARCH {}ALL", "OR NEW NEW ".repeat(300_000)));
    assert_eq!(answer, "a NO [LIMIT] Too many search keys in one command: at most 1000\r\n");
    check(&mut client, &format!("SEARCH {}", "OR NEW ALL ".repeat(333)), "* SEARCH 1\na OK");
}

/// A piece of work counts what it evaluates: keys in memory, and bytes of one message.
#[test]
fn security_28_many_keys_take_many_pieces() {
    let long = format!("To: x@example.org\n\n{}\n", "some words of text\n".repeat(5_000));
    let messages = vec![(PLAIN, "S"); 300];
    let fixture = Fixture::new(&[&messages[..], &[(long.as_str(), "S")]].concat());
    let mut client = fixture.select();
    let many = |count: u32, key: &str| (0..count).map(|n| format!("{key}{n} ")).collect::<String>();
    let mut pieces = |keys: &str, expected: &str| {
        let before = client.worked;
        check(&mut client, &format!("SEARCH RETURN (COUNT) {keys}"), expected);
        client.worked - before
    };
    let in_memory = pieces(&many(990, "UNKEYWORD k"), "* ESEARCH (TAG \"a\") COUNT 301\na OK");
    assert!((2..20).contains(&in_memory), "{in_memory} pieces");
    let found = "* ESEARCH (TAG \"a\") COUNT 1\na OK";
    let of_one = pieces(&format!("301 {}", many(490, "NOT BODY w")), found);
    assert!((10..100).contains(&of_one), "{of_one} pieces");
    // Equal keys are one.
    let equal = pieces(&format!("301 {}", "NOT BODY nothing ".repeat(450)), found);
    assert!(equal <= 2, "{equal} pieces");
}

/// 490 keys look in a field of a megabyte: it is decoded once, and only compared for each.
#[test]
fn security_18_a_field_is_decoded_once_for_all_keys() {
    let addresses = "somebody@example.org,\n ".repeat(40_000);
    let message = format!("Subject: many\nTo: {addresses}last@example.org\n\n\n");
    let fixture = Fixture::new(&[(message.as_str(), "S")]);
    let mut client = fixture.select();
    let keys: String = (0..490).map(|n| format!("NOT TO nobody{n} ")).collect();
    let before = client.worked;
    check(&mut client, &format!("SEARCH {keys}TO last SUBJECT many"), "* SEARCH 1\na OK");
    let pieces = client.worked - before;
    // Decoded for each key, it would be 200.
    assert!((10..60).contains(&pieces), "{pieces} pieces");
}

/// What is read again for each key is counted for each.
#[test]
fn security_28_keys_of_long_messages_and_headers_take_many_pieces() {
    let long_body = format!("To: x@example.org\n\n{}", "some words of text\n".repeat(60_000));
    let long_header = format!("{}To: x@example.org\n\nbody\n", "X-Field: and its value\n".repeat(50_000));
    let fixture = Fixture::new(&[(long_body.as_str(), "S"), (long_header.as_str(), "S")]);
    let mut client = fixture.select();
    let many = |key: &str| (0..20).map(|n| format!("NOT {key} w{n} ")).collect::<String>();
    for (number, key) in [(1, "BODY"), (1, "TEXT"), (2, "TO"), (2, "TEXT")] {
        let before = client.worked;
        check(&mut client, &format!("SEARCH {number} {}", many(key)), &format!("* SEARCH {number}\na OK"));
        let pieces = client.worked - before;
        assert!((5..60).contains(&pieces), "{pieces} pieces for {key}");
    }
}

#[test]
fn intervals_end_at_a_second() {
    let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, "S")]);
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(START.unsigned_abs());
    let file = fs::File::options().write(true).open(fixture.path(1)).expect("a message");
    file.set_modified(now - std::time::Duration::from_secs(100)).expect("its time");
    let mut client = fixture.select();
    for (keys, found) in [
        ("OLDER 100", " 1"),
        ("OLDER 101", ""),
        ("YOUNGER 100", " 1 2"),
        ("YOUNGER 99", " 2"),
        ("YOUNGER 1", " 2"),
        ("OLDER 1", " 1"),
        ("OLDER 1 YOUNGER 100 UNSEEN", " 1"),
        ("NOT YOUNGER 4294967295", ""),
    ] {
        check(&mut client, &format!("SEARCH {keys}"), &format!("* SEARCH{found}\na OK"));
    }
}
