//! Commands, line by line.

use super::*;
use crate::command::append::append_before;
use crate::command::{Authenticate, Create, Login};
use crate::limits::Parts;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    line_max: 8 << 20,
    literal_max: 1 << 20,
    literals_sum_max: 1 << 20,
    literals_max: 100,
    nesting_max: 8,
    append_max: 1 << 20,
    parts: Parts::DEFAULT,
};

fn parsed(line: &str) -> String {
    match request(line.as_bytes(), &LIMITS) {
        Ok(request) => format!("{:?}", request.command),
        Err(error) => error.kind.to_string(),
    }
}

fn check(line: &str, expected: &str) {
    assert_eq!(parsed(&format!("a {line}")), expected, "{line}");
}

/// Two spellings of one command.
fn same(line: &str, other: &str) {
    let (one, two) =
        (request(format!("a {line}").as_bytes(), &LIMITS), request(format!("a {other}").as_bytes(), &LIMITS));
    assert!(one.is_ok(), "{line}: {one:?}");
    assert_eq!(one, two);
}

#[test]
fn simple_commands() {
    for (line, expected) in [
        ("CAPABILITY", "Capability"),
        ("noop", "Noop"),
        ("NOOP  ", "Noop"),
        ("NOOP x", "Unexpected text after the arguments of NOOP"),
        ("LOGIN a b", "Login(Login { user: [97], password: Zeroizing { .. } })"),
        ("LOGIN \"a\\\"\" {1}\r\nb", "Login(Login { user: [97, 34], password: Zeroizing { .. } })"),
        ("LOGIN a", "Expected a password after the user name"),
        ("LOGIN", "Expected a user name and a password after LOGIN"),
        ("LOGIN \"a b", "Expected \" at the end of a quoted string"),
        ("AUTHENTICATE plain", "Authenticate(Authenticate { mechanism: \"PLAIN\", initial: None })"),
        (
            "AUTHENTICATE PLAIN =",
            "Authenticate(Authenticate { mechanism: \"PLAIN\", initial: Some(Zeroizing { .. }) })",
        ),
        (
            "AUTHENTICATE PLAIN AGEAYg==",
            "Authenticate(Authenticate { mechanism: \"PLAIN\", initial: Some(Zeroizing { .. }) })",
        ),
        ("AUTHENTICATE PLAIN !!", "The initial response is no base64"),
        ("ID NIL", "Id([])"),
        ("ID (\"name\" \"x\" \"os\" NIL)", "Id([(\"name\", Some(\"x\")), (\"os\", None)])"),
        ("ENABLE condstore x", "Enable([\"CONDSTORE\", \"X\"])"),
        ("ENABLE", "Expected capabilities after ENABLE"),
        ("UID", "Expected a command after UID"),
        ("UID NOOP", "Unknown command UID NOOP"),
    ] {
        check(line, expected);
    }
}

#[test]
fn secrets_are_read_as_sent() {
    let Ok(Request { command: Command::Login(Login { password, .. }), .. }) =
        request(b"a LOGIN u \"p\\\\w \"", &LIMITS)
    else {
        panic!("a LOGIN");
    };
    assert_eq!(*password, b"p\\w ");
    let Ok(Request { command: Command::Authenticate(Authenticate { initial, .. }), .. }) =
        request(b"a AUTHENTICATE PLAIN AGEAYg==", &LIMITS)
    else {
        panic!("an AUTHENTICATE");
    };
    assert_eq!(initial.expect("an initial response")[..], *b"\0a\0b");
}

