//! The commands, one file each, in rooms by what they work on.
//!
//! A command is a [`Task`], an [`AccountTask`] or a [`MailboxTask`], made by its file's function
//! from what the client said. To add one: a file in its room, its `mod` line there, and its row in
//! [`start`], which says in which state it is allowed. A command that talks with the client or the
//! driver while it runs is a [`Dialogue`]. APPEND comes piece by piece and not through here.

use crate::allowed::Allowed;
use crate::dialogue::Dialogue;
use crate::task::{AccountTask, AnyTask, MailboxTask, Task};
use codec::Command;
use codec::command::{
    Authenticate, Copy, Create, Delete, Expunge, GetQuota, GetQuotaRoot, Login, Lsub, Rename, Select,
    SetQuota, Status, Subscribe, Xlist,
};
use connection::{capability, enable, id, idle, login, logout, noop, starttls};
use mailboxes::{close, create, delete, list, lsub, namespace, quota, rename, select, status, subscribe};
use messages::{copy, expunge, fetch, search, store};

pub(crate) mod connection;
pub(crate) mod mailboxes;
pub(crate) mod messages;
pub(crate) mod shared;

/// What a command is to the machine.
pub(crate) enum Kind {
    /// It runs by itself.
    Task(AnyTask),
    /// It talks while it runs.
    Dialogue(Box<dyn Dialogue>),
}

/// What a command is, and when it is allowed.
pub(crate) fn start(command: Command) -> (Allowed, Kind) {
    use Allowed::{Always, Authenticated, NotAuthenticated, Selected};
    let plain = |allowed, task: Box<dyn Task>| (allowed, Kind::Task(AnyTask::Plain(task)));
    let account = |task: Box<dyn AccountTask>| (Authenticated, Kind::Task(AnyTask::Account(task)));
    let on_mailbox = |task: Box<dyn MailboxTask>| (Selected, Kind::Task(AnyTask::Mailbox(task)));
    let dialogue = |allowed, dialogue: Box<dyn Dialogue>| (allowed, Kind::Dialogue(dialogue));
    match command {
        Command::Capability => plain(Always, capability::capability()),
        Command::Noop => plain(Always, noop::noop()),
        Command::Id(fields) => plain(Always, id::id(fields)),
        Command::Logout => dialogue(Always, logout::logout()),

        Command::StartTls => dialogue(NotAuthenticated, starttls::starttls()),
        Command::Login(Login { user, password }) => dialogue(NotAuthenticated, login::login(user, password)),
        Command::Authenticate(Authenticate { mechanism, initial }) => {
            dialogue(NotAuthenticated, login::authenticate(mechanism, initial))
        }

        Command::Enable(names) => account(enable::enable(names)),
        Command::Select(Select { mailbox, read_only, condstore }) => {
            account(select::select(mailbox, read_only, condstore))
        }
        Command::Idle => dialogue(Authenticated, idle::idle()),
        Command::List(command) => account(list::list(command)),
        Command::Lsub(Lsub { reference, pattern }) => account(lsub::lsub(reference, pattern)),
        Command::Xlist(Xlist { reference, pattern }) => account(list::xlist(reference, pattern)),
        Command::Namespace => account(namespace::namespace()),
        Command::Status(Status { mailbox, items }) => account(status::status(mailbox, items)),
        Command::Create(Create { mailbox }) => account(create::create(mailbox)),
        Command::Delete(Delete { mailbox }) => account(delete::delete(mailbox)),
        Command::Rename(Rename { from, to }) => account(rename::rename(from, to)),
        Command::GetQuota(GetQuota { root }) => account(quota::get_quota(root)),
        Command::GetQuotaRoot(GetQuotaRoot { mailbox }) => account(quota::get_quota_root(mailbox)),
        Command::SetQuota(SetQuota { root, .. }) => account(quota::set_quota(root)),
        Command::Subscribe(Subscribe { mailbox, subscribed }) => {
            account(subscribe::subscribe(mailbox, subscribed))
        }

        Command::Check => plain(Selected, noop::noop()),
        Command::Close => on_mailbox(close::close(true)),
        Command::Unselect => on_mailbox(close::close(false)),
        Command::Expunge(Expunge { uids }) => on_mailbox(expunge::expunge(uids)),
        Command::Search(command) => on_mailbox(search::search(command)),
        Command::Fetch(command) => on_mailbox(fetch::fetch(command)),
        Command::Store(command) => on_mailbox(store::store(command)),
        Command::Copy(Copy { set, by_uid, mailbox, remove }) => {
            on_mailbox(copy::copy(set, by_uid, mailbox, remove))
        }
    }
}
