//! The mailboxes as a client sees them: a tree, levels that are no mailboxes included.
//!
//! LIST, LSUB and XLIST choose from it. It is built for one command from what the store lists
//! and what is subscribed, in one spelling, and holds a node for every name and for every
//! level above it.

use crate::namespace::Spelling;
use mail::MailboxName;
use std::collections::BTreeMap;
use store::{Listed, SpecialUses};

/// Nodes in order: the inbox and what a client sees below it, then all others by name, each
/// ahead of those below it.
#[derive(Debug)]
pub(crate) struct Tree {
    spelling: Spelling,
    nodes: Vec<Node>,
}

/// A name in the tree.
#[derive(Debug)]
pub(crate) struct Node {
    /// As the client spells it.
    pub(crate) wire: String,
    /// `None` for a level above others that is neither listed nor subscribed.
    pub(crate) name: Option<MailboxName>,
    /// There is such a mailbox.
    pub(crate) exists: bool,
    /// Mailboxes that exist lie below it, at any depth.
    pub(crate) has_children: bool,
    pub(crate) subscribed: bool,
    /// Its special uses (RFC 6154).
    pub(crate) uses: Vec<&'static str>,
    parent: Option<usize>,
}

/// Order of nodes: the inbox's tree first; levels compared one by one, as no name holds NUL.
type Key = (bool, String);

/// Collects names before they are a tree.
#[derive(Debug)]
pub(crate) struct Builder {
    spelling: Spelling,
    nodes: BTreeMap<Key, Node>,
}

impl Builder {
    pub(crate) fn new(spelling: Spelling) -> Self {
        Self { spelling, nodes: BTreeMap::new() }
    }

    /// Adds what the store lists.
    pub(crate) fn mailboxes(mut self, listed: &[Listed]) -> Self {
        for mailbox in listed {
            self.insert(&mailbox.name).exists |= mailbox.selectable;
        }
        self
    }

    /// Adds names that are subscribed; they need not exist.
    pub(crate) fn subscriptions(mut self, names: &[MailboxName]) -> Self {
        for name in names {
            self.insert(name).subscribed = true;
        }
        self
    }

    /// Adds a level that is shown with others below it, whatever is added.
    pub(crate) fn root(mut self, name: &str) -> Self {
        self.node(name).has_children = true;
        self
    }

    /// The tree.
    pub(crate) fn build(self, special_uses: &SpecialUses) -> Tree {
        let Self { spelling, nodes } = self;
        let (keys, nodes): (Vec<Key>, Vec<Node>) = nodes.into_iter().unzip();
        let mut tree = Tree { spelling, nodes };
        tree.find_parents(&keys);
        tree.find_children();
        tree.give_uses(special_uses);
        tree
    }

    /// The node of a name; makes it, and the levels above it that a client sees, where they are
    /// missing.
    fn insert(&mut self, name: &MailboxName) -> &mut Node {
        let wire = self.spelling.write(name);
        for (at, _) in wire.match_indices(self.spelling.separator()) {
            self.node(&wire[..at]);
        }
        let node = self.node(&wire);
        node.name.get_or_insert_with(|| name.clone());
        node
    }

    fn node(&mut self, wire: &str) -> &mut Node {
        self.nodes.entry(key(wire, self.spelling.separator())).or_insert_with(|| Node {
            wire: wire.to_owned(),
            name: None,
            exists: false,
            has_children: false,
            subscribed: false,
            uses: Vec::new(),
            parent: None,
        })
    }
}

impl Tree {
    pub(crate) fn spelling(&self) -> Spelling {
        self.spelling
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Indices of the levels above a node, the nearest first.
    pub(crate) fn above(&self, index: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.nodes[index].parent, |&above| self.nodes[above].parent)
    }

