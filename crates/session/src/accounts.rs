//! Whose mailbox: the table of namespaces, in which a client's name is resolved.
//!
//! The user's own account is the personal namespace. In others (RFC 2342) the first level of a
//! name is the namespace's, the second names an account, and what follows is a mailbox of that;
//! nothing: its inbox. The driver opens these accounts when a command first names them.
//!
//! NAMESPACE is answered from this table, and LIST lists what it has.
//!
//! Invariant I8 of crates/README.md.

use crate::answer::Answer;
use crate::namespace::{Spelling, Unusable};
use crate::rights::{Right, Rights};
use crate::settings::{NamespaceClass, NamespaceStyle, OtherNamespace, SessionSettings};
use crate::step::NotOpened;
use crate::stop::Stop;
use codec::command::WireName;
use mail::MailboxName;
use mail::mailbox_name::{BadName, after_inbox};
use std::collections::HashMap;
use std::sync::Arc;
use store::{Account, Mailbox};

/// The accounts whose mailboxes a user may name.
pub(crate) struct Accounts {
    settings: Arc<SessionSettings>,
    own: Arc<Account>,
    /// By name, those that the driver opened.
    opened: HashMap<String, Arc<Account>>,
    /// Those that it could not open for the running command.
    not_opened: HashMap<String, NotOpened>,
}

/// A mailbox that a client named. It need not be there.
#[derive(Clone, Debug)]
pub(crate) struct MailboxRef {
    pub(crate) account: Arc<Account>,
    /// In its account.
    pub(crate) name: MailboxName,
    pub(crate) rights: Rights,
    /// The account's name, if it is not the user's own.
    pub(crate) owner: Option<String>,
    /// The name as the user sees it: what there are subscriptions to.
    pub(crate) seen_as: MailboxName,
    spelling: Spelling,
}

/// An account of another namespace.
#[derive(Clone, Copy)]
pub(crate) struct Other<'a> {
    pub(crate) name: &'a str,
    root: &'a str,
}

impl Accounts {
    pub(crate) fn new(settings: Arc<SessionSettings>, own: Arc<Account>) -> Self {
        Self { settings, own, opened: HashMap::new(), not_opened: HashMap::new() }
    }

    /// The user's own.
    pub(crate) fn own(&self) -> &Arc<Account> {
        &self.own
    }

    /// The mailbox that a client names.
    pub(crate) fn resolve(&self, wire: &WireName) -> Result<MailboxRef, Stop> {
        let (spelling, seen_as) = self.read(wire)?;
        self.locate(spelling, &seen_as)
    }

    /// A name as the user sees it, whether there can be such a mailbox or not.
    pub(crate) fn read(&self, wire: &WireName) -> Result<(Spelling, MailboxName), Unusable> {
        let text = wire.text().ok_or(Unusable::Encoding)?;
        let spelling = self.spelling_of(text);
        Ok((spelling, spelling.read(text)?))
    }

    /// The mailbox that is to get a name. A separator at its end says that others will lie below
    /// it (RFC 3501 section 6.3.3); here every mailbox can have others below it.
    pub(crate) fn resolve_new(&self, wire: &WireName) -> Result<MailboxRef, Stop> {
        let text = wire.text().ok_or(Unusable::Encoding)?;
        let spelling = self.spelling_of(text);
        let text = text.strip_suffix(spelling.separator()).unwrap_or(text);
        self.locate(spelling, &spelling.read(text)?)
    }

    /// The mailbox of a name as the user sees it.
    pub(crate) fn locate(&self, spelling: Spelling, seen_as: &MailboxName) -> Result<MailboxRef, Stop> {
        let found = |account, name, rights, owner| MailboxRef {
            account,
            name,
            rights,
            owner,
            seen_as: seen_as.clone(),
            spelling,
        };
        let Some(namespace) = self.namespace_of(spelling, seen_as) else {
            return Ok(found(self.own.clone(), seen_as.clone(), Rights::ALL, None));
        };
        let mut levels = seen_as.levels().skip(1);
        let named = levels.next();
        let other = namespace.accounts.iter().find(|(name, _)| Some(name.as_str()) == named);
        let Some((owner, rights)) = other else { return Err(NotOpened::NonExistent.answer().into()) };
        let levels: Vec<&str> = levels.collect();
        let name = match MailboxName::from_levels(&levels) {
            _ if levels.is_empty() => MailboxName::inbox(),
            Ok(name) if name.is_inbox() => return Err(Unusable::SecondInbox.into()),
            name => name.map_err(Unusable::from)?,
        };
        Ok(found(self.account(owner)?.clone(), name, *rights, Some(owner.clone())))
    }

    /// An account of another namespace, which may have to be opened first.
    pub(crate) fn account(&self, name: &str) -> Result<&Arc<Account>, Stop> {
        match (self.opened.get(name), self.not_opened.get(name)) {
            (Some(account), _) => Ok(account),
            (None, Some(why)) => Err(why.answer().into()),
            (None, None) => Err(Stop::Open(name.to_owned())),
        }
    }

