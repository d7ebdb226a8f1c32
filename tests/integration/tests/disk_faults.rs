//! A file system that fails under a running server.
//!
//! Each operation is tried with each of its calls to the file system failing once, and under
//! faults that last. The client must be answered NO, or OK that is true; nothing may be lost;
//! other users' sessions go on; and when the fault is over, the operation succeeds.
//!
//! Calls are made to fail by seccomp's user notification (`shim/faults.c`), as the server makes
//! many of them without a C library that could be put before it. What is seen afterwards is
//! seen by another server on the same Maildir.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::client::{Answer, Client, Everything, messages, status_numbers};
use restante_tests::shim::{self, ERRORS, Faults, Rule};
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{mailbox_directory, make_mailbox};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Calls that fail one at a time.
const CALLS: [&str; 16] = [
    "create", "open", "write", "sync", "rename", "link", "unlink", "mkdir", "readdir", "stat", "read",
    "lock", "watch", "map", "date", "truncate",
];

/// Faults that last, as they come in life: the error and the calls that it meets.
const LASTING: [(&str, &str); 10] = [
    ("ENOSPC", "create,write,link,mkdir"),
    ("short", "write"),
    ("EDQUOT", "create,write,link,mkdir"),
    ("EROFS", "create,write,rename,link,unlink,mkdir,date"),
    ("EIO", "create,open,write,sync,rename,link,unlink,mkdir,readdir,stat,read,lock,watch,map,date,truncate"),
    ("EIO", "sync"),
    ("EIO", "read,readdir,map"),
    ("EMFILE", "open,create"),
    ("EACCES", "open,create,rename,link,unlink,mkdir,readdir"),
    ("ENOMEM", "open,create,stat,readdir,map,watch,lock"),
];

/// Failures of one call at most, for one kind of call.
const SINGLE_MAX: usize = 80;
/// Failures of the test that are told at most.
const TOLD_MAX: usize = 60;

/// Flags of the messages of each content.
type Messages = BTreeMap<String, Vec<BTreeSet<String>>>;

/// Whether an OK is true, by what is there.
type Truth = Box<dyn Fn(&Answer, &Everything) -> bool>;

/// Makes ready what an operation needs, and says what it is.
type Plan = fn(&mut Site) -> Planned;

/// A fault, as it is told, and as the shim takes it.
struct Fault<'a> {
    name: String,
    calls: &'a str,
    what: String,
    from: usize,
    /// 0 for a fault that lasts.
    count: usize,
}

/// What messages are where: mailbox, content, and the flags of each that has it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Plain {
    mailboxes: BTreeMap<String, Messages>,
    subscribed: BTreeSet<String>,
}

/// An operation that is to be tried.
struct Planned {
    command: String,
    /// A message that comes in just before: mailbox and content.
    arrives: Option<(String, String)>,
    /// What OK makes of what is there.
    effect: Box<dyn Fn(&mut Plain)>,
    /// Whether an OK is true, by what is there.
    is_true: Truth,
    /// NO may come when some of it is done: what is gone cannot be brought back, and a directory
    /// that was renamed stays so when that cannot be made durable.
    partly: bool,
}

struct Site {
    server: Restante,
    faults: Faults,
    /// Its session has the inbox selected, and goes through all faults.
    client: Client,
    /// Another user's.
    other: Client,
    beside: Restante,
    looker: Client,
    count: usize,
    failures: Vec<String>,
    _shim: tempfile::TempDir,
}

#[test]
fn appends_and_copies() {
    run(&[("APPEND", append), ("COPY", copy), ("MOVE", move_over)]);
}

#[test]
fn flags_and_expunges() {
    run(&[("STORE", store), ("EXPUNGE", expunge)]);
}

#[test]
fn mailboxes() {
    run(&[("CREATE", create), ("DELETE", delete), ("RENAME", rename), ("SUBSCRIBE", subscribe)]);
}

#[test]
fn reading() {
    run(&[("SELECT", select), ("FETCH", fetch), ("SEARCH", search), ("STATUS", status), ("NOOP", noop)]);
}

