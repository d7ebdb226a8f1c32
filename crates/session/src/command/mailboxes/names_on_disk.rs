//! Tests: directories however they are named, as a client sees them. Each name of LIST works in
//! STATUS and EXAMINE, in both namespaces, and none comes twice.

use crate::NamespaceStyle::{self, Courier, Plain};
use crate::command::shared::dialogue::{check, site};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// With a message each, and what LIST calls them in the plain and in Courier's namespace;
/// nothing where no client sees them.
const DIRECTORIES: [(&[u8], &str, &str); 31] = [
    (b".[Gmail].All Mail", "\"[Gmail]/All Mail\"", "\"INBOX.[Gmail].All Mail\""),
    (b".Trash.", "", ""),
    (b"..Twodots", "", ""),
    (b".a..b", "", ""),
    (b".INBOX", "", ""),
    (b".INBOX.Sub", "INBOX/Sub", "INBOX.INBOX.Sub"),
    (b".inbox.low", "INBOX/low", "INBOX.INBOX.low"),
    (b". leading", "\" leading\"", "\"INBOX. leading\""),
    (b".trailing ", "\"trailing \"", "\"INBOX.trailing \""),
    (b".per%cent", "\"per%cent\"", "\"INBOX.per%cent\""),
    (b".st*ar", "\"st*ar\"", "\"INBOX.st*ar\""),
    (b".qu\"ote", "\"qu\\\"ote\"", "\"INBOX.qu\\\"ote\""),
    (b".back\\slash", "\"back\\\\slash\"", "\"INBOX.back\\\\slash\""),
    (b".amp&ersand", "amp&-ersand", "INBOX.amp&-ersand"),
    (b".amp&-ersand", "", ""),
    (b".slash&AC8-in", "slash&-AC8-in", "INBOX.slash&-AC8-in"),
    (b".dot&AC4-in", "dot.in", "INBOX.dot&-AC4-in"),
    (b".dot&-AC4-in", "dot&-AC4-in", "INBOX.dot&-ACY-AC4-in"),
    (b".nul&AAA-in", "nul&-AAA-in", "INBOX.nul&-AAA-in"),
    (b".&AGEAYgBj-", "&-AGEAYgBj-", "INBOX.&-AGEAYgBj-"),
    (b".\xc3\xa4", "&AOQ-", "INBOX.&AOQ-"),
    (b".&AOQ-", "", ""),
    (b".a\xcc\x88", "", ""),
    (b".o\xcc\x88", "&APY-", "INBOX.&APY-"),
    (b".latin\xe4", "", ""),
    (b".new\nline", "", ""),
    (b".cur", "cur", "INBOX.cur"),
    (b".Sent", "Sent", "INBOX.Sent"),
    (b".sent", "sent", "INBOX.sent"),
    (b"Plain without dot", "", ""),
    (b".example.org", "example/org", "INBOX.example.org"),
];

fn listed_names_work(style: NamespaceStyle, expected: impl Iterator<Item = &'static str>) {
    let site = site(style, &[]);
    let maildir = site.site.maildir("user");
    for (entry, ..) in DIRECTORIES {
        let directory = maildir.join(OsStr::from_bytes(entry));
        fs::create_dir_all(directory.join("cur")).expect("a directory");
        fs::write(directory.join("cur/1700000001.M1P1.h:2,S"), "Subject: x\n\nx\n").expect("a message");
    }
    let mut client = site.site.log_in();
    let answer = client.command("LIST \"\" \"*\"");
    let lines: Vec<&str> =
        answer.lines().filter(|line| line.starts_with("* LIST") && !line.contains("Noselect")).collect();
    let names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_once(if style == Plain { "\"/\" " } else { "\".\" " }))
        .map(|(_, name)| name)
        .filter(|name| *name != "INBOX")
        .collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "{answer}");
    assert_eq!(distinct, expected.filter(|name| !name.is_empty()).collect(), "{answer}");
    for name in names {
        let status = client.command(&format!("STATUS {name} (MESSAGES)"));
        assert!(status.contains(&format!("* STATUS {name} (MESSAGES 1)")), "{name}: {status}");
        let examined = client.command(&format!("EXAMINE {name}"));
        assert!(examined.contains("* 1 EXISTS"), "{name}: {examined}");
        // As a pattern, too, where it has no wildcards.
        let found = client.command(&format!("LIST \"\" {name}"));
        assert_eq!(found.matches("* LIST").count(), 1, "{name}: {found}");
    }
}

#[test]
fn each_name_that_is_listed_works() {
    listed_names_work(Plain, DIRECTORIES.iter().map(|row| row.1));
    listed_names_work(Courier, DIRECTORIES.iter().map(|row| row.2));
}

#[test]
fn more_levels_than_the_settings_allow_are_a_limit() {
    let deep = ["a"; 31].join("/");
    check(
        Plain,
        &["x"],
        &format!("CREATE {deep}\n  NO [LIMIT]\nRENAME x {deep}\n  NO [LIMIT]\nCREATE {}\n  OK\n", &deep[2..]),
    );
}

#[test]
fn what_has_the_name_of_a_mailbox_is_not_touched() {
    let site = site(Plain, &["x"]);
    let maildir = site.site.maildir("user");
    fs::create_dir(maildir.join(".Only dir")).expect("a directory");
    fs::write(maildir.join(".File"), "").expect("a file");
    std::os::unix::fs::symlink(".x", maildir.join(".Link")).expect("a link");
    let mut client = site.site.log_in();
    crate::command::shared::dialogue::play(
        &mut client,
        r#"
CREATE "Only dir"
  OK
CREATE File
  NO [CANNOT]
CREATE Link
  NO [CANNOT]
RENAME x Link
  NO [ALREADYEXISTS]
DELETE Link
  NO [NONEXISTENT]
LIST "" *
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasNoChildren) "/" "Only dir"
  * LIST (\HasNoChildren) "/" x
  OK
"#,
    );
}