    /// The nodes stand in order, so that those above the current one are the last ones begun.
    fn find_parents(&mut self, keys: &[Key]) {
        let mut begun: Vec<usize> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let is_below = |above: usize| {
                key.1.strip_prefix(keys[above].1.as_str()).is_some_and(|rest| rest.starts_with('\0'))
            };
            while begun.pop_if(|above| !is_below(*above)).is_some() {}
            self.nodes[index].parent = begun.last().copied();
            begun.push(index);
        }
    }

    fn find_children(&mut self) {
        for index in 0..self.nodes.len() {
            let mut above = self.nodes[index].parent.filter(|_| self.nodes[index].exists);
            while let Some(level) = above.filter(|&level| !self.nodes[level].has_children) {
                self.nodes[level].has_children = true;
                above = self.nodes[level].parent;
            }
        }
    }

    fn give_uses(&mut self, special_uses: &SpecialUses) {
        for node in &mut self.nodes {
            let uses = node.name.as_ref().map_or(&[][..], |name| special_uses.of(name));
            node.uses = uses.iter().map(|special_use| special_use.attribute()).collect();
        }
    }
}

fn key(wire: &str, separator: char) -> Key {
    let levels: Vec<&str> = wire.split(separator).collect();
    (levels.first() != Some(&"INBOX"), levels.join("\0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{SpecialUse, SpecialUseNames};

    fn name(name: &str) -> MailboxName {
        MailboxName::new(name).expect(name)
    }

    /// A tree of these mailboxes and subscriptions, a line a node: its name, `+` where it
    /// exists, `>` with children, `s` where subscribed, special uses.
    fn check(spelling: Spelling, mailboxes: &[&str], subscribed: &[&str], expected: &[&str]) {
        let listed: Vec<Listed> = mailboxes
            .iter()
            .map(|it| Listed { name: name(it), selectable: true, has_children: false })
            .collect();
        let subscribed: Vec<MailboxName> = subscribed.iter().map(|it| name(it)).collect();
        let uses = [
            SpecialUseNames { special_use: SpecialUse::Sent, names: vec![name("Sent"), name("Sent Items")] },
            SpecialUseNames { special_use: SpecialUse::Trash, names: vec![name("Gone"), name("Sent")] },
        ];
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = store::Store::new(store::StoreSettings::default());
        let account = store.account(&directory.path().join("Maildir"), true).expect("an account");
        let uses = account.special_uses(&listed, &uses);
        let tree = Builder::new(spelling).mailboxes(&listed).subscriptions(&subscribed).build(&uses);
        let shown: Vec<String> = tree
            .nodes()
            .iter()
            .map(|node| {
                let mark = |is: bool, mark| if is { mark } else { "" };
                let marks =
                    [mark(node.exists, "+"), mark(node.has_children, ">"), mark(node.subscribed, "s")];
                format!("{} {}{}", node.wire, marks.concat(), node.uses.concat())
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn levels_above_are_there() {
        check(
            Spelling::Plain,
            &["INBOX", "a/b/c", "a-b", "ab"],
            &[],
            &["INBOX +", "a >", "a/b >", "a/b/c +", "a-b +", "ab +"],
        );
    }

    #[test]
    fn all_lies_below_the_inbox_in_couriers_spelling() {
        check(
            Spelling::Courier,
            &["INBOX", "b", "a/b", "x.y"],
            &["c"],
            &["INBOX +>", "INBOX.a >", "INBOX.a.b +", "INBOX.b +", "INBOX.c s", "INBOX.x&AC4-y +"],
        );
        check(Spelling::Courier, &[], &["c"], &["INBOX ", "INBOX.c s"]);
    }

    #[test]
    fn the_inbox_has_children_in_the_plain_spelling_where_they_are_made() {
        check(
            Spelling::Plain,
            &["INBOX", "A", "INBOX/x", "Inbox/x/y", "Z"],
            &[],
            &["INBOX +>", "INBOX/x +>", "INBOX/x/y +", "A +", "Z +"],
        );
        // The level between is one that clients walk through.
        check(
            Spelling::Courier,
            &["INBOX", "INBOX/x"],
            &[],
            &["INBOX +>", "INBOX.INBOX >", "INBOX.INBOX.x +"],
        );
    }

    #[test]
    fn subscriptions_make_no_children() {
        check(Spelling::Plain, &["INBOX", "a"], &["a/b", "INBOX"], &["INBOX +s", "a +", "a/b s"]);
    }

    #[test]
    fn the_first_name_that_exists_has_the_use() {
        check(
            Spelling::Plain,
            &["Sent", "Sent Items"],
            &["Gone"],
            &["Gone s", "Sent +\\Sent\\Trash", "Sent Items +"],
        );
        check(Spelling::Plain, &["Sent Items"], &["Sent"], &["Sent s", "Sent Items +\\Sent"]);
    }
}
