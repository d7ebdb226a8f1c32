//! What the settings need of the systemd unit, whose sandbox lets the server write in few places.
//!
//! `restante systemd-unit` prints a drop-in for the site's own paths; `check` compares them with
//! the unit that is installed.

use crate::maildirs::fixed_part;
use crate::settings::Configuration;
use crate::users::Users;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where units and their drop-ins lie; what comes later overrides what comes before.
const UNIT_DIRECTORIES: [&str; 4] =
    ["/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system", "/etc/systemd/system"];

const UNIT: &str = "restante.service";

/// Where the drop-in belongs.
pub(crate) const DROP_IN: &str = "/etc/systemd/system/restante.service.d/site.conf";

/// Directories that `ProtectHome` hides.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Directories that a drop-in names, about.
const DIRECTORIES_MAX: usize = 50;

/// Prints the drop-in.
pub(crate) fn print(configuration: &Configuration) -> Result<(), String> {
    // Sources that cannot tell have no places to add.
    let maildirs = Users::open(configuration).all().unwrap_or_default();
    let indexes = maildirs.iter().filter_map(|user| user.place.index.as_deref());
    let roots = maildirs.iter().map(|user| user.place.root.as_path());
    let written = directories(configuration, roots.chain(indexes));
    print!("{}", drop_in(&written));
    Ok(())
}

/// Directories that the server writes in, and the unit of the package does not let it.
pub(crate) fn beyond_shipped<'a>(
    configuration: &Configuration,
    maildirs: impl Iterator<Item = &'a Path>,
) -> Vec<PathBuf> {
    let mut sandbox = Sandbox::default();
    sandbox.take_text(include_str!("../../../config/restante.service"));
    let written = directories(configuration, maildirs);
    written.into_iter().filter(|path| !sandbox.lets_write(path)).collect()
}

/// What the installed unit keeps the server from. Nothing where no unit is installed.
pub(crate) fn warnings(configuration: &Configuration) -> Vec<String> {
    let Some(sandbox) = Sandbox::of_unit(&UNIT_DIRECTORIES.map(Path::new)) else { return Vec::new() };
    let hidden =
        directories(configuration, std::iter::empty()).into_iter().filter(|path| !sandbox.lets_write(path));
    hidden
        .map(|path| {
            format!(
                "{UNIT} does not let the server write in {}: restante systemd-unit >{DROP_IN} && \
                 systemctl daemon-reload",
                path.display()
            )
        })
        .collect()
}

/// Directories that the server writes in.
fn directories<'a>(
    configuration: &Configuration,
    maildirs: impl Iterator<Item = &'a Path>,
) -> BTreeSet<PathBuf> {
    let templates = [Some(&configuration.maildir), configuration.index.as_ref()];
    let fixed = templates.into_iter().flatten().filter_map(|template| fixed_part(template));
    let mut directories: BTreeSet<PathBuf> = fixed.map(|path| path.components().collect()).collect();
    if configuration.log_ins.rehash {
        // A new file takes the place of the old one.
        directories.extend(configuration.passwd_files().filter_map(|file| file.parent()).map(Path::to_owned));
    }
    for maildir in maildirs {
        let is_known = directories.iter().any(|directory| maildir.starts_with(directory));
        // /home of /home/anna/Maildir.
        let above = maildir.ancestors().nth(2).filter(|above| *above != Path::new("/"));
        if !is_known {
            directories.insert(above.unwrap_or(maildir).to_owned());
        }
    }
    joined(directories, DIRECTORIES_MAX)
}

/// About `max` directories that hold all of these: where they are more, the one that holds most
/// of them stands for what it holds. The root directory stands for nothing.
fn joined(mut directories: BTreeSet<PathBuf>, max: usize) -> BTreeSet<PathBuf> {
    while directories.len() > max {
        let mut held: BTreeMap<&Path, usize> = BTreeMap::new();
        for parent in directories.iter().filter_map(|path| path.parent()) {
            *held.entry(parent).or_default() += 1;
        }
        held.remove(Path::new("/"));
        let most = held.into_iter().filter(|(_, count)| *count > 1).max_by_key(|(_, count)| *count);
        let Some((parent, _)) = most else { break };
        let parent = parent.to_owned();
        directories.retain(|path| !path.starts_with(&parent));
        directories.insert(parent);
    }
    directories
}

fn drop_in(directories: &BTreeSet<PathBuf>) -> String {
    let mut text = format!(
        "# What the settings need of {UNIT}, made by `restante systemd-unit`.\n\
         # It belongs into {DROP_IN};\n\
         # after that: systemctl daemon-reload && systemctl restart restante\n\
         [Service]\n"
    );
    for directory in directories {
        // The dash: a directory that is not there yet does not keep the unit from starting.
        let _ = writeln!(text, "ReadWritePaths=-{}", directory.display());
    }
    if directories.iter().any(|directory| is_hidden_home(directory)) {
        text.push_str("ProtectHome=no\n");
    }
    text
}

fn is_hidden_home(path: &Path) -> bool {
    HOMES.iter().any(|home| path.starts_with(home))
}

