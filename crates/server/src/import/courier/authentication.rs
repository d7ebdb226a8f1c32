//! Where Courier's users come from: `authdaemonrc`, `authldaprc`, `userdb`.

use super::{is_on, ldap, origin_with_value, set};
use crate::import::draft::{Draft, Origin};
use crate::import::shell::{LINE_MAX, Variables};
use crate::import::{Problem, read_file, read_if_there, text, unreadable};
use std::collections::BTreeSet;
use std::path::Path;

/// What there is instead of a module of authdaemond.
const MODULES: &[(&str, &str)] = &[
    (
        "authuserdb",
        "each line of userdb becomes a line of the passwd file: NAME:SYSTEMPW:UID:GID::HOME:: and, where it has mail=, userdb_mail=maildir:MAIL behind the last colon",
    ),
    (
        "authpam",
        "write it as [users.pam] in a table of [[users]]: users come from passwd(5), and PAM is asked for the service imap",
    ),
    ("authshadow", "put the users into the passwd file; hashes of /etc/shadow go in as they are"),
    ("authpwd", "put the users into the passwd file; hashes of /etc/passwd go in as they are"),
    ("authmysql", "MySQL (authmysqlrc) is not there yet: put the users into the passwd file"),
    ("authpgsql", "PostgreSQL (authpgsqlrc) is not there yet: put the users into the passwd file"),
    ("authsqlite", "SQLite (authsqliterc) is not there yet: put the users into the passwd file"),
    (
        "authvchkpw",
        "vpopmail is not there yet: put the users into the passwd file; hashes of vpasswd go in as they are",
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

/// Reads what is there of the three.
pub(super) fn import(directory: &Path, draft: &mut Draft) -> Result<(), Problem> {
    let mut variables = Variables::default();
    if let Some(bytes) = read_if_there(&directory.join("authdaemonrc"))? {
        variables.read("authdaemonrc", &bytes)?;
    }
    let list = set(&variables, "authmodulelist");
    let modules: Vec<&str> = list.map(|list| list.value.split_whitespace().collect()).unwrap_or_default();
    // LDAP is there: what authldaprc says is a source.
    for module in modules.iter().filter(|module| **module != "authldap") {
        let why = MODULES.iter().find(|(known, _)| known == module).map(|(_, why)| *why);
        let why =
            why.unwrap_or("no module of authdaemond that is known here: put its users into the passwd file");
        draft.lose(Origin::with_value("authdaemonrc", "authmodulelist", module), why);
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
    let has_ldap = modules.contains(&"authldap") && ldap::import(&directory.join("authldaprc"), draft)?;
    if modules.contains(&"authuserdb") {
        userdb(&directory.join("userdb"), draft)?;
    }
    if has_ldap && modules.iter().all(|module| *module == "authldap") {
        return Ok(());
    }
    let remark = "a file of users, kept with `restante user add`, or filled from what authmodulelist names (see the end).";
    draft.start("users");
    draft.fill_in("users", "passwd-file", remark);
    Ok(())
}

/// Whom all mail belongs to, if it is one user. Nothing else is taken from it, as it holds
/// passwords.
fn userdb(path: &Path, draft: &mut Draft) -> Result<(), Problem> {
    let mut files = Vec::new();
    if path.is_dir() {
        let entries =
            std::fs::read_dir(path).map_err(|error| unreadable(&path.display().to_string(), &error))?;
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        files.sort();
    } else if path.exists() {
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
        if ids.len() > 1 {
            let why = "all mail belongs to one system user: choose one, and chown -R the Maildirs";
            draft.lose(Origin::with_value("userdb", name, &format!("{id} and others")), why);
        } else if draft.set("mail", key, id.as_str(), &[Origin::with_value("userdb", name, id)]) {
            draft.remark("mail", key, "It must be in /etc/passwd or /etc/group.");
        }
    }
    Ok(())
}
