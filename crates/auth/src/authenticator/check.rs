//! A password against the sources of a chain, by way of the cache.

use super::{Authenticator, Client, Refusal, unavailable};
use crate::chain::Chain;
use crate::hash_pool::Asker;
use crate::login_name::LoginName;
use crate::scheme::{self, Strength};
use crate::secret::Secret;
use crate::source::{Query, Source, SourceAnswer, User};
use std::sync::Arc;

/// What the sources say of a name and a password.
pub(super) enum Checked {
    /// No source knows the user.
    Unknown,
    /// The source that knows the user has another password.
    Wrong,
    /// It is this one.
    Right(Box<User>),
}

/// What one source says, as the cache keeps it.
#[derive(Clone)]
pub(super) enum Finding {
    Unknown,
    Wrong,
    Right(Arc<User>),
    /// The stored password matches; who the user is the source says each time.
    Matches,
}

impl Authenticator {
    /// Asks source after source, as [`Chain`] says.
    pub(super) async fn check(&self, chain: &Chain, query: Query<'_>) -> Result<Checked, Refusal> {
        for source in chain.sources_for(query.name) {
            let checked = match source.is_local() {
                true => self.check_stored(chain, source, query).await?,
                false => self.check_remote(chain, source, query).await?,
            };
            if !matches!(checked, Checked::Unknown) {
                return Ok(checked);
            }
        }
        query.trace.step(|| "no source knows the user".to_owned());
        Ok(Checked::Unknown)
    }

    /// A source that answers from memory is asked; what the cache spares is the hash.
    async fn check_stored(
        &self,
        chain: &Chain,
        source: &dyn Source,
        query: Query<'_>,
    ) -> Result<Checked, Refusal> {
        let (user, stored) = match chain.ask(source, query).await.map_err(unavailable)? {
            SourceAnswer::Stored(user, stored) => (user, stored),
            other => return self.settle(source, query, other).await,
        };
        let place = place_of(source);
        let mut parts = key_parts(&place, query);
        parts.extend(stored.iter().map(Secret::expose));
        let find_out = async || {
            let right = self.matches(source, query, &user, &stored).await?;
            Ok::<_, Refusal>(if right { Finding::Matches } else { Finding::Wrong })
        };
        let found =
            self.cache.answer(&self.cache.key(parts), query.name.full(), is_positive, find_out).await?;
        Ok(if is_positive(&found) { Checked::Right(Box::new(user)) } else { Checked::Wrong })
    }

    /// Any other source is asked when the cache has no answer.
    async fn check_remote(
        &self,
        chain: &Chain,
        source: &dyn Source,
        query: Query<'_>,
    ) -> Result<Checked, Refusal> {
        let peer = query.peer.filter(|_| source.looks_at_peer()).map(|peer| peer.to_string());
        let place = place_of(source);
        let mut parts = key_parts(&place, query);
        parts.extend(peer.as_ref().map(String::as_bytes));
        let find_out = async || {
            let found = chain.ask(source, query).await.map_err(unavailable)?;
            Ok::<_, Refusal>(match self.settle(source, query, found).await? {
                Checked::Unknown => Finding::Unknown,
                Checked::Wrong => Finding::Wrong,
                Checked::Right(user) => Finding::Right(Arc::new(*user)),
            })
        };
        let found =
            self.cache.answer(&self.cache.key(parts), query.name.full(), is_positive, find_out).await?;
        Ok(match found {
            Finding::Unknown => Checked::Unknown,
            Finding::Right(user) => Checked::Right(Box::new(User::clone(&user))),
            Finding::Wrong | Finding::Matches => Checked::Wrong,
        })
    }

    async fn settle(
        &self,
        source: &dyn Source,
        query: Query<'_>,
        found: SourceAnswer,
    ) -> Result<Checked, Refusal> {
        let (user, right) = match found {
            SourceAnswer::Unknown => return Ok(Checked::Unknown),
            SourceAnswer::Checked(user, right) => {
                let verdict = if right { "right" } else { "wrong" };
                query.trace.step(|| format!("the source says that the password is {verdict}"));
                (user, right)
            }
            SourceAnswer::Stored(user, stored) => {
                let right = self.matches(source, query, &user, &stored).await?;
                (user, right)
            }
            SourceAnswer::Known(user) => {
                tracing::error!(user = ?user.name, source = source.name(), "it checked no password");
                return Err(Refusal::Unavailable);
            }
        };
        Ok(if right { Checked::Right(Box::new(user)) } else { Checked::Wrong })
    }