fn run(operations: &[(&str, Plan)]) {
    let Some(mut site) = Site::new() else { return };
    let only = std::env::var("RESTANTE_TEST_OPERATION").ok();
    let chosen = |name: &str| only.as_deref().is_none_or(|only| only == name);
    for (name, plan) in operations.iter().filter(|(name, _)| chosen(name)) {
        let once: usize =
            CALLS.iter().enumerate().map(|(kind, calls)| site.once(name, *plan, kind, calls)).sum();
        let lasting = site.lasting(name, *plan);
        site.look_anew(name);
        eprintln!("{name}: {once} calls failed once, {lasting} faults lasted");
        assert!(once > 0 && lasting > 0, "faults of {name} come to pass");
    }
    let told = &site.failures[..site.failures.len().min(TOLD_MAX)];
    assert!(site.failures.is_empty(), "{} failures:\n{}", site.failures.len(), told.join("\n"));
}

impl Site {
    /// `None`, aloud, where calls cannot be made to fail.
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let program = match shim::faults(directory.path()) {
            Ok(program) => program,
            Err(error) => {
                eprintln!("SKIPPED: {error}");
                return None;
            }
        };
        let mut command = Command::new(program);
        command.arg(restante_tests::target::restante::binary()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Restante::start_by(&mut command, "");
        let faults = Faults::new(server.pipes().unwrap());
        for (user, mailbox) in [(user(), "INBOX"), (user(), "Archive"), (other_user(), "INBOX")] {
            make_mailbox(&server.directory().join("mail").join(user), mailbox);
        }
        hand_over(&server.directory().join("mail"));
        let beside = server.start_beside();
        let mut looker = Client::log_in(&beside, &user());
        let mut other = Client::log_in(&server, &other_user());
        for number in 0..3 {
            looker.ok(&append_command("INBOX", "(\\Answered k1)", &text(&format!("first {number}"))));
        }
        other.ok(&append_command("INBOX", "", &text("another's")));
        other.ok("SELECT INBOX");
        let mut client = Client::log_in(&server, &user());
        client.ok("SELECT INBOX");
        let (count, failures) = (0, Vec::new());
        Some(Self { server, faults, client, other, beside, looker, count, failures, _shim: directory })
    }

    fn maildir(&self) -> PathBuf {
        self.server.directory().join("mail").join(user())
    }

    /// Each call of a kind fails once, until there is no more of them; how many there are.
    fn once(&mut self, name: &str, plan: Plan, kind: usize, calls: &str) -> usize {
        for from in 1..=SINGLE_MAX {
            let (error, number) = ERRORS[(from + kind) % ERRORS.len()];
            let told = format!("{name}, call {from} of {calls}: {error}");
            let fault = Fault { name: told, calls, what: number.to_string(), from, count: 1 };
            if !self.attempt(plan, &fault) {
                return from - 1;
            }
        }
        panic!("{name}: more calls to {calls} than are tried");
    }

    /// How many of the faults that last came to pass.
    fn lasting(&mut self, name: &str, plan: Plan) -> usize {
        let mut met = 0;
        for (error, calls) in LASTING {
            let number = ERRORS.iter().find(|(name, _)| *name == error).map(|(_, number)| number.to_string());
            let told = format!("{name}, lasting {error} of {calls}");
            let what = number.unwrap_or_else(|| error.to_owned());
            met += usize::from(self.attempt(plan, &Fault { name: told, calls, what, from: 1, count: 0 }));
        }
        met
    }

    /// Tries an operation under a fault; whether the fault came to pass.
    fn attempt(&mut self, plan: Plan, fault: &Fault<'_>) -> bool {
        let Fault { name: what, calls, what: error, from, count } = fault;
        let (from, count) = (*from, *count);
        self.tidy();
        let planned = plan(self);
        self.client.ok("NOOP");
        let mut before = self.looker.everything();
        if let Some((mailbox, content)) = &planned.arrives {
            self.deliver(mailbox, content);
        }
        let maildir = self.maildir();
        self.faults.set(&Rule { calls, what: error.clone(), from, count, prefix: &maildir, part: "" });
        let answer = self.client.command(&planned.command);
        let alive = self.other.command("UID FETCH 1:* (FLAGS)");
        let hits = self.faults.off();
        let what = format!("{what} ({hits}): {}: {}", planned.command.escape_debug(), answer.line);
        let after = self.looker.everything();
        if alive.status != "OK" {
            self.failures.push(format!("{what}: another user was answered {alive:?}"));
        }
        if answer.status != "OK" && (answer.status != "NO" || hits.hit == 0) {
            self.failures.push(format!("{what}: answered {}", answer.status));
        }
        if let Some((mailbox, content)) = &planned.arrives {
            let plain = Plain::of(&after);
            if plain.mailboxes.get(mailbox).is_none_or(|messages| !messages.contains_key(content)) {
                self.failures.push(format!("{what}: what was delivered is lost"));
            }
            // It is there from here on.
            before = arrived(&before, &after, mailbox, content);
        }
        if answer.status == "closed" {
            self.begin_anew();
            return hits.hit > 0;
        }
        let (plain, now) = (Plain::of(&before), Plain::of(&after));
        let mut expected = plain.clone();
        (planned.effect)(&mut expected);
        let strict = count == 1 && !planned.partly;
        let problem = match answer.status.as_str() {
            "OK" if now != expected => Some("OK is not true".to_owned()),
            "OK" if !(planned.is_true)(&answer, &after) => Some(format!("OK is not true: {answer:?}")),
            "NO" if strict && now != plain => Some("NO, and something changed".to_owned()),
            "NO" => between(&plain, &expected, &now),
            _ => None,
        };
        let problem = problem.map(|problem| format!("{problem}: {}", difference(&plain, &now)));
        self.failures.extend(
            problem.or_else(|| numbers_hold(&before, &after)).map(|problem| format!("{what}: {problem}")),
        );
        if answer.status == "NO" && now != expected {
            self.again(&what, &planned, &now);
        }
        self.own_view(&what);
        hits.hit > 0
    }

