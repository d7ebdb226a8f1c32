//! Locks as Courier and Dovecot have them: a file that is made by whoever holds the lock, and
//! that is stale when it is old.

use crate::disk::private_file;
use crate::error::{Error, ErrorKind, Result};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Age from which both servers take a lock for left over.
const STALE: Duration = Duration::from_secs(120);

/// A lock that is held; dropping it removes the file.
pub(super) struct DotLock {
    path: PathBuf,
}

impl DotLock {
    /// Waits `wait_ms_max` milliseconds at most, then `Busy`. `holder` is what the file says.
    pub(super) fn take(path: &Path, holder: &str, wait_ms_max: u64) -> Result<Self> {
        let until = Instant::now() + Duration::from_millis(wait_ms_max);
        loop {
            match private_file(path) {
                Ok(mut file) => {
                    let lock = Self { path: path.to_owned() };
                    file.write_all(holder.as_bytes()).map_err(|e| Error::io("cannot write", path, e))?;
                    return Ok(lock);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("cannot make", path, error)),
            }
            let age =
                std::fs::symlink_metadata(path).ok().and_then(|file| file.modified().ok()?.elapsed().ok());
            if age.is_some_and(|age| age > STALE) {
                tracing::warn!(lock = %path.display(), "removed a lock that was left over");
                let _ = std::fs::remove_file(path);
            } else if Instant::now() >= until {
                return Err(Error::new(ErrorKind::Busy, "another process holds", path));
            } else {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for DotLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
