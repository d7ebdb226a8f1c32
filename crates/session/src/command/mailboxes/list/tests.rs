//! LIST and XLIST as clients see them.

use crate::NamespaceStyle::{Courier, Plain};
use crate::command::shared::dialogue::{check, play, site};

#[test]
fn names_levels_and_children() {
    check(
        Plain,
        &["Lists/rust/users", "Lists-old", "Entwürfe", "Junk"],
        r#"
LIST "" ""
  * LIST (\Noselect) "/" ""
  OK LIST completed
LIST "" *
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasNoChildren) "/" Entw&APw-rfe
  * LIST (\HasNoChildren \Junk) "/" Junk
  * LIST (\Noselect \HasChildren) "/" Lists
  * LIST (\Noselect \HasChildren) "/" Lists/rust
  * LIST (\HasNoChildren) "/" Lists/rust/users
  * LIST (\HasNoChildren) "/" Lists-old
  OK
LIST "" %
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasNoChildren) "/" Entw&APw-rfe
  * LIST (\HasNoChildren \Junk) "/" Junk
  * LIST (\Noselect \HasChildren) "/" Lists
  * LIST (\HasNoChildren) "/" Lists-old
  OK
LIST Lists/ %
  * LIST (\Noselect \HasChildren) "/" Lists/rust
  OK
LIST Lists/ ""
  * LIST (\Noselect) "/" Lists/
  OK
LIST "" nothing
  OK
LIST "" inbox
  * LIST (\HasNoChildren) "/" INBOX
  OK
"#,
    );
}

#[test]
fn the_alias_is_listed_when_it_is_asked_for() {
    check(
        Plain,
        &["Sent", "Lists/rust"],
        r#"
LIST "" "INBOX*"
  * LIST (\HasNoChildren) "/" INBOX
  OK
LIST "" "inbox.*"
  * LIST (\Noselect \HasChildren) "." INBOX.Lists
  * LIST (\HasNoChildren) "." INBOX.Lists.rust
  * LIST (\HasNoChildren \Sent) "." INBOX.Sent
  OK
LIST "INBOX." ""
  * LIST (\Noselect) "." INBOX.
  OK
LIST "INBOX." %
  * LIST (\Noselect \HasChildren) "." INBOX.Lists
  * LIST (\HasNoChildren \Sent) "." INBOX.Sent
  OK
LIST "" (INBOX.Sent Sent INBOX) RETURN (SPECIAL-USE)
  * LIST () "/" INBOX
  * LIST (\Sent) "/" Sent
  * LIST (\Sent) "." INBOX.Sent
  OK
"#,
    );
}

#[test]
fn couriers_style() {
    check(
        Courier,
        &["Sent Items", "Lists/rust"],
        r#"
LIST "" *
  * LIST (\HasChildren) "." INBOX
  * LIST (\Noselect \HasChildren) "." INBOX.Lists
  * LIST (\HasNoChildren) "." INBOX.Lists.rust
  * LIST (\HasNoChildren \Sent) "." "INBOX.Sent Items"
  OK
LIST "" %
  * LIST (\HasChildren) "." INBOX
  OK
LIST "Inbox." L%
  * LIST (\Noselect \HasChildren) "." INBOX.Lists
  OK
"#,
    );
}