#[test]
fn mailbox_commands() {
    for (line, expected) in [
        ("SELECT INBOX", "Select(Select { mailbox: \"INBOX\", read_only: false, condstore: false })"),
        (
            "EXAMINE \"a b\" (CONDSTORE)",
            "Select(Select { mailbox: \"a b\", read_only: true, condstore: true })",
        ),
        ("SELECT a (QUX)", "Unknown parameter QUX"),
        (
            "SELECT Entw&APw-rfe",
            "Select(Select { mailbox: \"Entwürfe\", read_only: false, condstore: false })",
        ),
        (
            "SELECT \"Entwürfe\"",
            "Select(Select { mailbox: \"Entwürfe\", read_only: false, condstore: false })",
        ),
        (
            "SELECT Tom&-Jerry",
            "Select(Select { mailbox: \"Tom&Jerry\", read_only: false, condstore: false })",
        ),
        (
            "SELECT Tom&Jerry",
            "Select(Select { mailbox: (no modified UTF-7), read_only: false, condstore: false })",
        ),
        ("CREATE &AGEAYgBj-", "Create(Create { mailbox: (no modified UTF-7) })"),
        ("CREATE \"&AOQ-ä\"", "Create(Create { mailbox: (no modified UTF-7) })"),
        ("CREATE a]b", "Create(Create { mailbox: \"a]b\" })"),
        ("CREATE", "Expected a mailbox name"),
        ("CREATE a%", "Unexpected text after the arguments of CREATE"),
        ("RENAME a b", "Rename(Rename { from: \"a\", to: \"b\" })"),
        ("STATUS a (MESSAGES size messages)", "Status(Status { mailbox: \"a\", items: [Messages, Size] })"),
        (
            "STATUS a (Deleted DELETED-STORAGE)",
            "Status(Status { mailbox: \"a\", items: [Deleted, DeletedStorage] })",
        ),
        ("STATUS a ()", "Expected at least one STATUS item"),
        ("STATUS a (X)", "Unknown STATUS item X"),
        ("LSUB \"\" *", "Lsub(Lsub { reference: \"\", pattern: \"*\" })"),
        ("XLIST \"\" \"%\"", "Xlist(Xlist { reference: \"\", pattern: \"%\" })"),
    ] {
        check(line, expected);
    }
    // No text: it is for the session to say that this can be no mailbox.
    let Ok(Request { command: Command::Create(Create { mailbox }), .. }) =
        request(b"a CREATE \"&AAE-\x80\"", &LIMITS)
    else {
        panic!("a CREATE");
    };
    assert_eq!(mailbox.text(), None);
    let Ok(Request { command: Command::List(list), .. }) = request(
        b"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (a* %/b) RETURN (CHILDREN STATUS (UNSEEN) SPECIAL-USE)",
        &LIMITS,
    ) else {
        panic!("a LIST");
    };
    assert!(list.extended && list.select.subscribed && list.select.recursive_match && list.return_children);
    assert_eq!((list.patterns.len(), list.return_status.map(|items| items.len())), (2, Some(1)));
    check("LIST (RECURSIVEMATCH) \"\" *", "RECURSIVEMATCH wants another selection option, not only REMOTE");
    check("LIST \"\"", "Expected a pattern after the reference");
    check("LIST \"\" ()", "Expected at least one pattern");
}

#[test]
fn quota_commands() {
    for (line, expected) in [
        ("GETQUOTA \"\"", "GetQuota(GetQuota { root: [] })"),
        ("getquota #a]", "GetQuota(GetQuota { root: [35, 97, 93] })"),
        ("GETQUOTA", "Expected the name of a quota root"),
        ("GETQUOTA a b", "Unexpected text after the arguments of GETQUOTA"),
        ("GETQUOTAROOT Entw&APw-rfe", "GetQuotaRoot(GetQuotaRoot { mailbox: \"Entwürfe\" })"),
        ("GETQUOTAROOT", "Expected a mailbox name"),
        ("SETQUOTA a ()", "SetQuota(SetQuota { root: [97], limits: [] })"),
        (
            "SETQUOTA a (storage 512 X-Y 9223372036854775807)",
            "SetQuota(SetQuota { root: [97], limits: [(\"STORAGE\", 512), (\"X-Y\", 9223372036854775807)] })",
        ),
        ("SETQUOTA a", "Expected a list of limits such as (STORAGE 512)"),
        ("SETQUOTA a STORAGE 512", "Expected a list of limits such as (STORAGE 512)"),
        ("SETQUOTA a (STORAGE)", "Expected a limit after the resource"),
        ("SETQUOTA a (STORAGE 9223372036854775808)", "Expected a limit of at most 63 bits"),
        ("SETQUOTA a (STORAGE 1x)", "Expected a blank between limits, and ) behind them"),
        ("SETQUOTA a (STORAGE 1", "Expected a blank between limits, and ) behind them"),
    ] {
        check(line, expected);
    }
}

