//! The commands, one file each.
//!
//! A command is a [`Task`], made by its file's function from what the client said. To add one:
//! a file here, its `mod` line, and its row in [`start`], which says in which state it is
//! allowed. Five commands are no tasks, as they talk with the client or the driver while they
//! run: LOGIN, AUTHENTICATE, STARTTLS, IDLE and LOGOUT. APPEND comes piece by piece and not
//! through here.

use crate::context::{Answer, Selected, Task};
use codec::Command;
use std::sync::Arc;
use zeroize::Zeroizing;

pub(crate) mod append;
pub(crate) mod capability;
pub(crate) mod close;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod delete;
#[cfg(test)]
mod dialogue;
pub(crate) mod enable;
pub(crate) mod expunge;
pub(crate) mod fetch;
#[cfg(test)]
pub(crate) mod fixture;
mod header_fields;
pub(crate) mod id;
pub(crate) mod idle;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod lsub;
#[cfg(test)]
mod names_on_disk;
pub(crate) mod namespace;
pub(crate) mod noop;
mod once;
pub(crate) mod pace;
pub(crate) mod quota;
pub(crate) mod rename;
pub(crate) mod search;
pub(crate) mod select;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod subscribe;

/// The states in which a command is allowed (RFC 3501 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allowed {
    /// In every state.
    Always,
    /// Before log-in only.
    NotAuthenticated,
    /// After log-in, with or without a mailbox selected.
    Authenticated,
    /// With a mailbox selected: [`crate::context::Context::selected`] is there.
    Selected,
}

/// What a command is to the machine.
pub(crate) enum Kind {
    /// It runs by itself.
    Task(Box<dyn Task>),
    Login {
        user: Vec<u8>,
        password: Zeroizing<Vec<u8>>,
    },
    Authenticate {
        mechanism: String,
        initial: Option<Zeroizing<Vec<u8>>>,
    },
    StartTls,
    Idle,
    Logout,
}

/// What a command is, and when it is allowed.
pub(crate) fn start(command: Command) -> (Allowed, Kind) {
    use Allowed::{Always, Authenticated, NotAuthenticated, Selected};
    let task = |allowed, task| (allowed, Kind::Task(task));
    match command {
        Command::Capability => task(Always, capability::capability()),
        Command::Noop => task(Always, noop::noop()),
        Command::Id(fields) => task(Always, id::id(fields)),
        Command::Logout => (Always, Kind::Logout),

        Command::StartTls => (NotAuthenticated, Kind::StartTls),
        Command::Login { user, password } => (NotAuthenticated, Kind::Login { user, password }),
        Command::Authenticate { mechanism, initial } => {
            (NotAuthenticated, Kind::Authenticate { mechanism, initial })
        }

        Command::Enable(names) => task(Authenticated, enable::enable(names)),
        Command::Select { mailbox, read_only, condstore } => {
            task(Authenticated, select::select(mailbox, read_only, condstore))
        }
        Command::Idle => (Authenticated, Kind::Idle),
        Command::List(command) => task(Authenticated, list::list(command)),
        Command::Lsub { reference, pattern } => task(Authenticated, lsub::lsub(reference, pattern)),
        Command::Xlist { reference, pattern } => task(Authenticated, list::xlist(reference, pattern)),
        Command::Namespace => task(Authenticated, namespace::namespace()),
        Command::Status { mailbox, items } => task(Authenticated, status::status(mailbox, items)),
        Command::Create { mailbox } => task(Authenticated, create::create(mailbox)),
        Command::Delete { mailbox } => task(Authenticated, delete::delete(mailbox)),
        Command::Rename { from, to } => task(Authenticated, rename::rename(from, to)),
        Command::GetQuota { root } => task(Authenticated, quota::get_quota(root)),
        Command::GetQuotaRoot { mailbox } => task(Authenticated, quota::get_quota_root(mailbox)),
        Command::SetQuota { root, .. } => task(Authenticated, quota::set_quota(root)),
        Command::Subscribe { mailbox } => task(Authenticated, subscribe::subscribe(mailbox, true)),
        Command::Unsubscribe { mailbox } => task(Authenticated, subscribe::subscribe(mailbox, false)),

        Command::Check => task(Selected, noop::noop()),
        Command::Close => task(Selected, close::close(true)),
        Command::Unselect => task(Selected, close::close(false)),
        Command::Expunge { uids } => task(Selected, expunge::expunge(uids)),
        Command::Search(command) => task(Selected, search::search(command)),
        Command::Fetch(command) => task(Selected, fetch::fetch(command)),
        Command::Store(command) => task(Selected, store::store(command)),
        Command::Copy { set, by_uid, mailbox, remove } => {
            task(Selected, copy::copy(set, by_uid, mailbox, remove))
        }
    }
}

/// BAD for a sequence number beyond the view's end.
pub(crate) fn no_such_message(number: u32) -> Answer {
    Answer::bad(format!("There is no message {number}"))
}

/// NO for a command by sequence number that named messages which are expunged, untold so far
/// (RFC 5530 section 3).
pub(crate) fn expunge_issued() -> Answer {
    Answer::no("EXPUNGEISSUED", "Some of these messages are expunged")
}

/// NO for a command that would change a mailbox selected read-only.
pub(crate) fn read_only() -> Answer {
    Answer::no("READ-ONLY", "The mailbox is selected read-only")
}

/// A command's own change brought a newer state: the commands that follow work on that one.
pub(crate) fn see(selected: &mut Selected, snapshot: Arc<::store::Snapshot>) {
    selected.view.see(snapshot, &mail::UidSet::new());
}