/// What a unit's sandbox says of files.
#[derive(Default, Debug)]
struct Sandbox {
    is_strict: bool,
    hides_homes: bool,
    written: Vec<PathBuf>,
}

impl Sandbox {
    /// Of the unit and its drop-ins; `None` where there is no unit.
    fn of_unit(directories: &[&Path]) -> Option<Self> {
        let unit =
            directories.iter().rev().map(|directory| directory.join(UNIT)).find(|path| path.is_file())?;
        let mut files = vec![unit];
        for directory in directories {
            let entries =
                std::fs::read_dir(directory.join(format!("{UNIT}.d"))).into_iter().flatten().flatten();
            let mut drop_ins: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            drop_ins.sort();
            files.extend(
                drop_ins.into_iter().filter(|path| path.extension().is_some_and(|end| end == "conf")),
            );
        }
        let mut sandbox = Self::default();
        for text in files.iter().filter_map(|path| std::fs::read_to_string(path).ok()) {
            sandbox.take_text(&text);
        }
        Some(sandbox)
    }

    fn take_text(&mut self, text: &str) {
        let lines = text.lines().filter_map(|line| line.trim().split_once('='));
        lines.for_each(|(key, value)| self.take(key, value));
    }

    /// A line, as systemd.exec(5) has it.
    fn take(&mut self, key: &str, value: &str) {
        match key.trim() {
            "ProtectSystem" => self.is_strict = value.trim() == "strict",
            "ProtectHome" => self.hides_homes = !["no", "false", "off", "0"].contains(&value.trim()),
            "ReadWritePaths" if value.trim().is_empty() => self.written.clear(),
            "ReadWritePaths" => {
                self.written.extend(
                    value.split_whitespace().map(|path| PathBuf::from(path.trim_start_matches(['-', '+']))),
                );
            }
            _ => {}
        }
    }

    fn lets_write(&self, path: &Path) -> bool {
        let is_named = self.written.iter().any(|written| path.starts_with(written));
        (!self.is_strict || is_named) && !(self.hides_homes && is_hidden_home(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{document, read_text};

    #[test]
    fn many_directories_are_joined_and_none_is_left_out() {
        let all: BTreeSet<PathBuf> = (0..200)
            .map(|n| PathBuf::from(format!("/home/domains/d{n}.example")))
            .chain(["/srv/mail", "/var/vmail/a", "/var/vmail/b"].map(PathBuf::from))
            .collect();
        let few = joined(all.clone(), 4);
        let expected = ["/home/domains", "/srv/mail", "/var/vmail/a", "/var/vmail/b"];
        assert_eq!(few, expected.map(PathBuf::from).into());
        assert_eq!(
            joined(all.clone(), 2),
            ["/home/domains", "/srv/mail", "/var/vmail"].map(PathBuf::from).into()
        );
        let top: BTreeSet<PathBuf> = (0..9).map(|n| PathBuf::from(format!("/m{n}"))).collect();
        assert_eq!(joined(top.clone(), 2), top);
        assert_eq!(joined(all.clone(), 500), all);
    }

    #[test]
    fn directories_of_mail_and_of_indexes_are_written_in() {
        let text = document::MINIMAL.replace("user = ", "index = \"/var/cache/restante/%d/%n\"\nuser = ");
        let configuration = read_text(Path::new("r.toml"), &text).unwrap();
        let own = ["/home/anna/Maildir", "/home/anna/.cache/restante", "/srv/mail/a/b/Maildir"];
        let written = directories(&configuration, own.map(Path::new).into_iter());
        assert_eq!(written, ["/home", "/srv/mail", "/var/cache/restante"].map(PathBuf::from).into());
        assert!(drop_in(&written).contains("\nReadWritePaths=-/var/cache/restante\n"));
    }

    #[test]
    fn a_sandbox_is_read_with_its_drop_ins() {
        let root = tempfile::tempdir().unwrap();
        let shipped = root.path().join("lib");
        let of_site = root.path().join("etc");
        assert!(Sandbox::of_unit(&[&shipped, &of_site]).is_none());
        std::fs::create_dir_all(of_site.join(format!("{UNIT}.d"))).unwrap();
        std::fs::create_dir(&shipped).unwrap();
        let unit = "[Service]\nProtectSystem=strict\nReadWritePaths=-/srv/mail\nProtectHome=yes\n";
        std::fs::write(shipped.join(UNIT), unit).unwrap();
        let lets_write =
            |path: &str| Sandbox::of_unit(&[&shipped, &of_site]).unwrap().lets_write(Path::new(path));
        for (path, expected) in
            [("/srv/mail", true), ("/srv/mail/a", true), ("/srv/mailing", false), ("/home", false)]
        {
            assert_eq!(lets_write(path), expected, "{path}");
        }
        let drop_in = drop_in(&["/var/vmail", "/home"].map(PathBuf::from).into());
        std::fs::write(of_site.join(format!("{UNIT}.d/site.conf")), drop_in).unwrap();
        for (path, expected) in [("/srv/mail", true), ("/var/vmail", true), ("/home", true), ("/opt", false)]
        {
            assert_eq!(lets_write(path), expected, "{path}");
        }
    }
}
