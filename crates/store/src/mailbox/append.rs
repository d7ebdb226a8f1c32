//! Appending messages.

use super::held::Held;
use super::incoming::{Incoming, announce, file_name, make_durable, settle};
use super::{Inner, Mailbox, room};
use crate::delivery::{Appended, Delivery};
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::quota::{Change, QuotaUsage, Room};
use crate::rename::rename_new;
use crate::scan::Place;
use crate::temporary::Temporary;
use mail::Uid;
use mail::flag::Flags;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Appends that wait for the mailbox. Whoever gets its lock first brings all of them in at
/// once: the disk is waited for once, and not by one after the other.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Arc<Waiting>>>,
}

/// Messages that are to come in together.
pub(super) struct Waiting {
    incoming: Vec<Incoming>,
    temporaries: Vec<Temporary>,
    /// Set by whoever brought them in.
    outcome: Mutex<Option<Result<Appended>>>,
}

impl Waiting {
    pub(super) fn new(incoming: Vec<Incoming>, temporaries: Vec<Temporary>) -> Self {
        Self { incoming, temporaries, outcome: Mutex::new(None) }
    }
}

pub(super) fn append(mailbox: &Mailbox, messages: Vec<(Delivery, Flags, Option<i64>)>) -> Result<Appended> {
    let mut temporaries = Vec::with_capacity(messages.len());
    let mut incoming = Vec::with_capacity(messages.len());
    let mut rooms = Vec::new();
    for (mut delivery, flags, date) in messages {
        rooms.extend(delivery.take_room());
        let temporary = delivery.finish(date)?;
        incoming.push(Incoming { base: temporary.base.clone(), flags });
        temporaries.push(temporary);
    }
    fault_point("append: before the lines");
    let (mut change, coming) = coming(mailbox, &incoming, &temporaries, rooms)?;
    let own = Arc::new(Waiting::new(incoming, temporaries));
    mailbox.queue.lock().push(own.clone());
    let mut inner = mailbox.lock();
    if !own.is_done() {
        let together = std::mem::take(&mut *mailbox.queue.lock());
        bring_in_together(mailbox, &mut inner, &together);
    }
    drop(inner);
    let nobody = || Err(Error::new(ErrorKind::Io, "nobody appended to", &mailbox.directory));
    let appended = own.take_outcome().unwrap_or_else(nobody)?;
    change.add_all(coming);
    Ok(appended)
}

/// The quota's part of messages that are about to come in.
pub(super) fn coming<'a>(
    mailbox: &'a Mailbox,
    incoming: &[Incoming],
    temporaries: &[Temporary],
    rooms: Vec<Room>,
) -> Result<(Change<'a>, QuotaUsage)> {
    let sizes = incoming.iter().zip(temporaries).map(|(message, file)| {
        (message.flags.system, crate::quota::size_of(message.base.as_bytes(), &file.path))
    });
    room::coming(mailbox, sizes, rooms)
}

/// Brings all in at once; where that fails, each by itself, so that nobody fails for another.
fn bring_in_together(mailbox: &Mailbox, inner: &mut Inner, together: &[Arc<Waiting>]) {
    let outcome = from_temporaries(mailbox, inner, together);
    let uid_validity = inner.uid_validity();
    match outcome {
        Ok(uids) => {
            let mut uids = uids.into_iter();
            for waiting in together {
                let uids = uids.by_ref().take(waiting.incoming.len()).collect();
                waiting.set_outcome(Ok(Appended { uid_validity, uids }));
            }
        }
        Err(error) if together.len() == 1 => together[0].set_outcome(Err(error)),
        // Each would wait for as long again, one after the other.
        Err(error) if error.kind == ErrorKind::Busy => {
            let busy = || Error::new(ErrorKind::Busy, "another process holds", &mailbox.directory);
            together.iter().for_each(|waiting| waiting.set_outcome(Err(busy())));
        }
        Err(_) => {
            for waiting in together {
                let outcome = from_temporaries(mailbox, inner, std::slice::from_ref(waiting));
                waiting.set_outcome(
                    outcome.map(|uids| Appended { uid_validity, uids: uids.into_iter().collect() }),
                );
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_done(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take_outcome(&self) -> Option<Result<Appended>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set_outcome(&self, outcome: Result<Appended>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

/// Brings files of `tmp/` in, all or none.
pub(super) fn from_temporaries(
    mailbox: &Mailbox,
    inner: &mut Inner,
    together: &[Arc<Waiting>],
) -> Result<Vec<Uid>> {
    let mut held = Held::hold(mailbox, inner)?;
    let incoming: Vec<&Incoming> = together.iter().flat_map(|waiting| &waiting.incoming).collect();
    let temporaries = together.iter().flat_map(|waiting| &waiting.temporaries);
    let new = announce(&mut held, &incoming)?;
    fault_point("append: after the lines");
    let mut done = Ok(());
    let mut moved = Vec::new();
    for (temporary, incoming) in temporaries.zip(&incoming) {
        let to = mailbox.file_path(Place::Cur, &file_name(incoming));
        done = rename_new(&temporary.path, &to).map_err(|e| Error::io("cannot move into cur", &to, e));
        if done.is_err() {
            break;
        }
        moved.push(to);
        fault_point("append: after a file");
    }
    let done = done.and_then(|()| make_durable(&held));
    if let Err(error) = done {
        moved.iter().for_each(|path| drop(std::fs::remove_file(path)));
        settle(&mut held, &incoming, &new, &new)?;
        return Err(error);
    }
    settle(&mut held, &incoming, &new, &[])?;
    Ok(new)
}
