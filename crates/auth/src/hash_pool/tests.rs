//! The order of turns, and refusals, in a pool that is held.

use super::*;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// One who asks, and what became of it.
struct Asked<'a> {
    name: &'static str,
    waiting: Option<Pin<Box<dyn Future<Output = Option<Permit>> + 'a>>>,
}

impl Asked<'_> {
    fn poll(&mut self) -> Option<Option<Permit>> {
        let polled = self.waiting.as_mut()?.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(outcome) = polled else { return None };
        self.waiting = None;
        Some(outcome)
    }
}

/// A pool that runs one at a time, and that one is under way.
fn held(waiting_max: usize) -> (HashPool, Permit) {
    let pool = HashPool::new(1, waiting_max);
    let asker = pool.asker(None, b"", false);
    assert!(lock(&pool.queue).enter(asker).is_none());
    let permit = Permit(pool.queue.clone());
    (pool, permit)
}

fn ask<'a>(pool: &'a HashPool, name: &'static str, peer: &str, is_familiar: bool) -> Asked<'a> {
    let asker = pool.asker(Some(peer.parse().unwrap()), name.as_bytes(), is_familiar);
    let mut asked = Asked { name, waiting: Some(Box::pin(pool.permit(asker))) };
    assert!(asked.poll().is_none_or(|outcome| outcome.is_none()), "{name} runs beside another");
    asked
}

/// Lets one after the other run; their names in that order, and how many were refused.
fn run_all(mut asked: Vec<Asked<'_>>, running: Permit) -> (Vec<&'static str>, usize) {
    let (mut served, mut running) = (Vec::new(), Some(running));
    while running.take().is_some() {
        for one in &mut asked {
            if let Some(Some(permit)) = one.poll() {
                assert!(running.is_none(), "two at once");
                served.push(one.name);
                running = Some(permit);
            }
        }
    }
    let refused = asked.len() - served.len();
    (served, refused)
}

#[test]
fn security_29_an_address_that_fills_the_queue_keeps_nobody_out() {
    let (pool, running) = held(100);
    let mut asked: Vec<Asked<'_>> = (0..200).map(|_| ask(&pool, "attacker", "192.0.2.1", false)).collect();
    // Twenty others, as many addresses; all of them get a place, and have their turns.
    let others: Vec<String> = (1..=20).map(|number| format!("198.51.100.{number}")).collect();
    asked.extend(others.iter().map(|peer| ask(&pool, "other", peer, false)));
    assert_eq!(lock(&pool.queue).others.count(), 100);
    let (served, refused) = run_all(asked, running);
    assert_eq!((served.len(), refused), (100, 120));
    assert_eq!(served.iter().filter(|name| **name == "other").count(), 20, "nobody else was refused");
    // One turn of the attacker's, and all the others.
    assert_eq!(served.iter().position(|name| *name == "other"), Some(1));
    assert_eq!(served.iter().rposition(|name| *name == "other"), Some(20));
}

#[test]
fn security_26_addresses_of_one_network_have_one_share() {
    let (pool, running) = held(30);
    let of_one_64: Vec<String> = (1..=40).map(|number| format!("2001:db8:1:2::{number:x}")).collect();
    let of_one_48: Vec<String> = (1..=40).map(|number| format!("2001:db8:2:{number:x}::1")).collect();
    let mut asked: Vec<Asked<'_>> = Vec::new();
    asked.extend(of_one_64.iter().map(|peer| ask(&pool, "64", peer, false)));
    asked.extend(of_one_48.iter().map(|peer| ask(&pool, "48", peer, false)));
    asked.push(ask(&pool, "anna", "2001:db8:3::1", false));
    let (served, _) = run_all(asked, running);
    assert_eq!(served.iter().position(|name| *name == "anna"), Some(2), "{served:?}");
    let count = |wanted| served.iter().filter(|name| **name == wanted).count();
    assert_eq!((count("64"), count("48")), (15, 14));
}

#[test]
fn at_one_address_each_user_has_a_turn() {
    let (pool, running) = held(100);
    let mut asked: Vec<Asked<'_>> = (0..50).map(|_| ask(&pool, "bert", "192.0.2.1", false)).collect();
    asked.push(ask(&pool, "anna", "192.0.2.1", false));
    let (served, refused) = run_all(asked, running);
    assert_eq!((served[1], refused), ("anna", 0));
}

#[test]
fn familiar_users_go_first_and_leave_turns_to_others() {
    let (pool, running) = held(20);
    let mut asked: Vec<Asked<'_>> = (0..20).map(|_| ask(&pool, "stranger", "192.0.2.1", false)).collect();
    // There is no room, and it is made for who is known.
    asked.extend((0..8).map(|_| ask(&pool, "anna", "198.51.100.1", true)));
    let (served, refused) = run_all(asked, running);
    assert_eq!(refused, 8);
    let annas: Vec<usize> = (0..served.len()).filter(|at| served[*at] == "anna").collect();
    assert_eq!(annas, [0, 1, 2, 3, 5, 6, 7, 8]);
}

#[test]
fn a_client_that_hangs_up_leaves_the_line() {
    let (pool, running) = held(2);
    let first = ask(&pool, "first", "192.0.2.1", false);
    let second = ask(&pool, "second", "192.0.2.1", false);
    drop(first);
    let third = ask(&pool, "third", "192.0.2.1", false);
    // Leave that comes too late goes to the next.
    drop(running);
    drop(second);
    let mut third = third;
    let permit = third.poll().expect("its turn").expect("room");
    drop(permit);
    let queue = lock(&pool.queue);
    assert_eq!((queue.running, queue.others.count()), (0, 0));
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_room_comes_back() {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let (password, stored) = (secret("x"), secret("{PLAIN}x"));
    let (pool, running) = held(0);
    let asker = pool.asker(Some([192, 0, 2, 1].into()), b"anna", false);
    assert_eq!(pool.verify(asker, &password, &stored).await, None);
    drop(running);
    assert_eq!(pool.verify(asker, &password, &stored).await, Some(Ok(true)));
}
