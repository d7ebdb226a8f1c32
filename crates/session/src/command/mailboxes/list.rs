//! LIST and XLIST (RFC 3501 section 6.3.8; options by RFC 5258, SPECIAL-USE by RFC 6154,
//! STATUS by RFC 5819).
//!
//! Reference and mailbox argument are joined as they stand, as Courier and Dovecot do: there
//! is no character to break out with. What is listed is decided from one look at the store, which
//! takes several pieces of work where patterns are many; lines are then written as the client
//! takes them.

use super::listed::{Line, patterns, root};
use super::status::Count;
use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::command::shared::pace::Pace;
use crate::context::{Context, User};
use crate::mailbox_tree::{Builder, Node, Tree};
use crate::namespace::Spelling;
use crate::pattern::Pattern;
use crate::rights::Right;
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};
use codec::command::{List, StatusItem, WireName};
use mail::MailboxName;
use std::collections::VecDeque;
use std::sync::Arc;
use store::{Listed, Mailbox};

/// The task of a LIST.
pub(crate) fn list(command: List) -> Box<dyn AccountTask> {
    Box::new(Listing::new(command, "LIST"))
}

/// The task of an XLIST: a LIST that marks the inbox, and knows special uses by the names that
/// they had before RFC 6154 too.
pub(crate) fn xlist(reference: WireName, pattern: WireName) -> Box<dyn AccountTask> {
    let request = List { reference, patterns: vec![pattern], ..List::default() };
    Box::new(Listing::new(request, "XLIST"))
}

struct Listing {
    request: List,
    verb: &'static str,
    /// What is to be chosen from; made by the first piece of work, and gone when all is chosen.
    choice: Option<Choice>,
    /// What is still to be written; there when all is chosen.
    lines: Option<VecDeque<Line>>,
    /// STATUS of the first line, begun and not done.
    counting: Option<Count>,
    /// Mailboxes that were opened ahead for STATUS, and how many lines they are enough for.
    opened: Vec<Arc<Mailbox>>,
    opened_lines: usize,
}

/// The names that there are, while those that match are being chosen.
struct Choice {
    /// Trees still to be chosen from, each with the patterns in its spelling.
    trees: VecDeque<(Tree, Vec<Pattern>)>,
    /// Whether the first nodes of the first tree match.
    matches: Vec<bool>,
    lines: VecDeque<Line>,
}

impl AccountTask for Listing {
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        if self.lines.is_none() {
            if let Some(refusal) = refusal(&self.request) {
                return Ok(Progress::Done(refusal));
            }
            let choice = match self.choice.take() {
                Some(choice) => choice,
                None => self.begin(context, user.accounts)?,
            };
            match self.choose(choice) {
                Ok(lines) => self.lines = Some(lines),
                Err(choice) => {
                    self.choice = Some(choice);
                    return Ok(Progress::More);
                }
            }
        }
        let mut pace = Pace::new();
        loop {
            self.open_ahead(user.accounts);
            let Some(line) = self.lines.as_mut().and_then(VecDeque::pop_front) else { break };
            if let Some(line) = self.write(context, user, line, &mut pace) {
                self.lines.get_or_insert_default().push_front(line);
                return Ok(Progress::More);
            }
            self.opened_lines = self.opened_lines.saturating_sub(1);
            if context.out.is_full() || pace.is_spent() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done(Answer::ok(&format!("{} completed", self.verb))))
    }

    fn only_answers(&self) -> bool {
        true
    }
}

/// What cannot be asked (RFC 5258 section 3.1: RECURSIVEMATCH goes with another option).
fn refusal(request: &List) -> Option<Answer> {
    let select = &request.select;
    (select.recursive_match && !select.subscribed && !select.special_use)
        .then(|| Answer::bad("RECURSIVEMATCH cannot be the only selection option"))
}

impl Listing {
    /// Lines whose mailboxes are opened together (a count): together they take about a piece.
    const OPENED_AHEAD: usize = 16;

    fn new(request: List, verb: &'static str) -> Self {
        Self { request, verb, choice: None, lines: None, counting: None, opened: Vec::new(), opened_lines: 0 }
    }

