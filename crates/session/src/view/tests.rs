//! Views against clients that know only what they are told.
//!
//! A mailbox is changed at random by nobody in particular and by N sessions. Each session has a
//! view, and a client that reads its responses as bytes and keeps a model of the mailbox from
//! them. What must hold stands in `Session::check`.

use super::{Shown, Telling, View};
use crate::output::Output;
use codec::response::fetch::Writer;
use mail::flag::Flags;
use mail::{Keyword, ModSeq, NumberSet, SystemFlags, Uid, UidSet, UidValidity};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Snapshot, SnapshotBuilder};

/// Names of flags.
type Names = BTreeSet<String>;

/// xorshift64*: the same numbers everywhere, from one seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

#[derive(Clone)]
struct Message {
    uid: Uid,
    system: SystemFlags,
    /// Whether it has the keyword `work`.
    work: bool,
    modseq: ModSeq,
}

/// The mailbox, as the store would have it.
struct Mailbox {
    messages: Vec<Message>,
    uid_next: u32,
    modseq: ModSeq,
    expunged: BTreeMap<Uid, ModSeq>,
    published: Arc<Snapshot>,
}

impl Mailbox {
    fn new() -> Self {
        let mut mailbox = Self {
            messages: Vec::new(),
            uid_next: 1,
            modseq: ModSeq(1),
            expunged: BTreeMap::new(),
            published: snapshot(&[], 1, ModSeq(1)),
        };
        mailbox.arrive(5);
        mailbox
    }

    fn publish(&mut self) {
        self.published = snapshot(&self.messages, self.uid_next, self.modseq);
    }

    fn arrive(&mut self, count: usize) {
        self.modseq = self.modseq.next();
        for _ in 0..count {
            let uid = Uid::new(self.uid_next).unwrap();
            self.uid_next += 1;
            self.messages.push(Message { uid, system: SystemFlags::NONE, work: false, modseq: self.modseq });
        }
        self.publish();
    }

    fn expunge(&mut self, indices: impl Fn(usize) -> bool) {
        self.modseq = self.modseq.next();
        let mut index = 0;
        self.messages.retain(|message| {
            let gone = indices(index);
            index += 1;
            if gone {
                self.expunged.insert(message.uid, self.modseq);
            }
            !gone
        });
        self.publish();
    }

    /// Turns one flag of a message over; its new MODSEQ.
    fn flip(&mut self, index: usize, flag: usize) -> ModSeq {
        self.modseq = self.modseq.next();
        let message = &mut self.messages[index];
        match SystemFlags::NAMES.get(flag) {
            Some(&(flag, _)) if message.system.contains(flag) => {
                message.system = message.system.without(flag)
            }
            Some(&(flag, _)) => message.system = message.system.with(flag),
            None => message.work = !message.work,
        }
        message.modseq = self.modseq;
        self.publish();
        self.modseq
    }
}

fn snapshot(messages: &[Message], uid_next: u32, modseq: ModSeq) -> Arc<Snapshot> {
    let work: Vec<Keyword> = Keyword::new("work").into_iter().collect();
    let sets: Arc<[Box<[Keyword]>]> = Arc::new([Box::default(), work.clone().into()]);
    let (validity, uid_next) = (UidValidity::new(7).unwrap(), Uid::new(uid_next).unwrap());
    let mut builder = SnapshotBuilder::new(validity, uid_next, modseq, sets, work.into());
    for message in messages {
        builder.push(message.uid, message.system, u32::from(message.work), message.modseq);
    }
    Arc::new(builder.build(None))
}

/// What a client keeps of a message.
#[derive(Clone, Default, Debug)]
struct Known {
    uid: Option<u32>,
    flags: Option<Names>,
}

/// A client: it reads bytes and nothing else.
#[derive(Default)]
struct Client {
    messages: Vec<Known>,
}

