//! Commands as data, one file each: its type, named after RFC 3501's grammar where that has a
//! name, and its grammar. [`command`] is the table.

pub mod append;
pub mod authenticate;
pub mod copy;
pub mod create;
pub mod delete;
pub mod enable;
pub mod expunge;
pub mod fetch;
pub mod id;
pub mod list;
pub mod login;
pub mod lsub;
pub mod quota;
pub mod rename;
pub mod search;
pub mod select;
pub mod status;
pub mod store;
pub mod subscribe;

pub use append::AppendMessage;
pub use authenticate::Authenticate;
pub use copy::Copy;
pub use create::Create;
pub use delete::Delete;
pub use expunge::Expunge;
pub use fetch::{Fetch, FetchItem, Partial, Rfc822, Section, SectionText};
pub use list::{List, ListSelect};
pub use login::Login;
pub use lsub::{Lsub, Xlist};
pub use quota::{GetQuota, GetQuotaRoot, SetQuota};
pub use rename::Rename;
pub use search::{DateOrder, Search, SearchDate, SearchKey, SearchReturn};
pub use select::Select;
pub use status::{Status, StatusItem};
pub use store::{Store, StoreAction};
pub use subscribe::Subscribe;

pub use crate::wire_name::WireName;

use crate::cursor::Cursor;
use crate::error::{Parsed, unknown};

/// Every command but APPEND, whose messages are streamed: see [`crate::Event::Append`].
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "named as in the grammar")]
pub enum Command {
    Capability,
    Noop,
    Logout,
    Id(id::Fields),
    StartTls,
    Authenticate(Authenticate),
    Login(Login),
    /// The names of capabilities, in upper case.
    Enable(Vec<String>),
    Select(Select),
    Create(Create),
    Delete(Delete),
    Rename(Rename),
    Subscribe(Subscribe),
    List(List),
    Lsub(Lsub),
    Xlist(Xlist),
    Namespace,
    Status(Status),
    Check,
    Close,
    Unselect,
    Expunge(Expunge),
    Search(Search),
    Fetch(Fetch),
    Store(Store),
    Copy(Copy),
    Idle,
    GetQuota(GetQuota),
    GetQuotaRoot(GetQuotaRoot),
    SetQuota(SetQuota),
}

/// The table of commands: by name, what reads the rest.
pub(crate) fn command(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let name = cursor.command_name()?;
    let command = match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "ID" => Command::Id(id::id(cursor)?),
        "STARTTLS" => Command::StartTls,
        "AUTHENTICATE" => Command::Authenticate(authenticate::authenticate(cursor)?),
        "LOGIN" => Command::Login(login::login(cursor)?),
        "ENABLE" => Command::Enable(enable::enable(cursor)?),
        "IDLE" => Command::Idle,

        "SELECT" => Command::Select(select::select(cursor, false)?),
        "EXAMINE" => Command::Select(select::select(cursor, true)?),
        "CREATE" => Command::Create(create::create(cursor)?),
        "DELETE" => Command::Delete(delete::delete(cursor)?),
        "RENAME" => Command::Rename(rename::rename(cursor)?),
        "SUBSCRIBE" => Command::Subscribe(subscribe::subscribe(cursor, true)?),
        "UNSUBSCRIBE" => Command::Subscribe(subscribe::subscribe(cursor, false)?),
        "LIST" => Command::List(list::list(cursor)?),
        "LSUB" => Command::Lsub(lsub::lsub(cursor)?),
        "XLIST" => Command::Xlist(lsub::xlist(cursor)?),
        "NAMESPACE" => Command::Namespace,
        "STATUS" => Command::Status(status::status(cursor)?),
        "APPEND" => match append::without_literal(cursor)? {},
        "GETQUOTA" => Command::GetQuota(quota::get_quota(cursor)?),
        "GETQUOTAROOT" => Command::GetQuotaRoot(quota::get_quota_root(cursor)?),
        "SETQUOTA" => Command::SetQuota(quota::set_quota(cursor)?),

        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge(Expunge { uids: None }),
        "SEARCH" => Command::Search(search::search(cursor, false)?),
        "FETCH" => Command::Fetch(fetch::fetch(cursor, false)?),
        "STORE" => Command::Store(store::store(cursor, false)?),
        "COPY" => Command::Copy(copy::copy(cursor, false, false)?),
        "MOVE" => Command::Copy(copy::copy(cursor, false, true)?),
        "UID" => uid(cursor)?,
        _ => return unknown("command", name),
    };
    cursor.end(&name)?;
    Ok(command)
}

/// UID and the command that takes UIDs.
fn uid(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("a command after UID")?;
    let name = cursor.command_name()?;
    Ok(match name.as_str() {
        "EXPUNGE" => Command::Expunge(expunge::uid_expunge(cursor)?),
        "SEARCH" => Command::Search(search::search(cursor, true)?),
        "FETCH" => Command::Fetch(fetch::fetch(cursor, true)?),
        "STORE" => Command::Store(store::store(cursor, true)?),
        "COPY" => Command::Copy(copy::copy(cursor, true, false)?),
        "MOVE" => Command::Copy(copy::copy(cursor, true, true)?),
        _ => return unknown("command", format!("UID {name}")),
    })
}
