//! LDAP: users of a directory (RFC 4511).
//!
//! A password is checked in one of three ways ([`Mode`]): the entry is searched for and a bind
//! with its DN tried; a bind is tried with a DN made of the name; or what the entry has as
//! password is compared here. What a name puts into a filter or a DN is always escaped
//! ([`template`]), and an empty password never reaches a server, to which it would mean an
//! anonymous bind that succeeds.
//!
//! Only a server's own "no" is a wrong password, and only an answer without an entry is an
//! unknown user. All else, two entries for one name included, is unavailable.
//!
//! Referrals are not followed: whom they name would be sent passwords that are not for it.

pub mod settings;
pub mod template;

mod address;
mod connection;
mod entry;
mod fault;
mod servers;
mod user;

pub use settings::{Attributes, Deref, Groups, LdapSettings, Mode, OwnBind, Scope};

use crate::login_name::LoginName;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use crate::trace::Trace;
use connection::Search;
use entry::Entry;
use fault::{Bound, Fault, FaultKind};
use servers::{Answer, Request, Servers};
use settings::Compiled;
use std::sync::Arc;
use template::{Template, Values};

/// A directory as a user source.
pub struct Ldap {
    name: String,
    settings: Arc<LdapSettings>,
    templates: Compiled,
    servers: Servers,
}

impl Ldap {
    /// The source; servers are connected to when they are first asked. The error says what is
    /// wrong with the settings.
    pub fn new(settings: LdapSettings) -> Result<Self, String> {
        let templates = settings.compile()?;
        for url in &settings.servers {
            if address::Address::parse(url)?.is_in_clear(settings.start_tls) {
                tracing::warn!("{url}: passwords go there in clear text; use ldaps:// or start-tls");
            }
        }
        let settings = Arc::new(settings);
        let servers = Servers::new(&settings);
        Ok(Self { name: format!("ldap {}", settings.servers.join(" ")), settings, templates, servers })
    }

    async fn look_up(&self, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        if self.settings.attributes.name.is_none() && !is_as_compared(query.name.full()) {
            query.trace.step(|| {
                "the directory takes this spelling for another name: without name-attribute it is nobody's".to_owned()
            });
            return Ok(SourceAnswer::Unknown);
        }
        if let (Mode::Direct, Some(_)) = (self.settings.mode, query.password) {
            return self.direct(query).await;
        }
        let Some(entry) = self.entry(query).await? else { return Ok(SourceAnswer::Unknown) };
        let user = self.user(&entry, query).await?;
        if self.settings.mode == Mode::Compare {
            let secrets = user::secrets(&self.settings, &entry);
            if secrets.is_empty() {
                return Err(self.site(format!(
                    "the server shows no password of {:?}: its access rules, or password-attributes, are wrong",
                    entry.dn
                )));
            }
            return Ok(SourceAnswer::Stored(user, secrets));
        }
        let Some(password) = query.password else { return Ok(SourceAnswer::Known(user)) };
        if password.expose().is_empty() {
            return Ok(SourceAnswer::Checked(user, false));
        }
        let request = Request::Bind { dn: entry.dn.clone(), password: password.clone(), then: None };
        query.trace.step(|| format!("bind as {:?}", entry.dn));
        match self.ask(&request, query.trace).await? {
            Answer::Bound(bound, _) => Ok(SourceAnswer::Checked(user, accepted(&bound, query.trace))),
            Answer::Entries(_) => Err(self.site("a bind was answered with entries".to_owned())),
        }
    }

    /// A bind with a DN made of the name, and the entry read as that user. Who is refused is
    /// taken to be known: servers do not tell a wrong password from an unknown user.
    async fn direct(&self, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        let values = Values { user: query.name.full(), name: query.name, dn: None };
        let dn = self.templates.user_dn.as_ref().and_then(|template| template.fill(values));
        let (Some(dn), Some(password)) = (dn, query.password) else { return Ok(SourceAnswer::Unknown) };
        if password.expose().is_empty() {
            return Ok(SourceAnswer::Checked(User::default(), false));
        }
        let Some(read) = self.direct_search(&dn, query.name.full(), query.name) else {
            return Ok(SourceAnswer::Unknown);
        };
        query.trace.step(|| format!("bind as {dn:?}, then {}", shown(&read)));
        let request = Request::Bind { dn: dn.clone(), password: password.clone(), then: Some(read) };
        match self.ask(&request, query.trace).await? {
            Answer::Bound(bound, entries) if accepted(&bound, query.trace) => {
                let entry = self.only(entries, query.trace)?.ok_or_else(|| {
                    self.site(format!(
                        "{dn:?} may bind, and cannot read the entry that tells where the mail is"
                    ))
                })?;
                Ok(SourceAnswer::Checked(self.user(&entry, query).await?, true))
            }
            Answer::Bound(..) => Ok(SourceAnswer::Checked(User::default(), false)),
            Answer::Entries(_) => Err(self.site("a bind was answered with entries".to_owned())),
        }
    }

