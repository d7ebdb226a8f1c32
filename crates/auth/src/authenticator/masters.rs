//! Masters: who may act for others, and nobody else.
//!
//! `anna@example.com*admin` with admin's password, or SASL's authorization identity, is anna
//! with all that she may do and no more. Masters stand in sources of their own, each with the
//! domains whose users its masters may act for.

use super::check::Checked;
use super::{Authenticator, Client, Outcome, Refusal, asked, unavailable, user_of};
use crate::chain::Chain;
use crate::login_name::LoginName;
use crate::source::{Query, SourceAnswer, User};

/// Sources of masters.
pub struct Masters {
    /// The sources.
    pub chain: Chain,
    /// Domains (lower case) whose users they may act for; `*` is all, an empty one that of names
    /// without a domain.
    pub domains: Vec<String>,
}

impl Masters {
    fn may_act_for(&self, target: &LoginName) -> bool {
        let domain = target.domain().unwrap_or_default();
        self.domains.iter().any(|one| one == "*" || one == domain)
    }
}

/// For whom somebody wants to act: nobody at all, if that is no name.
pub(super) struct Target(Option<LoginName>);

impl Authenticator {
    /// `user*master` is master, who acts for user; of SASL's two names the last word is that of
    /// the authorization identity.
    pub(super) fn with_master<'a>(
        &self,
        login: &'a [u8],
        authorize: Option<&'a [u8]>,
    ) -> (&'a [u8], Option<&'a [u8]>) {
        let mut separator = [0; 4];
        let separator = self.settings.master_separator.encode_utf8(&mut separator).as_bytes();
        let at = login.windows(separator.len()).rposition(|window| window == separator);
        match (at, authorize) {
            (Some(at), None) if !self.masters.is_empty() => {
                (&login[at + separator.len()..], Some(&login[..at]))
            }
            _ => (login, authorize),
        }
    }

    /// Whom `name` wants to act for; `None` is themselves.
    pub(super) fn other(&self, name: &LoginName, authorize: Option<&[u8]>) -> Option<Target> {
        let target = self.name(authorize?).ok();
        if target.as_ref() == Some(name) { None } else { Some(Target(target)) }
    }

    /// What the sources of masters for that user know of somebody.
    pub(super) async fn master<'a>(
        &'a self,
        target: &'a Target,
        query: Query<'_>,
    ) -> Result<Option<(&'a Masters, SourceAnswer)>, Refusal> {
        for masters in self.masters_for(target) {
            match masters.chain.find(query).await.map_err(unavailable)? {
                SourceAnswer::Unknown => {}
                found => return Ok(Some((masters, found))),
            }
        }
        Ok(None)
    }

    /// A password, of somebody who wants to act for another.
    pub(super) async fn decide_for(&self, target: &Target, query: Query<'_>, client: Client<'_>) -> Outcome {
        for masters in self.masters_for(target) {
            match self.check(&masters.chain, query).await? {
                Checked::Right(master) => return self.act_for(masters, target, &master, client).await,
                Checked::Wrong => return Err(Refusal::Credentials),
                Checked::Unknown => {}
            }
        }
        // No master. Who has the right password learns that; others learn nothing.
        match self.check(&self.users, query).await? {
            Checked::Right(_) => Err(Refusal::NotMaster),
            Checked::Wrong => Err(Refusal::Credentials),
            Checked::Unknown => match query.password {
                Some(password) => {
                    self.nobody(Some(query.name), query.name.full().as_bytes(), password, client).await
                }
                None => Err(Refusal::Credentials),
            },
        }
    }

    /// The user for whom a master acts, as if they had logged in themselves; from where users may
    /// come does not hold for masters. Behind an alias the user may be of another domain.
    pub(super) async fn act_for(
        &self,
        masters: &Masters,
        target: &Target,
        master: &User,
        client: Client<'_>,
    ) -> Outcome {
        let Some(name) = &target.0 else { return Err(Refusal::NotMaster) };
        client.trace.step(|| format!("{} is a master of {}", master.name, name.full()));
        if !master.may_use(client.service) {
            client.trace.step(|| format!("{} may not use {}", master.name, client.service));
            return Err(Refusal::Disabled);
        }
        let query = Query { peer: None, ..asked(name, None, client) };
        let found = self.users.find(query).await.map_err(unavailable)?;
        let Some(user) = user_of(found) else { return Err(Refusal::NotMaster) };
        let may = self.name(user.name.as_bytes()).is_ok_and(|canonical| masters.may_act_for(&canonical));
        if !may {
            client.trace.step(|| format!("{} is in no domain of that master", user.name));
            return Err(Refusal::NotMaster);
        }
        let user = self.admit(user, client)?;
        if client.peer.is_some() {
            self.counters.by_master.add();
            tracing::info!(user = ?user.name, master = ?master.name, "a master acts for a user");
        }
        Ok(user)
    }

    fn masters_for<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a Masters> {
        let may = |masters: &&Masters| target.0.as_ref().is_some_and(|target| masters.may_act_for(target));
        self.masters.iter().filter(may)
    }
}
