//! imap-codec as the oracle: what it takes for a command is one here, what it refuses is
//! refused, and what we write it can read.

use imap_codec::decode::{CommandDecodeError, Decoder as _};
use imap_codec::{CommandCodec, GreetingCodec, ResponseCodec};
use mail::date::DateTime;
use mail::envelope::Envelope;
use mail::header::Header;
use mail::mime::Structure;
use mail::{Keyword, ModSeq, SeqNum, SystemFlags, Uid, UidValidity};
use restante_codec::command::{Section, SectionText, StatusItem};
use restante_codec::response::search::{Results, esearch, search};
use restante_codec::response::{
    Code, Condition, Revision, body_structure, bye, envelope, fetch, greeting, list, quota, tagged, untagged,
};
use restante_codec::{Decoder, Event, Limits, Parts, Tag};

const LIMITS: Limits = Limits {
    line_max: 10_000,
    literal_max: 1_000,
    literals_sum_max: 10_000,
    literals_max: 10,
    nesting_max: 20,
    append_max: 1_000,
    parts: Parts::DEFAULT,
};

/// Whether our parser takes a command; literals are in the line.
fn is_taken(line: &[u8]) -> bool {
    let mut decoder = Decoder::new(LIMITS);
    decoder.feed(line);
    loop {
        match decoder.next() {
            Some(Ok(Event::Request(_))) => return true,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return false,
        }
    }
}

/// Whether imap-codec does.
fn is_taken_there(line: &[u8]) -> bool {
    match CommandCodec::default().decode(line) {
        Ok((rest, _)) => rest.is_empty(),
        // It stops at a literal until it is told to go on.
        Err(CommandDecodeError::LiteralFound { .. }) => true,
        Err(_) => false,
    }
}

#[test]
fn commands_are_taken_by_both() {
    for line in [
        "CAPABILITY",
        "noop",
        "LOGOUT",
        "STARTTLS",
        "CHECK",
        "CLOSE",
        "EXPUNGE",
        "UNSELECT",
        "IDLE",
        "NAMESPACE",
        "LOGIN anna secret",
        "LOGIN \"an na\" \"se\\\"cret\\\\\"",
        "AUTHENTICATE PLAIN",
        "AUTHENTICATE PLAIN AGEAYg==",
        "AUTHENTICATE PLAIN =",
        "ID NIL",
        "ID (\"name\" \"x\" \"version\" NIL)",
        "ENABLE CONDSTORE",
        "SELECT INBOX",
        "select \"two words\"",
        "EXAMINE inbox",
        "SELECT INBOX (CONDSTORE)",
        "CREATE Lists/",
        "DELETE x",
        "RENAME a b",
        "SUBSCRIBE a",
        "UNSUBSCRIBE a",
        "LIST \"\" *",
        "LIST \"\" \"%\"",
        "LIST ref/ %",
        "LSUB \"\" *",
        "STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)",
        "STATUS x (SIZE)",
        "STATUS x (HIGHESTMODSEQ)",
        "FETCH 1 FLAGS",
        "FETCH 1:* (FLAGS UID)",
        "FETCH 1,3:5,* ALL",
        "FETCH 2 FAST",
        "FETCH 2 FULL",
        "FETCH 1 BODY",
        "FETCH 1 BODY[]",
        "FETCH 1 BODY.PEEK[HEADER]",
        "FETCH 1 BODY[TEXT]<0.10>",
        "FETCH 1 BODY[1.2.MIME]",
        "FETCH 1 BODY[HEADER.FIELDS (SUBJECT \"X-A\")]",
        "FETCH 1 BODY.PEEK[1.HEADER.FIELDS.NOT (TO)]<5.5>",
        "FETCH 1 (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822 RFC822.HEADER RFC822.SIZE RFC822.TEXT)",
        "FETCH 1 (FLAGS) (CHANGEDSINCE 5)",
        "UID FETCH 1:* FLAGS",
        "STORE 1 FLAGS (\\Seen)",
        "STORE 1 +FLAGS.SILENT (\\Deleted work $Junk)",
        "STORE 1 -FLAGS \\Draft",
        "STORE 1 (UNCHANGEDSINCE 7) +FLAGS (\\Seen)",
        "UID STORE 1 FLAGS ()",
        "COPY 1:2 x",
        "UID COPY 1 x",
        "MOVE 1 x",
        "UID MOVE 1 x",
        "UID EXPUNGE 1:3",
        "SEARCH ALL",
        "SEARCH CHARSET UTF-8 SUBJECT x",
        "SEARCH (SEEN FLAGGED) NOT OR DELETED DRAFT",
        "SEARCH 1:5 UID 7",
        "SEARCH SINCE 1-Feb-1994 BEFORE \"02-Feb-1994\" ON 3-Mar-2000",
        "SEARCH SENTSINCE 1-Feb-1994 SENTON 1-Feb-1994",
        "SEARCH BCC a CC b FROM c TO d SUBJECT e BODY f TEXT g HEADER h i",
        "SEARCH LARGER 5 SMALLER 6 KEYWORD k UNKEYWORD l",
        "SEARCH NEW OLD RECENT UNSEEN UNDELETED UNFLAGGED UNANSWERED UNDRAFT",
        "UID SEARCH ANSWERED",
    ] {
        let line = format!("a {line}\r\n");
        assert!(is_taken(line.as_bytes()) && is_taken_there(line.as_bytes()), "{line}");
    }
}

