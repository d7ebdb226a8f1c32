//! Who works on files when: so many pieces of work at once, shared fairly between users.
//!
//! A user never has more than half of them, so that another user's piece begins at once. Beyond
//! that users wait in turn, one piece each, however many connections they have; pieces of one
//! user begin in the order in which they were asked for.
//!
//! Invariant I6 of crates/README.md.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// On whose behalf files are worked on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Party {
    /// A user who logged in, by canonical name.
    User(Arc<str>),
    /// Before that: an address, of IPv6 a /64.
    Network(IpAddr),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Jobs {
    /// At once, of all parties and of one (counts).
    jobs_max: usize,
    share_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Parties with jobs that run or wait; keyed hashing, as a client may choose the key.
    parties: HashMap<Party, Queue>,
    /// Those with jobs that wait: who is next.
    turns: VecDeque<Party>,
    /// Jobs begun so far.
    #[cfg(test)]
    begun: u64,
}

/// A party's jobs.
#[derive(Debug, Default)]
struct Queue {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Job>>,
}

/// Leave to work on files; dropping it ends the job.
#[derive(Debug)]
pub(crate) struct Job {
    /// `None` once it is over.
    of: Option<(Arc<Jobs>, Party)>,
}

impl Party {
    /// A client at `address`.
    pub(crate) fn at(address: IpAddr) -> Self {
        const HOST: u128 = u64::MAX as u128;
        Self::Network(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !HOST).into(),
        })
    }
}

impl Jobs {
    /// With `jobs_max` jobs at once.
    pub(crate) fn new(jobs_max: usize) -> Arc<Self> {
        let share_max = jobs_max.div_ceil(2).max(1);
        Arc::new(Self { jobs_max, share_max, state: Mutex::default() })
    }

    /// Waits for leave to work on files.
    pub(crate) async fn begin(self: &Arc<Self>, party: &Party) -> Job {
        match self.ask(party) {
            Ok(job) => job,
            // A sender is dropped only when it has sent.
            Err(waiting) => waiting.await.unwrap_or(Job { of: None }),
        }
    }

    /// Leave at once, or when its turn comes.
    fn ask(self: &Arc<Self>, party: &Party) -> Result<Job, oneshot::Receiver<Job>> {
        let mut state = self.lock();
        let may_begin = state.running < self.jobs_max;
        let queue = state.parties.entry(party.clone()).or_default();
        if may_begin && queue.running < self.share_max {
            return Ok(self.begun(&mut state, party));
        }
        let (sender, receiver) = oneshot::channel();
        let is_first = queue.waiting.is_empty();
        queue.waiting.push_back(sender);
        if is_first {
            state.turns.push_back(party.clone());
        }
        Err(receiver)
    }

    fn begun(self: &Arc<Self>, state: &mut State, party: &Party) -> Job {
        state.running += 1;
        state.parties.entry(party.clone()).or_default().running += 1;
        #[cfg(test)]
        {
            state.begun += 1;
        }
        Job { of: Some((self.clone(), party.clone())) }
    }

