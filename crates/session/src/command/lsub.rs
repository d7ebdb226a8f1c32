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

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::{Courier, Plain};
    use crate::command::dialogue::check;

    #[test]
    fn subscribed_names_and_levels_above_them() {
        check(
            Plain,
            &["foo.bar.deep", "zap", "Entwürfe"],
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
