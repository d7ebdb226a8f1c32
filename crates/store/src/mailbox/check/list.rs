//! Reading a UID list for what is wrong with it, beside what it says.

use super::{FindingKind, Findings};
use crate::error::{Error, Result};
use crate::mailbox::state::State;
use crate::uid_list::{Line, Reader, VERSION};
use mail::{ModSeq, SystemFlags, Uid, UidValidity};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// What a list says, and what was passed over.
pub(super) struct ListAudit {
    pub(super) state: State,
    /// `None` when the list does not say it.
    pub(super) uid_validity: Option<UidValidity>,
    /// Lines that were damaged.
    pub(super) damaged: usize,
    /// Messages of lines that contradict others, and that may be right all the same.
    pub(super) candidates: BTreeMap<Uid, Candidate>,
    /// UIDNEXT is not below this, by what the lines say of messages.
    pub(super) floor: Uid,
}

/// A message whose line was passed over.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) modseq: ModSeq,
    pub(super) flags: SystemFlags,
    /// Indices.
    pub(super) keywords: Vec<usize>,
    pub(super) base: Box<[u8]>,
}

/// What the lines so far have said.
struct Witness<'a> {
    findings: &'a mut Findings,
    /// UIDs of lines that were believed, ascending.
    uids: Vec<Uid>,
    uid_validity: Option<UidValidity>,
    candidates: BTreeMap<Uid, Candidate>,
    floor: Uid,
}

/// Reads the list at `path`; `None` when there is none.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Result<Option<ListAudit>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Error::reading("cannot open", path, error.into())),
    };
    let mut state = State::new(UidValidity::MIN);
    let mut reader = Reader::default();
    let (uids, candidates, floor) = (Vec::new(), BTreeMap::new(), Uid::MIN);
    let mut witness = Witness { findings, uids, uid_validity: None, candidates, floor };
    state.apply_each(|take| read_lines(&mut file, &mut reader, &mut witness, take, path))?;
    if let Some(version) = reader.newer {
        return Err(Error::newer(path, version, VERSION));
    }
    if reader.is_torn() {
        witness.findings.add(FindingKind::LineTorn, || format!("line {}", reader.lines + reader.damaged + 1));
    }
    let Witness { uid_validity, candidates, floor, .. } = witness;
    if uid_validity.is_none() {
        findings.add(FindingKind::UidValidityLost, || "no line says it".to_owned());
    }
    state.uid_validity = uid_validity.unwrap_or(UidValidity::MIN);
    let damaged = reader.damaged;
    let mut list = ListAudit { state, uid_validity, damaged, candidates, floor };
    list.look_at_the_whole(findings);
    Ok(Some(list))
}

fn read_lines(
    file: &mut File,
    reader: &mut Reader,
    witness: &mut Witness<'_>,
    take: &mut dyn FnMut(Line<'_>),
    path: &Path,
) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::reading("cannot read", path, error)),
        };
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            let (number, damaged) = (reader.lines + reader.damaged + 1, reader.damaged);
            reader.read(piece, &mut |line| {
                witness.see(&line, number);
                take(line);
            });
            if reader.damaged > damaged {
                witness.findings.add(FindingKind::LineDamaged, || format!("line {number}"));
            }
        }
    }
}

impl Witness<'_> {
    fn see(&mut self, line: &Line<'_>, number: usize) {
        match line {
            Line::Validity(validity) => match self.uid_validity {
                Some(first) if first != *validity => {
                    self.contradiction(number, || format!("UIDVALIDITY {validity} after {first}"));
                }
                _ => self.uid_validity = Some(*validity),
            },
            Line::Message { uid, modseq, flags, keywords, base } => {
                let Some(last) = self.uids.last().copied().filter(|last| last >= uid) else {
                    return self.uids.push(*uid);
                };
                self.contradiction(number, || format!("UID {uid} after {last}"));
                if self.uids.binary_search(uid).is_err() {
                    let (keywords, base) = (keywords.clone(), base.as_ref().into());
                    let candidate = Candidate { modseq: *modseq, flags: *flags, keywords, base };
                    self.candidates.entry(*uid).or_insert(candidate);
                }
            }
            Line::Flags { uid, modseq, flags, keywords } => {
                self.gave(*uid);
                if let Some(candidate) = self.candidates.get_mut(uid) {
                    (candidate.modseq, candidate.flags) = (*modseq, *flags);
                    candidate.keywords.clone_from(keywords);
                } else if self.uids.binary_search(uid).is_err() {
                    self.contradiction(number, || format!("flags of UID {uid}, which has no line"));
                }
            }
            Line::Uidl(uid, _) => {
                self.gave(*uid);
                if !self.candidates.contains_key(uid) && self.uids.binary_search(uid).is_err() {
                    self.contradiction(number, || format!("UIDL of UID {uid}, which has no line"));
                }
            }
            Line::Expunged(uid, _) => {
                self.gave(*uid);
                self.candidates.remove(uid);
            }
            Line::ExpungedRange(first, last, _) => {
                self.gave(*last);
                self.candidates.retain(|uid, _| !(*first..=*last).contains(uid));
            }
            Line::Recent(uid) => self.floor = self.floor.max(*uid),
            Line::Next(..)
            | Line::Keyword(..)
            | Line::Reserve(..)
            | Line::ExpungeFloor(_)
            | Line::Unknown(_) => {}
        }
    }

    fn gave(&mut self, uid: Uid) {
        self.floor = self.floor.max(uid.next().unwrap_or(Uid::MAX));
    }

    fn contradiction(&mut self, number: usize, what: impl FnOnce() -> String) {
        self.findings.add(FindingKind::LineContradictory, || format!("line {number}: {}", what()));
    }
}

impl ListAudit {
    /// What shows only when all lines are known.
    fn look_at_the_whole(&mut self, findings: &mut Findings) {
        let state = &mut self.state;
        if let Some(next) = state.uid_next.filter(|next| *next < self.floor) {
            let floor = self.floor;
            findings
                .add(FindingKind::UidNextLow, || format!("UIDNEXT is {next}, and must be {floor} at least"));
        }
        let order = state.names.sorted().to_vec();
        for pair in order.windows(2) {
            let (first, second) = (pair[0] as usize, pair[1] as usize);
            if state.names.get(first) == state.names.get(second) {
                let (first, second) = (state.uids[first], state.uids[second]);
                let example = || format!("UIDs {first} and {second} have the same file");
                findings.add(FindingKind::LineContradictory, example);
            }
        }
        let is_undefined = |index: &usize| state.keywords.get(*index).is_none_or(Option::is_none);
        let undefined: Vec<Option<usize>> =
            state.sets.all().iter().map(|set| set.iter().copied().find(is_undefined)).collect();
        for (row, set) in state.set_of.iter().enumerate() {
            if let Some(index) = undefined[set as usize] {
                let uid = state.uids[row];
                findings.add(FindingKind::KeywordUndefined, || format!("UID {uid}: keyword {index}"));
            }
        }
    }

    /// Whether the list says what it should, as far as it can be told from it alone.
    pub(super) fn is_sound(findings: &Findings) -> bool {
        use FindingKind::{
            KeywordUndefined, LineContradictory, LineDamaged, LineTorn, ListBehind, UidNextLow,
            UidValidityLost,
        };
        ![LineDamaged, LineTorn, LineContradictory, UidValidityLost, ListBehind, UidNextLow, KeywordUndefined]
            .into_iter()
            .any(|kind| findings.has(kind))
    }
}
