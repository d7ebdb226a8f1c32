//! Another user's mailboxes, which all commands can name where the table has them.

use crate::NamespaceStyle::{self, Courier, Plain};
use crate::command::shared::dialogue::{TestSite, play, site};
use crate::testing::Client;
use crate::{NamespaceClass, OtherNamespace, Rights};
use mail::MailboxName;
use store::QuotaLimits;

/// A site whose users may use mailboxes of anna, and read those of the team. There is no bob.
fn shared_site(style: NamespaceStyle) -> TestSite {
    let mut test = site(style, &["Mine"]);
    test.site.add_user("anna", "secret");
    test.site.add_user("team", "secret");
    let account = |name: &str, rights| (name.to_owned(), rights);
    test.site.settings.other_namespaces = vec![
        OtherNamespace {
            class: NamespaceClass::OtherUsers,
            root: "Other".to_owned(),
            accounts: vec![account("anna", Rights::ALL), account("bob", Rights::ALL)],
        },
        OtherNamespace {
            class: NamespaceClass::Shared,
            root: "Shared".to_owned(),
            accounts: vec![account("team", Rights::READ)],
        },
    ];
    for (user, mailbox) in [("anna", "Work"), ("anna", "Work/2026"), ("team", "News")] {
        test.site.account(user).create(&MailboxName::new(mailbox).expect("a name")).expect("made");
    }
    test
}

/// Puts messages into a user's directory, as another program does.
fn put(test: &TestSite, user: &str, directory: &str, count: usize) {
    let cur = test.site.maildir(user).join(directory).join("cur");
    for n in 0..count {
        std::fs::write(cur.join(format!("{n}.M1P1.{user}:2,S")), format!("Subject: {user} {n}\n\ntext\n"))
            .expect("a message");
    }
}

/// The answer with UIDVALIDITY in COPYUID and APPENDUID as `V`.
fn answer(client: &mut Client, command: &str) -> String {
    let answer = client.command(command);
    let words: Vec<&str> = answer.split(' ').collect();
    let is_code = |word: &str| matches!(word, "[COPYUID" | "[APPENDUID");
    let hidden = words.iter().enumerate().map(|(at, word)| match at.checked_sub(1) {
        Some(before) if is_code(words[before]) => "V",
        _ => word,
    });
    hidden.collect::<Vec<_>>().join(" ")
}

#[test]
fn namespaces_are_listed() {
    let test = shared_site(Plain);
    let mut client = test.site.log_in();
    play(
        &mut client,
        r#"
NAMESPACE
  * NAMESPACE (("" "/")) (("Other/" "/")) (("Shared/" "/"))
  OK
LIST "" %
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasNoChildren) "/" Mine
  * LIST (\Noselect \HasChildren) "/" Other
  * LIST (\Noselect \HasChildren) "/" Shared
  OK
LIST "" "I*"
  * LIST (\HasNoChildren) "/" INBOX
  OK
LIST "" Mine
  * LIST (\HasNoChildren) "/" Mine
  OK
"#,
    );
    assert_eq!(client.opened, 0, "nothing in them was asked for");
    play(
        &mut client,
        r#"
LIST "" Other/%
  * LIST (\HasChildren) "/" Other/anna
  OK
LIST Other/anna/ *
  * LIST (\HasChildren) "/" Other/anna/Work
  * LIST (\HasNoChildren) "/" Other/anna/Work/2026
  OK
LIST "" Shared/team
  * LIST (\HasChildren) "/" Shared/team
  OK
LIST "" * RETURN (STATUS (MESSAGES UIDNEXT))
  * LIST () "/" INBOX
  * STATUS INBOX (MESSAGES 0 UIDNEXT 1)
  * LIST () "/" Mine
  * STATUS Mine (MESSAGES 0 UIDNEXT 1)
  * LIST (\NonExistent) "/" Other
  * LIST () "/" Other/anna
  * STATUS Other/anna (MESSAGES 0 UIDNEXT 1)
  * LIST () "/" Other/anna/Work
  * STATUS Other/anna/Work (MESSAGES 0 UIDNEXT 1)
  * LIST () "/" Other/anna/Work/2026
  * STATUS Other/anna/Work/2026 (MESSAGES 0 UIDNEXT 1)
  * LIST (\NonExistent) "/" Shared
  * LIST () "/" Shared/team
  * STATUS Shared/team (MESSAGES 0 UIDNEXT 1)
  * LIST () "/" Shared/team/News
  * STATUS Shared/team/News (MESSAGES 0 UIDNEXT 1)
  OK
LIST "" INBOX.*
  * LIST (\HasNoChildren) "." INBOX.Mine
  OK
"#,
    );
}

