//! What is to be done before the start, found out by looking: files that the server could not
//! read, users whose mail lies in their own way, and mail outside the unit's sandbox.

use super::draft::Draft;
use super::server::Server;
use crate::mail_place::{MailPlace, hides_mail};
use crate::readable::{self, Holds, Unread};
use crate::settings::{Configuration, SourceKind};
use crate::{privileges, runtime, sources, unit};
use auth::User;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Users that are named for one thing, at most.
const NAMES_MAX: usize = 5;

/// Lines that are said of one source, at most.
const LINES_MAX: usize = 20;

/// Directories that are named, at most.
const DIRECTORIES_MAX: usize = 5;

/// Compressions whose messages the store reads.
const READ_COMPRESSIONS: [&str; 3] = ["gz", "gzip", "zstd"];

/// Looks, and advises.
pub(super) fn advise(draft: &mut Draft, configuration: &Configuration, from: Server) {
    let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
    for problem in privileges::problems(user, group) {
        draft.advise(&format!("[mail]: {problem}: the server would not start on this host."));
    }
    for advice in unread(configuration) {
        draft.advise(&advice);
    }
    let mut roots = Vec::new();
    for source in &configuration.sources {
        for advice in of_source(&source.kind, configuration, from, &mut roots) {
            draft.advise(&advice);
        }
    }
    for file in draft.places().to_vec() {
        for advice in of_source(&SourceKind::PasswdFile(file), configuration, from, &mut roots) {
            draft.advise(&advice);
        }
    }
    if let Some(advice) = sandbox(configuration, &roots) {
        draft.advise(&advice);
    }
}

/// Files that the user of `[mail]` cannot read, and what to do that the other server bears.
fn unread(configuration: &Configuration) -> Vec<String> {
    let user = configuration.user.as_deref().unwrap_or("the user of [mail]");
    let (mut lines, mut certificates) = (Vec::new(), Vec::new());
    for Unread { path, holds, error } in readable::probably_unread(configuration) {
        // Missing: it is to be filled in, or on another host.
        if error.kind() == io::ErrorKind::NotFound {
            continue;
        }
        let path = path.display();
        let so = match holds {
            Holds::Users => format!(
                "its users could not log in. Run this again with --copy-users /etc/restante; or, if Dovecot goes on using it: setfacl -m u:{user}:r {path}"
            ),
            Holds::CourierUsers => format!(
                "its users could not log in. Leave it as it is: makeuserdb refuses it when others may read it. Run this again with --copy-users /etc/restante; or, if authdaemond goes on running, write authdaemon = \"/run/courier/authdaemon/socket\" in its place, with {user} in the group of that directory"
            ),
            Holds::Password | Holds::Tokens => {
                format!("its source could not be asked: chgrp {user} {path} && chmod 640 {path}")
            }
            Holds::Certificate => {
                certificates.push(path.to_string());
                continue;
            }
        };
        lines.push(format!("{path}: {user} cannot read it ({}): {so}.", error.kind()));
    }
    let mut lines = shortened(lines, "files like these");
    if !certificates.is_empty() {
        let paths = shortened_to(DIRECTORIES_MAX, certificates, "files").join(", ");
        lines.push(format!(
            "{paths}: {user} cannot read that. The start is as root and can; for a renewal to need no restart, keep a copy that {user} can read, as config/certbot-deploy-hook makes it."
        ));
    }
    lines
}