impl Client {
    fn read(&mut self, bytes: &[u8]) {
        for line in std::str::from_utf8(bytes).unwrap().lines() {
            let mut words = line.strip_prefix("* ").unwrap().splitn(3, ' ');
            let number: usize = words.next().unwrap().parse().unwrap();
            match words.next().unwrap() {
                "EXPUNGE" => {
                    assert!((1..=self.messages.len()).contains(&number), "{line}");
                    self.messages.remove(number - 1);
                }
                "EXISTS" => {
                    assert!(number > self.messages.len(), "EXISTS only grows: {line}");
                    self.messages.resize(number, Known::default());
                }
                "RECENT" => {}
                "FETCH" => self.read_fetch(number, words.next().unwrap()),
                _ => panic!("{line}"),
            }
        }
    }

    fn read_fetch(&mut self, number: usize, items: &str) {
        let known = self.messages.get_mut(number - 1).expect("a message that the client knows of");
        let after = |name: &str| items.find(name).map(|at| &items[at + name.len()..]);
        if let Some(rest) = after("UID ") {
            let uid = rest.split([' ', ')']).next().unwrap().parse().unwrap();
            assert!(
                known.uid.is_none_or(|before| before == uid),
                "{number} is UID {:?}, not {uid}",
                known.uid
            );
            known.uid = Some(uid);
        }
        if let Some(rest) = after("FLAGS (") {
            let names = rest.split(')').next().unwrap().split(' ');
            known.flags =
                Some(names.filter(|n| !n.is_empty() && *n != "\\Recent").map(str::to_owned).collect());
        }
    }
}

/// A session: its view, and its client.
struct Session {
    view: View,
    client: Client,
    condstore: bool,
    /// What was true of each message in the last state that the view saw it in, and what the
    /// client changed since.
    last: BTreeMap<Uid, (Names, ModSeq)>,
    /// The view is set down.
    resting: Option<Arc<Snapshot>>,
}

impl Session {
    fn new(mailbox: &Mailbox, condstore: bool) -> Self {
        let view = View::new(mailbox.published.clone(), UidSet::new());
        let client = Client { messages: vec![Known::default(); view.len()] };
        let mut session = Self { view, client, condstore, last: BTreeMap::new(), resting: None };
        session.note(mailbox);
        session
    }

    /// What is true now.
    fn note(&mut self, mailbox: &Mailbox) {
        for row in mailbox.published.rows() {
            self.last.insert(row.uid(), (names(row.into()), row.modseq()));
        }
    }

    /// The start of a command: the view sees the newest state.
    fn see(&mut self, mailbox: &Mailbox) {
        self.note(mailbox);
        self.view.see(mailbox.published.clone(), &UidSet::new());
    }

    /// The end of a command.
    fn advance(&mut self, mailbox: &Mailbox, expunges: bool, uid: bool) {
        self.note(mailbox);
        let telling = Telling { expunges, modseq: self.condstore, uid };
        let mut out = Output::default();
        while !self.view.advance(mailbox.published.clone(), &UidSet::new(), telling, &mut out) {
            self.client.read(&out.take());
        }
        self.client.read(&out.take());
        self.check(mailbox, expunges);
    }

    /// IDLE in which nothing happens.
    fn rest(&mut self) {
        self.resting = self.view.set_down();
        assert!(self.resting.is_some(), "all was told");
    }