#[test]
fn couriers_names_are_the_users_own() {
    let test = shared_site(Courier);
    put(&test, "anna", ".Work", 1);
    play(
        &mut test.site.log_in(),
        r#"
NAMESPACE
  * NAMESPACE (("INBOX." ".")) (("Other." ".")) (("Shared." "."))
  OK
LIST "" *
  * LIST (\HasChildren) "." INBOX
  * LIST (\HasNoChildren) "." INBOX.Mine
  * LIST (\Noselect \HasChildren) "." Other
  * LIST (\HasChildren) "." Other.anna
  * LIST (\HasChildren) "." Other.anna.Work
  * LIST (\HasNoChildren) "." Other.anna.Work.2026
  * LIST (\Noselect \HasChildren) "." Shared
  * LIST (\HasChildren) "." Shared.team
  * LIST (\HasNoChildren) "." Shared.team.News
  OK
STATUS Other.anna.Work (MESSAGES)
  * STATUS Other.anna.Work (MESSAGES 1)
  OK
STATUS INBOX.Other.anna.Work (MESSAGES)
  NO [NONEXISTENT]
CREATE INBOX.Other.anna
  OK
STATUS INBOX.Other.anna (MESSAGES)
  * STATUS INBOX.Other.anna (MESSAGES 0)
  OK
STATUS Else.anna (MESSAGES)
  NO [CANNOT]
"#,
    );
}

#[test]
fn names_lead_to_the_account_or_nowhere() {
    let test = shared_site(Plain);
    let mut client = test.site.log_in();
    play(
        &mut client,
        r#"
STATUS Other (MESSAGES)
  NO [NONEXISTENT]
STATUS Other/carl (MESSAGES)
  NO [NONEXISTENT]
STATUS other/anna (MESSAGES)
  NO [NONEXISTENT]
STATUS Other/anna/INBOX (MESSAGES)
  NO [CANNOT]
STATUS Other/anna/nothing (MESSAGES)
  NO [NONEXISTENT]
STATUS Other/anna/a//b (MESSAGES)
  NO [CANNOT]
"#,
    );
    assert_eq!(client.opened, 1, "anna's account, once");
    play(&mut client, "STATUS Other/bob (MESSAGES)\n  NO [NONEXISTENT]\n");
    play(&mut client, "SELECT Other/bob\n  NO [NONEXISTENT]\n");
    assert_eq!(client.opened, 3, "bob's, for each command that names it");
    // Where the table has nothing else, these are names like any other.
    let mut test = test;
    test.site.settings.other_namespaces.clear();
    let mut client = test.site.log_in();
    play(
        &mut client,
        "CREATE Other/anna\n  OK\nSTATUS Other/anna (MESSAGES)\n  * STATUS Other/anna (MESSAGES 0)\n  OK\n",
    );
    assert_eq!(client.opened, 0);
}