    /// The entry of a user, found as Restante itself.
    async fn entry(&self, query: Query<'_>) -> Result<Option<Entry>, Unavailable> {
        let mut asked: Vec<Search> = Vec::new();
        for user in query.name.variants() {
            let Some(search) = self.user_search(user, query.name) else { continue };
            if asked.contains(&search) {
                continue;
            }
            query.trace.step(|| shown(&search));
            let entries = self.search(search.clone(), &self.templates.base, query.trace).await?;
            if let Some(entry) = self.only(entries, query.trace)? {
                return Ok(Some(entry));
            }
            asked.push(search);
        }
        query.trace.step(|| "there is no such entry".to_owned());
        Ok(None)
    }

    fn user_search(&self, user: &str, name: &LoginName) -> Option<Search> {
        let values = Values { user, name, dn: None };
        let Some(filter) = &self.templates.filter else {
            let dn = self.templates.user_dn.as_ref()?.fill(values)?;
            return self.direct_search(&dn, user, name);
        };
        let passwords = self.settings.mode == Mode::Compare;
        Some(self.base_search(self.templates.base.fill(values)?, filter.fill(values)?, passwords))
    }

    /// How the entry of a user who is bound is read: at that DN, or by the filter where the DN
    /// is none but a name (Active Directory).
    fn direct_search(&self, dn: &str, user: &str, name: &LoginName) -> Option<Search> {
        if self.templates.filter.is_some() {
            return self.user_search(user, name);
        }
        let search = self.base_search(dn.to_owned(), "(objectClass=*)".to_owned(), false);
        Some(Search { scope: Scope::Base, ..search })
    }

    fn base_search(&self, base: String, filter: String, passwords: bool) -> Search {
        Search {
            base,
            scope: self.settings.scope,
            deref: self.settings.deref,
            filter,
            attributes: user::wanted(&self.settings, passwords),
            entries_max: 2,
        }
    }

    /// A base that depends on the user and is not there has no users; another one must be there.
    async fn search(
        &self,
        search: Search,
        base: &Template,
        trace: &Trace,
    ) -> Result<Vec<Entry>, Unavailable> {
        let by_dn = search.scope == Scope::Base;
        match self.servers.ask(&Request::Search(search), trace).await {
            Ok(Answer::Entries(entries)) => Ok(entries),
            Ok(Answer::Bound(..)) => Err(self.site("a search was answered with a bind".to_owned())),
            Err(fault) if fault.kind == FaultKind::NoBase && (by_dn || base.has_variables()) => {
                Ok(Vec::new())
            }
            Err(fault) => Err(self.unavailable(fault)),
        }
    }

    /// The one entry; two are no guess.
    fn only(&self, mut entries: Vec<Entry>, trace: &Trace) -> Result<Option<Entry>, Unavailable> {
        let entry = entries.pop();
        if let (Some(one), Some(other)) = (&entry, entries.first()) {
            return Err(self.site(format!("more than one entry is found: {:?}, {:?}", other.dn, one.dn)));
        }
        if let Some(entry) = &entry {
            let attributes = &self.settings.attributes;
            let secret: Vec<&str> =
                attributes.password.iter().chain(&attributes.clear_password).map(String::as_str).collect();
            trace.step(|| format!("found {:?}: {}", entry.dn, entry.shown(&secret)));
        }
        Ok(entry)
    }

    async fn user(&self, entry: &Entry, query: Query<'_>) -> Result<User, Unavailable> {
        let mut user = user::user(&self.settings, entry).map_err(|why| self.site(why))?;
        user.groups.extend(self.groups(entry, query).await?);
        Ok(user)
    }

