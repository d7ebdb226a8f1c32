//! Users of an LDAP directory: OpenLDAP's slapd, as its operator and attackers have it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use auth::ldap::{Attributes, Ldap, LdapSettings, Mode, OwnBind};
use auth::{LoginName, Query, Secret, Source, SourceAnswer, Trace, Unavailable, User};
use restante_tests::slapd::{PEOPLE, SERVICE, Slapd};
use restante_tests::target::Connection;
use restante_tests::target::restante::{Restante, binary};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// For users in Courier's schema, found by an address or an alias.
fn settings(servers: &[String]) -> LdapSettings {
    let mut settings = LdapSettings::new(servers.to_vec(), PEOPLE);
    settings.filter = some("(&(objectClass=CourierMailAccount)(|(mail=%u)(mailAlternateAddress=%u)))");
    settings.list_filter = some("(objectClass=CourierMailAccount)");
    settings.own_bind = OwnBind::Password(SERVICE.0.to_owned(), secret(SERVICE.1));
    settings.operation_timeout = Duration::from_secs(20);
    settings.attributes = Attributes {
        name: some("mail"),
        password: vec!["userPassword".to_owned()],
        clear_password: some("clearPassword"),
        home: some("homeDirectory"),
        maildir: some("mailbox"),
        uid: some("uidNumber"),
        gid: some("gidNumber"),
        quota: some("quota"),
        mailhost: some("mailhost"),
        disabling: vec![
            ("disableimap".to_owned(), "imap".to_owned()),
            ("disablepop3".to_owned(), "pop3".to_owned()),
        ],
        ..Attributes::default()
    };
    settings
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One question; what was asked of whom comes along.
async fn ask(
    source: &Ldap,
    login: &str,
    password: Option<&str>,
) -> (Result<SourceAnswer, Unavailable>, Vec<String>) {
    let name = LoginName::new(login.as_bytes(), None).expect("a name");
    let password = password.map(secret);
    let trace = Trace::on();
    let query =
        Query { name: &name, password: password.as_ref(), service: "imap", peer: None, trace: &trace };
    let found = source.find(query).await;
    let steps = trace.take();
    for step in &steps {
        for shown in ["secret", "clear1", "clear7"] {
            assert!(!step.contains(shown), "a password in {step}");
        }
    }
    (found, steps)
}

/// What came of it, in a word: the user's name where there is one.
async fn outcome(source: &Ldap, login: &str, password: Option<&str>) -> String {
    match ask(source, login, password).await.0 {
        Ok(SourceAnswer::Unknown) => "unknown".to_owned(),
        Ok(SourceAnswer::Known(user)) => format!("known {}", user.name),
        Ok(SourceAnswer::Checked(user, right)) => format!("{right} {}", user.name).trim().to_owned(),
        Ok(SourceAnswer::Stored(user, secrets)) => {
            let given = password.unwrap_or_default();
            let mut right = false;
            for one in &secrets {
                let stored = String::from_utf8(one.expose().to_vec()).unwrap();
                right |= stored == format!("{{CRYPT}}{given}") || stored == format!("{{PLAIN}}{given}");
            }
            format!("stored {right} {}", user.name)
        }
        Err(unavailable) => format!("unavailable {}", unavailable.reason),
    }
}

fn checked(found: Result<SourceAnswer, Unavailable>) -> User {
    match found {
        Ok(SourceAnswer::Checked(user, true)) => user,
        other => panic!("{other:?}"),
    }
}

/// Twenty thousand users: the three ways to check a password, a list beyond the server's limit,
/// and a thousand log-ins at once.
#[test]
fn twenty_thousand_users() {
    let Some(slapd) = Slapd::start(20_000, "") else { return };
    runtime().block_on(async {
        let search = Arc::new(Ldap::new(settings(&[slapd.url()])).unwrap());
        let (found, steps) = ask(&search, "alias17@example.com", Some("secret17")).await;
        let user = checked(found);
        assert_eq!(user.name, "user17@example.com");
        assert_eq!(user.home.as_deref(), Some("/srv/mail/user17"));
        assert_eq!(user.maildir.as_deref(), Some("Maildir"));
        assert_eq!((user.uid, user.gid), (Some(10_017), Some(5000)));
        assert_eq!(user.extra, [("quota".to_owned(), "10000000S,1000C".to_owned())]);
        let steps = steps.join("\n");
        for expected in [
            "mailAlternateAddress=alias17@example.com",
            "uid=user17,ou=people",
            "the bind is accepted",
            &slapd.url(),
        ] {
            assert!(steps.contains(expected), "{expected} is not in\n{steps}");
        }
        assert_eq!(
            outcome(&search, "user17@example.com", Some("secret18")).await,
            "false user17@example.com"
        );
        assert_eq!(outcome(&search, "user17@example.com", None).await, "known user17@example.com");
        assert_eq!(outcome(&search, "nobody@example.com", Some("x")).await, "unknown");

        let mut wanted = settings(&[slapd.url()]);
        wanted.mode = Mode::Direct;
        wanted.filter = None;
        wanted.user_dn = some(&format!("uid=%n,{PEOPLE}"));
        let direct = Ldap::new(wanted).unwrap();
        assert_eq!(outcome(&direct, "user17@example.com", Some("secret17")).await, "true user17@example.com");
        assert_eq!(outcome(&direct, "user17@example.com", Some("wrong")).await, "false");
        assert_eq!(outcome(&direct, "user17@example.com", None).await, "known user17@example.com");
        assert_eq!(outcome(&direct, "nobody@example.com", None).await, "unknown");

        let mut wanted = settings(&[slapd.url()]);
        wanted.mode = Mode::Compare;
        let compare = Ldap::new(wanted.clone()).unwrap();
        for (password, right) in [("secret17", true), ("clear17", true), ("wrong", false)] {
            let expected = format!("stored {right} user17@example.com");
            assert_eq!(outcome(&compare, "user17@example.com", Some(password)).await, expected);
        }
        wanted.attributes.clear_password = None;
        wanted.attributes.password = vec!["description".to_owned()];
        let blind = Ldap::new(wanted).unwrap();
        let found = outcome(&blind, "user17@example.com", Some("x")).await;
        assert!(found.starts_with("unavailable the server shows no password"), "{found}");

        let all = search.list().await.unwrap();
        assert_eq!(all.len(), 20_000);
        assert!(all.iter().any(|user| user.name == "user19999@example.com" && user.uid == Some(29_999)));

        for source in [&search, &Arc::new(direct)] {
            let started = Instant::now();
            let tasks: Vec<_> = (0..1000_usize)
                .map(|task| {
                    let source = source.clone();
                    tokio::spawn(async move {
                        let number = task * 19;
                        let right = task % 10 != 0;
                        let password = if right { format!("secret{number}") } else { "wrong".to_owned() };
                        let login = format!("user{number}@example.com");
                        let found = outcome(&source, &login, Some(&password)).await;
                        assert!(found.starts_with(&right.to_string()), "{login}: {found}");
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            eprintln!("1000 log-ins at once: {:?}", started.elapsed());
        }
        let started = Instant::now();
        let tasks: Vec<_> = (0..5000_usize)
            .map(|number| {
                let source = search.clone();
                tokio::spawn(async move {
                    let login = format!("user{number}@example.com");
                    assert_eq!(outcome(&source, &login, None).await, format!("known {login}"));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        eprintln!("5000 look-ups at once: {:?}", started.elapsed());
    });
}

#[test]
fn every_way_to_connect() {
    let Some(slapd) = Slapd::start(10, "") else { return };
    let Some(other) = Slapd::start(1, "") else { return };
    runtime().block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        std::fs::write(&file, format!("{}\n", SERVICE.1)).unwrap();
        let with = |url: String, change: &dyn Fn(&mut LdapSettings)| {
            let mut settings = settings(&[url]);
            settings.own_bind = OwnBind::PasswordFile(SERVICE.0.to_owned(), file.clone());
            change(&mut settings);
            Ldap::new(settings).unwrap()
        };
        let trusted = |settings: &mut LdapSettings| settings.ca_file = Some(slapd.authority());
        for source in [
            with(slapd.url(), &|_| {}),
            with(slapd.tls_url(), &trusted),
            with(slapd.url(), &|settings| {
                trusted(settings);
                settings.start_tls = true;
            }),
            with(slapd.socket_url(), &|settings| settings.own_bind = OwnBind::External),
        ] {
            assert_eq!(source.problems().await.unwrap(), Vec::<String>::new(), "{}", source.name());
            let found = outcome(&source, "user7@example.com", Some("secret7")).await;
            assert_eq!(found, "true user7@example.com", "{}", source.name());
        }
        // Another authority, and none of the system's.
        for source in [
            with(slapd.tls_url(), &|settings| settings.ca_file = Some(other.authority())),
            with(slapd.tls_url(), &|_| {}),
            with(slapd.url(), &|settings| {
                settings.start_tls = true;
                settings.ca_file = Some(other.authority());
            }),
        ] {
            let found = outcome(&source, "user7@example.com", Some("secret7")).await;
            assert!(found.starts_with("unavailable"), "{}: {found}", source.name());
            let problems = source.problems().await.unwrap();
            assert!(problems.len() == 1 && problems[0].contains("certificate"), "{problems:?}");
        }
        for (own, expected) in [
            (OwnBind::Anonymous, "noSuchObject"),
            (OwnBind::Password(SERVICE.0.to_owned(), secret("wrong")), "invalidCredentials"),
            (OwnBind::PasswordFile(SERVICE.0.to_owned(), "/nonexistent".into()), "bind-password-file"),
        ] {
            let source = with(slapd.url(), &|settings| settings.own_bind = own.clone());
            let found = outcome(&source, "user7@example.com", Some("secret7")).await;
            assert!(found.starts_with("unavailable") && found.contains(expected), "{own:?}: {found}");
            let problems = source.problems().await.unwrap().concat();
            assert!(problems.contains(expected), "{own:?}: {problems}");
        }
    });
}

#[test]
fn a_killed_server_and_a_frozen_one() {
    let (Some(mut first), Some(second)) = (Slapd::start(300, ""), Slapd::start(300, "")) else { return };
    runtime().block_on(async {
        let mut wanted = settings(&[first.url(), second.url()]);
        wanted.operation_timeout = Duration::from_secs(2);
        wanted.retry_after = Duration::from_millis(200);
        let source = Arc::new(Ldap::new(wanted).unwrap());
        let asked_of = |steps: &[String], server: &Slapd| {
            steps.iter().any(|step| *step == format!("{} answered", server.url()))
        };
        let log_in = async |number: usize| {
            let (found, steps) =
                ask(&source, &format!("user{number}@example.com"), Some(&format!("secret{number}"))).await;
            checked(found);
            steps
        };
        assert!(asked_of(&log_in(1).await, &first));
        first.kill();
        assert!(asked_of(&log_in(2).await, &second));
        first.start_again();
        wait_until_asked(&source, &first).await;

        // Frozen when it has a connection: the search goes there, and no answer comes.
        first.signal("STOP");
        let steps = log_in(3).await;
        let silent = format!("{}: no answer in", first.url());
        assert!(steps.iter().any(|step| step.starts_with(&silent)) && asked_of(&steps, &second), "{steps:?}");
        // Known to be silent, it is passed over.
        assert!(asked_of(&log_in(4).await, &second));
        first.signal("CONT");
        wait_until_asked(&source, &first).await;

        // Frozen while log-ins are under way: each comes to its end by the other server.
        let tasks: Vec<_> = (0..300_usize)
            .map(|number| {
                let source = source.clone();
                tokio::spawn(async move {
                    let login = format!("user{number}@example.com");
                    outcome(&source, &login, Some(&format!("secret{number}"))).await
                })
            })
            .collect();
        first.signal("STOP");
        for task in tasks {
            let found = task.await.unwrap();
            assert!(found.starts_with("true user"), "{found}");
        }
        first.signal("CONT");
        wait_until_asked(&source, &first).await;

        // Both down is nobody's wrong password.
        first.signal("STOP");
        second.signal("STOP");
        let found = outcome(&source, "user1@example.com", Some("secret1")).await;
        assert!(found.starts_with("unavailable"), "{found}");
        first.signal("CONT");
        second.signal("CONT");
        wait_until_asked(&source, &first).await;
    });
}

async fn wait_until_asked(source: &Ldap, server: &Slapd) {
    let until = Instant::now() + Duration::from_secs(30);
    let expected = format!("{} answered", server.url());
    loop {
        let (_, steps) = ask(source, "user1@example.com", Some("secret1")).await;
        if steps.contains(&expected) {
            return;
        }
        assert!(Instant::now() < until, "{} is not asked again: {steps:?}", server.url());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two entries with one address, a user of no service, groups, referrals.
const ODD: &str = "dn: uid=twin1,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: CourierMailAccount
uid: twin1
cn: t
sn: t
mail: twin1@example.com
mailAlternateAddress: twin@example.com
homeDirectory: /srv/twin1

dn: uid=twin2,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: CourierMailAccount
uid: twin2
cn: t
sn: t
mail: twin2@example.com
mailAlternateAddress: twin@example.com
homeDirectory: /srv/twin2

dn: uid=gone,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: CourierMailAccount
uid: gone
cn: g
sn: g
mail: gone@example.com
homeDirectory: /srv/gone
userPassword: secret
disableimap: 1
mailhost: other.example.com

dn: cn=Staff,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: Staff
member: uid=user1,ou=people,dc=example,dc=com
member: uid=user2,ou=people,dc=example,dc=com

dn: cn=others,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: others
member: uid=user2,ou=people,dc=example,dc=com

dn: ou=elsewhere,ou=people,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:1/ou=elsewhere,dc=example,dc=com

";

#[test]
fn what_is_no_answer_is_no_wrong_password() {
    let Some(slapd) = Slapd::start(3, ODD) else { return };
    runtime().block_on(async {
        let mut wanted = settings(&[slapd.url()]);
        wanted.groups.filter = some("(&(objectClass=groupOfNames)(member=%D))");
        wanted.groups.base = some("ou=groups,dc=example,dc=com");
        let source = Ldap::new(wanted.clone()).unwrap();
        let found = outcome(&source, "twin@example.com", Some("secret")).await;
        assert!(found.starts_with("unavailable more than one entry"), "{found}");
        let gone = checked(ask(&source, "gone@example.com", Some("secret")).await.0);
        assert!(!gone.may_use("imap") && gone.may_use("pop3"));
        assert_eq!(gone.mailhost.as_deref(), Some("other.example.com"));
        for (login, number, groups) in
            [("user0", "0", &[][..]), ("user1", "1", &["staff"]), ("user2", "2", &["others", "staff"])]
        {
            let password = format!("secret{number}");
            let user = checked(ask(&source, &format!("{login}@example.com"), Some(&password)).await.0);
            let mut found = user.groups;
            found.sort();
            assert_eq!(found, groups, "{login}");
        }
        // The reference below the base was passed over in all of these; a base that is one:
        wanted.base = "ou=elsewhere,ou=people,dc=example,dc=com".to_owned();
        let found = outcome(&Ldap::new(wanted.clone()).unwrap(), "user1@example.com", Some("secret1")).await;
        assert!(found.starts_with("unavailable") && found.contains("refers to another"), "{found}");
        // A base that is not there: of the site, or of a domain that has no users.
        for (base, expected) in
            [("ou=none,dc=example,dc=com", "unavailable"), ("ou=%d,dc=example,dc=com", "unknown")]
        {
            wanted.base = base.to_owned();
            let found = outcome(&Ldap::new(wanted.clone()).unwrap(), "user1@example.com", Some("x")).await;
            assert!(found.starts_with(expected), "{base}: {found}");
        }
        // A group can be required.
        wanted.base = PEOPLE.to_owned();
        wanted.filter = some("(&(mail=%u)(!(disableimap=1)))");
        let source = Ldap::new(wanted).unwrap();
        assert_eq!(outcome(&source, "gone@example.com", Some("secret")).await, "unknown");
    });
}

#[test]
fn security_12_an_empty_password_never_reaches_a_bind() {
    let Some(slapd) = Slapd::start(3, ODD) else { return };
    runtime().block_on(async {
        for mode in [Mode::Search, Mode::Direct] {
            let mut wanted = settings(&[slapd.url()]);
            wanted.mode = mode;
            wanted.user_dn = some(&format!("uid=%n,{PEOPLE}"));
            let source = Ldap::new(wanted).unwrap();
            let (found, steps) = ask(&source, "user1@example.com", Some("")).await;
            assert!(matches!(found, Ok(SourceAnswer::Checked(_, false))), "{found:?}");
            assert!(!steps.iter().any(|step| step.contains("accepted")), "{steps:?}");
        }
    });
}

/// The tagged line that answers a command; a continuation is answered with `next`.
fn command(connection: &mut dyn Connection, text: &str, next: &str) -> String {
    connection.send(format!("a {text}\r\n").as_bytes());
    loop {
        let line = connection.line().expect("an answer");
        if line.starts_with(b"+") {
            connection.send(format!("{next}\r\n").as_bytes());
        } else if line.starts_with(b"a ") {
            return String::from_utf8_lossy(&line).into_owned();
        }
    }
}

#[test]
fn users_log_in_to_the_server() {
    let Some(slapd) = Slapd::start(200, ODD) else { return };
    let limits = "[limits]\nconnections-per-address = 1000\n";
    let server = Restante::start(&format!("{}{limits}", slapd.table()));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for number in (thread..100).step_by(4) {
                    let mut connection = server.tls();
                    connection.line().expect("a greeting");
                    let text = format!("LOGIN alias{number}@example.com secret{number}");
                    let answer = command(&mut connection, &text, "");
                    assert!(answer.starts_with("a OK"), "{number}: {answer}");
                }
            });
        }
    });
    // By an alias: the mail is filed under the one name.
    assert!(server.directory().join("mail/user7@example.com").is_dir());
    assert!(!server.directory().join("mail/alias7@example.com").exists());
    let mut connection = server.tls();
    connection.line().expect("a greeting");
    let answer = command(&mut connection, "LOGIN gone@example.com secret", "");
    assert!(answer.starts_with("a NO"), "{answer}");

    // The users of all sources, each once: those of the directory too.
    let mut list = Command::new(binary());
    list.args(["user", "list", "--config"]).arg(server.directory().join("restante.toml"));
    let listed = list.output().unwrap();
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    for number in [0, 7, 199] {
        let name = format!("user{number}@example.com");
        assert_eq!(names.lines().filter(|line| **line == name).count(), 1, "{name}: {listed:?}");
    }
}

#[test]
fn security_12_names_are_no_filters_for_the_server() {
    let Some(slapd) = Slapd::start(3, ODD) else { return };
    let server = Restante::start(&slapd.table());
    // Each failure delays the next: the table of names is that of the templates' own tests.
    for name in ["*", "alias1*", "alias1)(mail=*"] {
        let mut connection = server.tls();
        connection.line().expect("a greeting");
        let literal = format!("LOGIN \"{}\" secret1", name.replace('\\', "\\\\"));
        let answer = command(&mut connection, &literal, "");
        assert!(answer.starts_with("a NO"), "{name}: {answer}");
    }
    // AUTHENTICATE PLAIN with NUL in the name, and with no password: "\0user1\0x\0secret1",
    // "\0user1@example.com\0".
    for response in ["AHVzZXIxAHgAc2VjcmV0MQ==", "AHVzZXIxQGV4YW1wbGUuY29tAA=="] {
        let mut connection = server.tls();
        connection.line().expect("a greeting");
        let answer = command(&mut connection, "AUTHENTICATE PLAIN", response);
        assert!(answer.starts_with("a NO") || answer.starts_with("a BAD"), "{response}: {answer}");
    }
    let mut connection = server.tls();
    connection.line().expect("a greeting");
    let answer = command(&mut connection, "LOGIN alias1@example.com secret1", "");
    assert!(answer.starts_with("a OK"), "{answer}");
}

#[test]
fn a_server_that_is_down_is_said_to_be_unavailable() {
    let Some(mut slapd) = Slapd::start(3, "") else { return };
    let server = Restante::start(&slapd.table());
    slapd.kill();
    let mut connection = server.tls();
    connection.line().expect("a greeting");
    let answer = command(&mut connection, "LOGIN alias1@example.com secret1", "");
    assert!(answer.starts_with("a NO [UNAVAILABLE]"), "{answer}");
    slapd.start_again();
    let answer = command(&mut connection, "LOGIN alias1@example.com secret1", "");
    assert!(answer.starts_with("a OK"), "{answer}");
}
