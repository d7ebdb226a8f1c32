//! Tests of the store as its callers see it.

mod basics;
mod check;
mod compressed;
mod crash;
mod departed;
mod expunged;
mod file_names;
mod foreign;
mod glance;
mod hooks;
mod index;
mod index_elsewhere;
mod links;
mod model;
mod odd;
mod put_back;
mod quota;
mod read_only;
mod restored;
mod sent_dates;
mod sizes;
mod special_uses;
mod versions;

use crate::Account;
use crate::CacheKind;
use crate::Mailbox;
use crate::MessageFile;
use crate::Store;
use crate::StoreSettings;
use mail::flag::Flags;
use mail::{Keyword, MailboxName, SystemFlags, Uid, UidSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A user's Maildir in a temporary directory.
struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        site.account();
        site
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("Maildir")
    }

    /// An account of a store of its own: what another process would have.
    fn account(&self) -> Arc<Account> {
        self.account_that_counts(false)
    }

    /// Likewise, with or without what is in `Trash` counted for the quota.
    fn account_that_counts(&self, trash: bool) -> Arc<Account> {
        store(trash).account(&self.root(), true).unwrap()
    }

    fn inbox(&self) -> Arc<Mailbox> {
        self.account().open(&MailboxName::inbox()).unwrap()
    }

    /// Delivers as qmail does.
    fn deliver(&self, name: &str, content: &str) {
        std::fs::write(self.root().join("tmp").join(name), content).unwrap();
        std::fs::rename(self.root().join("tmp").join(name), self.root().join("new").join(name)).unwrap();
    }

    /// The names in a directory, sorted.
    fn names(&self, directory: &str) -> Vec<String> {
        names(&self.root().join(directory))
    }
}

/// A store, as a process of its own would have it.
fn store(quota_counts_trash: bool) -> Arc<Store> {
    Store::new(StoreSettings {
        utf8_names: true,
        lock_wait_ms_max: 5_000,
        keywords_max: 100,
        take_over: crate::take_over::Preference::Newer,
        kept_bytes_max: 1 << 20,
        hostname: "host".to_owned(),
        quota_counts_trash,
        ..StoreSettings::default()
    })
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn uids(values: &[u32]) -> UidSet {
    values.iter().map(|value| uid(*value)).collect()
}

fn flags(system: SystemFlags, keywords: &[&str]) -> Flags {
    Flags::new(system, keywords.iter().map(|k| Keyword::new(k).unwrap()).collect())
}

fn append(mailbox: &Mailbox, content: &str, flags: Flags) -> Uid {
    let mut delivery = mailbox.deliver().unwrap();
    delivery.write(content.as_bytes()).unwrap();
    let appended = mailbox.append(vec![(delivery, flags, Some(1_000_000_000))]).unwrap();
    appended.uids.iter().next().unwrap()
}

fn content(file: Option<MessageFile>) -> String {
    String::from_utf8(file.expect("a message").read_all().unwrap()).unwrap()
}

/// What a mailbox shows: UID, flags and keywords of each message.
fn shown(mailbox: &Mailbox) -> Vec<String> {
    let snapshot = mailbox.refresh(false).unwrap().snapshot;
    snapshot
        .rows()
        .map(|row| {
            let letters = crate::file_name::flag_letters(row.system_flags());
            let letters = String::from_utf8(letters).unwrap();
            let mut words = vec![row.uid().to_string(), letters];
            words.extend(row.keywords().iter().map(ToString::to_string));
            words.retain(|word| !word.is_empty());
            words.join(" ")
        })
        .collect()
}
