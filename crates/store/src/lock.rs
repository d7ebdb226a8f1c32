//! The lock of a mailbox: advisory, on a file beside the UID list.
//!
//! On a file of its own, as a checkpoint replaces the list. The kernel lets go of it when its
//! holder dies.

use crate::error::{Error, ErrorKind, Result};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// A lock that is held; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Locks the file at `path`, which is made where it is missing. Waits `wait_ms_max`
    /// milliseconds at most, then `Busy`.
    pub(crate) fn take(path: &Path, wait_ms_max: u64) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| Error::io("cannot open lock", path, error.into()))?;
        Self::wait_for(file, path, wait_ms_max)
    }

    /// Likewise, but makes nothing: `None` where there is no such file. Who may only read it can
    /// lock it too.
    pub(crate) fn take_existing(path: &Path, wait_ms_max: u64) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => Self::wait_for(file, path, wait_ms_max).map(Some),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io("cannot open lock", path, error.into())),
        }
    }

    /// Locks the file at `path`, which is made where it is missing, together with others who share
    /// it, or alone. `Busy` at once where that cannot be.
    pub(crate) fn try_take(path: &Path, is_shared: bool) -> Result<Self> {
        // Read access is enough for a lock of either kind, but not on NFS for one held alone.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| Error::io("cannot open lock", path, error.into()))?;
        let operation = match is_shared {
            true => FlockOperation::NonBlockingLockShared,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::new(ErrorKind::Busy, "another process holds", path));
                }
                Err(error) => return Err(Error::io("cannot lock", path, error.into())),
            }
        }
    }

    fn wait_for(file: OwnedFd, path: &Path, wait_ms_max: u64) -> Result<Self> {
        let until = Instant::now() + Duration::from_millis(wait_ms_max);
        let mut pause = Duration::from_millis(1);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::io("cannot lock", path, error.into())),
            }
            if Instant::now() >= until {
                return Err(Error::new(ErrorKind::Busy, "another process holds", path));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}
