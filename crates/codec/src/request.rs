//! From a framed command to a [`Request`]: the grammar of RFC 3501 and its extensions.
//!
//! One file a family of commands; [`command`] is the table. A later extension adds its file
//! and its line there.

use crate::command::{Command, Request, Tag, append, fetch, list, login, quota, search, status, store};
use crate::cursor::{Cursor, Parsed, Refused};
use crate::decoder::{DecodeError, Limits};

/// A whole command, its literals in it, without its last line end.
pub(crate) fn request(bytes: &[u8], limits: &Limits) -> Result<Request, DecodeError> {
    let mut cursor = Cursor::new(bytes, limits);
    let error = |tag, text, code| DecodeError { tag, text, fatal: false, code };
    let Some(tag) = cursor.tag() else {
        return Err(error(None, "Expected a tag, a blank and a command".to_owned(), None));
    };
    if memchr::memchr(0, bytes).is_some() {
        return Err(error(Some(tag), "NUL is not allowed in commands".to_owned(), None));
    }
    match command(&mut cursor) {
        Ok(command) => Ok(Request { tag, command }),
        Err(text) => {
            let Refused { text, code } = cursor.refused(text);
            Err(error(Some(tag), text, code))
        }
    }
}

/// The tag that a command begins with, if it is one.
pub(crate) fn tag_of(bytes: &[u8]) -> Option<Tag> {
    Cursor::of_tag(&bytes[..bytes.len().min(Cursor::TAG_MAX + 1)]).tag()
}

/// The tag of a command, as far as it was read, that is one of these.
pub(crate) fn tag_of_one(bytes: &[u8], commands: &[&str]) -> Option<Tag> {
    let mut cursor = Cursor::of_tag(bytes);
    let tag = cursor.tag().filter(|_| !commands.is_empty())?;
    let name = cursor.command_name().ok()?;
    commands.contains(&name.as_str()).then_some(tag)
}

/// The table of commands: by name, what reads the rest.
fn command(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let name = cursor.command_name()?;
    let command = match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "IDLE" => Command::Idle,
        "ID" => login::id(cursor)?,
        "AUTHENTICATE" => login::authenticate(cursor)?,
        "LOGIN" => login::login(cursor)?,
        "ENABLE" => login::enable(cursor)?,
        "SELECT" => status::select(cursor, false)?,
        "EXAMINE" => status::select(cursor, true)?,
        "CREATE" => status::create(cursor)?,
        "DELETE" => status::delete(cursor)?,
        "RENAME" => status::rename(cursor)?,
        "SUBSCRIBE" => status::subscribe(cursor)?,
        "UNSUBSCRIBE" => status::unsubscribe(cursor)?,
        "STATUS" => status::status(cursor)?,
        "LIST" => list::list(cursor)?,
        "LSUB" => list::lsub(cursor)?,
        "XLIST" => list::xlist(cursor)?,
        "APPEND" => return Err(append::without_literal(cursor)),
        "EXPUNGE" => Command::Expunge { uids: None },
        "SEARCH" => search::search(cursor, false)?,
        "FETCH" => fetch::fetch(cursor, false)?,
        "STORE" => store::store(cursor, false)?,
        "COPY" => store::copy(cursor, false, false)?,
        "MOVE" => store::copy(cursor, false, true)?,
        "UID" => uid(cursor)?,
        "GETQUOTA" => quota::get_quota(cursor)?,
        "GETQUOTAROOT" => quota::get_quota_root(cursor)?,
        "SETQUOTA" => quota::set_quota(cursor)?,
        _ => return Err(format!("Unknown command {name}")),
    };
    cursor.end(&name)?;
    Ok(command)
}

/// UID and the command that takes UIDs.
fn uid(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("a command after UID")?;
    let name = cursor.command_name()?;
    match name.as_str() {
        "FETCH" => fetch::fetch(cursor, true),
        "STORE" => store::store(cursor, true),
        "COPY" => store::copy(cursor, true, false),
        "MOVE" => store::copy(cursor, true, true),
        "SEARCH" => search::search(cursor, true),
        "EXPUNGE" => store::uid_expunge(cursor),
        _ => Err(format!("Unknown command UID {name}")),
    }
}

#[cfg(test)]
mod tests;
