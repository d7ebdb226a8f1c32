//! Making a mailbox right again.
//!
//! Of a damaged list all is kept that can be: what its lines say, what lines that contradict
//! them say of messages that are there, and what the index knows of UIDs whose lines are gone.
//! A UID is given back only to a file that is there and has no other, and never one that was
//! expunged.

use super::audit::{Audit, own_file_fault, sound_records};
use super::list::{Candidate, ListAudit};
use super::{FindingKind, Findings, Subject};
use crate::cache::{self, Cache, Identity, Whose};
use crate::error::{Error, ErrorKind, Result};
use crate::index_root::IndexRoot;
use crate::list_file::ListFile;
use crate::mailbox::index;
use crate::mailbox::misnamed::scan_and_mend;
use crate::mailbox::state::{Expunged, State};
use crate::own_files;
use crate::scan::{FoundFiles, scan};
use crate::uid_list::Line;
use crate::witness::{MODSEQS_AHEAD, Reached, UIDS_AHEAD};
use mail::{Keyword, ModSeq, Uid, UidValidity};
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Repairs what was found; the lock is held.
pub(super) fn repair(subject: &Subject<'_>, audit: &mut Audit) -> Result<()> {
    subject.leftovers().iter().for_each(|path| drop(std::fs::remove_file(path)));
    if let Some(index) = subject.shared.index.as_ref().filter(|_| subject.is_inbox) {
        index.sweep(&BTreeSet::new());
    }
    if audit.findings.has(FindingKind::SpecialUseDamaged) {
        subject.shared.repair_special_uses()?;
    }
    if audit.findings.has(FindingKind::CurMissing) || audit.findings.has(FindingKind::DirectoryStrange) {
        // What can be kept of the list is not known without the messages.
        return Ok(());
    }
    if audit.findings.has(FindingKind::DirectoryMissing) {
        crate::directory::make(&subject.directory, subject.is_inbox)?;
        (audit.found, audit.stamp) = (scan(&subject.directory)?, None);
    }
    if audit.findings.has(FindingKind::FileDouble) || audit.findings.has(FindingKind::FileNameless) {
        let mut nothing = State::new(UidValidity::MIN);
        let known = audit.index.as_mut().or(audit.list.as_mut().map(|list| &mut list.state));
        let hostname = &subject.shared.settings.hostname;
        let (found, failed) = scan_and_mend(&subject.directory, hostname, known.unwrap_or(&mut nothing))?;
        // What is left is found again.
        failed.iter().for_each(|error| tracing::warn!("{error}"));
        (audit.found, audit.stamp) = (found, None);
    }
    let Some(list) = audit.list.take() else { return Ok(()) };
    if !ListAudit::is_sound(&audit.findings) {
        let of_index = audit.index.as_ref().map(|index| index.uid_validity);
        let said = list.uid_validity.or(of_index);
        // What is known to neither list nor index cannot be brought back.
        let validity = match said.filter(|said| !is_lost(subject, audit, &list.state, *said)) {
            Some(validity) => validity,
            None => subject.shared.new_uid_validity()?,
        };
        let is_behind = audit.findings.has(FindingKind::ListBehind);
        let state = merged(&list, audit.index.as_ref(), &audit.found, validity, is_behind);
        subject.shared.note_uid_validity(validity)?;
        ListFile::new(&subject.directory).replace(state.checkpoint())?;
        subject.shared.note_reached(&subject.directory, Reached::of(&state));
        return finish(subject, audit, state);
    }
    if audit.findings.has(FindingKind::UidValidityNotNoted) {
        subject.shared.note_uid_validity(list.state.uid_validity)?;
    }
    let stale = [
        FindingKind::IndexDamaged,
        FindingKind::IndexWrong,
        FindingKind::IndexNone,
        FindingKind::CacheDamaged,
        FindingKind::DirectoryMissing,
        // The name stays as it is: what was counted is remembered.
        FindingKind::NameSize,
    ];
    match stale.into_iter().any(|kind| audit.findings.has(kind)) {
        true => finish(subject, audit, list.state),
        false => Ok(()),
    }
}

