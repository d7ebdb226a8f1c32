//! Mail's nouns and the message format, without I/O and without a clock.
//!
//! *Nouns*: [`Uid`], [`SeqNum`], [`ModSeq`], sets of them, flags, mailbox names, special uses.
//! *Message format*: header fields, addresses, dates, MIME structure with byte ranges,
//! ENVELOPE, transfer encodings and charsets, text for SEARCH.
//!
//! Every function that takes bytes of a message takes any bytes: nothing here panics,
//! recurses without bound, or costs more than linear time.

pub mod flag;
pub mod mailbox_name;
pub mod num;
pub mod set;
pub mod special_use;

pub mod address;
pub mod charset;
pub mod crlf;
pub mod date;
pub mod encoded_word;
pub mod envelope;
pub mod header;
pub mod mime;
pub mod search;
pub mod source;
pub mod transfer;
pub mod utf7;

pub use flag::{Keyword, SystemFlags};
pub use mailbox_name::MailboxName;
pub use num::{MessageNumber, ModSeq, SeqNum, Uid, UidValidity};
pub use set::{MessageSet, NumberSet, SeqSet, Set, UidSet};
pub use special_use::{SpecialUse, SpecialUseNames};
