//! Commands as data. The types are named after RFC 3501's grammar where it has a name.

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

pub(crate) mod append;
pub(crate) mod fetch;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod quota;
pub(crate) mod search;
pub(crate) mod status;
pub(crate) mod store;

use mail::date::{DateTime, Day};
use mail::flag::Flags;
use mail::{Keyword, ModSeq, NumberSet, SystemFlags};
use std::fmt;
use zeroize::Zeroizing;

/// A command's tag, checked to be one (RFC 3501, `tag`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag(pub(crate) Box<str>);

impl Tag {
    /// As the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A command with its tag.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Comes back in the answer.
    pub tag: Tag,
    /// What is asked.
    pub command: Command,
}

/// A mailbox's name or pattern as the client means it: modified UTF-7 undone, the client's
/// separators and prefixes still in it. A name without `&` may also be UTF-8 as it stands,
/// since clients send that too.
#[derive(Clone, PartialEq, Eq)]
pub struct WireName(Option<String>);

impl WireName {
    /// From what the client sent.
    pub(crate) fn decode(sent: Vec<u8>) -> Self {
        let text = String::from_utf8(sent).ok();
        Self(text.and_then(|text| if text.contains('&') { mail::utf7::decode(&text) } else { Some(text) }))
    }

    /// The name; `None` where the client sent modified UTF-7 that is damaged or not canonical
    /// (RFC 3501 section 5.1.3), or no text: it names no mailbox, and is never turned into
    /// another name.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl Default for WireName {
    fn default() -> Self {
        Self(Some(String::new()))
    }
}

/// Looks like its text.
impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => text.fmt(f),
            None => f.write_str("(no modified UTF-7)"),
        }
    }
}

/// Every command but APPEND, whose messages are streamed: see [`crate::Event::Append`].
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    Capability,
    Noop,
    Logout,
    /// RFC 2971; `None` for `NIL`.
    Id(Vec<(String, Option<String>)>),
    StartTls,
    Authenticate {
        mechanism: String,
        initial: Option<Zeroizing<Vec<u8>>>,
    },
    Login {
        user: Vec<u8>,
        password: Zeroizing<Vec<u8>>,
    },
    /// RFC 5161: capability names in upper case.
    Enable(Vec<String>),
    /// SELECT and EXAMINE.
    Select {
        mailbox: WireName,
        read_only: bool,
        condstore: bool,
    },
    Create {
        mailbox: WireName,
    },
    Delete {
        mailbox: WireName,
    },
    Rename {
        from: WireName,
        to: WireName,
    },
    Subscribe {
        mailbox: WireName,
    },
    Unsubscribe {
        mailbox: WireName,
    },
    List(List),
    Lsub {
        reference: WireName,
        pattern: WireName,
    },
    /// Outlook 2013's predecessor of SPECIAL-USE: a LIST with special-use attributes.
    Xlist {
        reference: WireName,
        pattern: WireName,
    },
    Namespace,
    Status {
        mailbox: WireName,
        items: Vec<StatusItem>,
    },
    Check,
    Close,
    Unselect,
    /// EXPUNGE, or UID EXPUNGE (RFC 4315) with a set.
    Expunge {
        uids: Option<NumberSet>,
    },
    Search(Search),
    Fetch(Fetch),
    Store(Store),
    /// COPY and MOVE (RFC 6851), by sequence number or UID.
    Copy {
        set: NumberSet,
        by_uid: bool,
        mailbox: WireName,
        remove: bool,
    },
    Idle,
    /// RFC 9208: the root's name as the client wrote it.
    GetQuota {
        root: Vec<u8>,
    },
    GetQuotaRoot {
        mailbox: WireName,
    },
    /// Resources in upper case, with their limits.
    SetQuota {
        root: Vec<u8>,
        limits: Vec<(String, u64)>,
    },
}

/// LIST, with RFC 5258's options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    pub reference: WireName,
    /// One or more.
    pub patterns: Vec<WireName>,
    pub select: ListSelect,
    pub return_children: bool,
    pub return_subscribed: bool,
    pub return_special_use: bool,
    /// LIST-STATUS (RFC 5819).
    pub return_status: Option<Vec<StatusItem>>,
    /// Whether any extended syntax was used: options or several patterns.
    pub extended: bool,
}

/// LIST's selection options.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListSelect {
    pub subscribed: bool,
    pub remote: bool,
    pub recursive_match: bool,
    pub special_use: bool,
}