/// Whether clients were told, under this UIDVALIDITY, of more than list and index know together.
fn is_lost(subject: &Subject<'_>, audit: &Audit, list: &State, uid_validity: UidValidity) -> bool {
    let reached = |state: &State| Reached { uid_validity, ..Reached::of(state) };
    let known = audit.index.as_ref().map_or(reached(list), |index| reached(list).or_further(reached(index)));
    subject.noted().is_some_and(|noted| known.is_behind(&noted))
}

/// Makes cache and index anew, of a state that is the list's.
fn finish(subject: &Subject<'_>, audit: &Audit, mut state: State) -> Result<()> {
    // Where something else is on disk than in the list, the next look has to scan.
    let is_settled = state.differences(&audit.found).is_empty();
    let stamp = audit.stamp.filter(|_| is_settled);
    // What the index knew of messages' files, where it was right about it.
    let facts = audit.index.as_ref().filter(|_| !audit.findings.has(FindingKind::IndexWrong));
    facts.into_iter().for_each(|index| state.inherit_facts(index));
    let cache = remake_cache(subject, &audit.findings, &mut state)?;
    let mut list = ListFile::new(&subject.directory);
    list.read_whole(&mut |_| {})?;
    let Some(mark) = list.mark()? else { return Ok(()) };
    subject.shared.make_index_directory(&subject.index_directory)?;
    remove_if_strange(&subject.index_directory.join(own_files::INDEX));
    match index::save(&subject.index_directory, &subject.directory, &state, &mark, stamp, cache) {
        Err(error) if error.kind == ErrorKind::Newer => Ok(()),
        saved => saved,
    }
}

/// Keeps of a damaged cache what is sound, and finds out where the records are.
fn remake_cache(subject: &Subject<'_>, findings: &Findings, state: &mut State) -> Result<Option<Identity>> {
    let validity = state.uid_validity;
    let Some(directory) = subject.index_to_read() else { return Ok(None) };
    if findings.has(FindingKind::CacheDamaged) {
        let (records, _) = sound_records(directory, validity);
        // The newest of a message is the last.
        let newest: BTreeMap<Whose, u32> =
            records.into_iter().filter(|(whose, _)| state.row_of(*whose).is_some()).collect();
        match Cache::open(directory, validity) {
            Some(mut old) => {
                let live = newest
                    .into_iter()
                    .filter_map(|(whose, at)| Some((whose, old.record(at, whose)?.to_vec())));
                cache::rewrite(directory, validity, live)?;
            }
            None => remove(&directory.join(own_files::CACHE))?,
        }
    }
    let Some(mut cache) = Cache::open(directory, validity) else { return Ok(None) };
    for (whose, at) in cache.all_records() {
        if let Some(row) = state.row_of(whose) {
            state.facts.cached[row] = at + 1;
        }
    }
    Ok(Some(cache.identity))
}

/// What list and index say together. The list has the last word but for MODSEQs. With `is_behind`,
/// UIDs and MODSEQs may have been given out that neither knows.
fn merged(
    list: &ListAudit,
    index: Option<&State>,
    found: &FoundFiles,
    validity: UidValidity,
    is_behind: bool,
) -> State {
    let keywords = merged_keywords(&list.state, index);
    let mut rows = rows_of(list, index, found, &keywords);
    let head = head(list, index, validity, is_behind);
    // A file is one message's, and the first one has it.
    let mut bases: HashSet<Box<[u8]>> = HashSet::new();
    let mut doubled = Vec::new();
    let doubles: Vec<Uid> =
        rows.iter().filter(|(_, row)| !bases.insert(row.base.clone())).map(|(uid, _)| *uid).collect();
    for uid in doubles {
        rows.remove(&uid);
        doubled.push(Expunged { first: uid, last: uid, modseq: head.next_modseq });
    }
    let mut lines = head.lines;
    lines.extend(keywords.iter().enumerate().filter_map(|(at, k)| Some(Line::Keyword(at, k.clone()?))));
    lines.extend(rows.iter().map(|(uid, row)| Line::Message {
        uid: *uid,
        modseq: row.modseq,
        flags: row.flags,
        keywords: row.keywords.clone(),
        base: (&*row.base).into(),
    }));
    for (uid, uidl) in index.into_iter().flat_map(|index| &index.uidls).chain(&list.state.uidls) {
        lines.extend(rows.contains_key(uid).then(|| Line::Uidl(*uid, uidl.clone())));
    }
    // Lines that are lost may have been of expunges.
    lines.push(Line::ExpungeFloor(head.next_modseq));
    let expunged = expunged(&list.state, index, &rows).into_iter().chain(doubled);
    lines.extend(expunged.map(|range| Line::ExpungedRange(range.first, range.last, range.modseq)));
    let of_index = index.into_iter().flat_map(|index| &index.unknown);
    let of_index = of_index.filter(|text| !list.state.unknown.contains(text));
    lines.extend(list.state.unknown.iter().chain(of_index).map(|text| Line::Unknown((&**text).into())));
    let mut state = State::new(validity);
    state.apply(lines);
    state.shrink();
    state
}

