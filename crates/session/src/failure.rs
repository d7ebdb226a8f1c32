//! Failures of the store, as a client is told of them.

use crate::answer::Answer;
use store::ErrorKind;

/// The NO that fits an error's kind, with its code (RFC 5530). Nothing of the error's text goes
/// to the client, as it names paths; what somebody at the site has to know of is logged here,
/// and only here.
pub(crate) fn answer(error: &store::Error) -> Answer {
    match error.kind {
        ErrorKind::NoSpace
        | ErrorKind::Denied
        | ErrorKind::Unreadable
        | ErrorKind::Unchangeable
        | ErrorKind::Busy
        | ErrorKind::Limit => {
            tracing::warn!(%error, "a command failed")
        }
        ErrorKind::Damaged | ErrorKind::Newer | ErrorKind::Io => tracing::error!(%error, "a command failed"),
        ErrorKind::NonExistent
        | ErrorKind::AlreadyExists
        | ErrorKind::UseTaken
        | ErrorKind::BadName
        | ErrorKind::Forbidden
        | ErrorKind::Deleted
        // The store says it once for a mailbox.
        | ErrorKind::Compressed
        | ErrorKind::OverQuota => tracing::debug!(%error, "a command failed"),
    }
    match error.kind {
        ErrorKind::NonExistent => Answer::no("NONEXISTENT", "There is no such mailbox"),
        ErrorKind::AlreadyExists => Answer::no("ALREADYEXISTS", "There is such a mailbox already"),
        // RFC 6154 section 3.
        ErrorKind::UseTaken => Answer::no("USEATTR", "Another mailbox has that special use"),
        ErrorKind::BadName => Answer::no("CANNOT", "This cannot be a mailbox's name"),
        ErrorKind::Forbidden => Answer::no("CANNOT", "This cannot be done to this mailbox"),
        ErrorKind::Deleted => Answer::no("NONEXISTENT", "The mailbox was deleted meanwhile"),
        ErrorKind::NoSpace => Answer::no("OVERQUOTA", "There is no room left on the server"),
        ErrorKind::OverQuota => {
            Answer::no("OVERQUOTA", "This would exceed your quota; delete messages first")
        }
        ErrorKind::Denied => Answer::no("NOPERM", "The server may not write here"),
        ErrorKind::Unreadable => Answer::no("NOPERM", "The server may not read this"),
        ErrorKind::Unchangeable => {
            Answer::no("CANNOT", "Some messages cannot be changed, as their files cannot be renamed")
        }
        ErrorKind::Busy => Answer::no("INUSE", "Another program keeps the mailbox locked; try again"),
        ErrorKind::Limit => Answer::no("LIMIT", "A limit of the server is reached"),
        ErrorKind::Damaged => {
            Answer::no("CORRUPTION", "The mailbox is damaged; its keeper has to look at it")
        }
        ErrorKind::Compressed => {
            Answer::no("CANNOT", "The message is compressed in a way that the server does not support")
        }
        ErrorKind::Newer => {
            Answer::no("UNAVAILABLE", "The mailbox was written by a later version of the server")
        }
        ErrorKind::Io => Answer::no("UNAVAILABLE", "The server cannot read or write its files now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::response::{Code, Condition};
    use std::path::Path;

    #[test]
    fn no_path_reaches_the_client() {
        for (kind, code) in [
            (ErrorKind::NonExistent, "NONEXISTENT"),
            (ErrorKind::AlreadyExists, "ALREADYEXISTS"),
            (ErrorKind::UseTaken, "USEATTR"),
            (ErrorKind::BadName, "CANNOT"),
            (ErrorKind::Forbidden, "CANNOT"),
            (ErrorKind::Deleted, "NONEXISTENT"),
            (ErrorKind::NoSpace, "OVERQUOTA"),
            (ErrorKind::OverQuota, "OVERQUOTA"),
            (ErrorKind::Denied, "NOPERM"),
            (ErrorKind::Unreadable, "NOPERM"),
            (ErrorKind::Unchangeable, "CANNOT"),
            (ErrorKind::Busy, "INUSE"),
            (ErrorKind::Limit, "LIMIT"),
            (ErrorKind::Damaged, "CORRUPTION"),
            (ErrorKind::Compressed, "CANNOT"),
            (ErrorKind::Newer, "UNAVAILABLE"),
            (ErrorKind::Io, "UNAVAILABLE"),
        ] {
            let answer = answer(&store::Error::new(kind, "cannot open", Path::new("/srv/mail/secret")));
            assert_eq!(answer.condition, Condition::No);
            assert_eq!(answer.code, Some(Code::Plain(code)), "{kind:?}");
            assert!(!answer.text.contains("secret") && !answer.text.contains('/'), "{}", answer.text);
        }
    }
}
