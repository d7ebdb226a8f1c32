//! From a user, as the source knows them, to the uid and groups that their files belong to.

use crate::privileges;
use auth::User;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::owner::{self, Owner};

/// Users' own uids: `own-uid` of `[mail]`, and what the source may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OwnUids {
    /// Smallest uid that is taken.
    pub(crate) minimum_uid: u32,
    /// Smallest gid that is taken.
    pub(crate) minimum_gid: u32,
}

/// How long groups are believed.
const GROUPS_LAST: Duration = Duration::from_secs(600);

/// Users whose groups are remembered at most.
const GROUPS_MAX: usize = 20_000;

/// Groups by uid and gid, and when they were asked for.
type Groups = HashMap<(u32, u32), (Instant, Vec<u32>)>;

/// Whom a user's files belong to; `None`: to the user of `[mail]`. May ask the system for the
/// user's groups, and wait for it. An error says what is wrong with the user or with us.
pub(crate) fn owner_of(user: &User, own_uids: Option<OwnUids>) -> Result<Option<Arc<Owner>>, String> {
    let (Some(own_uids), Some(uid)) = (own_uids, user.uid) else { return Ok(None) };
    let gid = match user.gid {
        Some(gid) => gid,
        None => privileges::gid_of(uid).ok_or(format!("uid {uid} has no gid, and the system knows none"))?,
    };
    own_uids.check(uid, gid)?;
    if !owner::can_enter_others() {
        // As good as entering: all there is to lose are groups.
        return match owner::is_own(uid, gid) {
            true => Ok(None),
            false => Err(format!("own-uid: uid {uid} is not ours, and the server was not started as root")),
        };
    }
    let owner = Owner::new(uid, gid, &groups_of(uid, gid));
    owner.map(Some).ok_or_else(|| format!("uid {uid} and gid {gid} cannot own mail"))
}

impl OwnUids {
    /// Root is refused whatever the settings say.
    pub(crate) fn check(self, uid: u32, gid: u32) -> Result<(), String> {
        for (what, id, minimum) in [("uid", uid, self.minimum_uid), ("gid", gid, self.minimum_gid)] {
            if id == 0 || id < minimum {
                return Err(format!("{what} {id} is below minimum-{what} of [mail], which is {minimum}"));
            }
        }
        Ok(())
    }
}

/// The groups of the system's user with that uid; of a uid that it does not know, only `gid`.
fn groups_of(uid: u32, gid: u32) -> Vec<u32> {
    static GROUPS: Mutex<Option<Groups>> = Mutex::new(None);
    let lock = || GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = |groups: &Groups| {
        groups.get(&(uid, gid)).filter(|(asked, _)| asked.elapsed() < GROUPS_LAST).map(|(_, ids)| ids.clone())
    };
    if let Some(ids) = lock().as_ref().and_then(known) {
        return ids;
    }
    // Asking takes a process: nobody waits for another's.
    let ids = privileges::group_ids_of(uid, gid);
    let mut groups = lock();
    let groups = groups.get_or_insert_default();
    if groups.len() >= GROUPS_MAX {
        groups.clear();
    }
    groups.insert((uid, gid), (Instant::now(), ids.clone()));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_systems_own_are_refused() {
        let own_uids = Some(OwnUids { minimum_uid: 100, minimum_gid: 50 });
        let lax = Some(OwnUids { minimum_uid: 0, minimum_gid: 0 });
        for (own_uids, uid, gid, expected) in [
            (None, Some(0), Some(0), "nobody"),
            (own_uids, None, Some(40_001), "nobody"),
            (own_uids, Some(0), Some(40_001), "uid 0 is below"),
            (own_uids, Some(99), Some(40_001), "uid 99 is below minimum-uid"),
            (own_uids, Some(40_001), Some(0), "gid 0 is below"),
            (own_uids, Some(40_001), Some(49), "gid 49 is below minimum-gid"),
            (own_uids, Some(40_001), None, "uid 40001 has no gid"),
            (lax, Some(0), Some(40_001), "uid 0 is below"),
            (lax, Some(40_001), Some(0), "gid 0 is below"),
        ] {
            let user = User { uid, gid, ..User::default() };
            let found = match owner_of(&user, own_uids) {
                Ok(None) => "nobody".to_owned(),
                Ok(Some(owner)) => format!("{owner:?}"),
                Err(why) => why,
            };
            assert!(found.starts_with(expected), "{own_uids:?} {uid:?} {gid:?}: {found}");
        }
    }

    #[test]
    fn a_user_is_the_owner_or_is_refused() {
        let own_uids = Some(OwnUids { minimum_uid: 100, minimum_gid: 50 });
        let user = User { uid: Some(40_001), gid: Some(40_002), ..User::default() };
        let found = owner_of(&user, own_uids);
        if owner::can_enter_others() {
            let owner = found.expect("a fit user").expect("an owner");
            assert_eq!((owner.uid(), owner.gid(), owner.groups()), (40_001, 40_002, &[40_002][..]));
        } else {
            assert!(found.is_err_and(|why| why.contains("not started as root")));
        }
    }

    /// The one thread of a pool: which it is, and as whom the kernel lets it reach files.
    fn pool_thread() -> (std::thread::ThreadId, Vec<String>) {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("what the system says");
        let fields = ["Uid:", "Gid:", "Groups:", "CapEff:"];
        let of = |line: &&str| fields.iter().any(|field| line.starts_with(field));
        (std::thread::current().id(), status.lines().filter(of).map(str::to_owned).collect())
    }

    #[test]
    fn a_job_that_panics_leaves_its_pool_thread_as_it_was() {
        if !owner::can_enter_others() {
            eprintln!("SKIPPED: only root can work as others");
            return;
        }
        let pool = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        let pool = pool.expect("a runtime");
        let before = pool.block_on(pool.spawn_blocking(pool_thread)).expect("no panic");
        for uid in [40_001, 40_002] {
            let (sender, entered) = std::sync::mpsc::channel();
            let job = pool.spawn_blocking(move || {
                let outer = Owner::new(uid, uid, &[uid + 1]).expect("a fit user");
                let _outer = outer.enter().expect("the right to");
                let _inner = Owner::new(uid + 5, uid, &[]).expect("a fit user").enter();
                sender.send(pool_thread()).expect("who waits for it");
                panic!("wanted by the test");
            });
            assert!(pool.block_on(job).is_err_and(|ended| ended.is_panic()));
            let (thread, inside) = entered.recv().expect("it got so far");
            assert!(thread == before.0 && inside != before.1, "{inside:?}");
            assert_eq!(pool.block_on(pool.spawn_blocking(pool_thread)).expect("no panic"), before);
        }
    }
}
