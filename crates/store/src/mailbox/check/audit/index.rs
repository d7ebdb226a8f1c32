//! Comparing the index with list and files.

use super::super::list::ListAudit;
use super::super::{FindingKind, Findings, Subject};
use super::escaped;
use crate::error::Result;
use crate::list_file::ListFile;
use crate::mailbox::age::agree;
use crate::mailbox::index;
use crate::mailbox::state::{Differences, State};
use crate::own_files;
use crate::scan::{FoundFiles, Stamp};
use crate::uid_list::Line;
use std::path::Path;

/// The index against list and files. Takes in where the files are, and says what is news.
pub(super) fn compare_index(
    subject: &Subject<'_>,
    list: &mut ListAudit,
    found: Option<&FoundFiles>,
    stamp: Option<Stamp>,
    findings: &mut Findings,
) -> Result<Option<State>> {
    let differences = found.map(|found| {
        let differences = list.state.differences(found);
        news(&differences, &list.state, findings);
        differences
    });
    let is_there = |directory: &&Path| {
        directory.join(own_files::INDEX).symlink_metadata().is_ok_and(|metadata| metadata.is_file())
    };
    let Some(directory) = subject.index_to_read().filter(is_there) else {
        findings.add(FindingKind::IndexNone, || "there is none".to_owned());
        return Ok(None);
    };
    if index::refuse_newer(&directory.join(own_files::INDEX)).is_err() {
        findings.add(FindingKind::FileNewer, || own_files::INDEX.to_owned());
        return Ok(None);
    }
    let Some(saved) = index::read_in(directory) else {
        findings.add(FindingKind::IndexDamaged, || own_files::INDEX.to_owned());
        return Ok(None);
    };
    if directory != subject.directory && !saved.is_made_of(&subject.directory) {
        findings.add(FindingKind::IndexNone, || "it is one of another mailbox".to_owned());
        return Ok(None);
    }
    let mut state = saved.state;
    let mut file = ListFile::new(&subject.directory);
    let is_of_list = file.resume(&saved.mark)?;
    if is_of_list {
        state.apply_each(|take| file.read_on(take))?;
    }
    let is_of_mailbox = match list.uid_validity {
        Some(validity) => validity == state.uid_validity,
        None => is_of_list || agree(&list.state, &state),
    };
    if is_of_mailbox {
        behind(&state, &list.state, findings);
        if let Some(found) = found.filter(|_| !is_of_list) {
            lines_lost(&state, &mut list.state, found, findings);
        }
    }
    if is_of_list && ListAudit::is_sound(findings) {
        let stamped = saved.stamp.filter(|of_index| stamp.is_some_and(|now| now == *of_index));
        let differences = differences.as_ref().filter(|_| stamped.is_some());
        compare(&state, &list.state, differences, &mut |what| findings.add(FindingKind::IndexWrong, || what));
    } else if !is_of_list {
        findings.add(FindingKind::IndexNone, || "it is one of another list".to_owned());
    }
    Ok(is_of_mailbox.then_some(state))
}

/// What other programs did since the last look.
fn news(differences: &Differences, state: &State, findings: &mut Findings) {
    for line in differences.lines() {
        match line {
            Line::Expunged(uid, _) => {
                let name = state.row(uid).map_or(String::new(), |row| escaped(state.names.get(row)));
                findings.add(FindingKind::FileGone, || format!("UID {uid}, {name}"));
            }
            Line::Message { base, .. } => findings.add(FindingKind::FileNew, || escaped(&base)),
            Line::Flags { uid, .. } => findings.add(FindingKind::FlagsNew, || format!("UID {uid}")),
            _ => {}
        }
    }
}

/// Whether the index knows of more than the list.
fn behind(index: &State, list: &State, findings: &mut Findings) {
    // All used up is above all others.
    let next = |state: &State| state.uid_next.map_or(u64::MAX, |uid| uid.get().into());
    if next(index) > next(list) {
        let shown = |state: &State| state.uid_next.map_or("none".to_owned(), |uid| uid.to_string());
        let example = || format!("UIDNEXT is {}, and {} by the index", shown(list), shown(index));
        findings.add(FindingKind::ListBehind, example);
    }
    if index.highest_modseq > list.highest_modseq {
        let (of_list, of_index) = (list.highest_modseq.0, index.highest_modseq.0);
        let example = || format!("HIGHESTMODSEQ is {of_list}, and {of_index} by the index");
        findings.add(FindingKind::ListBehind, example);
    }
}

/// Messages that are there, and have a UID in the index only.
fn lines_lost(index: &State, list: &mut State, found: &FoundFiles, findings: &mut Findings) {
    let expunged = list.expunges.uids();
    for (row, uid) in index.uids.iter().enumerate() {
        let base = index.names.get(row);
        let is_lost = list.row(*uid).is_none() && !expunged.contains(*uid) && list.names.find(base).is_none();
        if is_lost && found.find(base).is_some() {
            findings.add(FindingKind::ListBehind, || format!("UID {uid} is in the index only"));
        }
    }
}

/// Column by column. `differences` are given where the index says that it knows all files.
fn compare(index: &State, list: &State, differences: Option<&Differences>, wrong: &mut dyn FnMut(String)) {
    for (what, is_same) in [
        ("UIDVALIDITY", index.uid_validity == list.uid_validity),
        ("UIDNEXT", index.uid_next == list.uid_next),
        ("HIGHESTMODSEQ", index.highest_modseq == list.highest_modseq),
        ("what is recent", index.recent_from == list.recent_from),
        ("keywords", index.keywords == list.keywords),
        ("POP3 UIDLs", index.uidls == list.uidls),
        ("expunges", index.expunges == list.expunges),
        ("unknown records", index.unknown == list.unknown),
        ("reserved MODSEQs", index.reserve == list.reserve),
        ("UIDs", index.uids == list.uids),
    ] {
        if !is_same {
            wrong(format!("{what} differ from the list's"));
        }
    }
    if index.uids != list.uids {
        return;
    }
    let sorted = |state: &State, row: usize| {
        let mut set = state.set(row).to_vec();
        set.sort_unstable();
        set
    };
    for (row, uid) in index.uids.iter().enumerate() {
        for (what, is_same) in [
            ("flags", index.flags.get(row) == list.flags.get(row)),
            ("MODSEQ", index.modseqs.get(row) == list.modseqs.get(row)),
            (
                "keywords",
                index.set_of.get(row) == list.set_of.get(row) || sorted(index, row) == sorted(list, row),
            ),
            ("name", index.names.get(row) == list.names.get(row)),
        ] {
            if !is_same {
                wrong(format!("UID {uid}: its {what}"));
            }
        }
        let known = index.file_name(row).filter(|_| differences.is_some());
        if known.is_some_and(|known| list.file_name(row).is_none_or(|file| file != known)) {
            wrong(format!("UID {uid}: where its file lies"));
        }
    }
    if differences.is_some_and(|differences| differences.arrivals().next().is_some()) {
        wrong("it takes itself for newer than files that it does not know".to_owned());
    }
}
