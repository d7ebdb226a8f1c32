//! LOGIN and AUTHENTICATE (RFC 3501 sections 6.2.2 and 6.2.3, RFC 4959).
//!
//! The session knows no password and no mechanism: it hands [`Attempt`]s to the driver and
//! writes what it answers.

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::capability;
use crate::dialogue::{Dialogue, End, Talk, Turn};
use crate::step::{Accepted, Attempt, Elsewhere, Refused, Verdict};
use codec::response::{Code, Condition, continuation, untagged};
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// The dialogue of a LOGIN.
pub(crate) fn login(user: Vec<u8>, password: Zeroizing<Vec<u8>>) -> Box<dyn Dialogue> {
    Box::new(LogIn { first: Some(Attempt::Password { command: "LOGIN command", user, password }) })
}

/// The dialogue of an AUTHENTICATE.
pub(crate) fn authenticate(mechanism: String, initial: Option<Zeroizing<Vec<u8>>>) -> Box<dyn Dialogue> {
    Box::new(LogIn { first: Some(Attempt::Begin { mechanism, initial }) })
}

/// The answer to a log-in without TLS where that is not allowed, whatever the password is.
pub(crate) fn no_cleartext() -> Answer {
    Answer::no("PRIVACYREQUIRED", "No password without TLS: use STARTTLS")
}

struct LogIn {
    /// `None` once the driver was asked: what comes from the client then answers a challenge.
    first: Option<Attempt>,
}

impl Dialogue for LogIn {
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn {
        if let Some(first) = self.first.take() {
            return match capability::may_send_password(talk.context.connection) {
                true => Turn::Ask(first),
                false => Turn::End(End::Answered(no_cleartext())),
            };
        }
        match talk.input.next_line() {
            None => Turn::Read,
            Some(Ok(line)) => Turn::Ask(response(&line)),
            Some(Err(error)) if error.kind.is_fatal() => Turn::End(End::Malformed(error)),
            // Whatever it was, it is not an answer.
            Some(Err(_)) => Turn::Ask(Attempt::Abort),
        }
    }

    fn answer(&mut self, talk: &mut Talk<'_>, verdict: Verdict) -> Turn {
        match verdict {
            Verdict::Accepted(accepted) => log_in(talk, *accepted),
            Verdict::Challenge(challenge) => {
                continuation(talk.context.out.buffer(), &BASE64.encode(&challenge));
                talk.input.decoder.expect_line();
                Turn::Go
            }
            Verdict::Refused(refused) => refuse(talk, refused),
            Verdict::Elsewhere(Elsewhere { host, .. }) => {
                refuse(talk, Refused::Forbidden(format!("Your mail is on {host}")))
            }
        }
    }
}

/// The client's answer to a challenge.
fn response(line: &[u8]) -> Attempt {
    match line {
        b"*" => Attempt::Abort,
        line => match BASE64.decode(line) {
            Ok(response) => Attempt::Respond(Zeroizing::new(response)),
            Err(_) => Attempt::Abort,
        },
    }
}

fn log_in(talk: &mut Talk<'_>, accepted: Accepted) -> Turn {
    let context = &mut talk.context;
    context.stats.user = Some(accepted.user);
    *talk.accounts = Some(Accounts::new(context.settings.clone(), accepted.account));
    talk.input.decoder.set_limits(context.settings.limits);
    let names = capability::list(context.settings, context.connection, true);
    Turn::End(End::Answered(Answer::ok("Logged in").with_code(Code::Capability(names))))
}

fn refuse(talk: &mut Talk<'_>, refused: Refused) -> Turn {
    let context = &mut talk.context;
    let answer = match refused {
        Refused::Credentials => Answer::no("AUTHENTICATIONFAILED", "Wrong user name or password"),
        // A failure of ours is not held against the client.
        Refused::Unavailable => {
            let text = "The server cannot check passwords now; try again later";
            return Turn::End(End::Answered(Answer::no("UNAVAILABLE", text)));
        }
        Refused::TooMany(text) => {
            // Clients show an ALERT to their users, and a LIMIT to nobody.
            untagged(context.out.buffer(), Condition::No, Some(&Code::Plain("ALERT")), &text);
            return Turn::End(End::Answered(Answer::no("LIMIT", text)));
        }
        Refused::NoMaildir(text) => Answer::no("CONTACTADMIN", text),
        Refused::Forbidden(text) => Answer::no("AUTHORIZATIONFAILED", text),
        Refused::NoMechanism => Answer::no("CANNOT", "There is no such mechanism"),
        // An exchange that was given up or was none.
        Refused::Malformed(text) => return Turn::End(End::Bad(Answer::bad(text))),
    };
    context.stats.failed_logins += 1;
    if context.stats.failed_logins < context.settings.failed_logins_max {
        return Turn::End(End::Answered(answer));
    }
    context.answer(&answer);
    context.bye("Too many failed log-ins");
    Turn::End(End::Close("too many failed log-ins"))
}