    /// The fault is over: the operation succeeds.
    fn again(&mut self, what: &str, planned: &Planned, now: &Plain) {
        let answer = self.client.command(&planned.command);
        let mut expected = now.clone();
        (planned.effect)(&mut expected);
        let after = self.looker.everything();
        if answer.status != "OK" {
            self.failures.push(format!("{what}: then, without a fault, {} {}", answer.status, answer.line));
        } else if Plain::of(&after) != expected {
            let difference = difference(&expected, &Plain::of(&after));
            self.failures.push(format!("{what}: then OK is not true: {difference}"));
        }
    }

    /// The session that met the fault sees what others see.
    fn own_view(&mut self, what: &str) {
        let answer = self.client.command("SELECT INBOX");
        let fetched = self.client.command("UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[])");
        let inbox = self.looker.contents("INBOX");
        if answer.status != "OK" || fetched.status != "OK" {
            self.failures.push(format!("{what}: then SELECT and FETCH: {} {}", answer.line, fetched.line));
        } else if messages(&fetched) != inbox.messages {
            self.failures.push(format!(
                "{what}: its session sees {:?}, others {:?}",
                messages(&fetched),
                inbox.messages
            ));
        }
        if answer.status == "closed" || fetched.status == "closed" {
            self.begin_anew();
        }
    }

    /// The session is lost, which was told as a failure; the test goes on.
    fn begin_anew(&mut self) {
        self.client = Client::log_in(&self.server, &user());
        self.client.ok("SELECT INBOX");
    }

    /// A third server, which knows nothing yet, sees what the second sees.
    fn look_anew(&mut self, what: &str) {
        let anew = self.server.start_beside();
        let (seen, known) = (Client::log_in(&anew, &user()).everything(), self.looker.everything());
        if seen != known {
            self.failures.push(format!("{what}: a fresh server sees {seen:?}, not {known:?}"));
        }
        let log = self.server.logged().into_iter().chain(self.beside.logged());
        self.failures
            .extend(log.filter(|line| line.contains("panicked")).map(|line| format!("{what}: {line}")));
    }

    /// As qmail delivers.
    fn deliver(&mut self, mailbox: &str, content: &str) {
        self.count += 1;
        let directory = mailbox_directory(&self.maildir(), mailbox);
        let name = format!("17{:08}.M1P1.other", self.count);
        let tmp = directory.join("tmp").join(&name);
        std::fs::write(&tmp, content.replace("\r\n", "\n")).unwrap();
        hand_over(&tmp);
        std::fs::rename(&tmp, directory.join("new").join(&name)).unwrap();
    }

    fn next(&mut self) -> String {
        self.count += 1;
        self.count.to_string()
    }

    /// A message of its own in a mailbox; its UID.
    fn put(&mut self, mailbox: &str, flags: &str) -> (u64, String) {
        let content = text(&format!("put {}", self.next()));
        self.looker.ok(&append_command(mailbox, flags, &content));
        let contents = self.looker.contents(mailbox);
        (*contents.messages.keys().next_back().unwrap(), content)
    }

