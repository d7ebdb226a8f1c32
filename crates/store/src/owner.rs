//! Whose files they are: a thread works on a user's files as that user.
//!
//! Linux keeps for each thread the uid, gid and groups by which it checks access to files and
//! which new files get (credentials(7)). A [`Guard`] sets them and puts them back. Without root's
//! capabilities the kernel then refuses whatever the user could not do, whatever our own code
//! thinks of it.
//!
//! The store enters a user at each of its own entry points; who does many things in a row enters
//! once around them, and what is inside costs nothing more. Where there are no owners, as on
//! sites of virtual users, none of this makes a system call.
//!
//! A thread that is started while a guard is held begins as that user, and stays so: threads
//! that outlive the work are started after [`step_out`].
//!
//! Invariant A10 of crates/auth/README.md.

use crate::error::{Error, ErrorKind, Result};
use nix::unistd::{setfsgid, setfsuid};
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{Gid, set_thread_groups};
use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

/// A user of the system, as files know one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// As long as it lives, this thread works on files as somebody. Dropped, also by a panic, the
/// thread is who it was before; where that cannot be, the process ends. Guards are dropped in the
/// reverse of the order in which they were made.
#[must_use]
#[derive(Debug)]
pub struct Guard {
    /// Whom to go back to, where entering changed that.
    before: Option<Arc<Owner>>,
    depth: usize,
    /// Of this thread and no other.
    _not_send: PhantomData<*const ()>,
}

/// Who a thread is.
#[derive(Debug)]
struct Entered {
    /// As whom the thread works without a guard: the server's user.
    outside: Arc<Owner>,
    now: Arc<Owner>,
    depth: usize,
}

thread_local! {
    static ENTERED: RefCell<Option<Entered>> = const { RefCell::new(None) };
}

impl Owner {
    /// A user with a group and further groups, of which root's is left out. Not root: `None` for
    /// uid or gid 0, and for the numbers that the kernel uses for "none".
    pub fn new(uid: u32, gid: u32, groups: &[u32]) -> Option<Arc<Self>> {
        let is_fit = |id: &u32| !matches!(*id, 0 | u32::MAX | 65535);
        let mut groups: Vec<u32> = groups.iter().copied().filter(|group| is_fit(group)).collect();
        groups.sort_unstable();
        groups.dedup();
        (is_fit(&uid) && is_fit(&gid)).then(|| Arc::new(Self { uid, gid, groups }))
    }

    /// The uid that files get.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The gid that files get.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Further groups whose files may be opened.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Works as this user until the guard is dropped. An error (it takes `CAP_SETUID` and
    /// `CAP_SETGID`) leaves the thread as it was.
    pub fn enter(self: &Arc<Self>) -> io::Result<Guard> {
        ENTERED.with_borrow_mut(|slot| {
            let mut entered = match slot.take() {
                Some(entered) => entered,
                None => {
                    let outside = Arc::new(Self::of_thread()?);
                    Entered { now: outside.clone(), outside, depth: 0 }
                }
            };
            let became = if *entered.now == **self { Ok(None) } else { self.become_it().map(Some) };
            let before = match became {
                Ok(changed) => changed.map(|()| std::mem::replace(&mut entered.now, self.clone())),
                Err(error) => {
                    go_back_to(&entered.now);
                    *slot = Some(entered).filter(|entered| entered.depth > 0);
                    return Err(error);
                }
            };
            entered.depth += 1;
            let depth = entered.depth;
            *slot = Some(entered);
            Ok(Guard { before, depth, _not_send: PhantomData })
        })
    }

    /// Who this thread is for the kernel, with a guard or without.
    fn of_thread() -> io::Result<Self> {
        let groups = getgroups()?.into_iter().map(Gid::as_raw).collect();
        Ok(Self { uid: fsuid(), gid: fsgid(), groups })
    }

    /// Groups and group first: the user is what is checked last. That a call did not fail is
    /// seen only by asking again.
    fn become_it(&self) -> io::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        set_thread_groups(&groups)?;
        setfsgid(nix::unistd::Gid::from_raw(self.gid));
        if fsgid() != self.gid {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        setfsuid(nix::unistd::Uid::from_raw(self.uid));
        if fsuid() != self.uid {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

/// Works as whoever the thread is without guards. Where none is held there is nothing to do.
pub fn step_out() -> io::Result<Option<Guard>> {
    let outside = ENTERED.with_borrow(|entered| entered.as_ref().map(|entered| entered.outside.clone()));
    outside.map(|outside| outside.enter()).transpose()
}

/// Works as the owner of what is at `path`; `None` stands for the server's own user.
pub(crate) fn enter(owner: Option<&Arc<Owner>>, path: &Path) -> Result<Option<Guard>> {
    let entered = match owner {
        Some(owner) => owner.enter().map(Some),
        None => step_out(),
    };
    entered.map_err(|error| Error {
        kind: ErrorKind::Denied,
        doing: "cannot become the owner of",
        path: path.to_owned(),
        source: Some(error),
    })
}

/// As whom this thread works, if a guard is held.
pub(crate) fn current() -> Option<Arc<Owner>> {
    ENTERED.with_borrow(|entered| entered.as_ref().map(|entered| entered.now.clone()))
}

/// Whether this process may work as others.
pub fn can_enter_others() -> bool {
    use rustix::thread::CapabilitySet;
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Whether this is the user and group that the process runs as.
pub fn is_own(uid: u32, gid: u32) -> bool {
    geteuid().as_raw() == uid && getegid().as_raw() == gid
}

impl Drop for Guard {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(|entered| {
            let Some(of_thread) = entered.as_mut().filter(|of_thread| of_thread.depth == self.depth) else {
                // An outer guard went before an inner one: who the thread is cannot be known.
                std::process::abort();
            };
            if let Some(before) = self.before.take() {
                go_back_to(&before);
                of_thread.now = before;
            }
            of_thread.depth -= 1;
            if of_thread.depth == 0 {
                *entered = None;
            }
        });
    }
}

/// Never goes on as somebody else.
fn go_back_to(owner: &Owner) {
    // In the reverse order: the user first.
    setfsuid(nix::unistd::Uid::from_raw(owner.uid));
    setfsgid(nix::unistd::Gid::from_raw(owner.gid));
    let groups: Vec<Gid> = owner.groups.iter().copied().map(Gid::from_raw).collect();
    // Who was not allowed to enter has these groups still, and may not set them.
    let has_groups = set_thread_groups(&groups).is_ok() || getgroups().is_ok_and(|now| now == groups);
    if fsuid() != owner.uid || fsgid() != owner.gid || !has_groups {
        std::process::abort();
    }
}

/// An id that nobody has changes nothing, and the one in force is returned (setfsuid(2)).
fn fsuid() -> u32 {
    setfsuid(nix::unistd::Uid::from_raw(u32::MAX)).as_raw()
}

fn fsgid() -> u32 {
    setfsgid(nix::unistd::Gid::from_raw(u32::MAX)).as_raw()
}

#[cfg(test)]
mod tests;
