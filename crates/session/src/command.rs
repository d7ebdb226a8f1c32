//! The commands, one file each, in rooms by what they work on.
//!
//! A command is a [`Task`], made by its file's function from what the client said. To add one:
//! a file in its room, its `mod` line there, and its row in [`start`], which says in which state
//! it is allowed. Five commands are no tasks, as they talk with the client or the driver while
//! they run: LOGIN, AUTHENTICATE, STARTTLS, IDLE and LOGOUT. APPEND comes piece by piece and not
//! through here.

use crate::context::Task;
use codec::Command;
use connection::{capability, enable, id, noop};
use mailboxes::{close, create, delete, list, lsub, namespace, quota, rename, select, status, subscribe};
use messages::{copy, expunge, fetch, search, store};
use zeroize::Zeroizing;

pub(crate) mod connection;
pub(crate) mod mailboxes;
pub(crate) mod messages;
mod shared;

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