    /// Few messages and few mailboxes, or each look takes longer than the one before.
    fn tidy(&mut self) {
        for mailbox in ["INBOX", "Archive"] {
            let contents = self.looker.contents(mailbox);
            if let Some(from) = contents.messages.keys().nth(3).filter(|_| contents.messages.len() > 8) {
                self.looker.ok(&format!("SELECT {mailbox}"));
                self.looker.ok(&format!("UID STORE {from}:* +FLAGS.SILENT (\\Deleted)"));
                self.looker.ok("EXPUNGE");
            }
        }
        let everything = self.looker.everything();
        for mailbox in
            everything.mailboxes.keys().filter(|name| !["INBOX", "Archive"].contains(&name.as_str()))
        {
            self.looker.ok(&format!("DELETE {mailbox}"));
        }
        for name in &everything.subscribed {
            self.looker.ok(&format!("UNSUBSCRIBE {name}"));
        }
    }
}

impl Plain {
    fn of(everything: &Everything) -> Self {
        let mut plain = Self { subscribed: everything.subscribed.clone(), ..Self::default() };
        for (name, contents) in &everything.mailboxes {
            let mailbox = plain.mailboxes.entry(name.clone()).or_default();
            for message in contents.messages.values() {
                mailbox.entry(message.content.clone()).or_default().push(message.flags.clone());
            }
            mailbox.values_mut().for_each(|flags| flags.sort());
        }
        plain
    }

    fn add(&mut self, mailbox: &str, content: &str, flags: BTreeSet<String>) {
        let all =
            self.mailboxes.entry(mailbox.to_owned()).or_default().entry(content.to_owned()).or_default();
        all.push(flags);
        all.sort();
    }

    fn take(&mut self, mailbox: &str, content: &str) -> BTreeSet<String> {
        let all = self.mailboxes.get_mut(mailbox).unwrap();
        let flags = all.remove(content).unwrap_or_default();
        flags.into_iter().next().unwrap_or_default()
    }

    fn count(&self, mailbox: &str, content: &str) -> usize {
        self.mailboxes.get(mailbox).and_then(|all| all.get(content)).map_or(0, Vec::len)
    }
}

/// `before` with a message as it is after.
fn arrived(before: &Everything, after: &Everything, mailbox: &str, content: &str) -> Everything {
    let mut both = before.clone();
    let Some(contents) = after.mailboxes.get(mailbox) else { return both };
    let new = contents.messages.iter().filter(|(_, message)| message.content == content);
    let messages = &mut both.mailboxes.get_mut(mailbox).unwrap().messages;
    messages.extend(new.map(|(uid, message)| (*uid, message.clone())));
    both
}

/// A NO after which some was done: each message has come, gone or changed as asked, or not at
/// all, and none is lost on its way.
fn between(before: &Plain, expected: &Plain, now: &Plain) -> Option<String> {
    let names = |plain: &Plain| plain.mailboxes.keys().cloned().collect::<BTreeSet<_>>();
    let all: BTreeSet<String> = &(&names(before) | &names(expected)) | &names(now);
    let mut contents = BTreeSet::new();
    if now.subscribed != before.subscribed && now.subscribed != expected.subscribed {
        return Some(format!("NO, and subscribed is {:?}", now.subscribed));
    }
    for name in &all {
        if !now.mailboxes.contains_key(name)
            && before.mailboxes.contains_key(name)
            && expected.mailboxes.contains_key(name)
        {
            return Some(format!("NO, and {name} is gone"));
        }
        for plain in [before, expected, now] {
            contents.extend(plain.mailboxes.get(name).into_iter().flat_map(|all| all.keys().cloned()));
        }
    }
    for content in &contents {
        let total = |plain: &Plain| all.iter().map(|name| plain.count(name, content)).sum::<usize>();
        let range = |a: usize, b: usize| a.min(b)..=a.max(b);
        if !range(total(before), total(expected)).contains(&total(now)) {
            return Some(format!("NO, and {content:?} is there {} times", total(now)));
        }
        for name in &all {
            if !range(before.count(name, content), expected.count(name, content))
                .contains(&now.count(name, content))
            {
                return Some(format!("NO, and {content:?} is in {name} {} times", now.count(name, content)));
            }
            let flags = |plain: &Plain| {
                plain.mailboxes.get(name).and_then(|all| all.get(content)).cloned().unwrap_or_default()
            };
            let known = [flags(before), flags(expected)].concat();
            if let Some(flags) = flags(now).iter().find(|flags| !known.contains(flags)) {
                return Some(format!("NO, and {content:?} in {name} has {flags:?}"));
            }
        }
    }
    None
}

