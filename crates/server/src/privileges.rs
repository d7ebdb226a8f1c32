//! Giving up root, for good.

use rustix::process::{getgid, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

/// What of root is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keep {
    /// Nothing.
    Nothing,
    /// The capabilities to work as another user: [`OWNERS`].
    Owners,
}

/// What it takes to work on files as their owner. Whoever gets to run code of their own in the
/// server can become anybody with them; a mistake in what is opened as whom, they do not reach.
const OWNERS: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// Becomes `user`, with `group` or the user's own, and with the groups that the user is a member
/// of, such as one that may read keys. Nothing of root is left, and no program that is started
/// gets more. Of the thread that calls: it must be the only one of the process.
///
/// With [`Keep::Owners`], these capabilities stay permitted and effective.
///
/// Not root: nothing to give up, and a warning when another user was asked for.
pub(crate) fn give_up(user: Option<&str>, group: Option<&str>, keep: Keep) -> Result<(), String> {
    let Some((user, uid, gid)) = target(user, group).map_err(|problems| problems.join("; "))? else {
        return Ok(());
    };
    if !getuid().is_root() {
        if getuid() != uid {
            tracing::warn!(user, "not started as root: going on as the user that started it");
        }
        if keep == Keep::Owners {
            tracing::warn!("own-uid, not started as root: users with another uid than ours cannot log in");
        }
        return no_new_privileges();
    }
    let failed =
        |what: &'static str| move |error: rustix::io::Errno| format!("cannot give up root ({what}): {error}");
    // Groups first: without root they cannot be changed any more. All three ids, so that none
    // is left to go back to.
    if keep == Keep::Owners {
        bound_to(OWNERS);
        rustix::thread::set_keep_capabilities(true).map_err(failed("keeping capabilities"))?;
    }
    rustix::thread::set_thread_groups(&groups_of(user, gid)).map_err(failed("groups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed("group"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed("user"))?;
    if keep == Keep::Owners {
        rustix::thread::set_keep_capabilities(false).map_err(failed("keeping capabilities"))?;
        let sets =
            CapabilitySets { effective: OWNERS, permitted: OWNERS, inheritable: CapabilitySet::empty() };
        rustix::thread::set_capabilities(None, sets).map_err(failed("capabilities"))?;
        let left = rustix::thread::capabilities(None).map_err(failed("capabilities"))?;
        if left != sets || getuid() != uid || getgid() != gid {
            return Err("more than the change of owners is left of root".to_owned());
        }
        return no_new_privileges();
    }
    if getuid() != uid
        || getgid() != gid
        || rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok()
    {
        return Err("root could be taken back after it was given up".to_owned());
    }
    no_new_privileges()
}

/// Whom to become; `None` when nobody is asked for. `Err`: why that cannot be, or why somebody
/// must be asked for.
fn target<'a>(
    user: Option<&'a str>,
    group: Option<&str>,
) -> Result<Option<(&'a str, Uid, Gid)>, Vec<String>> {
    let Some(user) = user else {
        if getuid().is_root() {
            return Err(vec!["started as root: [mail] wants user, such as user = \"vmail\"".to_owned()]);
        }
        return Ok(None);
    };
    let (found, group) = (find_user(user), group.map(find_group).transpose());
    let (uid, gid) = match (found, group) {
        (Ok((uid, own_gid)), Ok(gid)) => (uid, gid.unwrap_or(own_gid)),
        (found, group) => return Err(found.err().into_iter().chain(group.err()).collect()),
    };
    if getuid().is_root() && (uid.is_root() || gid.is_root()) {
        return Err(vec![format!(
            "[mail] user {user} is root or has root's group: an ordinary user is needed"
        )]);
    }
    Ok(Some((user, uid, gid)))
}

/// Why [`give_up`] would refuse, as far as that can be told without doing it.
pub(crate) fn problems(user: Option<&str>, group: Option<&str>) -> Vec<String> {
    target(user, group).err().unwrap_or_default()
}

/// The group that [`give_up`] would take. `None`: nobody is asked for.
pub(crate) fn group_of(user: Option<&str>, group: Option<&str>) -> Result<Option<Gid>, String> {
    let target = target(user, group).map_err(|problems| problems.join("; "))?;
    Ok(target.map(|(_, _, gid)| gid))
}

/// No program that is started gets other capabilities. It cannot get any without new privileges;
/// where we may not change the set (systemd's `CapabilityBoundingSet`), it is small already.
fn bound_to(kept: CapabilitySet) {
    for capability in CapabilitySet::all().difference(kept) {
        if let Err(error) = rustix::thread::remove_capability_from_bounding_set(capability) {
            tracing::debug!(%error, ?capability, "stays in the bounding set");
        }
    }
}

fn no_new_privileges() -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("cannot set no_new_privs: {error}"))
}

/// User and group ids by name or number. Asked of `getent`, which knows what the system's
/// sources of users know.
fn find_user(name: &str) -> Result<(Uid, Gid), String> {
    let line = getent("passwd", name)?;
    let mut fields = line.split(':').skip(2);
    let mut id = || fields.next()?.parse::<u32>().ok();
    match (id(), id()) {
        (Some(uid), Some(gid)) => Ok((Uid::from_raw(uid), Gid::from_raw(gid))),
        _ => Err(format!("user {name}: cannot read {line:?}")),
    }
}

fn find_group(name: &str) -> Result<Gid, String> {
    let line = getent("group", name)?;
    let id = line.split(':').nth(2).and_then(|id| id.parse().ok());
    id.map(Gid::from_raw).ok_or_else(|| format!("group {name}: cannot read {line:?}"))
}

