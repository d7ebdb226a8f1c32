//! What mechanisms need in which the client proves a password without showing it.

use super::{Authenticator, Client, Refusal, asked, unavailable};
use crate::scheme::{Strength, strength};
use crate::secret::Secret;
use crate::source::SourceAnswer;
use tokio::time::Instant;

/// What is stored for somebody who wants to prove that they know it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The account, however its name was written.
    pub account: Vec<u8>,
    /// `None` is nobody whom the client may learn of.
    pub secrets: Option<Vec<Secret>>,
}

impl Authenticator {
    /// What is stored as the user's password; waits as long as the account makes all wait, and
    /// tells a banned address nothing. With `authorize`, `login` is a master.
    pub async fn stored(
        &self,
        login: &[u8],
        authorize: Option<&[u8]>,
        client: Client<'_>,
    ) -> Result<Stored, Refusal> {
        let (login, authorize) = self.with_master(login, authorize);
        let account = match client.peer {
            Some(peer) => {
                let account = self.account(login, peer);
                let wait = self.delays.check(peer, &account, Instant::now().into_std()).map_err(|_| {
                    self.counters.banned.add();
                    Refusal::Banned
                })?;
                tokio::time::sleep(wait).await;
                account
            }
            None => login.to_vec(),
        };
        let secrets = self.secrets(login, authorize, client).await.inspect_err(|_| {
            self.counters.unavailable.add();
        })?;
        Ok(Stored { account, secrets })
    }

    async fn secrets(
        &self,
        login: &[u8],
        authorize: Option<&[u8]>,
        client: Client<'_>,
    ) -> Result<Option<Vec<Secret>>, Refusal> {
        let Ok(name) = self.name(login) else { return Ok(None) };
        let query = asked(&name, None, client);
        let found = match self.other(&name, authorize) {
            Some(target) => self.master(&target, query).await?.map(|(_, found)| found),
            None => Some(self.users.find(query).await.map_err(unavailable)?),
        };
        let Some(SourceAnswer::Stored(_, mut stored)) = found else { return Ok(None) };
        if self.settings.refuse_weak {
            stored.retain(|secret| strength(secret) == Strength::Strong);
        }
        Ok(Some(stored))
    }
}
