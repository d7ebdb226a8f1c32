//! LSUB (RFC 3501 section 6.3.9).
//!
//! Subscribed names, whether they exist or not: LIST knows better, and a client that wants to
//! know asks `LIST (SUBSCRIBED)`.

use super::list::{Line, patterns, root};
use super::once::once;
use crate::context::{Answer, Context, Task};
use crate::mailbox_tree::{Builder, Tree};
use crate::pattern::Pattern;
use store::Account;

/// The task of an LSUB.
pub(crate) fn lsub(reference: String, pattern: String) -> Box<dyn Task> {
    once(move |context, account| run(context, account, &reference, &pattern))
}

/// Written at once: the list is as long as the user made it.
fn run(
    context: &mut Context<'_>,
    account: &Account,
    reference: &str,
    pattern: &str,
) -> store::Result<Answer> {
    let style = context.settings.namespace;
    if pattern.is_empty() {
        root(style, reference).write(context.out.buffer(), "LSUB");
        return Ok(Answer::ok("LSUB completed"));
    }
    let subscriptions = account.subscriptions()?;
    for (spelling, patterns) in patterns(style, reference, &[pattern.to_owned()]) {
        let tree = Builder::new(spelling).subscriptions(&subscriptions).build(&[]);
        for line in patterns.iter().flat_map(|pattern| matched(&tree, pattern)) {
            line.write(context.out.buffer(), "LSUB");
        }
    }
    Ok(Answer::ok("LSUB completed"))
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