    /// Opens the mailboxes of the next lines together, as each may have to wait for the disk.
    fn open_ahead(&mut self, accounts: &Accounts) {
        let opens = self.request.return_status.as_deref().is_some_and(Count::opens);
        let Some(lines) = self.lines.as_ref().filter(|_| opens && self.opened_lines == 0) else { return };
        self.opened_lines = Self::OPENED_AHEAD.min(lines.len());
        let own = |line: &'_ Line| {
            let name = line.status_of.clone()?;
            accounts.shows_own(line.spelling, &name).then_some(name)
        };
        let names: Vec<MailboxName> = lines.iter().take(self.opened_lines).filter_map(own).collect();
        self.opened = accounts.own().open_ahead(&names);
    }

    /// Looks what there is.
    fn begin(&self, context: &Context<'_>, accounts: &Accounts) -> Result<Choice, Stop> {
        let request = &self.request;
        let (mut trees, matches) = (VecDeque::new(), Vec::new());
        if let Some(root) = root_asked(accounts, request) {
            return Ok(Choice { trees, matches, lines: root.into_iter().collect() });
        }
        let mailboxes = accounts.own().list()?;
        let subscribed = if request.select.subscribed || request.return_subscribed {
            accounts.own().subscriptions()?
        } else {
            Vec::new()
        };
        for (spelling, patterns) in patterns(accounts, &request.reference, &request.patterns) {
            let (mut own, mut subscribed) = (mailboxes.clone(), subscribed.clone());
            own.retain(|listed| accounts.shows_own(spelling, &listed.name));
            subscribed.retain(|name| accounts.shows_subscription(spelling, name));
            let mut builder = Builder::new(spelling).mailboxes(&own).subscriptions(&subscribed);
            if accounts.shows_others(spelling) {
                builder = accounts.roots().fold(builder, Builder::root);
                builder = builder.mailboxes(&mailboxes_of_others(accounts, spelling, &patterns)?);
            }
            // They are each user's own (RFC 6154 section 2).
            let uses = accounts.own().special_uses(&own, &context.settings.special_use_names);
            trees.push_back((builder.build(&uses), patterns));
        }
        Ok(Choice { trees, matches, lines: VecDeque::new() })
    }

    /// Chooses on: all lines, in order, or what is still to be chosen from.
    fn choose(&self, mut choice: Choice) -> Result<VecDeque<Line>, Choice> {
        let mut pace = Pace::new();
        while let Some((tree, patterns)) = choice.trees.front() {
            for node in &tree.nodes()[choice.matches.len()..] {
                if pace.is_spent() {
                    return Err(choice);
                }
                pace.compare(node.wire.len(), patterns.len());
                choice.matches.push(patterns.iter().any(|pattern| pattern.matches(&node.wire)));
            }
            choice.lines.extend(self.matched(tree, &choice.matches));
            choice.matches.clear();
            choice.trees.pop_front();
        }
        Ok(choice.lines)
    }

    /// The names of one tree that are to be listed.
    fn matched(&self, tree: &Tree, matches: &[bool]) -> Vec<Line> {
        let nodes = tree.nodes();
        let mut below = vec![Below::default(); nodes.len()];
        if self.request.select.recursive_match {
            for index in (0..nodes.len()).filter(|&index| self.is_selected(&nodes[index])) {
                for above in tree.above(index) {
                    below[above].selected = true;
                    below[above].unmatched |= !matches[index];
                }
            }
        }
        let listed = (0..nodes.len())
            .filter(|&index| matches[index] && (self.is_selected(&nodes[index]) || below[index].unmatched));
        listed.map(|index| self.line(tree.spelling(), &nodes[index], below[index])).collect()
    }

    /// Whether a name meets the selection options; without any, what is a mailbox or has one
    /// below it.
    fn is_selected(&self, node: &Node) -> bool {
        let select = &self.request.select;
        (!select.subscribed || node.subscribed)
            && (!select.special_use || !node.uses.is_empty())
            && (select.subscribed || node.exists || node.has_children)
    }

    fn line(&self, spelling: Spelling, node: &Node, below: Below) -> Line {
        let status = self.request.return_status.is_some() && node.exists && self.is_selected(node);
        Line {
            attributes: self.attributes(node),
            spelling,
            wire: node.wire.clone(),
            child_info: if below.selected { self.criteria() } else { Vec::new() },
            status_of: node.name.clone().filter(|_| status),
        }
    }

    /// RFC 3501's clients are told all that they may use; those of RFC 5258 what they ask for.
    fn attributes(&self, node: &Node) -> Vec<&'static str> {
        let request = &self.request;
        let mut attributes = Vec::new();
        if !node.exists {
            // `\NonExistent` implies `\Noselect`, for those who know it.
            attributes.push(if request.extended { "\\NonExistent" } else { "\\Noselect" });
        }
        if !request.extended || request.return_children {
            attributes.push(if node.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
        }
        if node.subscribed && (request.select.subscribed || request.return_subscribed) {
            attributes.push("\\Subscribed");
        }
        if !request.extended || request.select.special_use || request.return_special_use {
            attributes.extend(&node.uses);
        }
        if self.verb == "XLIST" {
            let is_inbox = node.name.as_ref().is_some_and(MailboxName::is_inbox);
            attributes.extend(is_inbox.then_some("\\Inbox"));
            attributes.extend(node.uses.iter().filter_map(|attribute| old_use(attribute)));
        }
        attributes
    }

    /// The selection options that CHILDINFO repeats.
    fn criteria(&self) -> Vec<&'static str> {
        let select = &self.request.select;
        let criteria = [(select.subscribed, "SUBSCRIBED"), (select.special_use, "SPECIAL-USE")];
        criteria.into_iter().filter(|(given, _)| *given).map(|(_, name)| name).collect()
    }

    /// Writes a line and its STATUS; gives it back when the STATUS takes another piece.
    fn write(
        &mut self,
        context: &mut Context<'_>,
        user: &User<'_>,
        mut line: Line,
        pace: &mut Pace,
    ) -> Option<Line> {
        let items = self.request.return_status.as_deref().unwrap_or_default();
        let count = match &line.status_of {
            Some(name) => {
                match counted(self.counting.take(), user.accounts, (line.spelling, name), items, pace) {
                    Ok(Counted::All(count)) => Some(count),
                    Ok(Counted::Part(count)) => {
                        self.counting = Some(count);
                        return Some(line);
                    }
                    Err(error) => {
                        line.could_not_be_counted(&error);
                        None
                    }
                }
            }
            None => None,
        };
        line.write(context.out.buffer(), self.verb);
        if let Some(count) = count {
            count.write(context, user, &line.wire, items);
        }
        None
    }
}