/// Examples 8 to 10 of RFC 5258 section 5.
#[test]
fn children_that_match_are_told_of() {
    check(
        Plain,
        &["foo2/bar1", "foo2/bar2", "foo2", "baz2", "baz2/bar2", "baz2/bar22", "eps2", "eps2/mamba"],
        r#"
SUBSCRIBE foo2/bar1
  OK
SUBSCRIBE foo2/bar2
  OK
SUBSCRIBE baz2/bar2
  OK
SUBSCRIBE baz2/bar22
  OK
SUBSCRIBE eps2
  OK
SUBSCRIBE eps2/mamba
  OK
LIST (RECURSIVEMATCH SUBSCRIBED) "" *2
  * LIST (\Subscribed) "/" baz2/bar2
  * LIST (\Subscribed) "/" baz2/bar22
  * LIST (\Subscribed) "/" eps2 ("CHILDINFO" ("SUBSCRIBED"))
  * LIST () "/" foo2 ("CHILDINFO" ("SUBSCRIBED"))
  * LIST (\Subscribed) "/" foo2/bar2
  OK
LIST (SUBSCRIBED RECURSIVEMATCH) "" %
  * LIST () "/" baz2 ("CHILDINFO" ("SUBSCRIBED"))
  * LIST (\Subscribed) "/" eps2 ("CHILDINFO" ("SUBSCRIBED"))
  * LIST () "/" foo2 ("CHILDINFO" ("SUBSCRIBED"))
  OK
LIST (SUBSCRIBED) "" %
  * LIST (\Subscribed) "/" eps2
  OK
DELETE eps2/mamba
  OK
LIST (SUBSCRIBED RECURSIVEMATCH) "" eps2 RETURN (CHILDREN)
  * LIST (\HasNoChildren \Subscribed) "/" eps2 ("CHILDINFO" ("SUBSCRIBED"))
  OK
LIST (SUBSCRIBED) "" eps2/*
  * LIST (\NonExistent \Subscribed) "/" eps2/mamba
  OK
LIST (RECURSIVEMATCH) "" *
  BAD
LIST (REMOTE RECURSIVEMATCH) "" *
  BAD
"#,
    );
}

#[test]
fn options_say_what_is_told() {
    check(
        Plain,
        &["Sent Items", "a/b"],
        r#"
SUBSCRIBE a/b
  OK
LIST () "" %
  * LIST () "/" INBOX
  * LIST () "/" "Sent Items"
  * LIST (\NonExistent) "/" a
  OK
LIST "" a* RETURN (CHILDREN SUBSCRIBED)
  * LIST (\NonExistent \HasChildren) "/" a
  * LIST (\HasNoChildren \Subscribed) "/" a/b
  OK
LIST (SPECIAL-USE) "" *
  * LIST (\Sent) "/" "Sent Items"
  OK
LIST (SPECIAL-USE SUBSCRIBED) "" *
  OK
LIST "" "" RETURN ()
  OK
LIST "" ("" a%) RETURN (STATUS (MESSAGES))
  * LIST (\NonExistent) "/" a
  OK
LIST "" a/% RETURN (STATUS (MESSAGES UIDNEXT))
  * LIST () "/" a/b
  * STATUS a/b (MESSAGES 0 UIDNEXT 1)
  OK
XLIST "" %
  * XLIST (\HasNoChildren \Inbox) "/" INBOX
  * XLIST (\HasNoChildren \Sent) "/" "Sent Items"
  * XLIST (\Noselect \HasChildren) "/" a
  OK XLIST completed
"#,
    );
}

/// As many patterns as may be, as long as may be, on a thousand names.
#[test]
fn security_28_many_patterns_are_compared_in_pieces() {
    let names: Vec<String> = (0..1_000).map(|n| format!("{n:03}{}", "x".repeat(200))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let site = site(Plain, &names);
    let mut client = site.site.log_in();
    let pattern = format!("{}y", "*x".repeat(190));
    let patterns = vec![pattern.as_str(); 99].join(" ");
    let before = client.worked;
    play(
        &mut client,
        &format!(
            "LIST \"\" ({patterns} 00%)\n{}  OK\n",
            (0..10).fold(String::new(), |all, n| {
                all + &format!("  * LIST () \"/\" {n:03}{}\n", "x".repeat(200))
            })
        ),
    );
    let pieces = client.worked - before;
    assert!((10..100).contains(&pieces), "{pieces} pieces");
    let answer = client.command(&format!("LIST \"\" ({patterns} {pattern} 00%)"));
    assert_eq!(answer, "a NO [LIMIT] Too many patterns in one command: at most 100\r\n");
}

/// An answer longer than the output holds comes whole, and in pieces.
#[test]
fn a_long_list_comes_in_pieces() {
    let names: Vec<String> = (0..600).map(|n| format!("{n:03}{}", "x".repeat(200))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let site = site(Plain, &names);
    let mut client = site.site.log_in();
    let mut expected = String::from("LIST \"\" \"*\"\n  * LIST (\\HasNoChildren) \"/\" INBOX\n");
    for name in &names {
        expected += &format!("  * LIST (\\HasNoChildren) \"/\" {name}\n");
    }
    play(&mut client, &(expected + "  OK\n"));
    assert!(client.written_max <= 72 * 1024, "{} bytes at once", client.written_max);
}
