//! LOGIN and AUTHENTICATE (RFC 3501 sections 6.2.2 and 6.2.3, RFC 4959).
//!
//! The session knows no password and no mechanism: it hands [`Attempt`]s to the driver and
//! writes what it answers.

use crate::accounts::Accounts;
use crate::capability;
use crate::context::Answer;
use crate::imap::{Doing, Session};
use crate::step::{Accepted, Attempt, Elsewhere, Refused, Verdict};
use codec::Tag;
use codec::response::{Code, Condition, continuation, untagged};
use data_encoding::BASE64;
use zeroize::Zeroizing;

impl Session {
    /// LOGIN, or AUTHENTICATE's beginning. Without TLS, where that is not allowed, the answer
    /// is NO, whatever the password is.
    pub(crate) fn begin_login(&mut self, tag: Tag, attempt: Attempt) {
        if capability::may_send_password(self.connection) {
            self.doing = Doing::Ask { tag, attempt: Some(attempt) };
        } else {
            self.refuse_cleartext(&tag);
        }
    }

    /// The answer to a log-in without TLS where that is not allowed.
    pub(crate) fn refuse_cleartext(&mut self, tag: &Tag) {
        self.tagged(tag, &Answer::no("PRIVACYREQUIRED", "No password without TLS: use STARTTLS"));
    }

    /// The client's answer to a challenge.
    pub(crate) fn sasl_response(&mut self, tag: Tag, line: &[u8]) {
        let attempt = match line {
            b"*" => Attempt::Abort,
            line => match BASE64.decode(line) {
                Ok(response) => Attempt::Respond(Zeroizing::new(response)),
                Err(_) => Attempt::Abort,
            },
        };
        self.doing = Doing::Ask { tag, attempt: Some(attempt) };
    }

    /// The driver's answer.
    pub(crate) fn verdict(&mut self, tag: Tag, verdict: Verdict) {
        match verdict {
            Verdict::Accepted(accepted) => self.log_in(&tag, *accepted),
            Verdict::Challenge(challenge) => {
                continuation(self.out.buffer(), &BASE64.encode(&challenge));
                self.decoder.expect_line();
                self.doing = Doing::Challenge { tag };
            }
            Verdict::Refused(refused) => self.refuse(&tag, refused),
            Verdict::Elsewhere(Elsewhere { host, .. }) => {
                self.refuse(&tag, Refused::Forbidden(format!("Your mail is on {host}")));
            }
        }
    }

    fn log_in(&mut self, tag: &Tag, accepted: Accepted) {
        self.stats.user = Some(accepted.user);
        self.accounts = Some(Accounts::new(self.settings.clone(), accepted.account));
        self.decoder.set_limits(self.settings.limits);
        let names = capability::list(&self.settings, self.connection, true);
        self.tagged(tag, &Answer::ok("Logged in").with_code(Code::Capability(names)));
    }

    fn refuse(&mut self, tag: &Tag, refused: Refused) {
        let answer = match refused {
            Refused::Credentials => Answer::no("AUTHENTICATIONFAILED", "Wrong user name or password"),
            Refused::Unavailable => {
                Answer::no("UNAVAILABLE", "The server cannot check passwords now; try again later")
            }
            Refused::NoMaildir(text) => Answer::no("CONTACTADMIN", text),
            Refused::Forbidden(text) => Answer::no("AUTHORIZATIONFAILED", text),
            Refused::TooMany(text) => {
                // Clients show an ALERT to their users, and a LIMIT to nobody.
                untagged(self.out.buffer(), Condition::No, Some(&Code::Plain("ALERT")), &text);
                Answer::no("LIMIT", text)
            }
            Refused::NoMechanism => Answer::no("CANNOT", "There is no such mechanism"),
            Refused::Malformed(text) => Answer::bad(text),
        };
        self.tagged(tag, &answer);
        match (answer.condition, &answer.code) {
            // An exchange that was given up or was none.
            (Condition::Bad, _) => return self.count_bad(),
            // A failure of ours is not held against the client.
            (_, Some(Code::Plain("UNAVAILABLE" | "LIMIT"))) => return,
            _ => self.stats.failed_logins += 1,
        }
        if self.stats.failed_logins >= self.settings.failed_logins_max {
            self.bye("Too many failed log-ins", "too many failed log-ins");
        }
    }
}