#[test]
fn fetch_items_and_sections() {
    for (line, expected) in [
        ("FETCH 1 FLAGS", "[Flags]"),
        ("UID FETCH 1 (FLAGS UID)", "[Flags, Uid]"),
        ("UID FETCH 1 FLAGS", "[Uid, Flags]"),
        ("FETCH 1 fast", "[Flags, InternalDate, Rfc822Size]"),
        ("FETCH 1 full", "[Flags, InternalDate, Rfc822Size, Envelope, Body]"),
        ("FETCH 1 (savedate)", "[SaveDate]"),
        ("FETCH 1 (FLAGS) (CHANGEDSINCE 5)", "[Flags, ModSeq]"),
        ("FETCH 1 (RFC822 RFC822.HEADER)", "[Rfc822(Message), Rfc822(Header)]"),
        (
            "FETCH 1 BODY[]",
            "[Section { section: Section { part: [], text: All }, peek: false, partial: None }]",
        ),
        (
            "FETCH 1 BODY.PEEK[1.2.MIME]<0.5>",
            "[Section { section: Section { part: [1, 2], text: Mime }, peek: true, partial: Some(Partial { origin: 0, length: 5 }) }]",
        ),
        (
            "FETCH 1 body[header.fields (to \"x-a\")]",
            "[Section { section: Section { part: [], text: HeaderFields { not: false, names: [\"TO\", \"X-A\"] } }, peek: false, partial: None }]",
        ),
    ] {
        let Ok(Request { command: Command::Fetch(fetch), .. }) =
            request(format!("a {line}").as_bytes(), &LIMITS)
        else {
            panic!("{line}: {}", parsed(&format!("a {line}")));
        };
        assert_eq!(format!("{:?}", fetch.items), expected, "{line}");
    }
    for (line, expected) in [
        ("FETCH 1", "Expected items after the set"),
        ("FETCH x FLAGS", "Expected a set such as 1,3:5 or 7:*"),
        ("FETCH 0 FLAGS", "Expected a set such as 1,3:5 or 7:*"),
        ("FETCH 1, FLAGS", "Expected a set such as 1,3:5 or 7:*"),
        ("FETCH 4294967296 FLAGS", "Expected a set such as 1,3:5 or 7:*"),
        ("FETCH 1 ()", "Expected at least one item"),
        ("FETCH 1 QUX", "Unknown FETCH item QUX"),
        ("FETCH 1 (FLAGS UID", "Expected a blank between items, and ) behind them"),
        ("FETCH 1 BODY[0]", "Part numbers count from 1"),
        ("FETCH 1 BODY[MIME]", "MIME wants a part number before it"),
        ("FETCH 1 BODY[1.]", "Expected a part number or a section's name after the dot"),
        ("FETCH 1 BODY[]<0.0>", "A range of 0 octets is none"),
        ("FETCH 1 BODY[HEADER.FIELDS ()]", "Expected at least one field name"),
        ("FETCH 1 BODY[", "Expected ] after the section"),
        ("FETCH 1 FLAGS (CHANGEDSINCE x)", "Expected a mod-sequence"),
    ] {
        check(line, expected);
    }
    same("FETCH 1:* (FLAGS  UID)", "fetch 1:* (flags uid)");
}

#[test]
fn store_copy_and_expunge() {
    same("STORE 1 FLAGS \\Seen", "STORE 1 FLAGS (\\Seen)");
    same("STORE 1 +flags.silent (\\seen Work)", "STORE 1 +FLAGS.SILENT (work \\Recent \\Seen)");
    for (line, expected) in [
        ("STORE 1 FLAGS", "Expected flags"),
        ("STORE 1 +-FLAGS ()", "Expected FLAGS, +FLAGS or -FLAGS, with .SILENT or without"),
        ("STORE 1 FLAG ()", "Expected FLAGS, +FLAGS or -FLAGS, with .SILENT or without"),
        ("STORE 1 FLAGS (\\Nope)", "No system flag is called \\Nope"),
        ("STORE 1 FLAGS (a(b)", "Expected a blank between flags, and ) behind them"),
        ("STORE 1 FLAGS (a", "Expected a blank between flags, and ) behind them"),
        ("COPY 1", "Expected a mailbox name after the set"),
        ("UID EXPUNGE", "Expected a set of messages"),
        ("EXPUNGE 1", "Unexpected text after the arguments of EXPUNGE"),
    ] {
        check(line, expected);
    }
    assert!(parsed("a STORE 1 (UNCHANGEDSINCE 7) -FLAGS ()").contains("unchanged_since: Some(ModSeq(7))"));
    assert!(parsed("a UID MOVE 1:2 x").contains("by_uid: true, mailbox: \"x\", remove: true"));
}

