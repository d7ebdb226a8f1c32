//! LOGOUT (RFC 3501 section 6.1.3).

use crate::answer::Answer;
use crate::dialogue::{Dialogue, End, Talk, Turn};

/// The dialogue of a LOGOUT, in which the server has the last word.
pub(crate) fn logout() -> Box<dyn Dialogue> {
    Box::new(Logout)
}

struct Logout;

impl Dialogue for Logout {
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn {
        talk.context.bye("Logging out");
        talk.context.answer(&Answer::ok("Logged out"));
        Turn::End(End::Close("logged out"))
    }
}