#[test]
fn another_users_mailbox_is_worked_in_as_ones_own() {
    let test = shared_site(Plain);
    put(&test, "anna", ".Work", 2);
    let mut anna = test.site.connect(crate::testing::TLS);
    anna.take();
    assert!(anna.command("LOGIN anna secret").contains("a OK"));
    assert!(anna.command("SELECT Work").contains("* 2 EXISTS"));
    let mut client = test.site.log_in();
    let selected = client.command("SELECT Other/anna/Work");
    assert!(selected.contains("* 2 EXISTS") && selected.contains("a OK [READ-WRITE]"), "{selected}");
    assert!(client.command("STORE 1 +FLAGS (\\Flagged Project)").contains("\\Flagged"));
    let told = anna.command("NOOP");
    assert!(told.contains("FLAGS (\\Flagged \\Seen Project)"), "{told}");
    assert!(client.command("FETCH 2 BODY.PEEK[HEADER]").contains("Subject: anna 1"));
    assert_eq!(
        answer(&mut client, "APPEND Other/anna/Work {6+}\r\nA: b\n\n"),
        "* 3 EXISTS\r\n* 1 RECENT\r\na OK [APPENDUID V 3] Message appended\r\n"
    );
    play(
        &mut client,
        r#"
APPEND Other/anna/none {3}
  NO [TRYCREATE]
CREATE Other/anna/Plans/2027
  OK
LIST "" Other/anna/P*
  * LIST (\HasChildren) "/" Other/anna/Plans
  * LIST (\HasNoChildren) "/" Other/anna/Plans/2027
  OK
RENAME Other/anna/Plans Mine/Plans
  NO [CANNOT]
RENAME Other/anna/Work Other/anna/Job
  OK
CHECK
  OK
DELETE Mine
  OK
DELETE Other/anna
  NO [CANNOT]
DELETE Other/anna/Job
  * OK [CLOSED] The selected mailbox was deleted
  OK
CHECK
  BAD
"#,
    );
    assert_eq!(client.opened, 1);
}

#[test]
fn what_may_only_be_read_is_not_changed() {
    let test = shared_site(Plain);
    put(&test, "team", ".News", 2);
    put(&test, "user", "", 1);
    let mut client = test.site.log_in();
    let selected = client.command("SELECT Shared/team/News");
    assert!(selected.contains("* 2 EXISTS") && selected.contains("a OK [READ-ONLY]"), "{selected}");
    for command in ["STORE 1 +FLAGS (\\Deleted)", "EXPUNGE", "MOVE 1 INBOX"] {
        assert!(client.command(command).starts_with("a NO [READ-ONLY]"), "{command}");
    }
    assert_eq!(answer(&mut client, "COPY 1:2 INBOX"), "a OK [COPYUID V 1:2 2:3] Copy completed\r\n");
    for command in [
        "APPEND Shared/team/News {3}",
        "APPEND Shared/team/none {3}",
        "COPY 1 Shared/team",
        "CREATE Shared/team/a",
        "DELETE Shared/team/News",
        "RENAME Shared/team/News Shared/team/Old",
    ] {
        let answer = client.command(command);
        assert!(answer.starts_with("a NO [NOPERM]"), "{command}: {answer}");
    }
    assert!(client.command("SELECT INBOX").contains("* 3 EXISTS"));
    assert!(client.command("MOVE 1 Shared/team/News").starts_with("a NO [NOPERM]"));
    play(&mut client, "STATUS Shared/team/News (MESSAGES)\n  * STATUS Shared/team/News (MESSAGES 2)\n  OK\n");
}

#[test]
fn messages_are_copied_and_moved_both_ways() {
    let test = shared_site(Plain);
    put(&test, "anna", ".Work", 3);
    put(&test, "user", "", 2);
    let mut client = test.site.log_in();
    assert!(client.command("SELECT INBOX").contains("* 2 EXISTS"));
    client.command("STORE 1 FLAGS.SILENT (\\Flagged Mine)");
    for (command, expected) in [
        ("COPY 1 Other/anna/Work", "a OK [COPYUID V 1 4] Copy completed\r\n"),
        ("MOVE 1 Other/anna", "* OK [COPYUID V 1 1] Moved\r\n* 1 EXPUNGE\r\na OK Move completed\r\n"),
        ("COPY 1 Other/anna/none", "a NO [TRYCREATE] There is no such mailbox\r\n"),
    ] {
        assert_eq!(answer(&mut client, command), expected, "{command}");
    }
    assert!(client.command("SELECT Other/anna/Work").contains("* 4 EXISTS"));
    for (command, expected) in [
        (
            "FETCH 4 (FLAGS UID)",
            "* 4 FETCH (UID 4 FLAGS (\\Recent \\Flagged Mine))\r\na OK Fetch completed\r\n",
        ),
        ("COPY 1:2 Mine", "a OK [COPYUID V 1:2 1:2] Copy completed\r\n"),
        (
            "UID MOVE 3:4 INBOX",
            "* OK [COPYUID V 3:4 3:4] Moved\r\n* 4 EXPUNGE\r\n* 3 EXPUNGE\r\na OK Move completed\r\n",
        ),
    ] {
        assert_eq!(answer(&mut client, command), expected, "{command}");
    }
    play(
        &mut client,
        r#"
LIST "" * RETURN (STATUS (MESSAGES))
  * LIST () "/" INBOX
  * STATUS INBOX (MESSAGES 3)
  * LIST () "/" Mine
  * STATUS Mine (MESSAGES 2)
  * LIST (\NonExistent) "/" Other
  * LIST () "/" Other/anna
  * STATUS Other/anna (MESSAGES 1)
  * LIST () "/" Other/anna/Work
  * STATUS Other/anna/Work (MESSAGES 2)
  * LIST () "/" Other/anna/Work/2026
  * STATUS Other/anna/Work/2026 (MESSAGES 0)
  * LIST (\NonExistent) "/" Shared
  * LIST () "/" Shared/team
  * STATUS Shared/team (MESSAGES 0)
  * LIST () "/" Shared/team/News
  * STATUS Shared/team/News (MESSAGES 0)
  OK
"#,
    );
}