    async fn groups(&self, entry: &Entry, query: Query<'_>) -> Result<Vec<String>, Unavailable> {
        let values = Values { user: query.name.full(), name: query.name, dn: Some(&entry.dn) };
        let base = self.templates.group_base.as_ref().unwrap_or(&self.templates.base);
        let filter = self.templates.group_filter.as_ref().and_then(|filter| filter.fill(values));
        let (Some(filter), Some(base_dn)) = (filter, base.fill(values)) else { return Ok(Vec::new()) };
        let search = Search {
            base: base_dn,
            scope: Scope::Subtree,
            deref: self.settings.deref,
            filter,
            attributes: vec![self.settings.groups.name.clone()],
            entries_max: 0,
        };
        query.trace.step(|| format!("groups: {}", shown(&search)));
        let groups = self.search(search, base, query.trace).await?;
        let mut names = Vec::new();
        for group in &groups {
            let texts = group.texts(&self.settings.groups.name).map_err(|why| self.site(why))?;
            names.extend(texts.first().map(|name| name.to_lowercase()));
        }
        query.trace.step(|| format!("groups found: {}", names.join(" ")));
        Ok(names)
    }

    async fn ask(&self, request: &Request, trace: &Trace) -> Result<Answer, Unavailable> {
        self.servers.ask(request, trace).await.map_err(|fault| self.unavailable(fault))
    }

    async fn all(&self) -> Result<Vec<User>, Unavailable> {
        let attributes = &self.settings.attributes;
        let list_name = attributes.name.as_ref().or(attributes.list_name.as_ref());
        let filter = self.templates.list_filter.as_ref().and_then(Template::fixed);
        let (Some(name), Some(filter), Some(base)) = (list_name, filter, self.templates.base.fixed()) else {
            return Err(self.site(
                "a list of all users wants list-filter, name-attribute or list-name-attribute, and a base without variables"
                    .to_owned(),
            ));
        };
        let mut search = self.base_search(base, filter, false);
        search.attributes.push(name.clone());
        let page_size = i32::try_from(self.settings.page_size).unwrap_or(i32::MAX);
        let entries = match self.ask(&Request::List(search, page_size), Trace::OFF).await? {
            Answer::Entries(entries) => entries,
            Answer::Bound(..) => return Err(self.site("a search was answered with a bind".to_owned())),
        };
        Ok(entries.iter().filter_map(|entry| self.listed(entry, name)).collect())
    }

    /// A user of the list. An entry that cannot be used is passed over, and said.
    fn listed(&self, entry: &Entry, name: &str) -> Option<User> {
        let user = user::user(&self.settings, entry).and_then(|user| {
            let name = entry.text(name)?.ok_or_else(|| format!("{:?} has no {name}", entry.dn))?;
            let name = crate::login_name::normalize(name.as_bytes())
                .map_err(|why| format!("the name of {:?}: {why}", entry.dn))?;
            Ok(User { name, ..user })
        });
        user.map_err(|why| tracing::warn!("{}: {why}: passed over", self.name)).ok()
    }

    fn unavailable(&self, fault: Fault) -> Unavailable {
        if matches!(fault.kind, FaultKind::Site | FaultKind::NoBase) {
            return self.site(fault.reason);
        }
        Unavailable { source_name: self.name.clone(), reason: fault.reason }
    }

    /// What the site has to mend is an error in the log.
    fn site(&self, reason: String) -> Unavailable {
        tracing::error!("{}: {reason}", self.name);
        Unavailable { source_name: self.name.clone(), reason }
    }
}

/// Whether a directory compares a name as it stands (RFC 4518). It finds `anna` by full-width
/// letters too: each such spelling would be a user of its own, whose mail is elsewhere.
fn is_as_compared(name: &str) -> bool {
    name.is_ascii() || stringprep::nameprep(name).is_ok_and(|prepared| prepared == name)
}

impl Source for Ldap {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(self.look_up(query))
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(self.all())
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async move {
            let base = self.templates.base.fixed().filter(|_| self.templates.filter.is_some());
            let base = base.map(|base| Search {
                scope: Scope::Base,
                attributes: vec!["1.1".to_owned()],
                ..self.base_search(base, "(objectClass=*)".to_owned(), false)
            });
            Ok(self.servers.problems(base.as_ref()).await)
        })
    }

    fn reload(&self) {
        self.servers.reset();
    }
}