    /// The driver's answer to [`crate::Step::Open`].
    pub(crate) fn note(&mut self, name: String, outcome: Result<Arc<Account>, NotOpened>) {
        match outcome {
            Ok(account) => drop(self.opened.insert(name, account)),
            Err(why) => drop(self.not_opened.insert(name, why)),
        }
    }

    /// A command begins: what could not be opened for the last one may be opened for it.
    pub(crate) fn begin(&mut self) {
        self.not_opened.clear();
    }

    /// The accounts of other namespaces.
    pub(crate) fn others(&self) -> impl Iterator<Item = Other<'_>> {
        self.settings.other_namespaces.iter().flat_map(|OtherNamespace { root, accounts, .. }| {
            accounts.iter().map(|(name, _)| Other { root, name })
        })
    }

    /// First levels of the names in other namespaces.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.settings.other_namespaces.iter().map(|namespace| namespace.root.as_str())
    }

    /// Prefixes and separators for NAMESPACE: the user's own, other users', shared ones (RFC 2342
    /// section 5).
    pub(crate) fn namespaces(&self) -> [Vec<(String, char)>; 3] {
        let (own, others) = (Spelling::new(self.settings.namespace), self.spelling_of_others());
        let of = |class| {
            let namespaces = self.settings.other_namespaces.iter().filter(|one| one.class == class);
            let separator = others.separator();
            namespaces.map(|one| (format!("{}{separator}", one.root), separator)).collect()
        };
        let personal = vec![(own.prefix().to_owned(), own.separator())];
        [personal, of(NamespaceClass::OtherUsers), of(NamespaceClass::Shared)]
    }

    /// How a client spells a name, or a reference.
    pub(crate) fn spelling_of(&self, wire: &str) -> Spelling {
        let others = self.spelling_of_others();
        let is_others = self.roots().any(|root| wire.split(others.separator()).next() == Some(root));
        if is_others { others } else { Spelling::of(self.settings.namespace, wire) }
    }

    /// In which spellings a pattern may match names.
    pub(crate) fn spellings_of_pattern(&self, pattern: &str) -> impl Iterator<Item = Spelling> {
        let (spelling, others) = (self.spelling_of(pattern), self.spelling_of_others());
        let has_prefix = after_inbox(pattern, spelling.separator()).is_some();
        let both = spelling != others && !has_prefix && self.roots().next().is_some();
        std::iter::once(spelling).chain(both.then_some(others))
    }

    /// Whether mailboxes of others are seen in this spelling.
    pub(crate) fn shows_others(&self, spelling: Spelling) -> bool {
        spelling == self.spelling_of_others()
    }

    /// Whether a mailbox of the user's own is seen in this spelling: not where another namespace
    /// has its name.
    pub(crate) fn shows_own(&self, spelling: Spelling, name: &MailboxName) -> bool {
        let is_shadowed = self.namespace_of(spelling, name).is_some();
        spelling != Spelling::Dotted && !is_shadowed
    }

    /// Whether a subscription is seen in this spelling. All are the user's own account's.
    pub(crate) fn shows_subscription(&self, spelling: Spelling, seen_as: &MailboxName) -> bool {
        let others = self.spelling_of_others();
        let is_others = self.namespace_of(others, seen_as).is_some();
        if is_others { spelling == others } else { spelling != Spelling::Dotted }
    }

    fn namespace_of(&self, spelling: Spelling, seen_as: &MailboxName) -> Option<&OtherNamespace> {
        let mut namespaces = self.settings.other_namespaces.iter();
        let first = seen_as.levels().next().filter(|_| spelling == self.spelling_of_others());
        namespaces.find(|namespace| Some(namespace.root.as_str()) == first)
    }

    /// The spelling of names in all namespaces but the user's own. Courier's is the user's alone.
    fn spelling_of_others(&self) -> Spelling {
        match self.settings.namespace {
            NamespaceStyle::Plain => Spelling::Plain,
            NamespaceStyle::Courier => Spelling::Dotted,
        }
    }
}

impl Other<'_> {
    /// The name by which the user sees one of its mailboxes; an error where it is too long.
    pub(crate) fn seen_as(&self, name: &MailboxName) -> Result<MailboxName, BadName> {
        let levels = name.levels().filter(|_| !name.is_inbox());
        MailboxName::from_levels([self.root, self.name].into_iter().chain(levels))
    }
}

impl MailboxRef {
    /// Opens it.
    pub(crate) fn open(&self) -> store::Result<Arc<Mailbox>> {
        self.account.open(&self.name)
    }

    /// Its name as the client is told it.
    pub(crate) fn wire(&self) -> String {
        self.spelling.write(&self.seen_as)
    }

    /// NO [NOPERM] (RFC 4314 section 4) where the user has no such right.
    pub(crate) fn require(&self, right: Right) -> Result<(), Answer> {
        let refused = || Answer::no("NOPERM", "You may not do this to this mailbox");
        if self.rights.has(right) { Ok(()) } else { Err(refused()) }
    }

    /// Whether both are of one account.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }
}

#[cfg(test)]
mod tests;
