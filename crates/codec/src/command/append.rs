//! APPEND (RFC 3501 section 6.3.11): what stands before its message, which is streamed.

use crate::cursor::{Cursor, Parsed, Refused};
use crate::limits::Limits;
use crate::tag::Tag;
use crate::wire_name::WireName;
use mail::date::DateTime;
use mail::flag::Flags;

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
    /// Mailbox and arguments, size not set yet; or what was expected.
    pub(crate) arguments: Result<(WireName, AppendMessage), Refused>,
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
    let arguments = arguments(&mut cursor, bytes);
    Some(AppendBefore { tag, arguments: arguments.map_err(|text| cursor.refused(text)) })
}

fn arguments(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Parsed<(WireName, AppendMessage)> {
    let mailbox = cursor.mailbox()?;
    if memchr::memchr(0, bytes).is_some() {
        return Err("NUL is not allowed in commands".to_owned());
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
    if cursor.is_at_end() { Ok((mailbox, message)) } else { Err(EXPECTED.to_owned()) }
}

const EXPECTED: &str = "Expected flags in parentheses, a date in quotes, and the message as a literal";

/// An APPEND whose line ended without a literal.
pub(crate) fn without_literal(cursor: &mut Cursor<'_>) -> String {
    if cursor.is_at_end() { "Expected a mailbox name after APPEND".to_owned() } else { EXPECTED.to_owned() }
}
