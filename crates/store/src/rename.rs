//! Giving files and directories other names, and never a name that is taken.
//!
//! rename(2) replaces what has the new name already: a message that another program put there
//! would be gone without a word. So every rename of a message's file or of a mailbox's directory
//! goes through here. The exceptions are files of our own that are replaced on purpose, as wholes:
//! see [`crate::disk::replace`] and `maildirsize`.
//!
//! Invariant S12 of crates/store/README.md.

use rustix::fs::{AtFlags, CWD, RenameFlags, linkat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Renames `from` to `to`; `AlreadyExists` where there is something of that name, also where both
/// are names of one file. See [`rename_new_at`].
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_new_at((CWD, from.as_os_str().as_bytes()), (CWD, to.as_os_str().as_bytes()))
}

/// Renames `from` to `to`, each a directory and a name in it; `AlreadyExists` where there is
/// something of that name.
///
/// The kernel does it in one step (`RENAME_NOREPLACE`) where the file system can. NFS and CephFS
/// cannot: there the file gets a second name by link(2), which replaces nothing either, and then
/// loses the first one. A crash in between leaves it with both, which the next look treats as two
/// messages (`mailbox/misnamed.rs`). Directories, and files where there are no hard links, are
/// renamed after a look whether the name is free: only a program that takes the name between
/// the two, without asking either, can be replaced.
pub(crate) fn rename_new_at<A: AsFd, B: AsFd>(from: (A, &[u8]), to: (B, &[u8])) -> io::Result<()> {
    let (from, to) = ((from.0.as_fd(), from.1), (to.0.as_fd(), to.1));
    let renamed = if lacks::flag() {
        Err(Errno::INVAL)
    } else {
        renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE)
    };
    match renamed {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_and_unlink(from, to)?,
        other => other?,
    }
    Ok(())
}

/// A directory, and a name in it.
type Named<'a> = (BorrowedFd<'a>, &'a [u8]);

fn link_and_unlink(from: Named<'_>, to: Named<'_>) -> rustix::io::Result<()> {
    let linked =
        if lacks::links() { Err(Errno::PERM) } else { linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) };
    match linked {
        Ok(()) => {}
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::INVAL) => {
            return look_and_rename(from, to);
        }
        Err(error) => return Err(error),
    }
    lacks::between_link_and_unlink();
    unlinkat(from.0, from.1, AtFlags::empty()).inspect_err(|_| {
        // Another program renamed or removed it meanwhile, and that is what holds: the name that
        // was made here must not bring the message back.
        let _ = unlinkat(to.0, to.1, AtFlags::empty());
    })
}

fn look_and_rename(from: Named<'_>, to: Named<'_>) -> rustix::io::Result<()> {
    match statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => renameat(from.0, from.1, to.0, to.1),
        Err(error) => Err(error),
    }
}

/// Whether an error says that this one file cannot have the name, whatever is done about it, while
/// others of its directory can have theirs: the name is too long, the file system cannot write it,
/// or the file must not be changed (`chattr +i`).
pub(crate) fn is_of_one_file(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ | Errno::PERM | Errno::EXIST))
}

#[cfg(not(test))]
mod lacks {
    #[inline(always)]
    pub(super) fn flag() -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn links() -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn between_link_and_unlink() {}
}

#[cfg(test)]
pub(crate) use lacks::{Lacks, on_a_file_system_without};

/// What the file system of a test cannot do.
#[cfg(test)]
mod lacks {
    use std::cell::Cell;

    /// What a file system has not.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) enum Lacks {
        Nothing,
        /// `RENAME_NOREPLACE`.
        Flag,
        /// Hard links neither.
        Links,
    }

    thread_local! {
        static LACKS: Cell<Lacks> = const { Cell::new(Lacks::Nothing) };
        static MEANWHILE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
    }

    /// Runs `act` as on such a file system.
    pub(crate) fn on_a_file_system_without<T>(lacks: Lacks, act: impl FnOnce() -> T) -> T {
        LACKS.set(lacks);
        let done = act();
        LACKS.set(Lacks::Nothing);
        done
    }

    /// What another program does between the next link and its unlink.
    pub(super) fn meanwhile(act: impl FnOnce() + 'static) {
        MEANWHILE.set(Some(Box::new(act)));
    }

    pub(super) fn flag() -> bool {
        LACKS.get() != Lacks::Nothing
    }

    pub(super) fn links() -> bool {
        LACKS.get() == Lacks::Links
    }

    pub(super) fn between_link_and_unlink() {
        if let Some(act) = MEANWHILE.take() {
            act();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ALL: [Lacks; 3] = [Lacks::Nothing, Lacks::Flag, Lacks::Links];

    #[test]
    fn nothing_is_ever_replaced() {
        for lacks in ALL {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join(name);
            fs::write(path("a"), "a").unwrap();
            fs::write(path("b"), "b").unwrap();
            fs::hard_link(path("a"), path("a2")).unwrap();
            std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
            fs::create_dir(path("directory")).unwrap();
            fs::create_dir(path("empty")).unwrap();
            let rename = |from, to| on_a_file_system_without(lacks, || rename_new(&path(from), &path(to)));
            for taken in ["b", "a2", "link", "directory", "a"] {
                let error = rename("a", taken).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{lacks:?} {taken}");
            }
            assert_eq!(rename("directory", "empty").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(rename("none", "c").unwrap_err().kind(), io::ErrorKind::NotFound);
            rename("a", "c").unwrap();
            rename("directory", "other").unwrap();
            let content = |name| fs::read_to_string(path(name)).unwrap();
            assert_eq!((content("b"), content("c"), path("a").exists()), ("b".into(), "a".into(), false));
            assert!(path("other").is_dir() && path("empty").is_dir() && !path("directory").exists());
        }
    }

    /// What another program does between link and unlink holds: the message is neither lost nor
    /// brought back.
    #[test]
    fn what_happens_between_link_and_unlink_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let rename = || on_a_file_system_without(Lacks::Flag, || rename_new(&path("a"), &path("b")));
        fs::write(path("a"), "a").unwrap();
        let (from, to) = (path("a"), path("theirs"));
        lacks::meanwhile(move || fs::rename(from, to).unwrap());
        assert_eq!(rename().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(names(), ["theirs"]);
        fs::rename(path("theirs"), path("a")).unwrap();
        let from = path("a");
        lacks::meanwhile(move || fs::remove_file(from).unwrap());
        assert_eq!(rename().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(names().is_empty());
    }

    #[test]
    fn names_that_one_file_cannot_have() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "a").unwrap();
        for lacks in ALL {
            let to = directory.path().join("n".repeat(256));
            let renamed = on_a_file_system_without(lacks, || rename_new(&directory.path().join("a"), &to));
            assert!(is_of_one_file(&renamed.unwrap_err()), "{lacks:?}");
        }
        assert!(!is_of_one_file(&io::Error::from_raw_os_error(libc_enospc())));
        assert!(directory.path().join("a").exists());
    }

    fn libc_enospc() -> i32 {
        Errno::NOSPC.raw_os_error()
    }
}