fn accepted(bound: &Bound, trace: &Trace) -> bool {
    trace.step(|| match bound {
        Bound::Accepted => "the bind is accepted".to_owned(),
        Bound::Refused(why) => format!("the bind is refused: {why}"),
    });
    *bound == Bound::Accepted
}

fn shown(search: &Search) -> String {
    let Search { base, scope, filter, attributes, .. } = search;
    format!("search {filter} below {base:?} ({scope:?}) for {}", attributes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{log_in, name, secret};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What comes of a log-in to a server that answers every request with these bytes.
    async fn answered_with(mode: Mode, answer: &'static [u8]) -> Result<SourceAnswer, Unavailable> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                        let _ = stream.write_all(answer).await;
                    }
                });
            }
        });
        let mut settings = LdapSettings::new(vec![url], "dc=x");
        settings.mode = mode;
        settings.filter = Some("(mail=%u)".to_owned());
        settings.user_dn = Some("uid=%n,dc=x".to_owned());
        settings.operation_timeout = std::time::Duration::from_secs(2);
        let (anna, password) = (name("anna"), secret("x"));
        Ldap::new(settings).unwrap().find(log_in(&anna, &password)).await
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_unavailable() {
        for (mode, answer) in [
            // No LDAP, a text that is no UTF-8, an answer to something else, a length without an end.
            (Mode::Search, &b"HTTP/1.0 400 Bad\r\n\r\n"[..]),
            (Mode::Search, b"\x30\x0d\x02\x01\x01\x65\x08\x0a\x01\x00\x04\x00\x04\x01\xff"),
            (Mode::Search, b"\x30\x0c\x02\x01\x01\x69\x07\x0a\x01\x00\x04\x00\x04\x00"),
            (Mode::Search, b"\x30\x84\xff\xff\xff\xff"),
            (Mode::Direct, b"\x30\x0d\x02\x01\x01\x61\x08\x0a\x01\x00\x04\x00\x04\x01\xff"),
            (Mode::Direct, b"\x30\x03\x02\x01\x01"),
            (Mode::Direct, b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x33\x04\x00\x04\x00"),
        ] {
            let found = answered_with(mode, answer).await;
            assert!(found.is_err(), "{}: {found:?}", answer.escape_ascii());
        }
        // invalidCredentials, and a search that finds nothing, are answers.
        let found =
            answered_with(Mode::Direct, b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00").await;
        assert!(matches!(found, Ok(SourceAnswer::Checked(_, false))), "{found:?}");
        let found =
            answered_with(Mode::Search, b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00").await;
        assert!(matches!(found, Ok(SourceAnswer::Unknown)), "{found:?}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        for (change, why) in [
            ((|s| s.servers.clear()) as fn(&mut LdapSettings), "servers names none"),
            (|s| s.filter = None, "wants filter"),
            (|s| s.filter = Some("(objectClass=*)".to_owned()), "filter finds the same entry"),
            (|s| s.mode = Mode::Direct, "mode \"direct\" wants user-dn"),
            (|s| s.mode = Mode::Compare, "mode \"compare\" wants password-attributes"),
            (|s| s.own_bind = OwnBind::External, "sasl-external is for ldapi://"),
            (|s| s.list_filter = Some("(a=%u)".to_owned()), "list-filter has %u"),
        ] {
            let mut settings = LdapSettings::new(vec!["ldap://x".to_owned()], "dc=x");
            settings.filter = Some("(mail=%u)".to_owned());
            assert_eq!(settings.check(), Ok(()));
            change(&mut settings);
            assert!(settings.check().unwrap_err().starts_with(why), "{why}: {:?}", settings.check());
        }
    }

    #[test]
    fn a_spelling_that_a_directory_takes_for_another_is_nobody_s() {
        for (name, expected) in [
            ("anna@example.com", true),
            ("o'neil", true),
            ("jörg", true),
            ("\u{ff41}nna", false),
            ("an\u{ad}na", false),
            ("jo\u{308}rg", false),
            ("stra\u{df}e", false),
        ] {
            assert_eq!(is_as_compared(name), expected, "{name}");
        }
    }
}