/// Expunges that list or index know, oldest first, but for messages that are there.
fn expunged(list: &State, index: Option<&State>, rows: &BTreeMap<Uid, Candidate>) -> Vec<Expunged> {
    let of_index = index.into_iter().flat_map(|index| index.expunges.ranges());
    let mut ranges = Vec::new();
    for range in of_index.chain(list.expunges.ranges()) {
        let mut first = Some(range.first);
        for (uid, _) in rows.range(range.first..=range.last) {
            let last = Uid::new(uid.get() - 1).filter(|last| first.is_some_and(|first| first <= *last));
            ranges.extend(first.zip(last).map(|(first, last)| Expunged { first, last, ..*range }));
            first = uid.next();
        }
        let first = first.filter(|first| *first <= range.last);
        ranges.extend(first.map(|first| Expunged { first, ..*range }));
    }
    ranges.sort_by_key(|range| (range.modseq, range.first));
    ranges.dedup();
    ranges
}

/// The lines before all others.
struct Head<'a> {
    lines: Vec<Line<'a>>,
    next_modseq: ModSeq,
}

/// UIDVALIDITY and counters: never below what anybody may have been told.
fn head<'a>(
    list: &'a ListAudit,
    index: Option<&'a State>,
    validity: UidValidity,
    is_behind: bool,
) -> Head<'a> {
    let state = &list.state;
    let mut next = state.uid_next.map(|next| next.max(list.floor));
    // Each damaged line may have given a UID or MODSEQ, and two lines may have run into one.
    let lost = 2 * list.damaged;
    for _ in 0..lost {
        next = next.and_then(Uid::next);
    }
    let mut modseq = ModSeq(state.highest_modseq.0.saturating_add(lost as u64).min(ModSeq::MAX.0 - 1));
    let (mut recent, mut reserve) = (state.recent_from, state.reserve.as_ref());
    if let Some(index) = index {
        next = next.zip(index.uid_next).map(|(a, b)| a.max(b));
        modseq = modseq.max(index.highest_modseq);
        recent = recent.max(index.recent_from);
        reserve = reserve.or(index.reserve.as_ref());
    }
    if is_behind {
        (0..UIDS_AHEAD).for_each(|_| next = next.and_then(Uid::next));
        modseq = ModSeq(modseq.0.saturating_add(MODSEQS_AHEAD).min(ModSeq::MAX.0 - 1));
    }
    let reserve = reserve.map(|(modseq, boot)| Line::Reserve(*modseq, boot.into()));
    let lines =
        [Line::Validity(validity), Line::Next(next.unwrap_or(Uid::MAX), modseq), Line::Recent(recent)];
    Head { lines: lines.into_iter().chain(reserve).collect(), next_modseq: modseq.next() }
}

