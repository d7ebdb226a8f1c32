//! Copying messages.

use super::append::{self, Waiting, from_temporaries};
use super::incoming::{Chosen, Incoming, messages_of, new_base};
use super::{Copied, Mailbox, room};
use crate::delivery::Delivery;
use crate::directory;
use crate::disk::{is_missing, private_file};
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::disk_size;
use crate::message::{MessageFile, open_regular};
use crate::temporary::Temporary;
use mail::{Uid, UidSet};
use rustix::fs::CWD;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

pub(super) fn copy(source: &Mailbox, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
    let mut temporaries = Vec::new();
    let mut incoming = Vec::new();
    let mut copied = Vec::new();
    {
        let _entered = target.shared.enter()?;
        directory::check_tmp(&target.directory)?;
    }
    let present = present(source, uids)?;
    let room = room::copying(source, uids, target)?;
    for (uid, flags) in present {
        let Some((temporary, path_base)) = link_or_copy(source, uid, target)? else { continue };
        incoming.push(Incoming { base: path_base, flags });
        temporaries.push(temporary);
        copied.push(uid);
    }
    let new = if incoming.is_empty() {
        target.refresh(false)?;
        Vec::new()
    } else {
        let _entered = target.shared.enter()?;
        let (mut change, coming) =
            append::coming(target, &incoming, &temporaries, room.into_iter().collect())?;
        let together = [Arc::new(Waiting::new(incoming, temporaries))];
        let new = from_temporaries(target, &mut target.lock(), &together)?;
        change.add_all(coming);
        new
    };
    let uid_validity = target.snapshot().uid_validity();
    Ok(Copied { uid_validity, pairs: copied.into_iter().zip(new).collect() })
}

/// Those of `uids` that are there after a look at the mailbox.
fn present(mailbox: &Mailbox, uids: &UidSet) -> Result<Vec<Chosen>> {
    mailbox.refresh(false)?;
    messages_of(&*mailbox.awake()?, uids)
}

/// A file in the target's `tmp/` with the message's content and date: a link, or a copy where
/// links cannot be. `None` when the message is gone.
fn link_or_copy(source: &Mailbox, uid: Uid, target: &Mailbox) -> Result<Option<(Temporary, String)>> {
    for _ in 0..3 {
        let (path, base) = {
            let inner = source.awake()?;
            let Some(path) = source.path_of(&inner, uid) else { return Ok(None) };
            (path, new_base(target, source, &inner, uid))
        };
        let temporary = {
            let _entered = target.shared.enter()?;
            Temporary::new(target.directory.join("tmp").join(&base), base.clone())
        };
        // A link would be made to a symbolic link or FIFO too.
        let metadata = std::fs::symlink_metadata(&path);
        let linked = match &metadata {
            Ok(metadata) if metadata.is_file() => {
                if let Some(copied) = copy_expanded(&path, metadata.len(), target)? {
                    return Ok(Some(copied));
                }
                match is_of_one_owner(source, target) {
                    true => std::fs::hard_link(&path, &temporary.path),
                    false => Err(std::io::ErrorKind::CrossesDevices.into()),
                }
            }
            Ok(_) => return Err(Error::new(ErrorKind::Damaged, "no regular file:", &path)),
            Err(_) => metadata.map(drop),
        };
        match linked {
            Ok(()) => return Ok(Some((temporary, base))),
            Err(error) if is_missing(&error) => {
                scan_source(source)?;
            }
            Err(_) => match copy_file(&path, &temporary.path, target)? {
                true => return Ok(Some((temporary, base))),
                false => scan_source(source)?,
            },
        }
    }
    Ok(None)
}

/// A compressed message is copied as it is read. `None` for a message that is not compressed, and
/// for one that cannot be read, which is copied as it lies there.
fn copy_expanded(path: &Path, size: u64, target: &Mailbox) -> Result<Option<(Temporary, String)>> {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    if disk_size(crate::file_name::split(&name).0) == Some(size) {
        return Ok(None);
    }
    let file = match MessageFile::open(path) {
        Ok(file) => file.filter(MessageFile::is_compressed),
        Err(error) if error.is_of_compression() => None,
        Err(error) => return Err(error),
    };
    let Some(file) = file else { return Ok(None) };
    let _entered = target.shared.enter()?;
    let mut copy = Delivery::create(&target.directory, &target.shared.settings.hostname)?;
    let (mut buffer, mut offset) = (vec![0; 64 * 1024], 0);
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        if count == 0 {
            break;
        }
        copy.write(&buffer[..count])?;
        offset += count as u64;
    }
    let temporary = copy.finish(Some(file.internal_date()))?;
    let base = temporary.base.clone();
    Ok(Some((temporary, base)))
}

/// The source's files are not where they were thought to be.
fn scan_source(source: &Mailbox) -> Result<()> {
    let mut inner = source.lock();
    let _lock = source.lock_file()?;
    source.scan_again(&mut inner)
}

pub(super) fn is_of_one_owner(source: &Mailbox, target: &Mailbox) -> bool {
    source.shared.owner == target.shared.owner
}

/// Copies a message's file as it lies there; `false` when it is gone.
pub(super) fn copy_file(from: &Path, to: &Path, target: &Mailbox) -> Result<bool> {
    let opened = open_regular(CWD, from.as_os_str().as_bytes(), || from.to_owned())?;
    let Some((mut source, ..)) = opened else { return Ok(false) };
    let _entered = target.shared.enter()?;
    let mut copied = || -> std::io::Result<()> {
        let mut target = private_file(to)?;
        let mut fill = || {
            std::io::copy(&mut source, &mut target)?;
            target.set_modified(source.metadata()?.modified()?)?;
            target.sync_all()
        };
        fill().inspect_err(|_| drop(std::fs::remove_file(to)))
    };
    copied().map_err(|error| Error::io("cannot copy to", to, error))?;
    Ok(true)
}
