//! APPEND (RFC 3501 section 6.3.11, RFC 7888, RFC 4315, RFC 7889,
//! RFC 9208).
//!
//! The message never lies in memory: the decoder gives it piece by piece as it comes from the
//! network, and each piece goes into a file in `tmp/`. What is refused before its bytes were
//! asked for is answered at once; after that, the bytes are read to their end and thrown away,
//! and the answer says what went wrong.

use crate::command::Allowed;
use crate::context::Answer;
use crate::drop_in_work::DropInWork;
use crate::failure;
use crate::imap::{Doing, Ending, Session};
use crate::rights::Right;
use crate::task::Stop;
use codec::command::{AppendMessage, WireName};
use codec::decoder::Append as Piece;
use codec::response::{Code, continuation};
use codec::{Event, Tag};
use mail::flag::Flags;
use std::sync::Arc;
use store::{Delivery, ErrorKind, Mailbox};

/// An APPEND on its way.
pub(crate) struct Append {
    tag: Tag,
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

impl Session {
    /// The command's beginning. In a wrong state it goes on all the same, to its literal, which
    /// is refused.
    pub(crate) fn begin_append(&mut self, tag: Tag, wire_name: WireName) {
        let failed = self.accounts.is_none().then(|| Answer::bad(Allowed::Authenticated.otherwise()));
        let opened = self.accounts.as_ref().map(|accounts| accounts.resolve(&wire_name));
        self.doing = Doing::Append(Box::new(Append { tag, wire_name, target: None, failed }));
        if let Some(Err(Stop::Open(account))) = opened {
            self.open_first(account);
        }
    }

    /// Takes what was read, up to the end of the command or of the bytes; in [`Machine::work`]
    /// only, unless the client is not logged in.
    pub(crate) fn proceed_append(&mut self, mut append: Box<Append>) {
        loop {
            let event = match self.decoder.next() {
                None => {
                    self.starved = true;
                    break self.doing = Doing::Append(append);
                }
                Some(Ok(Event::Append(piece))) => piece,
                // Nothing else comes before the end of an APPEND.
                Some(Ok(_)) => continue,
                Some(Err(error)) => Piece::Failed(error),
            };
            match event {
                Piece::Start { .. } => {}
                Piece::Message(message) => match self.begin_message(&mut append, message) {
                    Ok(wants_continuation) => {
                        self.decoder.accept();
                        if wants_continuation {
                            continuation(self.out.buffer(), "Go on");
                        }
                    }
                    Err(answer) => {
                        self.decoder.refuse();
                        break self.end_append(append.tag, answer);
                    }
                },
                Piece::Data(bytes) => append.write(bytes),
                Piece::End => {
                    let tag = append.tag.clone();
                    let answer = append.commit();
                    break self.end_append(tag, answer);
                }
                Piece::Failed(error) => {
                    self.doing = Doing::Nothing;
                    break self.malformed(codec::DecodeError { tag: Some(append.tag), ..error });
                }
            }
        }
    }

    /// Makes ready for a message: whether its bytes have to be asked for.
    fn begin_message(&mut self, append: &mut Append, message: AppendMessage) -> Result<bool, Answer> {
        if let Some(answer) = append.failed.take() {
            return Err(answer);
        }
        let limit = self.settings.limits.append_max;
        if message.size > limit {
            return Err(Answer::no("TOOBIG", format!("At most {limit} octets in a message")));
        }
        let target = match &mut append.target {
            Some(target) => target,
            none => none.insert(DropInWork::new(self.append_target(&append.wire_name)?)),
        };
        target.keep_current();
        let delivery = target.mailbox.deliver_announced(&message.flags, message.size);
        let delivery = delivery.map_err(|error| for_target(&error))?;
        let date = message.date.map(|date| date.unix);
        target.current = Some((delivery, message.flags, date));
        Ok(!message.non_sync)
    }

    fn append_target(&self, wire_name: &WireName) -> Result<Target, Answer> {
        let Some(accounts) = &self.accounts else {
            return Err(Answer::bad(Allowed::Authenticated.otherwise()));
        };
        let named = accounts.resolve(wire_name).map_err(Stop::answer)?;
        named.require(Right::Insert)?;
        let mailbox = named.open().map_err(|error| for_target(&error))?;
        Ok(Target { mailbox, current: None, read: Vec::new() })
    }

    fn end_append(&mut self, tag: Tag, answer: Answer) {
        let telling = self.telling(true, false);
        self.doing = Doing::Ending(Ending { tag, answer, telling });
    }
}

impl Append {
    /// Writes what came; after a failure, what comes goes nowhere.
    fn write(&mut self, bytes: &[u8]) {
        let Some(target) = &mut self.target else { return };
        let Some((delivery, ..)) = &mut target.current else { return };
        if let Err(error) = delivery.write(bytes) {
            self.failed = Some(failure::answer(&error));
            self.target = None;
        }
    }

    fn commit(self) -> Answer {
        if let Some(answer) = self.failed {
            return answer;
        }
        let Some(mut target) = self.target else { return Answer::bad("Expected a message") };
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
