//! The sources in their order.

use crate::login_name::LoginName;
use crate::source::{Query, Source, SourceAnswer, Unavailable, User};
use std::collections::BTreeSet;

/// A source, and for whom it is asked.
pub struct Link {
    /// The source.
    pub source: Box<dyn Source>,
    /// If there, only names of these domains (lower case) are looked up in it; an empty one is
    /// that of names without a domain.
    pub domains: Option<Vec<String>>,
}

impl Link {
    /// A source that is asked for everybody.
    pub fn for_all(source: Box<dyn Source>) -> Self {
        Self { source, domains: None }
    }

    pub(crate) fn serves(&self, name: &LoginName) -> bool {
        let domain = name.domain().unwrap_or_default();
        self.domains.as_ref().is_none_or(|domains| domains.iter().any(|one| one == domain))
    }
}

/// Sources, asked in their order: who is unknown to one is looked up in the next, and the first
/// that knows somebody has the last word, right or wrong. A source that does not answer stops
/// the chain: behind it somebody else might have that name.
pub struct Chain {
    links: Vec<Link>,
    default_domain: Option<String>,
}

impl Chain {
    /// A chain; `default_domain` is added to canonical names without one.
    pub fn new(links: Vec<Link>, default_domain: Option<String>) -> Self {
        Self { links, default_domain }
    }

    /// The sources that are asked for a name, in their order.
    pub fn sources_for(&self, name: &LoginName) -> impl Iterator<Item = &dyn Source> {
        self.links.iter().filter(|link| link.serves(name)).map(|link| &*link.source)
    }

    /// All sources, in their order.
    pub fn sources(&self) -> impl Iterator<Item = &dyn Source> {
        self.links.iter().map(|link| &*link.source)
    }

    /// The answer of the first source that knows the user. It has the canonical name and the source.
    pub async fn find(&self, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        for source in self.sources_for(query.name) {
            match self.ask(source, query).await? {
                SourceAnswer::Unknown => {}
                found => return Ok(found),
            }
        }
        Ok(SourceAnswer::Unknown)
    }

    /// The answer of one source. It has the canonical name and the source.
    pub async fn ask(&self, source: &dyn Source, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        query.trace.step(|| format!("asking {}", source.name()));
        let found = source.find(query).await;
        if let Err(error) = &found {
            query.trace.step(|| error.to_string());
        }
        self.named(source, query.name, found?)
    }

    /// All users of all sources, by their canonical names.
    pub async fn list(&self) -> Result<Vec<User>, Unavailable> {
        let mut users = Vec::new();
        for source in self.sources() {
            users.extend(source.list().await?);
        }
        Ok(users)
    }

    /// The canonical names of all users who would be found here, in alphabetical order, and what
    /// could not be listed. Nobody is looked up.
    pub async fn names(&self) -> (BTreeSet<String>, Vec<Unavailable>) {
        let (mut names, mut problems) = (BTreeSet::new(), Vec::new());
        for link in &self.links {
            let users = link.source.list().await.unwrap_or_else(|problem| {
                problems.push(problem);
                Vec::new()
            });
            for user in users {
                match self.canonical_name(&*link.source, &user.name) {
                    Ok(name) => names.extend(link.serves(&name).then(|| name.full().to_owned())),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        (names, problems)
    }

    /// Gives the user that was found their canonical name, and says which source it was.
    fn named(
        &self,
        source: &dyn Source,
        asked: &LoginName,
        found: SourceAnswer,
    ) -> Result<SourceAnswer, Unavailable> {
        let name = |user: User| self.canonical(source, asked, user);
        Ok(match found {
            SourceAnswer::Unknown => SourceAnswer::Unknown,
            SourceAnswer::Stored(user, stored) => SourceAnswer::Stored(name(user)?, stored),
            SourceAnswer::Checked(user, right) => SourceAnswer::Checked(name(user)?, right),
            SourceAnswer::Known(user) => SourceAnswer::Known(name(user)?),
        })
    }

    fn canonical(&self, source: &dyn Source, asked: &LoginName, user: User) -> Result<User, Unavailable> {
        let name = match user.name.is_empty() {
            true => asked.full().to_owned(),
            false => self.canonical_name(source, &user.name)?.full().to_owned(),
        };
        Ok(User { name, source: source.name().to_owned(), ..user })
    }

    /// A canonical name becomes a path, as a name that somebody typed does.
    fn canonical_name(&self, source: &dyn Source, name: &str) -> Result<LoginName, Unavailable> {
        LoginName::new(name.as_bytes(), self.default_domain.as_deref()).map_err(|error| Unavailable {
            source_name: source.name().to_owned(),
            reason: format!("the user's name there is {name:?}, but {error}"),
        })
    }
}