    /// The view gets a snapshot of the same content, as when nobody else had it meanwhile.
    fn wake(&mut self) {
        let Some(before) = self.resting.take() else { return };
        let message = |row: store::Row<'_>| Message {
            uid: row.uid(),
            system: row.system_flags(),
            work: !row.keywords().is_empty(),
            modseq: row.modseq(),
        };
        let messages: Vec<Message> = before.rows().map(message).collect();
        self.view.take_up(snapshot(&messages, before.uid_next().get(), before.highest_modseq()));
    }

    /// FETCH (UID FLAGS) of a message by number.
    fn fetch(&mut self, mailbox: &Mailbox, number: usize) {
        self.see(mailbox);
        let set = number_set(number);
        for (number, uid) in self.view.resolve(&set, false).unwrap() {
            self.tell(number, uid);
        }
    }

    /// A message is there, or its expunge is withheld: the client is told of it either way.
    fn tell(&mut self, number: mail::SeqNum, uid: Uid) {
        let snapshot = self.view.snapshot().clone();
        let withheld = self.view.withheld(uid).cloned();
        assert_eq!(withheld.is_some(), snapshot.find(uid).is_none(), "{uid} is known in one way");
        let shown = withheld.as_ref().map(Shown::from).or(snapshot.find(uid).map(Shown::from)).unwrap();
        assert_eq!((names(shown), shown.modseq), self.last[&uid], "{uid}: not what was true last");
        let mut out = Output::default();
        let mut writer = Writer::new(out.buffer(), number);
        writer.uid(out.buffer(), uid);
        writer.flags(out.buffer(), shown.system, shown.keywords, false);
        writer.finish(out.buffer());
        self.view.told_flags(uid, shown.modseq);
        self.client.read(&out.take());
    }

    /// STORE of one flag by number, as the command does it; the client that asked for silence
    /// works the result out for itself.
    fn store(&mut self, mailbox: &mut Mailbox, number: usize, flag: usize, silent: bool) {
        self.see(mailbox);
        let (number, uid) = self.view.resolve(&number_set(number), false).unwrap()[0];
        let Some(row) = self.view.snapshot().find(uid) else {
            return self.store_withheld(number, uid, flag, silent);
        };
        let (index, before) = (row.index(), row.modseq());
        let after = mailbox.flip(index, flag);
        if !silent {
            self.see(mailbox);
            return self.tell(number, uid);
        }
        if self.view.knows_flags(uid, before) {
            self.view.told_flags(uid, after);
            if let Some(flags) = &mut self.client.messages[number.index()].flags {
                flip_name(flags, flag);
            }
        }
    }

    /// The same where the message's expunge is withheld.
    fn store_withheld(&mut self, number: mail::SeqNum, uid: Uid, flag: usize, silent: bool) {
        let withheld = self.view.withheld_mut(uid).expect("a message that is withheld");
        let mut changed = names(Shown::from(&*withheld));
        flip_name(&mut changed, flag);
        let has = |name: &str| changed.contains(name);
        let system = SystemFlags::NAMES.iter().filter(|(_, name)| has(name));
        let system = system.fold(SystemFlags::NONE, |all, (flag, _)| all.with(*flag));
        let keywords = Keyword::new("work").filter(|_| has("work"));
        withheld.set_flags(&Flags::new(system, keywords.into_iter().collect()));
        self.last.get_mut(&uid).unwrap().0 = changed;
        if !silent {
            self.tell(number, uid);
        }
    }

    /// What must hold after each command.
    fn check(&self, mailbox: &Mailbox, all_told: bool) {
        let view = &self.view;
        assert_eq!(self.client.messages.len(), view.len());
        let newest = &mailbox.published;
        let told: Vec<Uid> = view.uids().iter().collect();
        if all_told {
            assert_eq!(told, &newest.uids()[..], "nothing is withheld");
            assert_eq!(view.highest_modseq(), newest.highest_modseq());
        }
        for (index, (known, uid)) in self.client.messages.iter().zip(told).enumerate() {
            assert!(known.uid.is_none_or(|known| known == uid.get()), "{}: {known:?} is {uid}", index + 1);
            match newest.find(uid) {
                Some(row) => {
                    let names = names(row.into());
                    assert!(
                        known.flags.as_ref().is_none_or(|flags| *flags == names),
                        "{uid}: {known:?}, {names:?}"
                    );
                }
                // A client that comes back with this HIGHESTMODSEQ must be told of it still.
                None => assert!(mailbox.expunged[&uid] > view.highest_modseq()),
            }
        }
    }
}

/// Names of a message's flags.
fn names(shown: Shown<'_>) -> Names {
    let system = shown.system.names().map(str::to_owned);
    system.chain(shown.keywords.iter().map(ToString::to_string)).collect()
}

