//! Domains, as qmail's `users/cdb` assigns them to vpopmail (qmail-users(5)).
//!
//! The line `+alias.example-:real.example:89:89:/home/vpopmail/domains/real.example:-::` of
//! `users/assign` is there as the key `!alias.example-`, with the fields behind it as the value,
//! a NUL after each. Keys without a dot are those of the system's users.

use super::at;
use crate::cdb::Cdb;
use crate::login_name::normalize;
use crate::regular_file::Links;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A domain that is no alias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Domain {
    /// Its name, in lower case.
    pub(super) name: String,
    /// Whom its files belong to.
    pub(super) uid: u32,
    /// And their group.
    pub(super) gid: u32,
    /// Where its users are.
    pub(super) directory: PathBuf,
}

/// The domain of a name in lower case; for an alias, that which it stands for.
pub(super) fn find(path: &Path, name: &str) -> Result<Option<Domain>, String> {
    // A file that cannot be read makes every name unavailable.
    let database = open(path)?;
    if !name.contains('.') {
        return Ok(None);
    }
    let value =
        database.find(format!("!{name}-").as_bytes()).map_err(|error| at(path, &error.to_string()))?;
    value.map(|value| read(&value).map_err(|why| at(path, &format!("{name}: {why}")))).transpose()
}

/// All domains, each once, in the order of their names; then what is wrong.
pub(super) fn all(path: &Path) -> Result<Vec<Result<Domain, String>>, String> {
    let database = open(path)?;
    let (mut domains, mut wrong) = (BTreeMap::new(), Vec::new());
    for record in database.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                wrong.push(Err(at(path, &error.to_string())));
                continue;
            }
        };
        let name = record.key.strip_prefix(b"!").and_then(|key| key.strip_suffix(b"-"));
        let Some(name) = name.filter(|name| name.contains(&b'.')) else { continue };
        match read(&record.value) {
            Ok(domain) => _ = domains.entry(domain.name.clone()).or_insert(domain),
            Err(why) => wrong.push(Err(at(path, &format!("{}: {why}", name.escape_ascii())))),
        }
    }
    Ok(domains.into_values().map(Ok).chain(wrong).collect())
}

fn open(path: &Path) -> Result<Cdb, String> {
    Cdb::open(path, Links::Followed).map_err(|error| at(path, &error.to_string()))
}

fn read(value: &[u8]) -> Result<Domain, String> {
    let value = std::str::from_utf8(value).map_err(|_| "it is no UTF-8")?;
    let mut fields = value.split('\0');
    let mut field = |what: &str| fields.next().filter(|field| !field.is_empty()).ok_or(format!("no {what}"));
    let name = normalize(field("domain")?.as_bytes()).ok().filter(|name| !name.contains('@'));
    let name = name.ok_or("the real domain is none")?;
    let mut id = |what: &str| field(what)?.parse().map_err(|_| format!("{what} is no number"));
    let (uid, gid) = (id("uid")?, id("gid")?);
    let directory = PathBuf::from(field("directory")?);
    if !directory.is_absolute() {
        return Err("the directory is no absolute path".to_owned());
    }
    Ok(Domain { name, uid, gid, directory })
}
