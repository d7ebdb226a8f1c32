//! Random operations, ours and other programs', on two stores at once, against a simple model.

use super::*;
use crate::{FlagChange, Pass};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Deliver,
    Flag { which: usize, bits: u8, add: bool },
    Keyword { which: usize, keyword: u8, add: bool },
    Expunge,
    Claim,
    ForeignFlag { which: usize, bits: u8 },
    ForeignRemove(usize),
    Reopen,
    Rest,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..32).prop_map(Step::Append),
        Just(Step::Deliver),
        (0_usize..8, 0_u8..32, any::<bool>()).prop_map(|(which, bits, add)| Step::Flag { which, bits, add }),
        (0_usize..8, 0_u8..4, any::<bool>()).prop_map(|(which, keyword, add)| Step::Keyword {
            which,
            keyword,
            add
        }),
        Just(Step::Expunge),
        Just(Step::Claim),
        (0_usize..8, 0_u8..32).prop_map(|(which, bits)| Step::ForeignFlag { which, bits }),
        (0_usize..8).prop_map(Step::ForeignRemove),
        Just(Step::Reopen),
        Just(Step::Rest),
        Just(Step::Look),
    ]
}

/// A message as it should be: system flags and keywords, by content.
type Model = BTreeMap<String, (SystemFlags, Vec<String>)>;

struct World {
    site: Site,
    mailboxes: [Arc<Mailbox>; 2],
    model: Model,
    count: u32,
    /// Content by UID, ever.
    ever: BTreeMap<Uid, String>,
    highest: u64,
}

impl World {
    fn content_at(&self, which: usize) -> Option<String> {
        self.model.keys().nth(which % self.model.len().max(1)).cloned()
    }

    fn uid_of(&self, mailbox: &Mailbox, text: &str) -> UidSet {
        let snapshot = mailbox.refresh(false).unwrap().snapshot;
        snapshot.uids().iter().copied().filter(|uid| self.text(mailbox, *uid) == text).collect()
    }

    fn text(&self, mailbox: &Mailbox, uid: Uid) -> String {
        content(mailbox.open_message(uid).unwrap())
    }

    fn file_of(&self, text: &str) -> PathBuf {
        ["cur", "new"]
            .iter()
            .flat_map(|place| std::fs::read_dir(self.site.root().join(place)).unwrap())
            .map(|entry| entry.unwrap().path())
            .find(|path| std::fs::read_to_string(path).unwrap() == text)
            .unwrap()
    }

    fn take(&mut self, step: &Step, who: usize) {
        let mailbox = self.mailboxes[who].clone();
        match step {
            Step::Append(bits) => {
                self.count += 1;
                let text = format!("message {}", self.count);
                let system = SystemFlags::from_bits(*bits);
                append(&mailbox, &text, flags(system, &[]));
                self.model.insert(text, (system, Vec::new()));
            }
            Step::Deliver => {
                self.count += 1;
                let text = format!("message {}", self.count);
                self.site.deliver(&format!("{}.qmail", self.count), &text);
                self.model.insert(text, (SystemFlags::NONE, Vec::new()));
            }
            Step::Flag { which, bits, add } => {
                let Some(text) = self.content_at(*which) else { return };
                let system = SystemFlags::from_bits(*bits);
                let change = if *add {
                    FlagChange::Add(flags(system, &[]))
                } else {
                    FlagChange::Remove(flags(system, &[]))
                };
                mailbox.store_flags(&self.uid_of(&mailbox, &text), &change, None).unwrap();
                let entry = self.model.get_mut(&text).unwrap();
                entry.0 = if *add { entry.0.with(system) } else { entry.0.without(system) };
            }
            Step::Keyword { which, keyword, add } => {
                let Some(text) = self.content_at(*which) else { return };
                let keyword = format!("k{keyword}");
                let named = flags(SystemFlags::NONE, &[&keyword]);
                let change = if *add { FlagChange::Add(named) } else { FlagChange::Remove(named) };
                mailbox.store_flags(&self.uid_of(&mailbox, &text), &change, None).unwrap();
                let keywords = &mut self.model.get_mut(&text).unwrap().1;
                keywords.retain(|known| *known != keyword);
                if *add {
                    keywords.push(keyword);
                    keywords.sort();
                }
            }
            Step::Expunge => {
                mailbox.expunge(None).unwrap();
                self.model.retain(|_, (system, _)| !system.contains(SystemFlags::DELETED));
            }
            Step::Claim => drop(mailbox.refresh(true).unwrap()),
            Step::ForeignFlag { which, bits } => {
                let Some(text) = self.content_at(*which) else { return };
                let path = self.file_of(&text);
                let file_name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let base = file_name.split(':').next().unwrap();
                let system = SystemFlags::from_bits(*bits);
                let letters = String::from_utf8(crate::file_name::flag_letters(system)).unwrap();
                let target = self.site.root().join("cur").join(format!("{base}:2,{letters}"));
                std::fs::rename(path, target).unwrap();
                self.model.get_mut(&text).unwrap().0 = system;
            }
            Step::ForeignRemove(which) => {
                let Some(text) = self.content_at(*which) else { return };
                std::fs::remove_file(self.file_of(&text)).unwrap();
                self.model.remove(&text);
            }
            Step::Reopen => self.mailboxes[who] = self.site.inbox(),
            Step::Rest => drop(mailbox.rest(mailbox.snapshot())),
            Step::Look => {}
        }
    }

    /// What is remembered of a message is what its file says.
    fn check_pass(&self, pass: &mut Pass, mailbox: &Mailbox, uid: Uid) {
        const KIND: CacheKind = CacheKind::named(b"TEXT");
        let text = self.text(mailbox, uid);
        match pass.cached(uid, KIND) {
            Some(kept) => assert_eq!(kept, text.as_bytes(), "of UID {uid}"),
            None => pass.keep(uid, KIND, text.as_bytes()),
        }
        assert_eq!(pass.size(uid).unwrap(), Some(text.len() as u64));
        assert_eq!(pass.internal_date(uid).unwrap(), mailbox.internal_date(uid).unwrap());
    }

    /// Both stores show the model, UIDs name what they always named, MODSEQ never falls.
    fn check(&mut self) {
        for mailbox in self.mailboxes.clone() {
            let snapshot = mailbox.refresh(false).unwrap().snapshot;
            let mut shown = Model::new();
            let mut pass = mailbox.pass();
            for row in snapshot.rows() {
                self.check_pass(&mut pass, &mailbox, row.uid());
                let text = self.text(&mailbox, row.uid());
                let known = self.ever.entry(row.uid()).or_insert_with(|| text.clone());
                assert_eq!(*known, text, "UID {} is another message", row.uid());
                let keywords = row.keywords().iter().map(ToString::to_string).collect();
                assert_eq!(shown.insert(text, (row.system_flags(), keywords)), None, "a message twice");
            }
            assert_eq!(shown, self.model);
            assert!(snapshot.highest_modseq().0 >= self.highest);
            self.highest = snapshot.highest_modseq().0;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn two_stores_and_other_programs_agree(steps in prop::collection::vec((step(), 0_usize..2), 1..40)) {
        let site = Site::new();
        let mailboxes = [site.inbox(), site.inbox()];
        let mut world =
            World { site, mailboxes, model: Model::new(), count: 0, ever: BTreeMap::new(), highest: 0 };
        for (step, who) in &steps {
            world.take(step, *who);
            world.check();
        }
    }
}