#[test]
fn what_is_no_command_is_refused_by_both() {
    for line in [
        "",
        "NOOP x",
        "LOGIN",
        "LOGIN a",
        "LOGIN a b c",
        "SELECT",
        "RENAME a",
        "LIST \"\"",
        "STATUS x (NONSENSE)",
        "FETCH 1",
        "FETCH FLAGS",
        "FETCH 0 FLAGS",
        "FETCH 1:0 FLAGS",
        "FETCH 4294967296 FLAGS",
        "FETCH 1 (FLAGS",
        "FETCH 1 BODY[",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[]<0.0>",
        "STORE 1 FLAGS",
        "STORE 1 NONSENSE ()",
        "COPY 1",
        "SEARCH",
        "SEARCH NONSENSE",
        "SEARCH OR SEEN",
        "SEARCH (SEEN",
        "SEARCH SINCE x",
        "UID NOOP",
        "UID",
        "ENABLE",
        "ID",
        "AUTHENTICATE",
        "SELECT \"x",
    ] {
        let line = format!("a {line}\r\n");
        assert!(!is_taken(line.as_bytes()) && !is_taken_there(line.as_bytes()), "{line}");
    }
}

/// Everything in `out` is responses that imap-codec reads.
fn check(write: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    write(&mut out);
    let mut rest = &out[..];
    while !rest.is_empty() {
        match ResponseCodec::default().decode(rest) {
            Ok((after, _)) => rest = after,
            Err(error) => panic!("{error:?}: {}", rest.escape_ascii()),
        }
    }
}

fn uid(value: u32) -> Uid {
    Uid::new(value).expect("not 0")
}

fn tag() -> Tag {
    let mut decoder = Decoder::new(LIMITS);
    decoder.feed(b"a1 NOOP\r\n");
    match decoder.next() {
        Some(Ok(Event::Request(request))) => request.tag,
        other => panic!("{other:?}"),
    }
}

const MESSAGE: &[u8] = b"Date: Mon, 7 Feb 1994 21:52:25 -0800\nFrom: \"A \\\"B\\\"\" <a@x>, team: b@y;\nSubject: s\xc3\xbc\n\
    Content-Type: multipart/mixed; boundary=b; x*0=one; x*1=two\nContent-Language: de, en\n\n\
    --b\nContent-Type: text/html; charset=utf-8\nContent-ID: <i>\nContent-Disposition: inline; filename=\"a b\"\n\n<p>\n--b\n\
    Content-Type: message/rfc822\n\nSubject: inner\n\ntext\n--b\nContent-Type: image/png\n\nx\n--b\n\
    Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3Vi\n--b\n\
    Content-Type: message/global; x*0=\"a%b\"; x*1*=%20\n\nSubject: inner\n\ntext\n--b--\n";