/// RFC 9208: a message counts for the account that it lies in.
#[test]
fn the_quota_is_that_of_the_mailbox() {
    let test = shared_site(Plain);
    put(&test, "user", "", 3);
    put(&test, "anna", "", 1);
    let (own, anna) = (test.site.account("user"), test.site.account("anna"));
    anna.quota().set_limits(Some(QuotaLimits::parse("3C").expect("limits")));
    let mut client = test.site.log_in();
    assert!(client.command("SELECT INBOX").contains("* 3 EXISTS"));
    play(
        &mut client,
        r#"
GETQUOTAROOT INBOX
  * QUOTAROOT INBOX
  OK
GETQUOTAROOT Other/anna/Work
  * QUOTAROOT Other/anna/Work "User quota of anna"
  * QUOTA "User quota of anna" (MESSAGE 1 3)
  OK
COPY 1:3 Other/anna
  NO [OVERQUOTA]
MOVE 1:3 Other/anna
  NO [OVERQUOTA]
"#,
    );
    assert!(client.command("COPY 1 Other/anna").contains("a OK"));
    assert!(client.command("MOVE 1 Other/anna/Work").contains("a OK Move"));
    play(
        &mut client,
        r#"
GETQUOTA "User quota of anna"
  * QUOTA "User quota of anna" (MESSAGE 3 3)
  OK
GETQUOTA "User quota of team"
  NO [NONEXISTENT]
GETQUOTA "User quota of carl"
  NO [NONEXISTENT]
SETQUOTA "User quota of anna" ()
  NO [NOPERM]
APPEND Other/anna {3}
  NO [OVERQUOTA]
STATUS INBOX (MESSAGES)
  * STATUS INBOX (MESSAGES 2)
  OK
"#,
    );
    // The other way: anna has one less, and the user, who has a limit now, one more.
    own.quota().set_limits(Some(QuotaLimits::parse("3C").expect("limits")));
    assert!(client.command("SELECT Other/anna").contains("* 2 EXISTS"));
    assert!(client.command("MOVE 1 INBOX").contains("a OK Move"));
    assert!(client.command("MOVE 1 INBOX").starts_with("a NO [OVERQUOTA]"));
    let messages = |account: &store::Account| {
        account.quota().status().expect("a status").expect("limits").usage.messages
    };
    assert_eq!((messages(&own), messages(&anna)), (3, 2));
}

#[test]
fn subscriptions_are_the_users_own() {
    for (style, name, separator) in [(Plain, "Other/anna/Work", '/'), (Courier, "Other.anna.Work", '.')] {
        let test = shared_site(style);
        play(
            &mut test.site.log_in(),
            &format!(
                r#"
SUBSCRIBE {name}
  OK
SUBSCRIBE {name}{separator}none
  NO [NONEXISTENT]
LSUB "" *
  * LSUB () "{separator}" {name}
  OK
LIST (SUBSCRIBED) "" *
  * LIST (\Subscribed) "{separator}" {name}
  OK
"#
            ),
        );
        assert_eq!(test.site.account("anna").subscriptions().expect("a list"), []);
        let mut client = test.site.log_in();
        play(&mut client, &format!("UNSUBSCRIBE {name}\n  OK\nLSUB \"\" *\n  OK\n"));
        assert_eq!(client.opened, 0, "a name is enough");
    }
}
