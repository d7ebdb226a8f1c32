//! A user's Maildir as the server would find it at a log-in: for `check` and `auth test`.
//!
//! Nothing is changed: whether a directory can be written is tried with a file that has no name.

use crate::mail_place::{MailPlace, in_another_case};
use crate::owners::owner_of;
use crate::settings::Configuration;
use auth::User;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a log-in would find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FoundMaildir {
    /// The Maildir is there, and can be used.
    There(PathBuf),
    /// It is missing, and would be made.
    WouldBeMade(PathBuf),
}

/// Looks at a user's Maildir, as the one it belongs to where that is not the user of `[mail]`.
/// Call it as the user of `[mail]`. `Err`: why the server would refuse the user, and what to do.
pub(crate) fn look(user: &User, configuration: &Configuration) -> Result<FoundMaildir, String> {
    let place = MailPlace::of(user, configuration)?;
    let path = &place.root;
    let owner = owner_of(user, configuration.own_uids)?;
    let _entered =
        owner.as_ref().map(|owner| owner.enter()).transpose().map_err(|error| error.to_string())?;
    let as_whom = owner.as_ref().map_or_else(
        || configuration.user.clone().unwrap_or_else(|| "this user".to_owned()),
        |owner| format!("uid {}", owner.uid()),
    );
    if let (Some(owner), Ok(metadata)) = (&owner, std::fs::metadata(path))
        && metadata.uid() != owner.uid()
    {
        let (path, found) = (path.display(), metadata.uid());
        return Err(format!("{path} belongs to uid {found}, and not to theirs, {}", owner.uid()));
    }
    if let Ok(Some((word, found))) = place.layout.unconverted(path, owner.as_ref()) {
        let found = found.display();
        return Err(format!(
            "{word} of Dovecot's: restante migrate --from dovecot has to convert {found} first"
        ));
    }
    look_at(path, configuration.create_maildir, &as_whom)
}

/// Why no index and no cache would be kept for a user, whose mail would be served all the same: what
/// the store asks of a directory of theirs, and whether it could be made. Call it as [`look`].
pub(crate) fn index_problem(user: &User, configuration: &Configuration) -> Option<String> {
    let path = MailPlace::of(user, configuration).ok()?.index?;
    let owner = owner_of(user, configuration.own_uids).ok()?;
    let _entered = owner.as_ref().map(|owner| owner.enter()).transpose().ok()?;
    let uid = owner.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid());
    let as_whom = format!("uid {uid}");
    let wrong = match store::index_fault(&path, uid) {
        Some(fault) => Some(format!("{} {fault}", path.display())),
        None => {
            let there = path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("/"));
            usable(there, &as_whom).err()
        }
    };
    wrong.map(|wrong| format!("no index and no cache is kept: {wrong}"))
}

/// The fixed part of the template, where it has to be there: only a Maildir's parents are made
/// below it.
pub(crate) fn template_warning(configuration: &Configuration) -> Option<String> {
    let directory = fixed_part(&configuration.maildir)?;
    let wrong =
        |what: &str| Some(format!("{}: {what}, though Maildirs are to be there", directory.display()));
    match std::fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => wrong("is no directory"),
        // It is made with the first Maildir, or why that fails is said with the users.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && configuration.create_maildir => None,
        Err(error) => wrong(&error.to_string()),
    }
}

/// The directory in which all Maildirs lie; `None` when each user has one of their own.
pub(crate) fn fixed_part(template: &str) -> Option<&Path> {
    let fixed = template.split('%').next().unwrap_or_default();
    Some(Path::new(&fixed[..=fixed.rfind('/')?])).filter(|path| *path != Path::new("/"))
}

fn look_at(path: &Path, create: bool, as_whom: &str) -> Result<FoundMaildir, String> {
    if let Some(strange) = store::strange_directories(path).into_iter().next() {
        let strange = strange.display();
        return Err(format!("{strange} must be a directory, and no symbolic link; the inbox is not served"));
    }
    let missing = match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => return Err(format!("{} is no directory", path.display())),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if path.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
                return Err(format!("{} is a symbolic link that leads to no directory", path.display()));
            }
            Some(path)
        }
        Err(error) => {
            return Err(format!("{as_whom} cannot reach {}: {error}{}", path.display(), owner_hint(path)));
        }
    };
    if missing.is_none() {
        usable(path, as_whom)?;
        for directory in ["cur", "new", "tmp"].map(|name| path.join(name)) {
            match std::fs::symlink_metadata(&directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                _ => usable(&directory, as_whom)?,
            }
        }
        if path.join("cur").is_dir() {
            return Ok(FoundMaildir::There(path.to_owned()));
        }
    }
    if !create {
        return Err(format!("there is no Maildir {}, and create = false in [mail]", path.display()));
    }
    if let Some(other) = in_another_case(path) {
        return Err(format!("{} is there, whose name differs in case only; rename it", other.display()));
    }
    let above = path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("/"));
    usable(above, as_whom).map_err(|why| format!("the Maildir {} cannot be made: {why}", path.display()))?;
    Ok(FoundMaildir::WouldBeMade(path.to_owned()))
}

/// Whether a directory can be read, entered and written.
fn usable(directory: &Path, as_whom: &str) -> Result<(), String> {
    let failed = |doing: &str, error: Errno| {
        let error = std::io::Error::from(error);
        Err(format!("{as_whom} cannot {doing} {}: {error}{}", directory.display(), owner_hint(directory)))
    };
    let reading = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Err(error) = rustix::fs::open(directory, reading, Mode::empty()) {
        return failed("read", error);
    }
    let nameless = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(directory, nameless, Mode::from(0o600)) {
        // Not every file system has files without a name: there, nothing is found out.
        Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => Ok(()),
        Err(error) => failed("write in", error),
    }
}

/// Whom the deepest directory belongs to that can be seen.
fn owner_hint(path: &Path) -> String {
    let seen = path.ancestors().find_map(|ancestor| Some((ancestor, std::fs::metadata(ancestor).ok()?)));
    let Some((ancestor, metadata)) = seen else { return String::new() };
    let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
    format!(" ({} belongs to uid {uid}, gid {gid}, mode {mode:03o})", ancestor.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn why_no_index_would_be_kept_is_known_beforehand() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[mail]\nmaildir = \"/srv/%n\"\nindex = \"{}/%n/i\"\n[[users]]\npasswd-file = \"/u\"\n[login]\n\
             cleartext-from = [\"127.0.0.1\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n",
            directory.path().display()
        );
        let configuration = read_text(Path::new("r.toml"), &text).expect("it is right");
        let user = User { name: "anna".to_owned(), ..User::default() };
        let problem = || index_problem(&user, &configuration);
        assert_eq!(problem(), None, "it can be made");
        let index = directory.path().join("anna/i");
        std::fs::create_dir_all(&index).expect("a directory");
        let set_mode =
            |mode| std::fs::set_permissions(&index, PermissionsExt::from_mode(mode)).expect("a mode");
        for (mode, is_right) in [(0o700, true), (0o755, true), (0o770, false), (0o707, false)] {
            set_mode(mode);
            assert_eq!(problem().is_none(), is_right, "{mode:o}: {:?}", problem());
        }
        std::fs::remove_dir(&index).expect("removed");
        std::fs::write(&index, "").expect("a file");
        assert!(problem().is_some_and(|problem| problem.contains("is no directory")));
    }
}