#[test]
fn search_keys() {
    same("SEARCH SINCE 1-Feb-1994", "search since \"01-feb-1994\"");
    same("SEARCH FROM x", "SEARCH FROM {1}\r\nx");
    for (line, expected) in [
        ("SEARCH", "Expected search keys"),
        ("SEARCH QUX", "Unknown search key QUX"),
        ("SEARCH SAVEDATE", "Unknown search key SAVEDATE"),
        ("SEARCH FROM", "Expected a string after FROM"),
        ("SEARCH OR SEEN", "Expected two search keys after OR"),
        ("SEARCH (SEEN", "Expected a search key"),
        ("SEARCH ()", "Expected a search key"),
        ("SEARCH ON 31-Foo-2020", "Expected a date such as 1-Feb-1994"),
        ("SEARCH LARGER -1", "Expected a size in octets"),
        ("SEARCH OLDER 0", "Expected an interval in seconds, from 1 to 4294967295"),
        ("SEARCH YOUNGER 4294967296", "Expected an interval in seconds, from 1 to 4294967295"),
        ("SEARCH RETURN (QUX) ALL", "Unknown return option QUX"),
        ("SEARCH CHARSET utf-8", "Expected search keys after the charset"),
    ] {
        check(line, expected);
    }
    for (line, keys) in [
        ("SEARCH UNSEEN ANSWERED", r#"[System({"\\Seen"}, false), System({"\\Answered"}, true)]"#),
        ("SEARCH NOT OR NEW OLD", "[Not(Or(New, Old))]"),
        (
            "SEARCH (1:2 UID 3)",
            "[And([Sequence(NumberSet { ranges: [(Number(1), Number(2))] }), Uid(NumberSet { ranges: [(Number(3), Number(3))] })])]",
        ),
        ("SEARCH UNKEYWORD x", "[Keyword(Keyword(x), false)]"),
        ("SEARCH SAVEDATESUPPORTED", "[All]"),
        ("SEARCH SavedOn 1-Jan-1970", "[Date { which: Saved, order: On, day: Day(0) }]"),
        ("SEARCH OLDER 1 younger 4294967295", "[Older(1), Younger(4294967295)]"),
        ("SEARCH MODSEQ \"/flags/\\\\draft\" all 7", "[ModSeq(ModSeq(7))]"),
        (
            "SEARCH CC x HEADER y \"\"",
            "[Header { field: \"CC\", text: [120] }, Header { field: \"y\", text: [] }]",
        ),
    ] {
        let Ok(Request { command: Command::Search(search), .. }) =
            request(format!("a {line}").as_bytes(), &LIMITS)
        else {
            panic!("{line}: {}", parsed(&format!("a {line}")));
        };
        assert_eq!(format!("{:?}", search.keys), keys, "{line}");
    }
}

#[test]
fn security_06_nesting_is_capped() {
    for deep in [
        format!("SEARCH {}SEEN{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SEARCH {}SEEN", "NOT ".repeat(100_000)),
        format!("SEARCH {}SEEN", "OR ".repeat(100_000)),
    ] {
        check(&deep, "Search keys are nested too deep: at most 8 levels");
    }
    assert!(parsed(&format!("a FETCH 1 BODY[1{}]", ".1".repeat(1000))).starts_with("Too many part numbers"));
}

#[test]
fn security_10_nul_is_refused_everywhere() {
    for line in ["LOGIN \"a\0\" b", "LOGIN {2}\r\na\0 b", "SELECT a\0", "NOOP\0", "SEARCH TEXT \"\0\""] {
        check(line, "NUL is not allowed in commands");
    }
}

#[test]
fn a_set_of_a_megabyte_is_read() {
    let set: Vec<String> = (1..150_000).map(|n| (2 * n).to_string()).collect();
    let Ok(Request { command: Command::Fetch(fetch), .. }) =
        request(format!("a UID FETCH {} FLAGS", set.join(",")).as_bytes(), &LIMITS)
    else {
        panic!("a FETCH");
    };
    assert_eq!(fetch.set.ranges.len(), 149_999);
}

/// What is parsed is bounded by its count: the text of these is far below the limit on bytes.
#[test]
fn security_27_one_part_too_many_is_refused_by_name() {
    let items = |count: usize| (0..count).map(|n| format!("BODY[{}] ", n + 1)).collect::<String>();
    let headers = |items: usize, names: usize| {
        let item = |n: usize| {
            let names: Vec<String> = (0..names).map(|name| format!("X-{n}-{name}")).collect();
            format!("BODY[HEADER.FIELDS ({})]", names.join(" "))
        };
        (0..items).map(item).collect::<Vec<_>>().join(" ")
    };
    let names = |count: usize| (0..count).map(|n| format!(" k{n}")).collect::<String>();
    let resources = |count: usize| (0..count).map(|n| format!(" R{n} 1")).collect::<String>();
    for (within, above, what) in [
        (
            format!("SEARCH {}", "SEEN ".repeat(1_000)),
            format!("SEARCH {}", "SEEN ".repeat(1_001)),
            "search keys in one command: at most 1000",
        ),
        (
            format!("SEARCH {}", "OR NEW NEW ".repeat(333)),
            format!("SEARCH {}", "OR NEW NEW ".repeat(381_000)),
            "search keys in one command: at most 1000",
        ),
        (
            format!("LIST \"\" ({})", "a ".repeat(100)),
            format!("LIST \"\" ({})", "a ".repeat(101)),
            "patterns in one command: at most 100",
        ),
        (
            format!("FETCH 1 ({})", items(1_000)),
            format!("FETCH 1 ({})", items(1_001)),
            "items in one command: at most 1000",
        ),
        (
            format!("FETCH 1 ({})", headers(100, 10)),
            format!("FETCH 1 ({})", headers(1_000, 1_000)),
            "names in one command: at most 1000",
        ),
        (
            format!("STORE 1 FLAGS ({})", names(1_000)),
            format!("STORE 1 FLAGS {}", names(1_001)),
            "names in one command: at most 1000",
        ),
        (
            format!("ENABLE{}", names(1_000)),
            format!("ENABLE{}", names(1_001)),
            "names in one command: at most 1000",
        ),
        (
            format!("SETQUOTA a ({})", resources(1_000)),
            format!("SETQUOTA a ({})", resources(1_001)),
            "names in one command: at most 1000",
        ),
        (
            format!("SEARCH UID {} 1,2,3", "1,".repeat(999_996) + "1"),
            format!("SEARCH UID {} 1,2,3,4", "1,".repeat(999_996) + "1"),
            "ranges in sets in one command: at most 1000000",
        ),
    ] {
        let taken = request(format!("a {within}").as_bytes(), &LIMITS);
        assert!(taken.is_ok(), "{}: {taken:?}", &within[..60]);
        let error = request(format!("a {above}").as_bytes(), &LIMITS).expect_err(what);
        assert_eq!((error.kind.to_string(), error.kind.code()), (format!("Too many {what}"), Some("LIMIT")));
    }
    let before = append_before(format!("a APPEND x ({}) ", names(1_001)).as_bytes(), &LIMITS);
    let Err(refused) = before.expect("an APPEND").arguments else { panic!("1001 names") };
    assert_eq!(
        (refused.to_string().as_str(), refused.code()),
        ("Too many names in one command: at most 1000", Some("LIMIT"))
    );
}

#[test]
fn what_is_asked_twice_is_one_item_and_one_option() {
    same(
        "FETCH 1 (FLAGS flags BODY[HEADER.FIELDS (a B)] body[header.fields (A b)])",
        "FETCH 1 (FLAGS BODY[HEADER.FIELDS (A B)])",
    );
    same("SEARCH RETURN (MIN MIN max MIN) ALL", "SEARCH RETURN (MIN MAX) ALL");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let _ = request(&bytes, &LIMITS);
        let _ = request(&[b"a SEARCH ", &bytes[..]].concat(), &LIMITS);
        let _ = request(&[b"a FETCH 1 ", &bytes[..]].concat(), &LIMITS);
        let _ = request(&[b"a LIST ", &bytes[..]].concat(), &LIMITS);
        let _ = append_before(&[b"a APPEND ", &bytes[..]].concat(), &LIMITS);
    }

    #[test]
    fn words_of_the_grammar_are_survived(words in prop::collection::vec("[A-Z(){}\\[\\]<>.*%\"\\\\0-9+:, -]{0,9}", 0..12)) {
        let _ = request(format!("a {}", words.join(" ")).as_bytes(), &LIMITS);
    }
}