/// What other namespaces have that may match. An account that cannot be opened is left out.
fn mailboxes_of_others(
    accounts: &Accounts,
    spelling: Spelling,
    patterns: &[Pattern],
) -> Result<Vec<Listed>, Stop> {
    let mut mailboxes = Vec::new();
    for other in accounts.others() {
        let Ok(inbox) = other.seen_as(&MailboxName::inbox()) else { continue };
        let wire = spelling.write(&inbox);
        if !patterns.iter().any(|pattern| pattern.may_match_below(&wire)) {
            continue;
        }
        let account = match accounts.account(other.name) {
            Err(Stop::Answered(_)) => continue,
            account => account?,
        };
        mailboxes.extend(account.list()?.into_iter().filter_map(|listed| {
            let name = other.seen_as(&listed.name).ok()?;
            Some(Listed { name, ..listed })
        }));
    }
    Ok(mailboxes)
}

/// What lies below a node, at any depth.
#[derive(Clone, Copy, Default)]
struct Below {
    /// A name that meets the selection options.
    selected: bool,
    /// Such a name that no pattern matches, so that the node must speak for it.
    unmatched: bool,
}

enum Counted {
    All(Count),
    Part(Count),
}

/// A piece of a mailbox's STATUS.
fn counted(
    begun: Option<Count>,
    accounts: &Accounts,
    (spelling, name): (Spelling, &MailboxName),
    items: &[StatusItem],
    pace: &mut Pace,
) -> Result<Counted, Stop> {
    let mut count = match begun {
        Some(count) => count,
        None => {
            let mailbox = accounts.locate(spelling, name)?;
            mailbox.require(Right::Read)?;
            Count::begin(&mailbox, items, pace)?
        }
    };
    Ok(if count.go_on()? { Counted::All(count) } else { Counted::Part(count) })
}

/// The answer to an empty mailbox argument: separator and root of the reference. With RFC
/// 5258's syntax an empty pattern is nothing special, and matches nothing.
fn root_asked(accounts: &Accounts, request: &List) -> Option<Option<Line>> {
    let [pattern] = request.patterns.as_slice() else { return None };
    (!request.extended && pattern.text() == Some("")).then(|| root(accounts, &request.reference))
}

/// What XLIST called a special use before RFC 6154, where it differs.
fn old_use(attribute: &str) -> Option<&'static str> {
    match attribute {
        "\\All" => Some("\\AllMail"),
        "\\Flagged" => Some("\\Starred"),
        "\\Junk" => Some("\\Spam"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
