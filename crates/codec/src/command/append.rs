//! APPEND (RFC 3501 section 6.3.11): what stands before its message, which is streamed.

use crate::cursor::Cursor;
use crate::error::{Parsed, missing, wrong};
use crate::limits::Limits;
use crate::tag::Tag;
use crate::wire_name::WireName;
use mail::date::DateTime;
use mail::flag::Flags;
use std::convert::Infallible;

/// A message's arguments in APPEND, ahead of its literal.
#[derive(Clone, PartialEq, Debug)]
pub struct AppendMessage {
    /// `\Recent` is read and dropped.
    pub flags: Flags,
    /// `None` where the client named none: the time of arrival.
    pub date: Option<DateTime>,
    /// Bytes of the literal.
    pub size: u64,
    /// A non-synchronizing literal (RFC 7888): its bytes come without being asked for.
    pub non_sync: bool,
}

/// What stands before a literal of an APPEND.
pub(crate) struct AppendBefore {
    pub(crate) tag: Tag,
    /// Mailbox and arguments, size not set yet.
    pub(crate) arguments: Parsed<(WireName, AppendMessage)>,
}

/// Reads a command up to a literal's announcement. `None` when it is no APPEND, or the literal
/// is the mailbox's name.
pub(crate) fn append_before(bytes: &[u8], limits: &Limits) -> Option<AppendBefore> {
    let mut cursor = Cursor::new(bytes, limits);
    let tag = cursor.tag()?;
    if !cursor.eat_word("APPEND ") || cursor.is_at_end() {
        return None;
    }
    cursor.eat_space();
    Some(AppendBefore { tag, arguments: arguments(&mut cursor, bytes) })
}

fn arguments(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Parsed<(WireName, AppendMessage)> {
    let mailbox = cursor.mailbox()?;
    if memchr::memchr(0, bytes).is_some() {
        return wrong("NUL is not allowed in commands");
    }
    cursor.space_before("a message after the mailbox name")?;
    let mut message = AppendMessage { flags: Flags::default(), date: None, size: 0, non_sync: false };
    if cursor.peek() == Some(b'(') {
        message.flags = cursor.flags()?;
        cursor.space_before("a message after the flags")?;
    }
    if cursor.peek() == Some(b'"') {
        message.date = Some(cursor.date_time()?);
        cursor.space_before("a message after the date")?;
    }
    if cursor.is_at_end() { Ok((mailbox, message)) } else { missing(EXPECTED) }
}

const EXPECTED: &str = "flags in parentheses, a date in quotes, and the message as a literal";

/// An APPEND whose line ended without a literal.
pub(crate) fn without_literal(cursor: &mut Cursor<'_>) -> Parsed<Infallible> {
    if cursor.is_at_end() { missing("a mailbox name after APPEND") } else { missing(EXPECTED) }
}