#[test]
fn fetch_responses_are_read_there() {
    check(|out| {
        let mut writer = fetch::Writer::new(out, SeqNum::from_index(4));
        let keywords = [Keyword::new("$Junk").expect("an atom")];
        writer.flags(out, SystemFlags::ALL, &keywords, true);
        writer.uid(out, uid(7));
        writer.modseq(out, ModSeq(99));
        writer.internal_date(out, DateTime { unix: 1_700_000_000, offset_minutes: -90 });
        writer.size(out, 12_345);
        let (structure, mut ready) = (Structure::of(MESSAGE), Vec::new());
        envelope::envelope(&mut ready, &Envelope::of(&Header::of(MESSAGE)));
        writer.ready(out, "ENVELOPE", &ready);
        for (name, extended) in [("BODY", false), ("BODYSTRUCTURE", true)] {
            ready.clear();
            body_structure::body_structure(&mut ready, &structure, extended, Revision::Rev1);
            writer.ready(out, name, &ready);
        }
        let names = vec!["SUBJECT".to_owned(), "a b".to_owned()];
        let section = Section { part: vec![1, 2], text: SectionText::HeaderFields { not: true, names } };
        writer.section(out, &section, Some(5), 3);
        out.extend_from_slice(b"abc");
        writer.section_nil(out, &Section { part: vec![3], text: SectionText::Mime });
        writer.rfc822(out, "RFC822.TEXT", 2);
        out.extend_from_slice(b"\r\n");
        writer.finish(out);
    });
}

#[test]
fn other_responses_are_read_there() {
    check(|out| {
        list::list(out, "LIST", &["\\HasNoChildren", "\\Sent"], Some('/'), "Entw\u{fc}rfe & mehr", None)
    });
    check(|out| list::list(out, "LSUB", &["\\Noselect"], None, "a\"b", None));
    check(|out| list::status(out, "a b", &[(StatusItem::Messages, 3), (StatusItem::UidNext, 9)]));
    check(|out| list::status(out, "a", &[(StatusItem::Deleted, 3), (StatusItem::DeletedStorage, 9)]));
    let storage = quota::Resource { name: "STORAGE", usage: 3, limit: 1 << 40 };
    let message = quota::Resource { name: "MESSAGE", usage: 0, limit: 1 };
    check(|out| quota::quota(out, "User quota", &[storage, message]));
    check(|out| quota::quota_root(out, "a b", &["User quota", ""]));
    check(|out| quota::quota_root(out, "INBOX", &[]));
    check(|out| list::number(out, 7, "EXISTS"));
    check(|out| list::number(out, 7, "EXPUNGE"));
    check(|out| list::flags(out, &["\\Seen", "$Junk"]));
    check(|out| list::capability(out, "IMAP4rev1 AUTH=PLAIN APPENDLIMIT=5"));
    check(|out| list::enabled(out, &["CONDSTORE"]));
    check(|out| list::id(out, &[("name", "Restante")]));
    check(|out| list::id(out, &[]));
    check(|out| search(out, [1, 3].map(SeqNum::from_index).into_iter(), None));
    check(|out| search(out, std::iter::empty::<Uid>(), None));
    check(|out| bye(out, None, "gone"));
    let validity = UidValidity::new(7).expect("not 0");
    for code in [
        Code::Plain("ALERT"),
        Code::Plain("TRYCREATE"),
        Code::BadCharset(vec!["UTF-8"]),
        Code::Capability("IMAP4rev1 IDLE".to_owned()),
        Code::PermanentFlags(vec!["\\Seen".to_owned(), "\\*".to_owned()]),
        Code::UidNext(uid(5)),
        Code::UidValidity(validity),
        Code::Unseen(SeqNum::from_index(2)),
        Code::AppendUid(validity, [uid(3)].into_iter().collect()),
        Code::CopyUid(validity, vec![uid(1), uid(2)], vec![uid(8), uid(9)]),
    ] {
        check(|out| tagged(out, &tag(), Condition::Ok, Some(&code), "done"));
        check(|out| untagged(out, Condition::No, Some(&code), "text with \u{fc} and \r\n"));
    }
    let mut out = Vec::new();
    greeting(&mut out, "IMAP4rev1 STARTTLS", "ready");
    assert!(GreetingCodec::default().decode(&out).is_ok());
    // ESEARCH is beyond it: exact bytes.
    let results = Results {
        min: Some(uid(2)),
        max: Some(uid(9)),
        count: Some(3),
        all: Some([uid(2), uid(3), uid(9)].into_iter().collect()),
        modseq: Some(ModSeq(5)),
    };
    let mut out = Vec::new();
    esearch(&mut out, &tag(), &results);
    assert_eq!(out, b"* ESEARCH (TAG \"a1\") UID MIN 2 MAX 9 COUNT 3 ALL 2:3,9 MODSEQ 5\r\n");
}
