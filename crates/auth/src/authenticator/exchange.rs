//! Exchanges whose next step costs what a password check costs.

use super::answer_time::AnswerTime;
use super::{Authenticator, Client, Refusal};
use crate::sasl::{Exchange, Progress};
use tokio::time::Instant;

impl Authenticator {
    /// Takes the client's response to the last challenge, as [`Exchange::respond`] does. What
    /// hashes much is done among the password checks; when these are too many, the exchange is
    /// over and the service unavailable, which the client is told as late as after a password.
    pub async fn respond(
        &self,
        exchange: &mut Exchange,
        response: &[u8],
        client: Client<'_>,
    ) -> Result<Progress, Refusal> {
        let Some(user) = exchange.costly_for() else { return Ok(exchange.respond(response)) };
        let asker = self.asker(user, client.peer);
        let (mut taken, response) = (std::mem::take(exchange), response.to_vec());
        let work = move || {
            let progress = taken.respond(&response);
            (taken, progress)
        };
        let began = Instant::now();
        let Some(done) = self.hashes.run(asker, work).await else {
            let refusal = self.busy.refuse();
            self.counters.unavailable.add();
            if let Some(peer) = client.peer {
                let delay = self.delays.undecided(peer, began.into_std());
                AnswerTime::since(began).undecided(delay).await;
            }
            return Err(refusal);
        };
        let (went_on, progress) = done.map_err(|panicked| {
            tracing::error!("an exchange was given up: {panicked}");
            Refusal::Unavailable
        })?;
        *exchange = went_on;
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::super::AuthenticatorSettings;
    use super::*;
    use crate::cache::CacheSettings;
    use crate::sasl::{Binding, Mechanism};
    use crate::testing::secret;
    use crate::trace::Trace;
    use std::sync::Arc;
    use std::time::Duration;

    fn authenticator() -> Authenticator {
        let second = Duration::from_secs(1);
        let cache = CacheSettings { lifetime: second, negative_lifetime: second, entries_max: 1 };
        let settings = AuthenticatorSettings {
            default_domain: None,
            master_separator: '*',
            hostname: "here.example".to_owned(),
            hashes_at_once: 1,
            hashes_waiting_max: 0,
            refuse_weak: false,
            rehash: false,
            cache,
            delays: crate::delay::DelaySettings::default(),
        };
        Authenticator::new(Vec::new(), Vec::new(), settings).unwrap()
    }

    /// An exchange that awaits a proof, and a proof that is wrong.
    fn awaiting(stored: &str) -> (Exchange, String) {
        let first = b"n,,n=anna,r=abc";
        let (mut exchange, _) = Exchange::begin(Mechanism::ScramSha1, Some(first), &Binding::default());
        let Progress::Challenge(challenge) = exchange.stored(b"anna", Some(&[secret(stored)])) else {
            panic!()
        };
        let challenge = String::from_utf8(challenge).unwrap();
        let nonce = challenge.split(',').next().unwrap();
        (exchange, format!("c=biws,{nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="))
    }

    #[tokio::test]
    async fn only_plain_passwords_cost_and_only_for_them_there_may_be_no_room() {
        let authenticator = Arc::new(authenticator());
        let client = Client { peer: None, service: "imap", trace: Trace::OFF };
        let keys = crate::scheme::hash_as(&secret("pencil"), "SCRAM-SHA-1").unwrap();
        for (stored, is_costly) in [("{PLAIN}pencil", true), (keys.as_str(), false), ("{SHA}x", false)] {
            let (mut exchange, proof) = awaiting(stored);
            let progress = authenticator.respond(&mut exchange, proof.as_bytes(), client).await;
            assert!(matches!(progress, Ok(Progress::Failed { user }) if user == b"anna"), "{stored}");

            let (mut exchange, proof) = awaiting(stored);
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let pool = authenticator.clone();
            let busy = tokio::spawn(async move {
                pool.hashes.run(pool.asker(b"other", None), move || ended.recv().is_err()).await
            });
            tokio::task::yield_now().await;
            let progress = authenticator.respond(&mut exchange, proof.as_bytes(), client).await;
            drop(end);
            assert_eq!(busy.await.unwrap(), Some(Ok(true)));
            assert_eq!(progress.is_err(), is_costly, "{stored}: {progress:?}");
            // It is over, whichever way it ended.
            assert!(matches!(exchange.respond(b""), Progress::Malformed(_)), "{stored}");
        }
    }
}
