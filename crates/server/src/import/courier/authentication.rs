//! Where Courier's users come from: `authdaemonrc`, `authldaprc`, `authmysqlrc`, `authpgsqlrc`,
//! `userdb`.

use super::{is_on, ldap, origin_with_value, set, sql};
use crate::import::draft::{Draft, Origin};
use crate::import::input::{Problem, read_file, read_if_there, text, unreadable};
use crate::import::shell::{LINE_MAX, Variables};
use std::collections::BTreeSet;
use std::path::Path;

/// What there is instead of a module of authdaemond.
const MODULES: &[(&str, &str)] = &[
    (
        "authuserdb",
        "its text is not here: where it is, userdb of [[users]] is its path; userdb.dat alone is not read",
    ),
    ("authshadow", "a table of [[users]] with [users.pam] checks the same passwords"),
    ("authpwd", "a table of [[users]] with [users.pam] checks the same passwords"),
    (
        "authmysql",
        "MySQL (authmysqlrc) is not set up there: write [users.sql], or put the users into the passwd file",
    ),
    (
        "authpgsql",
        "PostgreSQL (authpgsqlrc) is not set up there: write [users.sql], or put the users into the passwd file",
    ),
    (
        "authsqlite",
        "write it as [users.sql]: url is sqlite: with the file's path, user-query what finds a user",
    ),
    ("authpipe", "let authdaemond go on asking it: authdaemon of [[users]] is the path of its socket"),
    ("authcustom", "no module of the site's own can be loaded: put the users into the passwd file"),
    ("authcram", "there is no CRAM: passwords are checked against hashes, under TLS"),
];

/// Settings of `authdaemonrc` that tell how it works, or are looked at by name.
const NO_DIFFERENCE: &[&str] = &[
    "authmodulelist",
    "authmodulelistorig",
    "daemons",
    "authdaemonvar",
    "DEBUG_LOGIN",
    "LOGGEROPTS",
    "subsystem",
    "version",
];

/// Reads what is there of them.
pub(super) fn import(directory: &Path, draft: &mut Draft) -> Result<(), Problem> {
    let mut variables = Variables::default();
    if let Some(bytes) = read_if_there(&directory.join("authdaemonrc"))? {
        variables.read("authdaemonrc", &bytes)?;
    }
    let list = set(&variables, "authmodulelist");
    let modules: Vec<&str> = list.map(|list| list.value.split_whitespace().collect()).unwrap_or_default();
    let mut wants_file = modules.is_empty();
    for module in &modules {
        let origin = Origin::with_value("authdaemonrc", "authmodulelist", module);
        let is_taken = match *module {
            "authldap" => ldap::import(&directory.join("authldaprc"), draft)?,
            "authuserdb" => userdb(&directory.join("userdb"), &origin, draft)?,
            "authmysql" | "authpgsql" => sql::import(directory, module, draft)?,
            "authpam" => pam(&origin, draft),
            "authvchkpw" => vpopmail(&origin, draft),
            _ => false,
        };
        wants_file |= !is_taken;
        // LDAP says itself what it lacks.
        if !is_taken && *module != "authldap" {
            let why = MODULES.iter().find(|(known, _)| known == module).map(|(_, why)| *why);
            draft.lose(origin, why.unwrap_or("no module of authdaemond that is known here"));
        }
    }
    for (name, variable) in variables.iter() {
        if NO_DIFFERENCE.contains(&name) || variable.value.trim().is_empty() {
            continue;
        }
        match name {
            "DEFAULTOPTIONS" => draft.lose(
                origin_with_value(name, variable),
                "users have no options; who shall not come in is taken out of the passwd file",
            ),
            _ if name.starts_with("LDAPTLS_") => draft.lose(
                origin_with_value(name, variable),
                "the authority of LDAP servers is ca-file of [users.ldap]; certificates are always checked",
            ),
            _ => {
                draft.lose(Origin::new("authdaemonrc", name), "no setting of authdaemond that is known here")
            }
        }
    }
    if let Some(debug) = set(&variables, "DEBUG_LOGIN").filter(|debug| is_on(Some(debug))) {
        draft.set("log", "level", "debug", &[origin_with_value("DEBUG_LOGIN", debug)]);
        draft.remark("log", "level", "Passwords are never logged.");
    }
    if !wants_file {
        return Ok(());
    }
    let remark = "a file of users, kept with `restante user add`, or filled from what authmodulelist names (see the end).";
    draft.start("users");
    draft.fill_in("users", "passwd-file", remark);
    Ok(())
}

/// Courier asks PAM for the service that is used.
fn pam(origin: &Origin, draft: &mut Draft) -> bool {
    draft.start("users");
    draft.set("users.pam", "service", "imap", std::slice::from_ref(origin));
    draft.remark(
        "users.pam",
        "service",
        "Users come from passwd(5). With own-uid in [mail] files are theirs.",
    );
    true
}

/// Where qmail has its virtual domains, on every host.
fn vpopmail(origin: &Origin, draft: &mut Draft) -> bool {
    draft.start("users");
    draft.set("users", "vpopmail", "/var/qmail/users/cdb", std::slice::from_ref(origin))
}

/// Its text, file or directory, is a source as it is; whether it is there. It also says whom all
/// mail belongs to, if it is one user.
fn userdb(path: &Path, origin: &Origin, draft: &mut Draft) -> Result<bool, Problem> {
    if !path.exists() {
        return Ok(false);
    }
    draft.start("users");
    draft.set("users", "userdb", path.display().to_string(), std::slice::from_ref(origin));
    owners(path, draft)?;
    Ok(true)
}

fn owners(path: &Path, draft: &mut Draft) -> Result<(), Problem> {
    let mut files = Vec::new();
    if path.is_dir() {
        let entries =
            std::fs::read_dir(path).map_err(|error| unreadable(&path.display().to_string(), &error))?;
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let (mut uids, mut gids) = (BTreeSet::new(), BTreeSet::new());
    for file in &files {
        let bytes = read_file(file)?;
        for line in text("userdb", &bytes, LINE_MAX)?.lines() {
            let Some((_, fields)) = line.split_once('\t').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            for (name, value) in fields.split('|').filter_map(|field| field.split_once('=')) {
                let numeric = value.trim().parse::<u32>().ok().map(|id| id.to_string());
                match name.trim() {
                    "uid" => uids.extend(numeric),
                    "gid" => gids.extend(numeric),
                    _ => {}
                }
            }
        }
    }
    for (name, key, ids) in [("uid", "user", &uids), ("gid", "group", &gids)] {
        let Some(id) = ids.first() else { continue };
        // Of several it is said who has which, when users are looked at.
        if ids.len() == 1 && draft.set("mail", key, id.as_str(), &[Origin::with_value("userdb", name, id)]) {
            draft.remark("mail", key, "It must be in /etc/passwd or /etc/group.");
        }
    }
    Ok(())
}
