//! APPEND (RFC 3501 section 6.3.11, RFC 7888, RFC 4315, RFC 7889,
//! RFC 9208).
//!
//! The message never lies in memory: the decoder gives it piece by piece as it comes from the
//! network, and each piece goes into a file in `tmp/`. What is refused before its bytes were
//! asked for is answered at once; after that, the bytes are read to their end and thrown away,
//! and the answer says what went wrong.

use crate::accounts::Accounts;
use crate::allowed::Allowed;
use crate::answer::Answer;
use crate::dialogue::{Dialogue, End, Talk, Turn};
use crate::drop_in_work::DropInWork;
use crate::failure;
use crate::rights::Right;
use crate::stop::Stop;
use codec::command::{AppendMessage, WireName};
use codec::decoder::Append as Piece;
use codec::response::{Code, continuation};
use codec::{DecodeError, Event};
use mail::flag::Flags;
use std::sync::Arc;
use store::{Delivery, ErrorKind, Mailbox};

/// The dialogue of an APPEND, whose name was read. In a wrong state it goes on all the same, to
/// its literal, which is refused.
pub(crate) fn append(wire_name: WireName) -> Box<dyn Dialogue> {
    Box::new(Append { wire_name, target: None, failed: None })
}

struct Append {
    wire_name: WireName,
    /// Opened with the first message.
    target: Option<DropInWork<Target>>,
    /// Why nothing will be appended.
    failed: Option<Answer>,
}

/// Where messages go. Dropping a delivery removes its file.
struct Target {
    mailbox: Arc<Mailbox>,
    /// The message that is being read, and what comes with it.
    current: Option<(Delivery, Flags, Option<i64>)>,
    /// Messages read before it.
    read: Vec<(Delivery, Flags, Option<i64>)>,
}

impl Dialogue for Append {
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn {
        let Some(accounts) = &*talk.accounts else { return self.take(talk) };
        if self.target.is_none()
            && let Err(Stop::Open(account)) = accounts.resolve(&self.wire_name)
        {
            return Turn::Open(account);
        }
        if talk.input.is_starved() { Turn::Read } else { Turn::Work }
    }

    fn work(&mut self, talk: &mut Talk<'_>) -> Turn {
        self.take(talk)
    }
}

impl Append {
    /// Takes what was read, up to the end of the command or of the bytes.
    fn take(&mut self, talk: &mut Talk<'_>) -> Turn {
        loop {
            let piece = match talk.input.next() {
                None => return Turn::Read,
                Some(Ok(Event::Append(piece))) => piece,
                // Nothing else comes before the end of an APPEND.
                Some(Ok(_)) => continue,
                Some(Err(error)) => Piece::Failed(error),
            };
            match piece {
                Piece::Start { .. } => {}
                Piece::Message(message) => match self.begin_message(talk, message) {
                    Ok(wants_continuation) => {
                        talk.input.decoder.accept();
                        if wants_continuation {
                            continuation(talk.context.out.buffer(), "Go on");
                        }
                    }
                    Err(answer) => {
                        talk.input.decoder.refuse();
                        return Turn::End(End::Answered(answer));
                    }
                },
                Piece::Data(bytes) => self.write(bytes),
                Piece::End => return Turn::End(End::Answered(self.commit())),
                Piece::Failed(error) => {
                    let tag = Some(talk.context.tag.clone());
                    return Turn::End(End::Malformed(DecodeError { tag, ..error }));
                }
            }
        }
    }

    /// Makes ready for a message: whether its bytes have to be asked for.
    fn begin_message(&mut self, talk: &Talk<'_>, message: AppendMessage) -> Result<bool, Answer> {
        let Some(accounts) = &*talk.accounts else {
            return Err(Answer::bad(Allowed::Authenticated.otherwise()));
        };
        if let Some(answer) = self.failed.take() {
            return Err(answer);
        }
        let limit = talk.context.settings.limits.append_max;
        if message.size > limit {
            return Err(Answer::no("TOOBIG", format!("At most {limit} octets in a message")));
        }
        let target = match &mut self.target {
            Some(target) => target,
            none => none.insert(DropInWork::new(Target::open(accounts, &self.wire_name)?)),
        };
        target.keep_current();
        let delivery = target.mailbox.deliver_announced(&message.flags, message.size);
        let delivery = delivery.map_err(|error| for_target(&error))?;
        let date = message.date.map(|date| date.unix);
        target.current = Some((delivery, message.flags, date));
        Ok(!message.non_sync)
    }

    /// Writes what came; after a failure, what comes goes nowhere.
    fn write(&mut self, bytes: &[u8]) {
        let Some(target) = &mut self.target else { return };
        let Some((delivery, ..)) = &mut target.current else { return };
        if let Err(error) = delivery.write(bytes) {
            self.failed = Some(failure::answer(&error));
            self.target = None;
        }
    }

    fn commit(&mut self) -> Answer {
        if let Some(answer) = self.failed.take() {
            return answer;
        }
        let Some(mut target) = self.target.take() else { return Answer::bad("Expected a message") };
        target.keep_current();
        let read = std::mem::take(&mut target.read);
        match target.mailbox.append(read) {
            Ok(appended) => Answer::ok("Message appended")
                .with_code(Code::AppendUid(appended.uid_validity, appended.uids)),
            Err(error) => for_target(&error),
        }
    }
}

impl Target {
    fn open(accounts: &Accounts, wire_name: &WireName) -> Result<Self, Answer> {
        let named = accounts.resolve(wire_name).map_err(Stop::answer)?;
        named.require(Right::Insert)?;
        let mailbox = named.open().map_err(|error| for_target(&error))?;
        Ok(Self { mailbox, current: None, read: Vec::new() })
    }

    /// The message that was read waits for the command's end.
    fn keep_current(&mut self) {
        self.read.extend(self.current.take());
    }
}

/// As [`failure::answer`], but a mailbox that is not there is one that the client may make
/// (RFC 3501 section 6.3.11).
fn for_target(error: &store::Error) -> Answer {
    match error.kind {
        ErrorKind::NonExistent | ErrorKind::Deleted => Answer::no("TRYCREATE", "There is no such mailbox"),
        _ => failure::answer(error),
    }
}
