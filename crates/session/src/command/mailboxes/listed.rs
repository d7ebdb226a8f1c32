//! What LIST, XLIST and LSUB share: lines to be written, and patterns by spelling.

use crate::accounts::Accounts;
use crate::namespace::Spelling;
use crate::pattern::Pattern;
use crate::stop::Stop;
use codec::command::WireName;
use codec::response::list;
use mail::MailboxName;
use std::collections::BTreeMap;
use store::ErrorKind;

/// A response to be written.
pub(super) struct Line {
    pub(super) attributes: Vec<&'static str>,
    pub(super) spelling: Spelling,
    pub(super) wire: String,
    /// CHILDINFO's criteria (RFC 5258 section 3.5); empty for none.
    pub(super) child_info: Vec<&'static str>,
    /// The mailbox whose STATUS follows.
    pub(super) status_of: Option<MailboxName>,
}

impl Line {
    /// A level that is no mailbox.
    pub(super) fn no_select(spelling: Spelling, wire: String) -> Self {
        Self { attributes: vec!["\\Noselect"], ..Self::plain(spelling, wire) }
    }

    /// A name without attributes.
    pub(super) fn plain(spelling: Spelling, wire: String) -> Self {
        Self { attributes: Vec::new(), spelling, wire, child_info: Vec::new(), status_of: None }
    }

    /// RFC 5819 section 2: a mailbox that went meanwhile is listed as such; after any other
    /// failure the STATUS alone is left out.
    pub(super) fn could_not_be_counted(&mut self, why: &Stop) {
        match why {
            Stop::Failed(error) if matches!(error.kind, ErrorKind::NonExistent | ErrorKind::Deleted) => {
                self.attributes.insert(0, "\\NonExistent");
            }
            Stop::Failed(error) => tracing::warn!(%error, "LIST leaves a STATUS out"),
            Stop::Answered(_) | Stop::Open(_) => {}
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, verb: &str) {
        let child_info = (!self.child_info.is_empty()).then_some(self.child_info.as_slice());
        list::list(out, verb, &self.attributes, Some(self.spelling.separator()), &self.wire, child_info);
    }
}

/// Separator and root of a reference (RFC 3501 section 6.3.8); `None` for one that is no name.
pub(super) fn root(accounts: &Accounts, reference: &WireName) -> Option<Line> {
    let reference = reference.text()?;
    let spelling = accounts.spelling_of(reference);
    let separator = spelling.separator();
    // Up to the last separator, so that the root is in the form of the reference.
    let root = reference.rfind(separator).map_or("", |end| &reference[..=end]);
    Some(Line::no_select(spelling, root.to_owned()))
}

/// Patterns with the reference before them, by spelling. Those that can match nothing are left
/// out.
pub(super) fn patterns(
    accounts: &Accounts,
    reference: &WireName,
    patterns: &[WireName],
) -> BTreeMap<Spelling, Vec<Pattern>> {
    let mut grouped: BTreeMap<Spelling, Vec<Pattern>> = BTreeMap::new();
    let Some(reference) = reference.text() else { return grouped };
    for pattern in patterns.iter().filter_map(WireName::text).filter(|pattern| !pattern.is_empty()) {
        let joined = format!("{reference}{pattern}");
        for spelling in accounts.spellings_of_pattern(&joined) {
            let compiled = Pattern::new(&spelling.canonical_pattern(&joined), spelling.separator());
            grouped.entry(spelling).or_default().extend(compiled);
        }
    }
    grouped
}