/// `gid` and the groups that name `user` a member.
fn groups_of(user: &str, gid: Gid) -> Vec<Gid> {
    // The line is the user's name, then the groups.
    let line = getent("initgroups", user).unwrap_or_default();
    let others = line.split_whitespace().skip(1).filter_map(|id| id.parse().ok()).map(Gid::from_raw);
    let mut groups: Vec<Gid> = std::iter::once(gid).chain(others.filter(|other| *other != gid)).collect();
    // A user of mail has no business in root's group, whatever the system says.
    groups.retain(|group| !group.is_root());
    groups
}

/// The group of the system's user with this uid; `None` when there is none.
pub(crate) fn gid_of(uid: u32) -> Option<u32> {
    getent("passwd", &uid.to_string()).ok()?.split(':').nth(3)?.parse().ok()
}

/// `gid`, and the further groups of the system's user with this uid, if there is one.
pub(crate) fn group_ids_of(uid: u32, gid: u32) -> Vec<u32> {
    let line = getent("passwd", &uid.to_string()).unwrap_or_default();
    match line.split(':').next().filter(|name| !name.is_empty()) {
        Some(name) => groups_of(name, Gid::from_raw(gid)).into_iter().map(Gid::as_raw).collect(),
        None => vec![gid],
    }
}

fn getent(database: &str, name: &str) -> Result<String, String> {
    let output = std::process::Command::new("getent")
        .args(["--", database, name])
        .output()
        .map_err(|error| format!("getent, which looks up users: {error}"))?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let what = if database == "passwd" { "user" } else { "group" };
    if output.status.success() && !line.is_empty() {
        Ok(line)
    } else {
        Err(format!("no such {what}: {name}"))
    }
}

/// Does something as the user that the server becomes, on a thread that ends with it; the other
/// threads stay root. `None` when that cannot be: not root, or no such user.
pub(crate) fn as_user<T: Send>(
    user: Option<&str>,
    group: Option<&str>,
    work: impl FnOnce() -> T + Send,
) -> Option<T> {
    if !getuid().is_root() || user.is_none() {
        return None;
    }
    let on_thread = || give_up(user, group, Keep::Nothing).is_ok().then(work);
    std::thread::scope(|scope| scope.spawn(on_thread).join().ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_23_what_was_given_up_cannot_be_taken_back() {
        if !getuid().is_root() {
            eprintln!("SKIPPED: only root has something to give up");
            return;
        }
        // What a thread gives up, the others keep: the tests go on as root.
        let thread = std::thread::spawn(|| {
            give_up(Some("nobody"), None, Keep::Nothing).expect("an ordinary user");
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("what the system says");
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.expect("a field").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            };
            let (uid, gid) = find_user("nobody").expect("a user of every system");
            let (uid, gid) = (uid.as_raw().to_string(), gid.as_raw().to_string());
            // Real, effective, saved, file system.
            assert_eq!(field("Uid"), vec![uid; 4]);
            assert_eq!(field("Gid"), vec![gid; 4]);
            assert!(!field("Groups").contains(&"0".to_owned()), "{status}");
            for capabilities in ["CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(field(capabilities), ["0000000000000000"], "{capabilities}");
            }
            assert_eq!(field("NoNewPrivs"), ["1"]);
            assert!(rustix::thread::set_thread_uid(Uid::ROOT).is_err());
            assert!(rustix::thread::set_thread_gid(Gid::ROOT).is_err());
            assert!(rustix::thread::set_thread_groups(&[Gid::ROOT]).is_err());
        });
        assert!(thread.join().is_ok(), "see above");
    }

    #[test]
    fn of_root_only_the_change_of_owners_is_kept() {
        if !getuid().is_root() {
            eprintln!("SKIPPED: only root has something to keep");
            return;
        }
        let thread = std::thread::spawn(|| {
            give_up(Some("nobody"), None, Keep::Owners).expect("an ordinary user");
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("what the system says");
            let owner = store::Owner::new(40_001, 40_001, &[]).expect("an owner");
            let entered = owner.enter().expect("the right to");
            // What root could read whatever its mode.
            assert!(std::fs::read_to_string("/etc/shadow").is_err());
            drop(entered);
            status
        });
        let status = thread.join().expect("see above");
        for line in ["CapPrm:\t00000000000000c0", "CapEff:\t00000000000000c0", "CapInh:\t0000000000000000"] {
            assert!(status.contains(line), "{line}: {status}");
        }
        assert!(
            status.contains("CapAmb:\t0000000000000000") && status.contains("NoNewPrivs:\t1"),
            "{status}"
        );
    }

    #[test]
    fn mail_is_served_by_an_ordinary_user() {
        let is_root = getuid().is_root();
        for (user, group, expected) in [
            (Some("nobody-of-that-name"), None, "no such user: nobody-of-that-name"),
            (Some("nobody"), Some("no-such-group"), "no such group: no-such-group"),
            (None, None, if is_root { "started as root: [mail] wants user" } else { "" }),
            (Some("root"), None, if is_root { "[mail] user root is root" } else { "" }),
            (Some("nobody"), Some("root"), if is_root { "[mail] user nobody is root or" } else { "" }),
        ] {
            let given_up =
                std::thread::spawn(move || give_up(user, group, Keep::Nothing)).join().expect("no panic");
            let error = given_up.err().unwrap_or_default();
            assert!(error.starts_with(expected), "{user:?} {group:?}: {error}");
            assert_eq!(error.is_empty(), expected.is_empty(), "{user:?} {group:?}: {error}");
        }
    }
}