/// What [`Mailbox::flip`] does.
fn flip_name(flags: &mut Names, flag: usize) {
    let name = SystemFlags::NAMES.get(flag).map_or("work", |&(_, name)| name);
    if !flags.remove(name) {
        flags.insert(name.to_owned());
    }
}

fn number_set(number: usize) -> NumberSet {
    let number = mail::set::SetEnd::Number(u32::try_from(number).unwrap().try_into().unwrap());
    NumberSet { ranges: vec![(number, number)] }
}

/// One client's command, or something that happens to the mailbox.
fn play(random: &mut Random, mailbox: &mut Mailbox, sessions: &mut [Session]) {
    let who = random.below(sessions.len());
    let session = &mut sessions[who];
    session.wake();
    let length = session.view.len();
    match random.below(12) {
        0 => mailbox.arrive(1 + random.below(3)),
        1 if !mailbox.messages.is_empty() => {
            let gone = random.below(mailbox.messages.len());
            mailbox.expunge(|index| index == gone);
        }
        2 if random.below(20) == 0 => mailbox.expunge(|index| index % 2 == 0),
        3 | 4 if !mailbox.messages.is_empty() => {
            let index = random.below(mailbox.messages.len());
            mailbox.flip(index, random.below(6));
        }
        5 | 6 if length > 0 => {
            session.fetch(mailbox, 1 + random.below(length));
            session.advance(mailbox, false, false);
        }
        7..=9 if length > 0 => {
            let silent = random.below(3) > 0;
            for _ in 0..=random.below(3) {
                session.store(mailbox, 1 + random.below(length), random.below(6), silent);
            }
            session.advance(mailbox, false, false);
        }
        // Something happens between what a command sees and its end.
        10 if length > 0 => {
            session.fetch(mailbox, 1 + random.below(length));
            mailbox.arrive(1);
            let index = random.below(mailbox.messages.len());
            mailbox.flip(index, random.below(6));
            session.advance(mailbox, true, true);
        }
        _ => {
            session.advance(mailbox, true, random.below(2) == 0);
            if random.below(2) == 0 {
                session.rest();
            }
        }
    }
}

#[test]
fn clients_know_what_they_are_told_and_that_is_true() {
    for seed in 1..=25 {
        let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut mailbox = Mailbox::new();
        let mut sessions: Vec<Session> = (0..4).map(|n| Session::new(&mailbox, n % 2 == 0)).collect();
        for _ in 0..2_000 {
            play(&mut random, &mut mailbox, &mut sessions);
            if mailbox.messages.len() > 60 {
                mailbox.expunge(|index| index % 3 == 0);
            }
        }
        for session in &mut sessions {
            session.wake();
            session.advance(&mailbox, true, false);
        }
    }
}

#[test]
fn many_changes_are_told_in_pieces_while_more_happens() {
    let mut mailbox = Mailbox::new();
    mailbox.arrive(20_000);
    let mut session = Session::new(&mailbox, true);
    for number in [1, 77, 20_000] {
        session.fetch(&mailbox, number);
    }
    for index in 0..mailbox.messages.len() {
        mailbox.messages[index].system = SystemFlags::SEEN;
        mailbox.messages[index].modseq = mailbox.modseq.next();
    }
    mailbox.modseq = mailbox.modseq.next();
    mailbox.expunge(|index| index % 2 == 1);
    let telling = Telling { expunges: true, modseq: true, uid: true };
    let mut out = Output::default();
    let mut pieces = 0;
    while !session.view.advance(mailbox.published.clone(), &UidSet::new(), telling, &mut out) {
        let piece = out.take();
        assert!(piece.len() < 65 * 1024, "{} bytes at once", piece.len());
        session.client.read(&piece);
        pieces += 1;
        if pieces % 3 == 0 {
            mailbox.flip(pieces * 40 % mailbox.messages.len(), 1);
            mailbox.arrive(2);
            mailbox.expunge(|index| index == 5_000);
        }
    }
    session.client.read(&out.take());
    assert!(pieces > 5, "{pieces}");
    session.check(&mailbox, true);
    let flags_known = session.client.messages.iter().filter(|known| known.flags.is_some()).count();
    assert!(flags_known > 9_000, "{flags_known}");
}