fn of_source(
    kind: &SourceKind,
    configuration: &Configuration,
    from: Server,
    roots: &mut Vec<PathBuf>,
) -> Vec<String> {
    let elsewhere = |what: &str| {
        let look = match from {
            Server::Courier => "`restante auth test USER` says what a log-in finds",
            Server::Dovecot => {
                "`restante migrate --from dovecot --all --dry-run` names those whose mail is to be converted, and `restante auth test USER` says what a log-in finds"
            }
        };
        vec![format!(
            "{what} says where each user's mail is. Only that is known: no users are asked for here. With the settings in place, {look}."
        )]
    };
    match kind {
        SourceKind::PasswdFile(path) | SourceKind::PasswdDirectory(path) | SourceKind::Userdb(path) => {
            let Some(source) = sources::open(kind).filter(|_| path.exists()) else { return Vec::new() };
            let (users, problems) = runtime::block_on(async {
                (source.list().await.unwrap_or_default(), source.problems().await.unwrap_or_default())
            });
            let mut lines = shortened(problems, "lines like these");
            lines.extend(of_users(path, &users, configuration, roots));
            lines
        }
        SourceKind::Ldap(ldap) => match &ldap.attributes.maildir {
            Some(attribute) => elsewhere(&format!("[users.ldap]: the attribute {attribute}")),
            None => Vec::new(),
        },
        #[cfg(feature = "sql")]
        SourceKind::Sql(sql) if says_maildir(&sql.user_query) => {
            elsewhere("[users.sql]: a column of user-query")
        }
        _ => Vec::new(),
    }
}

/// Whether one of a query's columns is where mail lies: by its last word, which is its name.
#[cfg(feature = "sql")]
fn says_maildir(query: &str) -> bool {
    const COLUMNS: [&str; 5] = ["maildir", "mail", "userdb_mail", "mail_path", "userdb_mail_path"];
    let query = query.to_ascii_lowercase();
    let columns = query.split_once(" from ").map_or(query.as_str(), |(columns, _)| columns);
    let mut depth = 0_i32;
    let columns = columns.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    let name =
        |column: &str| column.split(|c: char| c.is_whitespace() || c == '.').next_back().map(str::to_owned);
    columns.filter_map(|column| name(column.trim())).any(|name| COLUMNS.contains(&name.as_str()))
}

/// What is said of several users at once; their names by what it is.
type Groups = BTreeMap<String, Vec<String>>;

fn of_users(
    path: &Path,
    users: &[User],
    configuration: &Configuration,
    roots: &mut Vec<PathBuf>,
) -> Vec<String> {
    let mut groups = Groups::new();
    let mut uids: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for user in users {
        for what in of_user(user, configuration, roots) {
            groups.entry(what).or_default().push(user.name.clone());
        }
        if let Some(uid) = user.uid {
            uids.entry(uid).or_default().push(user.name.clone());
        }
    }
    let line = |(what, users)| format!("{}: {}: {what}", path.display(), named(users));
    let mut lines: Vec<String> = groups.into_iter().map(line).collect();
    if uids.len() > 1 && configuration.own_uids.is_none() {
        let whose = uids.into_iter().map(|(uid, users)| format!("uid {uid} of {}", named(users)));
        lines.push(format!(
            "{}: files belong to several users of the system: {}. Set own-uid = true in [mail], or choose one and chown -R the Maildirs.",
            path.display(),
            shortened(whose.collect(), "uids").join("; ")
        ));
    }
    shortened(lines, "things like these")
}

/// What is unusual about one user's mail.
fn of_user(user: &User, configuration: &Configuration, roots: &mut Vec<PathBuf>) -> Vec<String> {
    let mut what = Vec::new();
    for (word, value) in &user.location {
        let by_migrate =
            "`restante migrate --from dovecot` makes a Maildir++ of it; until then they cannot log in";
        what.push(match word.as_str() {
            _ if hides_mail(word, value) => format!(
                "{word}= in their own location is not supported: convert their mail while Dovecot runs, with doveadm backup, and take the word away; until then they cannot log in"
            ),
            "LAYOUT" if value.eq_ignore_ascii_case("fs") => {
                format!("mailboxes in LAYOUT=fs, by their own location: {by_migrate}")
            }
            "INBOX" => format!("an inbox elsewhere, INBOX= in their own location: {by_migrate}"),
            "CONTROL" => "UIDs and subscriptions elsewhere, CONTROL= in their own location: they are taken over from there".to_owned(),
            _ => continue,
        });
    }
    if has_own_place(user, configuration) {
        what.push("a Maildir of their own, which counts before maildir in [mail]".to_owned());
    }
    what.extend(compression(user));
    match MailPlace::of(user, configuration) {
        Ok(place) => roots.push(place.root),
        Err(_) if what.iter().any(|what| what.contains("not supported")) => {}
        Err(why) => what.push(format!("no Maildir can be found: {why}")),
    }
    what
}

