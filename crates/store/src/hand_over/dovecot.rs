//! Dovecot's files from ours: `dovecot-uidlist`, `dovecot-keywords` and the letters in file
//! names, `dovecot-uidvalidity`.

use super::dot_lock::DotLock;
use super::{HandedOver, Site, can_be_listed};
use crate::disk::{is_missing, read_small, sync_directory, write_durably};
use crate::error::{Error, Result};
use crate::extract::{Extract, ExtractRow};
use crate::file_name::{Info, compose, number_after};
use crate::rename::{is_of_one_file, rename_new};
use crate::scan::Place;
use crate::take_over::dovecot::{greatest_uid_validity, parse_keywords, parse_list};
use crate::take_over::{Faults, SIZE_MAX, default_uidl};
use mail::{Keyword, Uid};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Keywords that letters can stand for.
const LETTERS: u32 = 26;

/// Writes the files of a mailbox under Dovecot's lock: first what letters mean, then the
/// letters, then the list.
pub(super) fn write(site: &Site<'_>, extract: &Extract, done: &mut HandedOver) -> Result<()> {
    let keywords_path = site.dovecot.join("dovecot-keywords");
    let text = read_small(&keywords_path, SIZE_MAX)?.unwrap_or_default();
    let earlier = parse_keywords(&text, &mut Faults::default());
    let (of_index, left) = letters(earlier.clone(), extract);
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(Keyword::as_str).collect();
        done.left
            .push(format!("Dovecot keeps {LETTERS} keywords in file names; left out: {}", names.join(" ")));
    }
    let renames = renames(site, extract, &of_index);
    done.renamed = renames.len();
    if site.is_dry {
        return Ok(());
    }
    make_directory(site.dovecot)?;
    let holder = format!("{}:{}", std::process::id(), site.settings.hostname);
    let path = site.dovecot.join("dovecot-uidlist.lock");
    let _lock = DotLock::take(&path, &holder, site.settings.lock_wait_ms_max)?;
    if of_index != earlier {
        let lines: String = of_index.iter().map(|(index, keyword)| format!("{index} {keyword}\n")).collect();
        write_durably(&keywords_path, lines.as_bytes())?;
    }
    done.renamed = 0;
    for (from, to) in &renames {
        match rename_new(from, to) {
            Ok(()) => done.renamed += 1,
            // Removed or renamed by another program: its keywords stay behind.
            Err(error) if is_missing(&error) => {
                done.left.push(format!("{} changed meanwhile: run this again", from.display()));
            }
            Err(error) if is_of_one_file(&error) => {
                done.left.push(format!("{} keeps its name, without keywords: {error}", from.display()));
            }
            Err(error) => return Err(Error::io("cannot rename", from, error)),
        }
    }
    if !renames.is_empty() {
        sync_directory(&site.directory.join("cur"))?;
    }
    let path = site.dovecot.join("dovecot-uidlist");
    let earlier = read_small(&path, SIZE_MAX)?.unwrap_or_default();
    write_durably(&path, &uid_list(extract, &earlier)?)
}

/// Makes a directory of `CONTROL=` where it is missing, and those above it.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::io("cannot make", path, error))
}

/// Which letters stand for what: those that Dovecot gave stay, the most used of the others
/// follow. And the keywords for which no letter is left.
pub(super) fn letters(
    mut of_index: BTreeMap<u32, Keyword>,
    extract: &Extract,
) -> (BTreeMap<u32, Keyword>, Vec<Keyword>) {
    let mut uses: BTreeMap<&Keyword, usize> = BTreeMap::new();
    extract.rows.iter().flat_map(|row| &row.keywords).for_each(|k| *uses.entry(k).or_default() += 1);
    let mut wanted: Vec<(&Keyword, usize)> =
        uses.into_iter().filter(|(keyword, _)| !of_index.values().any(|known| known == *keyword)).collect();
    wanted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let mut free = (0..LETTERS).filter(|index| !of_index.contains_key(index)).collect::<Vec<_>>().into_iter();
    let mut left = Vec::new();
    for (keyword, _) in wanted {
        match free.next() {
            Some(index) => drop(of_index.insert(index, keyword.clone())),
            None => left.push(keyword.clone()),
        }
    }
    (of_index, left)
}