/// STATUS's items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    /// RFC 8438.
    Size,
    /// RFC 7162.
    HighestModSeq,
    /// RFC 7889.
    AppendLimit,
    /// RFC 9208: messages with `\Deleted`.
    Deleted,
    /// RFC 9208: what expunging them frees, in octets.
    DeletedStorage,
}

/// SEARCH and UID SEARCH.
#[derive(Clone, PartialEq, Debug)]
pub struct Search {
    pub by_uid: bool,
    /// RFC 4731; `None` asks for an untagged SEARCH. `RETURN ()` is `ALL`.
    pub return_options: Option<Vec<SearchReturn>>,
    /// `None` where the client named none: US-ASCII, taken as UTF-8.
    pub charset: Option<String>,
    /// All must hold.
    pub keys: Vec<SearchKey>,
}

/// ESEARCH's return options (RFC 4731 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchReturn {
    Min,
    Max,
    All,
    Count,
}

/// Which date a key compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchDate {
    /// INTERNALDATE.
    Internal,
    /// The Date field.
    Sent,
}

/// How a date key compares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DateOrder {
    Before,
    On,
    Since,
}

/// A search key (RFC 3501 section 6.4.4). Strings are bytes in the command's charset.
#[derive(Clone, PartialEq, Debug)]
pub enum SearchKey {
    All,
    /// SEEN, UNSEEN and their like: the flag, and whether it must be set.
    System(SystemFlags, bool),
    /// KEYWORD and UNKEYWORD.
    Keyword(Keyword, bool),
    New,
    Old,
    Recent,
    Date {
        which: SearchDate,
        order: DateOrder,
        day: Day,
    },
    Larger(u64),
    Smaller(u64),
    /// HEADER, and BCC, CC, FROM, SUBJECT, TO as the field of that name.
    Header {
        field: String,
        text: Vec<u8>,
    },
    Body(Vec<u8>),
    Text(Vec<u8>),
    Uid(NumberSet),
    Sequence(NumberSet),
    Not(Box<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    And(Vec<SearchKey>),
    /// RFC 7162; the entry name is read and has no effect, as flags have one MODSEQ together.
    ModSeq(ModSeq),
}

/// FETCH and UID FETCH; macros are expanded, and UID FETCH has [`FetchItem::Uid`].
#[derive(Clone, PartialEq, Debug)]
pub struct Fetch {
    pub set: NumberSet,
    pub by_uid: bool,
    pub items: Vec<FetchItem>,
    /// RFC 7162.
    pub changed_since: Option<ModSeq>,
}

/// FETCH's items.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FetchItem {
    Flags,
    Uid,
    InternalDate,
    Rfc822Size,
    Envelope,
    /// BODY without section: BODYSTRUCTURE without extension data.
    Body,
    BodyStructure,
    ModSeq,
    /// RFC822, RFC822.HEADER, RFC822.TEXT: a section under its old name.
    Rfc822(Rfc822),
    /// `BODY[…]<origin.length>` and `BODY.PEEK[…]`.
    Section {
        section: Section,
        peek: bool,
        partial: Option<Partial>,
    },
}

/// The items older than sections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rfc822 {
    Message,
    Header,
    Text,
}

/// `<origin.length>`: length 0 is refused by the parser.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Partial {
    pub origin: u64,
    pub length: u64,
}

/// What stands in the brackets of BODY.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Section {
    /// Part numbers, outermost first; empty for the message.
    pub part: Vec<u32>,
    pub text: SectionText,
}

/// What of the part.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SectionText {
    /// The message, or the part's body.
    All,
    Header,
    /// HEADER.FIELDS, or HEADER.FIELDS.NOT with `not`.
    HeaderFields {
        not: bool,
        names: Vec<String>,
    },
    Text,
    Mime,
}

/// STORE and UID STORE.
#[derive(Clone, PartialEq, Debug)]
pub struct Store {
    pub set: NumberSet,
    pub by_uid: bool,
    /// RFC 7162.
    pub unchanged_since: Option<ModSeq>,
    pub action: StoreAction,
    pub silent: bool,
    /// `\Recent` is read and dropped: no client can set it.
    pub flags: Flags,
}

/// What STORE does with the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreAction {
    Replace,
    Add,
    Remove,
}

/// A message's arguments in APPEND, ahead of its literal.
#[derive(Clone, PartialEq, Debug)]
pub struct AppendMessage {
    pub flags: Flags,
    /// `None` where the client named none: the time of arrival.
    pub date: Option<DateTime>,
    /// Bytes of the literal.
    pub size: u64,
    /// A non-synchronizing literal (RFC 7888): its bytes come without being asked for.
    pub non_sync: bool,
}