/// Whether the user's own Maildir is another one than the settings give.
fn has_own_place(user: &User, configuration: &Configuration) -> bool {
    let usual = User { maildir: None, location: Vec::new(), ..user.clone() };
    let root = |user| MailPlace::of(user, configuration).ok().map(|place| place.root);
    user.maildir.is_some() && root(user).is_some() && root(user) != root(&usual)
}

/// How Dovecot compresses a user's new messages, where the user has a word of their own on it.
fn compression(user: &User) -> Option<String> {
    let fields = user.extra.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut methods = fields.filter(|(key, value)| {
        ["zlib_save", "mail_compress_write_method"].contains(key) && !value.is_empty()
    });
    let (key, method) = methods.next()?;
    Some(format!("{key}={method}: {}", compressed(method)))
}

/// Where it is not said how new messages are compressed.
pub(super) const COMPRESSED_BEFORE: &str = "messages in gzip and zstd are read; those in bzip2, LZ4 or xz must be decompressed first, and `restante mailbox check` names them";

/// What becomes of messages that Dovecot compressed in one way.
pub(super) fn compressed(method: &str) -> &'static str {
    if READ_COMPRESSIONS.contains(&method.to_ascii_lowercase().as_str()) {
        return "messages so compressed are read as they are; new ones are stored uncompressed";
    }
    "messages so compressed are not read: decompress them first; `restante mailbox check` names them"
}

/// Where the unit of the package would not let the server write.
fn sandbox(configuration: &Configuration, roots: &[PathBuf]) -> Option<String> {
    let beyond = unit::beyond_shipped(configuration, roots.iter().map(PathBuf::as_path));
    let do_it = format!(
        "with settings and users in place, `restante systemd-unit >{}` makes a drop-in that lets it (make the directory first; then systemctl daemon-reload)",
        unit::DROP_IN
    );
    if !beyond.is_empty() {
        let all: BTreeSet<String> = beyond.iter().map(|path| path.display().to_string()).collect();
        let all = shortened_to(DIRECTORIES_MAX, all.into_iter().collect(), "directories").join(", ");
        return Some(format!(
            "Mail lies in {all}, where restante.service does not let the server write: {do_it}."
        ));
    }
    let is_unknown = configuration.maildir.starts_with('%') && roots.is_empty();
    is_unknown.then(|| {
        format!(
            "restante.service lets the server write below /srv/mail only. If mail lies elsewhere, {do_it}."
        )
    })
}

/// A few names, and how many more.
fn named(mut users: Vec<String>) -> String {
    users.sort();
    let more = users.len().saturating_sub(NAMES_MAX);
    users.truncate(NAMES_MAX);
    let names = users.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

fn shortened(lines: Vec<String>, what: &str) -> Vec<String> {
    shortened_to(LINES_MAX, lines, what)
}

fn shortened_to(most: usize, mut lines: Vec<String>, what: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    lines.extend((more > 0).then(|| format!("and {more} more {what}")));
    lines
}

#[cfg(all(test, feature = "sql"))]
mod tests {
    use super::says_maildir;

    #[test]
    fn columns_that_say_where_mail_lies_are_seen() {
        for (query, expected) in [
            ("SELECT password, maildir FROM users", true),
            ("SELECT password, concat('/m/', maildir, '/x') AS home FROM users", false),
            ("SELECT CONCAT('maildir:', a, b) AS userdb_mail, password\nFROM users", true),
            ("SELECT u.maildir, password FROM users u", true),
            ("SELECT password FROM users WHERE mail = '%u'", false),
        ] {
            assert_eq!(says_maildir(query), expected, "{query}");
        }
    }
}