#[test]
fn a_second_telling_says_nothing() {
    let mut mailbox = Mailbox::new();
    let mut session = Session::new(&mailbox, false);
    mailbox.flip(2, 1);
    mailbox.arrive(1);
    mailbox.expunge(|index| index == 0);
    session.advance(&mailbox, true, false);
    let telling = Telling { expunges: true, modseq: false, uid: false };
    let mut out = Output::default();
    assert!(session.view.advance(mailbox.published.clone(), &UidSet::new(), telling, &mut out));
    assert!(out.is_empty());
}

#[test]
fn order_is_expunge_exists_fetch() {
    let mut mailbox = Mailbox::new();
    let mut session = Session::new(&mailbox, false);
    mailbox.flip(2, 1);
    mailbox.arrive(2);
    mailbox.expunge(|index| index == 0 || index == 3);
    let check = |session: &mut Session, expunges, expected: &str| {
        let telling = Telling { expunges, modseq: false, uid: false };
        let mut out = Output::default();
        assert!(session.view.advance(mailbox.published.clone(), &UidSet::new(), telling, &mut out));
        assert_eq!(String::from_utf8(out.take()).unwrap(), expected);
    };
    // Withheld expunges keep their numbers, and what arrived is announced all the same.
    check(&mut session, false, "* 7 EXISTS\r\n* 0 RECENT\r\n* 3 FETCH (FLAGS (\\Flagged))\r\n");
    assert!(session.view.highest_modseq() < mailbox.published.highest_modseq());
    check(&mut session, true, "* 4 EXPUNGE\r\n* 1 EXPUNGE\r\n");
    assert_eq!(session.view.highest_modseq(), mailbox.published.highest_modseq());
}

#[test]
fn numbers_beyond_the_end_are_refused_and_uids_left_out() {
    let mut mailbox = Mailbox::new();
    mailbox.expunge(|index| index == 1);
    let view = View::new(mailbox.published.clone(), UidSet::new());
    let set = |text: &str| {
        let end = |text: &str| match text {
            "*" => mail::set::SetEnd::Last,
            number => mail::set::SetEnd::Number(number.parse().unwrap()),
        };
        let range = |text: &str| match text.split_once(':') {
            Some((a, b)) => (end(a), end(b)),
            None => (end(text), end(text)),
        };
        NumberSet { ranges: text.split(',').map(range).collect() }
    };
    // UIDs are 1, 3, 4, 5.
    for (text, by_uid, expected) in [
        ("1:*", false, Ok(vec![(1, 1), (2, 3), (3, 4), (4, 5)])),
        ("*", false, Ok(vec![(4, 5)])),
        ("4,2:1", false, Ok(vec![(1, 1), (2, 3), (4, 5)])),
        ("5", false, Err(5)),
        ("1:4294967295", false, Err(u32::MAX)),
        ("2:3", true, Ok(vec![(2, 3)])),
        ("9:*", true, Ok(vec![(4, 5)])),
        ("4:4294967295", true, Ok(vec![(3, 4), (4, 5)])),
        ("2", true, Ok(vec![])),
    ] {
        let pairs =
            |v: Vec<(mail::SeqNum, Uid)>| v.iter().map(|(n, u)| (n.get(), u.get())).collect::<Vec<_>>();
        assert_eq!(view.resolve(&set(text), by_uid).map(pairs), expected, "{text}");
    }
    mailbox.expunge(|_| true);
    let empty = View::new(mailbox.published.clone(), UidSet::new());
    assert_eq!(empty.resolve(&set("*"), false), Err(1));
    assert_eq!(empty.resolve(&set("1:*"), true), Ok(vec![]));
}