    fn end(self: &Arc<Self>, party: &Party) {
        let mut state = self.lock();
        state.ended(party);
        while state.running < self.jobs_max {
            let Some((next, sender)) = state.next(self.share_max) else { break };
            let job = self.begun(&mut state, &next);
            if let Err(mut unwanted) = sender.send(job) {
                // Who asked for it is gone. Ended here: its drop would wait for this lock.
                unwanted.of = None;
                state.ended(&next);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs begun so far.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.lock().begun
    }
}

impl State {
    fn ended(&mut self, party: &Party) {
        self.running -= 1;
        if let Entry::Occupied(mut queue) = self.parties.entry(party.clone()) {
            queue.get_mut().running -= 1;
            if queue.get().running == 0 && queue.get().waiting.is_empty() {
                queue.remove();
            }
        }
    }

    /// The job that is next: the first of the party whose turn it is and that has less than its
    /// share. Its other jobs wait behind those of all others.
    fn next(&mut self, share_max: usize) -> Option<(Party, oneshot::Sender<Job>)> {
        let below_share =
            |party: &Party| self.parties.get(party).is_some_and(|queue| queue.running < share_max);
        let at = self.turns.iter().position(below_share)?;
        let party = self.turns.remove(at)?;
        let queue = self.parties.get_mut(&party)?;
        let sender = queue.waiting.pop_front()?;
        if !queue.waiting.is_empty() {
            self.turns.push_back(party.clone());
        }
        Some((party, sender))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some((jobs, party)) = self.of.take() {
            jobs.end(&party);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Party {
        Party::User(name.into())
    }

    /// The jobs of `waiting` that may begin now, by their names.
    fn begun(
        waiting: &mut Vec<(&'static str, oneshot::Receiver<Job>)>,
        running: &mut Vec<(&'static str, Job)>,
    ) {
        waiting.retain_mut(|(name, receiver)| match receiver.try_recv() {
            Ok(job) => {
                running.push((*name, job));
                false
            }
            Err(_) => true,
        });
    }

    /// Ends the oldest job as long as there is one; which ones began in which order.
    fn order(
        mut waiting: Vec<(&'static str, oneshot::Receiver<Job>)>,
        mut running: Vec<(&'static str, Job)>,
    ) -> Vec<&'static str> {
        let mut order = Vec::new();
        while !running.is_empty() {
            order.push(running.remove(0).0);
            begun(&mut waiting, &mut running);
        }
        assert!(waiting.is_empty(), "nobody is forgotten");
        order
    }

    #[test]
    fn security_28_one_user_never_has_more_than_half() {
        let jobs = Jobs::new(32);
        let (hostile, anna) = (user("hostile"), user("anna"));
        let asked: Vec<_> = (0..40).map(|_| jobs.ask(&hostile)).collect();
        assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 16);
        let at_once: Vec<_> = (0..16).map(|_| jobs.ask(&anna)).collect();
        assert!(at_once.iter().all(Result::is_ok), "another user's jobs begin at once");
        assert!(jobs.ask(&user("bert")).is_err(), "now there are 32");
        drop((asked, at_once));
        assert!(jobs.lock().parties.is_empty() && jobs.lock().turns.is_empty());
        assert_eq!(jobs.lock().running, 0);
    }

    #[test]
    fn users_wait_in_turn_and_their_jobs_in_order() {
        let jobs = Jobs::new(1);
        let running = vec![("h0", jobs.ask(&user("hostile")).expect("the first"))];
        let mut waiting = Vec::new();
        for (name, party) in [
            ("h1", "hostile"),
            ("h2", "hostile"),
            ("h3", "hostile"),
            ("a1", "anna"),
            ("h4", "hostile"),
            ("b1", "bert"),
            ("a2", "anna"),
        ] {
            waiting.push((name, jobs.ask(&user(party)).expect_err("it waits")));
        }
        assert_eq!(order(waiting, running), ["h0", "h1", "a1", "b1", "h2", "a2", "h3", "h4"]);
        assert!(jobs.lock().parties.is_empty());
    }

    #[test]
    fn a_user_at_its_share_is_passed_over() {
        let jobs = Jobs::new(4);
        let (hostile, anna, bert) = (user("hostile"), user("anna"), user("bert"));
        let of_hostile = [jobs.ask(&hostile), jobs.ask(&hostile)].map(|asked| asked.expect("its half"));
        let mut of_anna = [jobs.ask(&anna), jobs.ask(&anna)].map(|asked| Some(asked.expect("hers")));
        let mut hostile_waits = jobs.ask(&hostile).expect_err("at its share");
        let mut bert_waits = jobs.ask(&bert).expect_err("all are in use");
        of_anna[0] = None;
        assert!(bert_waits.try_recv().is_ok() && hostile_waits.try_recv().is_err());
        drop(of_hostile);
        assert!(hostile_waits.try_recv().is_ok());
    }

    #[test]
    fn who_stops_waiting_holds_nothing() {
        let jobs = Jobs::new(1);
        let (anna, bert) = (user("anna"), user("bert"));
        let first = jobs.ask(&anna).expect("the first");
        let gone = jobs.ask(&anna).expect_err("it waits");
        let late = jobs.ask(&bert).expect_err("it waits");
        let mut last = jobs.ask(&anna).expect_err("it waits");
        drop(gone);
        drop(first);
        // Leave that nobody takes goes to the next, too.
        drop(late);
        let job = last.try_recv().expect("its turn");
        assert_eq!(jobs.lock().running, 1);
        drop(job);
        assert_eq!(jobs.lock().running, 0);
        assert!(jobs.lock().parties.is_empty() && jobs.lock().turns.is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one_party() {
        let at = |text: &str| Party::at(text.parse().expect("an address"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:0:0:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
