//! Reading messages' files, wherever they lie by now.

use super::Mailbox;
use crate::error::{ErrorKind, Result};
use crate::message::{Looked, MessageFile};
use crate::scan::Place;
use mail::Uid;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;

impl Mailbox {
    /// Opens a message's file. `None` when it is gone. `Compressed` for a message that is
    /// compressed in a way that is not read.
    pub fn open_message(&self, uid: Uid) -> Result<Option<MessageFile>> {
        let _entered = self.shared.enter()?;
        let opened = self.with_path(uid, MessageFile::open);
        if let Err(error) = &opened
            && error.kind == ErrorKind::Compressed
            && !self.said_compressed.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                %error, mailbox = self.name.as_str(),
                "messages cannot be served: decompress their files; restante mailbox check names them"
            );
        }
        opened
    }

    /// RFC822.SIZE: octets with CRLF, as the name says where it fits the file, else counted. `None`
    /// when it is gone. See [`super::Pass::size`], which remembers it.
    pub fn size(&self, uid: Uid) -> Result<Option<u64>> {
        let _entered = self.shared.enter()?;
        match self.look_at(uid)? {
            Some(Looked { octets: Some(octets), .. }) => Ok(Some(octets)),
            _ => self.open_message(uid)?.map(|file| file.count_octets()).transpose(),
        }
    }

    /// INTERNALDATE in seconds since 1970: the file's mtime. `None` when it is gone. See
    /// [`super::Pass::internal_date`], which remembers it.
    pub fn internal_date(&self, uid: Uid) -> Result<Option<i64>> {
        let _entered = self.shared.enter()?;
        Ok(self.look_at(uid)?.map(|looked| looked.date))
    }

    /// `cur/`, for [`Mailbox::open_in`].
    pub(super) fn open_cur(&self) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(self.directory.join("cur"), flags, Mode::empty()).ok()
    }

    /// A message's file in `cur/`, if it is there under the name that is known.
    pub(super) fn open_in(&self, cur: &OwnedFd, uid: Uid) -> Option<MessageFile> {
        let name = self.name_in_cur(uid)?;
        MessageFile::open_at(cur, &name, || self.file_path(Place::Cur, &name)).ok().flatten()
    }

    /// What a look at such a file tells; likewise.
    pub(super) fn look_in(&self, cur: &OwnedFd, uid: Uid) -> Option<Looked> {
        let name = self.name_in_cur(uid)?;
        MessageFile::look_at(cur, &name, || self.file_path(Place::Cur, &name)).ok().flatten()
    }

    fn name_in_cur(&self, uid: Uid) -> Option<Vec<u8>> {
        let inner = self.awake().ok()?;
        let state = inner.state.as_ref()?;
        let (place, name) = state.file_name(state.row(uid)?)?;
        (place == Place::Cur).then_some(name)
    }

    /// What a look at a message's file tells. `None` when it is gone.
    pub(super) fn look_at(&self, uid: Uid) -> Result<Option<Looked>> {
        self.with_path(uid, MessageFile::look)
    }

    /// Does something with a message's file, and again under its new name where somebody
    /// renamed it. `None` when it is gone.
    fn with_path<T>(&self, uid: Uid, act: impl Fn(&Path) -> Result<Option<T>>) -> Result<Option<T>> {
        for _ in 0..3 {
            let path = self.path_of(&*self.awake()?, uid);
            let Some(path) = path else { break };
            if let Some(done) = act(&path)? {
                return Ok(Some(done));
            }
            let mut inner = self.lock();
            let _lock = self.lock_and_look(&mut inner)?;
            if self.path_of(&inner, uid).is_some_and(|now| now == path) {
                // The watcher has not seen it, if there is one.
                self.scan_again(&mut inner)?;
            }
        }
        Ok(None)
    }
}