/// Files whose names do not have the letters of their keywords: from where to where.
fn renames(site: &Site<'_>, extract: &Extract, of_index: &BTreeMap<u32, Keyword>) -> Vec<(PathBuf, PathBuf)> {
    let index_of: HashMap<&Keyword, u32> =
        of_index.iter().map(|(index, keyword)| (keyword, *index)).collect();
    let path =
        |place: Place, name: &[u8]| site.directory.join(place.directory()).join(OsStr::from_bytes(name));
    let renamed = extract.rows.iter().filter_map(|row| {
        let earlier = [&row.base[..], &row.suffix].concat();
        let name = name_with(row, &index_of)?;
        (name != earlier).then(|| (path(row.place, &earlier), path(Place::Cur, &name)))
    });
    renamed.collect()
}

/// A message's name with the letters of its keywords and no others; `None` when there is
/// nothing to say, neither in the name nor in the keywords.
fn name_with(row: &ExtractRow, index_of: &HashMap<&Keyword, u32>) -> Option<Vec<u8>> {
    let info = row.suffix.get(1..).map(Info::parse).unwrap_or_default();
    let tail = memchr::memchr(b',', &info.foreign).unwrap_or(info.foreign.len());
    let (letters, tail) = info.foreign.split_at(tail);
    let mut foreign: Vec<u8> = letters.iter().copied().filter(|b| !b.is_ascii_lowercase()).collect();
    let keywords = row.keywords.iter().filter_map(|keyword| index_of.get(keyword));
    let wanted: Vec<u8> = keywords.filter_map(|index| Some(b'a' + u8::try_from(*index).ok()?)).collect();
    if wanted.is_empty() && foreign.len() == letters.len() {
        return None;
    }
    foreign.extend_from_slice(&wanted);
    foreign.extend_from_slice(tail);
    Some(compose(&row.base, &Info { flags: info.flags, foreign: foreign.into() }))
}

/// `dovecot-uidlist`, version 3. What Dovecot's earlier list says of the mailbox and of
/// messages that is nothing to us (GUIDs, the order in POP3) stays.
pub(super) fn uid_list(extract: &Extract, earlier: &[u8]) -> Result<Vec<u8>> {
    let foreign = parse_list(earlier);
    let fields: HashMap<&[u8], &str> =
        foreign.messages.values().map(|listed| (&*listed.base, &*listed.fields)).collect();
    let guid = match guid(earlier).filter(|_| foreign.uid_validity == Some(extract.uid_validity)) {
        Some(guid) => guid,
        None => new_guid()?,
    };
    let next = extract.uid_next.unwrap_or(Uid::MAX);
    let mut bytes = format!("3 V{} N{next} G{guid}\n", extract.uid_validity).into_bytes();
    for row in extract.rows.iter().filter(|row| can_be_listed(row)) {
        let mut line = row.uid.to_string();
        for (key, name_key) in [('S', b",S="), ('W', b",W=")] {
            if let Some(size) = number_after(&row.base, name_key) {
                let _ = write!(line, " {key}{size}");
            }
        }
        let default = default_uidl(row.uid, extract.uid_validity);
        if let Some(uidl) = row.uidl.as_ref().filter(|uidl| ***uidl != *default) {
            let _ = write!(line, " P{uidl}");
        }
        line.push_str(fields.get(&*row.base).copied().unwrap_or_default());
        bytes.extend_from_slice(format!("{line} :").as_bytes());
        bytes.extend_from_slice(&row.base);
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The mailbox's GUID in a list.
fn guid(list: &[u8]) -> Option<String> {
    let header = std::str::from_utf8(list.split(|b| *b == b'\n').next()?).ok()?;
    let guid = header.strip_prefix("3 ")?.split(' ').find_map(|word| word.strip_prefix('G'))?;
    let is_guid = guid.len() == 32 && guid.bytes().all(|b| b.is_ascii_hexdigit());
    is_guid.then(|| guid.to_owned())
}

fn new_guid() -> Result<String> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::io("cannot read", Path::new("random numbers"), error.into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Sees to it that Dovecot gives UIDVALIDITYs above `greatest`.
pub(super) fn write_uid_validity(root: &Path, greatest: u32) -> Result<()> {
    if greatest == 0 || (greatest_uid_validity(root) >= greatest && root.join("dovecot-uidvalidity").exists())
    {
        return Ok(());
    }
    let value = format!("{:08x}", greatest.max(greatest_uid_validity(root)));
    write_durably(&root.join(format!("dovecot-uidvalidity.{value}")), b"")?;
    write_durably(&root.join("dovecot-uidvalidity"), value.as_bytes())
}
