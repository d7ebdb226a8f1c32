//! The system's users, as passwd(5) has them or whatever the system has them from.
//!
//! Looking up runs modules of the system's, which may wait, leak or crash: it is done in a
//! process that has nothing else to do.

use crate::source::User;
use nix::unistd::User as SystemUser;
use std::process::Command;

/// The user of that name. A number is no name.
pub(crate) fn find(name: &str) -> Result<Option<User>, String> {
    let found = SystemUser::from_name(name).map_err(|error| format!("passwd(5): {error}"))?;
    Ok(found.map(|user| User {
        name: user.name,
        home: user.dir.to_str().filter(|home| home.starts_with('/')).map(str::to_owned),
        uid: Some(user.uid.as_raw()),
        gid: Some(user.gid.as_raw()),
        ..User::default()
    }))
}

/// All users with that uid or a greater one. Some sources of the system's tell nobody who all is.
pub(crate) fn all(minimum_uid: u32) -> Result<Vec<User>, String> {
    let output = Command::new("getent").arg("passwd").output();
    let output = output.map_err(|error| format!("getent, which lists users: {error}"))?;
    if !output.status.success() {
        return Err(format!("getent, which lists users: {}", output.status));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(lines.lines().filter_map(of_line).filter(|user| user.uid >= Some(minimum_uid)).collect())
}

/// `name:x:uid:gid:gecos:home:shell`.
fn of_line(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, _] = fields[..] else { return None };
    Some(User {
        name: name.to_owned(),
        home: Some(home.to_owned()).filter(|home| home.starts_with('/')),
        uid: Some(uid.parse().ok()?),
        gid: Some(gid.parse().ok()?),
        ..User::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_users_are_found_and_listed() {
        let root = find("root").unwrap().unwrap();
        assert_eq!((root.name.as_str(), root.uid, root.gid), ("root", Some(0), Some(0)));
        assert!(root.home.is_some());
        assert_eq!(find("0"), Ok(None));
        assert_eq!(find("nobody-of-that-name"), Ok(None));
        assert!(all(0).unwrap().contains(&root));
        assert!(all(1).unwrap().iter().all(|user| user.uid != Some(0)));
    }

    #[test]
    fn lines_are_taken_apart() {
        let user = of_line("anna:x:1000:1001:Anna,,,:/home/anna:/bin/sh").unwrap();
        assert_eq!(user.home.as_deref(), Some("/home/anna"));
        assert_eq!((user.uid, user.gid), (Some(1000), Some(1001)));
        for line in ["", "anna", "anna:x:x:1:::", "+::::::", "anna:x:1000:1001"] {
            assert_eq!(of_line(line), None, "{line}");
        }
    }
}