/// Messages, with indices into `keywords`.
fn rows_of(
    list: &ListAudit,
    index: Option<&State>,
    found: &FoundFiles,
    keywords: &[Option<Keyword>],
) -> BTreeMap<Uid, Candidate> {
    let row_of = |state: &State, row: usize| Candidate {
        modseq: state.modseqs.get(row),
        flags: state.flags.get(row),
        keywords: translated(state.set(row), &state.keywords, keywords),
        base: state.names.get(row).into(),
    };
    let state = &list.state;
    let mut rows: BTreeMap<Uid, Candidate> =
        state.uids.iter().enumerate().map(|(row, uid)| (*uid, row_of(state, row))).collect();
    let mut bases: HashSet<Box<[u8]>> = rows.values().map(|row| row.base.clone()).collect();
    let expunged = state.expunges.uids();
    let candidates = list.candidates.iter().map(|(uid, candidate)| {
        let keywords = translated(&candidate.keywords, &state.keywords, keywords);
        (*uid, Candidate { keywords, ..candidate.clone() })
    });
    let of_index = index
        .into_iter()
        .flat_map(|index| index.uids.iter().enumerate().map(move |(row, uid)| (*uid, row_of(index, row))));
    for (uid, candidate) in candidates.chain(of_index) {
        match rows.get_mut(&uid) {
            // The line of a later change is gone.
            Some(row) if row.base == candidate.base && row.modseq < candidate.modseq => *row = candidate,
            Some(_) => {}
            None => {
                let is_there = || found.find(&candidate.base).is_some();
                if !expunged.contains(uid) && is_there() && bases.insert(candidate.base.clone()) {
                    rows.insert(uid, candidate);
                }
            }
        }
    }
    rows
}

/// The list's keywords, and in holes the index's.
fn merged_keywords(list: &State, index: Option<&State>) -> Vec<Option<Keyword>> {
    let mut keywords = list.keywords.clone();
    for (at, keyword) in index.into_iter().flat_map(|index| index.keywords.iter().enumerate()) {
        let Some(keyword) =
            keyword.as_ref().filter(|keyword| !list.keywords.contains(&Some((*keyword).clone())))
        else {
            continue;
        };
        if keywords.len() <= at {
            keywords.resize(at + 1, None);
        }
        keywords[at].get_or_insert_with(|| keyword.clone());
    }
    keywords
}

/// Indices into `from` as indices into `to`, without what is not defined.
fn translated(indices: &[usize], from: &[Option<Keyword>], to: &[Option<Keyword>]) -> Vec<usize> {
    let translate = |index: &usize| match from.get(*index) {
        Some(Some(keyword)) => to.iter().position(|known| known.as_ref() == Some(keyword)),
        // Its definition is gone here, and perhaps known there.
        _ => to.get(*index).is_some_and(Option::is_some).then_some(*index),
    };
    let mut translated: Vec<usize> = indices.iter().filter_map(translate).collect();
    translated.sort_unstable();
    translated.dedup();
    translated
}

/// Gives our own files their owner, permissions and kind; needs no lock.
pub(super) fn make_all_ours(subject: &Subject<'_>) {
    subject.shared.index.iter().for_each(IndexRoot::mend);
    subject.own_files().for_each(|(directory, name)| make_ours(directory, name));
}

/// Owner, permissions and kind of a file of ours, as far as they can be changed; what cannot be
/// is found again.
fn make_ours(directory: &Path, name: &str) {
    let path = directory.join(name);
    let Ok(metadata) = path.symlink_metadata() else { return };
    if !metadata.is_file() {
        // The list is the one file that may be somewhere else on purpose.
        if name != own_files::UID_LIST {
            remove_if_strange(&path);
        }
        return;
    }
    if own_file_fault(directory, name).is_ok_and(|fault| fault.is_none()) {
        return;
    }
    if let Ok(owner) = directory.symlink_metadata() {
        let _ = std::os::unix::fs::lchown(&path, Some(owner.uid()), Some(owner.gid()));
    }
    let mode = (metadata.permissions().mode() & 0o755) | 0o600;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(file) => drop(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))),
        // Who may not read it is not root, and changes a file of their own.
        Err(_) => drop(std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))),
    }
}

/// Removes what is no file, if it is nothing that holds something.
fn remove_if_strange(path: &Path) {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => drop(std::fs::remove_dir(path)),
        Ok(metadata) if !metadata.is_file() => drop(std::fs::remove_file(path)),
        _ => {}
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if !crate::disk::is_missing(&error) => Err(Error::io("cannot remove", path, error)),
        _ => Ok(()),
    }
}
