//! LSUB (RFC 3501 section 6.3.9).
//!
//! Subscribed names, whether they exist or not: LIST knows better, and a client that wants to
//! know asks `LIST (SUBSCRIBED)`.

use super::listed::{Line, patterns, root};
use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::context::{Context, User};
use crate::mailbox_tree::{Builder, Tree};
use crate::pattern::Pattern;
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};
use codec::command::WireName;
use std::collections::VecDeque;
use store::SpecialUses;

/// The task of an LSUB.
pub(crate) fn lsub(reference: WireName, pattern: WireName) -> Box<dyn AccountTask> {
    Box::new(Lsub { reference, pattern, lines: None })
}

struct Lsub {
    reference: WireName,
    pattern: WireName,
    /// What is still to be written; made by the first piece of work.
    lines: Option<VecDeque<Line>>,
}

impl AccountTask for Lsub {
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => self.lines.insert(choose(user.accounts, &self.reference, &self.pattern)?),
        };
        while let Some(line) = lines.pop_front() {
            line.write(context.out.buffer(), "LSUB");
            if context.out.is_full() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done(Answer::ok("LSUB completed")))
    }

    fn only_answers(&self) -> bool {
        true
    }
}

/// All lines, in order.
fn choose(accounts: &Accounts, reference: &WireName, pattern: &WireName) -> store::Result<VecDeque<Line>> {
    if pattern.text() == Some("") {
        return Ok(root(accounts, reference).into_iter().collect());
    }
    let subscriptions = accounts.own().subscriptions()?;
    let mut lines = VecDeque::new();
    for (spelling, patterns) in patterns(accounts, reference, std::slice::from_ref(pattern)) {
        let mut seen = subscriptions.clone();
        seen.retain(|name| accounts.shows_subscription(spelling, name));
        let tree = Builder::new(spelling).subscriptions(&seen).build(&SpecialUses::default());
        lines.extend(patterns.iter().flat_map(|pattern| matched(&tree, pattern)));
    }
    Ok(lines)
}

/// Subscribed names that match. After `%` also levels above them, which are `\Noselect` unless
/// they are subscribed: "a % wildcard to LSUB must return foo, not foo/bar".
///
/// All nodes are subscribed, or levels above what is.
fn matched(tree: &Tree, pattern: &Pattern) -> Vec<Line> {
    let nodes = tree.nodes().iter().filter(|node| pattern.matches(&node.wire));
    nodes
        .filter_map(|node| match node.subscribed {
            true => Some(Line::plain(tree.spelling(), node.wire.clone())),
            false => pattern.ends_in_level().then(|| Line::no_select(tree.spelling(), node.wire.clone())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::{Courier, Plain};
    use crate::command::shared::dialogue::check;

    #[test]
    fn subscribed_names_and_levels_above_them() {
        check(
            Plain,
            &["foo/bar/deep", "zap", "Entwürfe"],
            r#"
LSUB "" *
  OK
LSUB "" ""
  * LSUB (\Noselect) "/" ""
  OK
SUBSCRIBE foo/bar/deep
  OK
SUBSCRIBE zap
  OK
SUBSCRIBE Entw&APw-rfe
  OK
SUBSCRIBE INBOX
  OK
LSUB "" *
  * LSUB () "/" INBOX
  * LSUB () "/" Entw&APw-rfe
  * LSUB () "/" foo/bar/deep
  * LSUB () "/" zap
  OK
LSUB "" %
  * LSUB () "/" INBOX
  * LSUB () "/" Entw&APw-rfe
  * LSUB (\Noselect) "/" foo
  * LSUB () "/" zap
  OK
LSUB "" foo/%
  * LSUB (\Noselect) "/" foo/bar
  OK
LSUB "foo/bar/" %
  * LSUB () "/" foo/bar/deep
  OK
LSUB "" foo
  OK
SUBSCRIBE foo
  OK
LSUB "" f%
  * LSUB () "/" foo
  OK
DELETE zap
  OK
LSUB "" z*
  * LSUB () "/" zap
  OK
LSUB "INBOX." %
  * LSUB () "." INBOX.Entw&APw-rfe
  * LSUB () "." INBOX.foo
  * LSUB () "." INBOX.zap
  OK
"#,
        );
    }

    #[test]
    fn couriers_style_has_all_below_the_inbox() {
        check(
            Courier,
            &["Sent"],
            r#"
SUBSCRIBE INBOX.Sent
  OK
LSUB "" *
  * LSUB () "." INBOX.Sent
  OK
LSUB "" %
  * LSUB (\Noselect) "." INBOX
  OK
LSUB INBOX. %
  * LSUB () "." INBOX.Sent
  OK
"#,
        );
    }
}
