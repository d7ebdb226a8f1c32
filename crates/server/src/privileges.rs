//! Giving up root, for good.

use rustix::process::{getgid, getuid};
use rustix::thread::{Gid, Uid};

/// Becomes `user`, with `group` or the user's own groups' first; nothing of root is left, and
/// no program that is started gets more. Must be called while the process has one thread.
///
/// Not root: nothing to give up, and a warning when another user was asked for.
pub(crate) fn give_up(user: Option<&str>, group: Option<&str>) -> Result<(), String> {
    let Some(user) = user else {
        if getuid().is_root() {
            return Err("started as root: [mail] wants user, such as user = \"vmail\"".to_owned());
        }
        return Ok(());
    };
    let (uid, own_gid) = find_user(user)?;
    let gid = match group {
        Some(group) => find_group(group)?,
        None => own_gid,
    };
    if !getuid().is_root() {
        if getuid() != uid {
            tracing::warn!(user, "not started as root: going on as the user that started it");
        }
        return no_new_privileges();
    }
    if uid.is_root() {
        return Err(format!("[mail] user {user} is root: mail is served by an ordinary user"));
    }
    let failed =
        |what: &'static str| move |error: rustix::io::Errno| format!("cannot give up root ({what}): {error}");
    // Groups first: without root they cannot be changed any more. All three ids, so that none
    // is left to go back to.
    rustix::thread::set_thread_groups(&[gid]).map_err(failed("groups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed("group"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed("user"))?;
    if getuid() != uid
        || getgid() != gid
        || rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok()
    {
        return Err("root could be taken back after it was given up".to_owned());
    }
    no_new_privileges()
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

/// Whether a user is known, for `restante check`.
pub(crate) fn check(user: Option<&str>, group: Option<&str>) -> Vec<String> {
    let user = user.and_then(|user| find_user(user).err());
    let group = group.and_then(|group| find_group(group).err());
    user.into_iter().chain(group).collect()
}