    /// Whether one of the stored passwords matches. Without any, it costs what others cost.
    async fn matches(
        &self,
        source: &dyn Source,
        query: Query<'_>,
        user: &User,
        stored: &[Secret],
    ) -> Result<bool, Refusal> {
        let Some(password) = query.password else { return Ok(false) };
        let asker = self.asker(query.name.full().as_bytes(), query.peer);
        if stored.is_empty() {
            query.trace.step(|| "no password is stored: nobody comes in".to_owned());
            self.check_dummy(std::iter::once(source), asker, password).await?;
            return Ok(false);
        }
        for stored in stored {
            let right = self.verify(asker, password, stored, &user.name).await?;
            let verdict = if right { "matches" } else { "does not match" };
            query.trace.step(|| format!("the password {verdict} what is stored ({})", scheme::name(stored)));
            if right {
                self.costs.note(source.name(), stored);
                self.look_at_scheme(source, query, stored).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whoever is not there costs what others cost: those of the sources that were asked for
    /// `name`; of all, where that is no name.
    pub(super) async fn nobody<T>(
        &self,
        name: Option<&LoginName>,
        login: &[u8],
        password: &Secret,
        client: Client<'_>,
    ) -> Result<T, Refusal> {
        let asker = self.asker(login, client.peer);
        match name {
            Some(name) => self.check_dummy(self.users.sources_for(name), asker, password).await?,
            None => self.check_dummy(self.users.sources(), asker, password).await?,
        }
        Err(Refusal::Credentials)
    }

    /// Does what a check of a password at these sources mostly is, in vain.
    async fn check_dummy<'a>(
        &self,
        sources: impl Iterator<Item = &'a dyn Source>,
        asker: Asker,
        password: &Secret,
    ) -> Result<(), Refusal> {
        let usual = self.costs.usual(sources.map(Source::name));
        self.verify(asker, password, usual.as_ref().unwrap_or(&self.dummy), "").await.map(|_| ())
    }

    async fn verify(
        &self,
        asker: Asker,
        password: &Secret,
        stored: &Secret,
        user: &str,
    ) -> Result<bool, Refusal> {
        let verified = self.hashes.verify(asker, password, stored).await.ok_or_else(|| self.busy.refuse())?;
        Ok(verified.unwrap_or_else(|bad| {
            tracing::error!(user, "the stored password cannot be used: {bad}");
            false
        }))
    }

    /// A right password that is stored weakly is counted, and then refused or stored anew.
    async fn look_at_scheme(
        &self,
        source: &dyn Source,
        query: Query<'_>,
        stored: &Secret,
    ) -> Result<(), Refusal> {
        if scheme::strength(stored) == Strength::Strong {
            return Ok(());
        }
        query.trace.step(|| "that scheme is weak".to_owned());
        // An administrator who tries a password changes nothing.
        let is_try = query.peer.is_none();
        if !is_try {
            self.counters.weak.add();
        }
        if self.settings.refuse_weak {
            return Err(Refusal::Weak);
        }
        if self.settings.rehash && !is_try {
            self.rehash(source, query, stored).await;
        }
        Ok(())
    }

    /// Whether it succeeds or not, the user comes in.
    async fn rehash(&self, source: &dyn Source, query: Query<'_>, stored: &Secret) {
        let Some(password) = query.password else { return };
        let user = query.name.full();
        let asker = self.asker(user.as_bytes(), query.peer);
        let hash = match self.hashes.hash(asker, password).await {
            Some(Ok(hash)) => hash,
            Some(Err(error)) => return tracing::error!(user, "the password was not hashed anew: {error}"),
            None => return,
        };
        match source.store_password(query.name, stored, &hash).await {
            Ok(true) => {
                self.counters.rehashed.add();
                tracing::info!(user, source = source.name(), "the password was hashed anew");
            }
            Ok(false) => {}
            Err(error) => tracing::error!(user, "the password was not hashed anew: {error}"),
        }
    }
}

/// Which source it is. Names do not tell: two sources may ask one directory for different users.
fn place_of(source: &dyn Source) -> [u8; size_of::<usize>()] {
    std::ptr::from_ref(source).addr().to_ne_bytes()
}

/// What an answer depends on, peer and stored passwords apart.
fn key_parts<'a>(place: &'a [u8], query: Query<'a>) -> Vec<&'a [u8]> {
    let password = query.password.map(Secret::expose).unwrap_or_default();
    vec![place, query.name.full().as_bytes(), query.service.as_bytes(), password]
}

fn is_positive(finding: &Finding) -> bool {
    matches!(finding, Finding::Right(_) | Finding::Matches)
}
