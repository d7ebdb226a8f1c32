//! STARTTLS (RFC 3501 section 6.2.1).

use crate::answer::Answer;
use crate::capability;
use crate::dialogue::{Dialogue, End, Talk, Turn};
use crate::step::Transport;

/// The dialogue of a STARTTLS.
pub(crate) fn starttls() -> Box<dyn Dialogue> {
    Box::new(StartTls)
}

struct StartTls;

impl Dialogue for StartTls {
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn {
        let connection = talk.context.connection;
        if !capability::may_start_tls(connection) {
            let text = match connection.tls {
                true => "TLS is on already",
                false => "This server has no certificate",
            };
            return Turn::End(End::Answered(Answer::bad(text)));
        }
        talk.context.answer(&Answer::ok("Begin TLS now"));
        // What came behind the command came in the clear, from whoever could put it there.
        talk.input.decoder.discard();
        Turn::Transport(Transport::StartTls)
    }
}