/// UIDVALIDITY stays, UIDNEXT and HIGHESTMODSEQ grow, a UID names what it named, and flags that
/// changed have a MODSEQ above all that was told.
fn numbers_hold(before: &Everything, after: &Everything) -> Option<String> {
    for (name, was) in &before.mailboxes {
        let Some(is) = after.mailboxes.get(name) else { continue };
        if is.validity != was.validity || is.next < was.next || is.highest < was.highest {
            return Some(format!(
                "{name}: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ {:?} after {:?}",
                (is.validity, is.next, is.highest),
                (was.validity, was.next, was.highest)
            ));
        }
        for (uid, message) in &is.messages {
            match was.messages.get(uid) {
                None if *uid < was.next => {
                    return Some(format!("{name}: UID {uid} is new below UIDNEXT {}", was.next));
                }
                Some(known) if known.content != message.content => {
                    return Some(format!("{name}: UID {uid} is another message"));
                }
                Some(known) if known.flags != message.flags && message.modseq <= was.highest => {
                    return Some(format!(
                        "{name}: UID {uid} changed its flags at MODSEQ {}, told was {}",
                        message.modseq, was.highest
                    ));
                }
                Some(known) if message.modseq < known.modseq => {
                    return Some(format!(
                        "{name}: MODSEQ of UID {uid} was {} and is {}",
                        known.modseq, message.modseq
                    ));
                }
                _ => {}
            }
        }
        // What was there and is there has its UID still.
        for (uid, message) in was.messages.iter().filter(|(uid, _)| !is.messages.contains_key(uid)) {
            if is.messages.values().any(|other| other.content == message.content) {
                return Some(format!("{name}: UID {uid} is gone, its message is not"));
            }
        }
    }
    None
}

fn difference(was: &Plain, is: &Plain) -> String {
    let mut text = String::new();
    for (sign, one, other) in [("-", was, is), ("+", is, was)] {
        for (name, messages) in &one.mailboxes {
            if !other.mailboxes.contains_key(name) {
                text.push_str(&format!(" {sign}{name}"));
            }
            for (content, flags) in messages.iter().filter(|(content, flags)| {
                other.mailboxes.get(name).and_then(|all| all.get(*content)) != Some(*flags)
            }) {
                text.push_str(&format!(
                    " {sign}{name}: {:?} {flags:?}",
                    content.lines().next().unwrap_or_default()
                ));
            }
        }
        for name in one.subscribed.difference(&other.subscribed) {
            text.push_str(&format!(" {sign}subscription {name}"));
        }
    }
    text
}

fn user() -> String {
    "user0@example.com".to_owned()
}

fn other_user() -> String {
    "user1@example.com".to_owned()
}

fn text(subject: &str) -> String {
    format!("Subject: {subject}\r\n\r\nneedle in {subject}.\r\n")
}

fn append_command(mailbox: &str, flags: &str, content: &str) -> String {
    format!(
        "APPEND {mailbox} {flags}{}{{{}+}}\r\n{content}",
        if flags.is_empty() { "" } else { " " },
        content.len()
    )
}

fn flags(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn planned(command: String, effect: impl Fn(&mut Plain) + 'static) -> Planned {
    Planned {
        command,
        arrives: None,
        effect: Box::new(effect),
        is_true: Box::new(|_, _| true),
        partly: false,
    }
}

fn append(site: &mut Site) -> Planned {
    let content = text(&format!("append {}", site.next()));
    let command = append_command("INBOX", "(\\Seen k1)", &content);
    planned(command, move |plain| plain.add("INBOX", &content, flags(&["\\Seen", "k1"])))
}

fn copy(site: &mut Site) -> Planned {
    let (uid, content) = site.put("INBOX", "(\\Draft k3)");
    planned(format!("UID COPY {uid} Archive"), move |plain| {
        plain.add("Archive", &content, flags(&["\\Draft", "k3"]))
    })
}

fn move_over(site: &mut Site) -> Planned {
    let (uid, content) = site.put("INBOX", "(\\Draft k3)");
    let effect = move |plain: &mut Plain| {
        let flags = plain.take("INBOX", &content);
        plain.add("Archive", &content, flags);
    };
    Planned { partly: true, ..planned(format!("UID MOVE {uid} Archive"), effect) }
}

fn store(site: &mut Site) -> Planned {
    site.count += 1;
    let sets = site.count.is_multiple_of(2);
    let command = format!("UID STORE 1:* {}FLAGS.SILENT (\\Flagged k2)", if sets { '+' } else { '-' });
    planned(command, move |plain| {
        for flags in plain.mailboxes.get_mut("INBOX").unwrap().values_mut().flatten() {
            for flag in ["\\Flagged", "k2"] {
                if sets {
                    flags.insert(flag.to_owned());
                } else {
                    flags.remove(flag);
                }
            }
        }
    })
}

fn expunge(site: &mut Site) -> Planned {
    site.put("INBOX", "(\\Deleted)");
    site.put("INBOX", "(\\Deleted \\Seen k1)");
    let effect = |plain: &mut Plain| {
        let inbox = plain.mailboxes.get_mut("INBOX").unwrap();
        inbox.retain(|_, flags| !flags[0].contains("\\Deleted"));
    };
    Planned { partly: true, ..planned("EXPUNGE".to_owned(), effect) }
}

fn create(site: &mut Site) -> Planned {
    let name = format!("Made{}", site.next());
    let command = format!("CREATE {name}");
    let effect = move |plain: &mut Plain| {
        plain.mailboxes.entry(name.clone()).or_default();
    };
    Planned { partly: true, ..planned(command, effect) }
}

fn delete(site: &mut Site) -> Planned {
    let name = format!("Old{}", site.next());
    site.looker.ok(&format!("CREATE {name}"));
    site.put(&name, "(k1)");
    let command = format!("DELETE {name}");
    Planned { partly: true, ..planned(command, move |plain| drop(plain.mailboxes.remove(&name))) }
}

fn rename(site: &mut Site) -> Planned {
    let name = format!("Old{}", site.next());
    let to = format!("New{}", site.next());
    site.looker.ok(&format!("CREATE {name}"));
    site.put(&name, "(\\Seen k1)");
    let command = format!("RENAME {name} {to}");
    let effect = move |plain: &mut Plain| {
        if let Some(messages) = plain.mailboxes.remove(&name) {
            plain.mailboxes.insert(to.clone(), messages);
        }
    };
    Planned { partly: true, ..planned(command, effect) }
}

fn subscribe(site: &mut Site) -> Planned {
    let name = format!("Sub{}", site.next());
    site.looker.ok(&format!("CREATE {name}"));
    let command = format!("SUBSCRIBE {name}");
    let effect = move |plain: &mut Plain| {
        plain.subscribed.insert(name.clone());
    };
    Planned { partly: true, ..planned(command, effect) }
}

/// A command before which a message is delivered.
fn with_news(site: &mut Site, mailbox: &str, command: &str) -> Planned {
    let content = text(&format!("news {}", site.next()));
    Planned { arrives: Some((mailbox.to_owned(), content)), ..planned(command.to_owned(), |_| ()) }
}

fn select(site: &mut Site) -> Planned {
    let is_true = |answer: &Answer, after: &Everything| {
        answer.exists() == Some(after.mailboxes["Archive"].messages.len())
    };
    Planned { is_true: Box::new(is_true), ..with_news(site, "Archive", "SELECT Archive") }
}

fn fetch(site: &mut Site) -> Planned {
    site.put("INBOX", "(\\Seen k4)");
    let is_true = |answer: &Answer, after: &Everything| messages(answer) == after.mailboxes["INBOX"].messages;
    let command =
        "UID FETCH 1:* (UID FLAGS MODSEQ ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY.PEEK[])".to_owned();
    Planned { is_true: Box::new(is_true), ..planned(command, |_| ()) }
}

fn search(site: &mut Site) -> Planned {
    site.put("INBOX", "(\\Seen k4)");
    let is_true = |answer: &Answer, after: &Everything| {
        let all = after.mailboxes["INBOX"].messages.keys().copied().collect::<BTreeSet<u64>>();
        // Of messages that cannot be read, it is said that they were not searched.
        answer.found() == all || (answer.warned() && answer.found().is_subset(&all))
    };
    Planned { is_true: Box::new(is_true), ..planned("UID SEARCH BODY needle".to_owned(), |_| ()) }
}

fn status(site: &mut Site) -> Planned {
    let is_true = |answer: &Answer, after: &Everything| {
        status_numbers(answer).get("MESSAGES").copied()
            == Some(after.mailboxes["Archive"].messages.len() as u64)
    };
    Planned {
        is_true: Box::new(is_true),
        ..with_news(site, "Archive", "STATUS Archive (MESSAGES UIDNEXT UNSEEN)")
    }
}

fn noop(site: &mut Site) -> Planned {
    with_news(site, "INBOX", "NOOP")
}
