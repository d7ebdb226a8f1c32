//! The servers: which one is asked, and its connections.
//!
//! They are asked in the order of the settings. One that breaks or is silent is left alone for
//! a while; then one request tries it, while others go on with the next server. So a frozen
//! server costs one request its time now and then, and is used again soon after it comes back.
//!
//! Searches share a few connections, many at once on each. A bind changes whom a connection
//! acts for, so binds with users' passwords have connections of their own, one after the other
//! on each, and a bounded number of them.

use super::connection::{Search, bind_own, bind_user, connect, isolated, search, search_all, tls_config};
use super::entry::Entry;
use super::fault::{Bound, Fault, FaultKind};
use super::settings::LdapSettings;
use crate::secret::Secret;
use crate::trace::Trace;
use ldap3::Ldap;
use rustls::ClientConfig;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// What a server is asked.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// A search as Restante itself.
    Search(Search),
    /// A search page by page, of so many entries each, on a connection of its own.
    List(Search, i32),
    /// A bind as a user, and a search as that user if it is accepted.
    Bind { dn: String, password: Secret, then: Option<Search> },
}

/// What it answers.
pub(super) enum Answer {
    Entries(Vec<Entry>),
    Bound(Bound, Vec<Entry>),
}

/// All servers.
pub(super) struct Servers {
    servers: Vec<Server>,
}

struct Server {
    url: String,
    settings: Arc<LdapSettings>,
    tls: Mutex<Option<Arc<ClientConfig>>>,
    searchers: Vec<Searcher>,
    next_searcher: AtomicUsize,
    connections: AtomicU64,
    /// One for each bind that is under way.
    binders: Semaphore,
    idle: Mutex<Vec<Ldap>>,
    down: Mutex<Option<Down>>,
}

/// A place for a search connection.
#[derive(Default)]
struct Searcher {
    /// And which one it is, counted from 1.
    connection: Mutex<Option<(u64, Ldap)>>,
    /// Held by whoever connects, so that others wait for that connection.
    connecting: tokio::sync::Mutex<()>,
}

/// A server that failed.
struct Down {
    /// When it is tried again.
    until: Instant,
    /// To find it down takes a timeout.
    silent: bool,
}

impl Servers {
    pub(super) fn new(settings: &Arc<LdapSettings>) -> Self {
        let server = |url: &String| Server {
            url: url.clone(),
            settings: settings.clone(),
            tls: Mutex::default(),
            searchers: (0..settings.search_connections.max(1)).map(|_| Searcher::default()).collect(),
            next_searcher: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
            binders: Semaphore::new(settings.bind_connections.max(1)),
            idle: Mutex::default(),
            down: Mutex::default(),
        };
        Self { servers: settings.servers.iter().map(server).collect() }
    }

    /// Asks the first server that answers.
    pub(super) async fn ask(&self, request: &Request, trace: &Trace) -> Result<Answer, Fault> {
        let mut last = Fault::new(FaultKind::Broken, "no server answers");
        let mut passed_over = Vec::new();
        for server in &self.servers {
            if !server.takes_turn() {
                passed_over.push(server);
                continue;
            }
            match server.try_ask(request, trace).await {
                Err(fault) if fault.leads_on() => last = fault,
                decided => return decided,
            }
        }
        // Nobody else is left: those are tried that answer or refuse at once.
        for server in passed_over {
            if self.servers.len() > 1 && lock(&server.down).as_ref().is_some_and(|down| down.silent) {
                continue;
            }
            match server.try_ask(request, trace).await {
                Err(fault) if fault.leads_on() => last = fault,
                decided => return decided,
            }
        }
        Err(last)
    }

    /// What is wrong with each server: it is connected to and bound to, and the base is looked
    /// for if there is one.
    pub(super) async fn problems(&self, base: Option<&Search>) -> Vec<String> {
        let mut problems = Vec::new();
        for server in &self.servers {
            let tried = async {
                let ldap = server.connect_and_bind().await?;
                match base {
                    Some(base) => {
                        isolated(server.settings.operation_timeout, search(ldap, base.clone())).await
                    }
                    None => Ok(Vec::new()),
                }
            };
            match (tried.await, base) {
                (Ok(entries), Some(base)) if entries.is_empty() => {
                    problems.push(format!("{}: the base {:?} cannot be seen", server.url, base.base));
                }
                (Ok(_), _) => {}
                (Err(fault), _) => problems.push(format!("{}: {}", server.url, fault.reason)),
            }
        }
        problems
    }

    /// Everything is connected to anew.
    pub(super) fn reset(&self) {
        for server in &self.servers {
            *lock(&server.tls) = None;
            *lock(&server.down) = None;
            server.let_go();
        }
    }
}

impl Fault {
    /// Whether another server may do better.
    fn leads_on(&self) -> bool {
        matches!(self.kind, FaultKind::Broken | FaultKind::TimedOut | FaultKind::Busy)
    }
}

impl Searcher {
    fn open(&self) -> Option<(u64, Ldap)> {
        lock(&self.connection).clone().filter(|(_, ldap)| !ldap.clone().is_closed())
    }

    /// Lets go of a connection that broke, unless there is another one already.
    fn forget(&self, number: u64) {
        lock(&self.connection).take_if(|(current, _)| *current == number);
    }
}

impl Server {
    /// Whether it is asked now: it is up, or the time has come for one request to try it.
    fn takes_turn(&self) -> bool {
        match &mut *lock(&self.down) {
            None => true,
            Some(down) if Instant::now() >= down.until => {
                down.until = Instant::now() + self.settings.retry_after;
                true
            }
            Some(_) => false,
        }
    }

    async fn try_ask(&self, request: &Request, trace: &Trace) -> Result<Answer, Fault> {
        let answer = self.answer(request).await;
        match &answer {
            Err(fault) => {
                trace.step(|| format!("{}: {}", self.url, fault.reason));
                match fault.kind {
                    FaultKind::Broken => self.goes_down(fault, false),
                    FaultKind::TimedOut => self.goes_down(fault, true),
                    FaultKind::Busy => tracing::debug!("LDAP server {}: {}", self.url, fault.reason),
                    FaultKind::NoBase | FaultKind::Site => self.is_up(),
                }
            }
            Ok(_) => {
                trace.step(|| format!("{} answered", self.url));
                self.is_up();
            }
        }
        let at = |fault: Fault| Fault { reason: format!("{}: {}", self.url, fault.reason), ..fault };
        answer.map_err(at)
    }

    fn goes_down(&self, fault: &Fault, silent: bool) {
        let down = Down { until: Instant::now() + self.settings.retry_after, silent };
        if lock(&self.down).replace(down).is_none() {
            tracing::warn!("LDAP server {} is left alone for a while: {}", self.url, fault.reason);
        }
        self.let_go();
    }

    fn is_up(&self) {
        if lock(&self.down).take().is_some() {
            tracing::info!("LDAP server {} answers again", self.url);
        }
    }

    /// Of all connections; what is under way on them comes to its end.
    fn let_go(&self) {
        lock(&self.idle).clear();
        for searcher in &self.searchers {
            *lock(&searcher.connection) = None;
        }
    }

    async fn answer(&self, request: &Request) -> Result<Answer, Fault> {
        match request {
            Request::Search(wanted) => self.search(wanted).await.map(Answer::Entries),
            Request::List(wanted, page_size) => {
                let ldap = self.connect_and_bind().await?;
                let timeout = self.settings.operation_timeout;
                let task = tokio::spawn(search_all(ldap, wanted.clone(), *page_size, timeout));
                let ended = task.await;
                ended.unwrap_or_else(|_| Err(malformed())).map(Answer::Entries)
            }
            Request::Bind { dn, password, then } => {
                let (bound, entries) = self.bind(dn, password, then.as_ref()).await?;
                Ok(Answer::Bound(bound, entries))
            }
        }
    }

    /// On a shared connection. One that was found broken is replaced once: servers close those
    /// that rest.
    async fn search(&self, wanted: &Search) -> Result<Vec<Entry>, Fault> {
        let turn = self.next_searcher.fetch_add(1, Ordering::Relaxed);
        let searcher = &self.searchers[turn % self.searchers.len()];
        let (number, ldap, fresh) = self.search_connection(searcher).await?;
        let timeout = self.settings.operation_timeout;
        match isolated(timeout, search(ldap, wanted.clone())).await {
            Err(Fault { kind: FaultKind::Broken, .. }) if !fresh => {
                searcher.forget(number);
                let (_, ldap, _) = self.search_connection(searcher).await?;
                isolated(timeout, search(ldap, wanted.clone())).await
            }
            answer => answer,
        }
    }

    /// A connection for searches with its number, and whether it was made just now.
    async fn search_connection(&self, searcher: &Searcher) -> Result<(u64, Ldap, bool), Fault> {
        if let Some((number, ldap)) = searcher.open() {
            return Ok((number, ldap, false));
        }
        let was_down = lock(&self.down).is_some();
        let _connecting = searcher.connecting.lock().await;
        if let Some((number, ldap)) = searcher.open() {
            return Ok((number, ldap, false));
        }
        if !was_down && lock(&self.down).is_some() {
            return Err(Fault::new(FaultKind::Busy, "it failed somebody else just now"));
        }
        let connected = self.connect_and_bind().await;
        if let Err(fault @ Fault { kind: FaultKind::Broken | FaultKind::TimedOut, .. }) = &connected {
            // Said before those who wait here look.
            self.goes_down(fault, fault.kind == FaultKind::TimedOut);
        }
        let ldap = connected?;
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        *lock(&searcher.connection) = Some((number, ldap.clone()));
        Ok((number, ldap, true))
    }

    /// On a connection that nobody else has meanwhile.
    async fn bind(
        &self,
        dn: &str,
        password: &Secret,
        then: Option<&Search>,
    ) -> Result<(Bound, Vec<Entry>), Fault> {
        let timeout = self.settings.operation_timeout;
        let was_down = lock(&self.down).is_some();
        let waited = tokio::time::timeout(timeout, self.binders.acquire()).await;
        let Ok(Ok(_permit)) = waited else {
            return Err(Fault::new(FaultKind::Busy, "all connections for binds are in use"));
        };
        if !was_down && lock(&self.down).is_some() {
            return Err(Fault::new(FaultKind::Busy, "it failed somebody else just now"));
        }
        let idle = std::iter::from_fn(|| lock(&self.idle).pop()).find(|ldap| !ldap.clone().is_closed());
        if let Some(ldap) = idle {
            match self.bind_on(ldap, dn, password, then).await {
                Err(Fault { kind: FaultKind::Broken, .. }) => {}
                answer => return answer,
            }
        }
        let ldap = self.connect().await?;
        self.bind_on(ldap, dn, password, then).await
    }

    async fn bind_on(
        &self,
        ldap: Ldap,
        dn: &str,
        password: &Secret,
        then: Option<&Search>,
    ) -> Result<(Bound, Vec<Entry>), Fault> {
        let timeout = self.settings.operation_timeout;
        let bound = isolated(timeout, bind_user(ldap.clone(), dn.to_owned(), password.clone())).await?;
        let entries = match then.filter(|_| bound == Bound::Accepted) {
            Some(then) => isolated(timeout, search(ldap.clone(), then.clone())).await?,
            None => Vec::new(),
        };
        lock(&self.idle).push(ldap);
        Ok((bound, entries))
    }

    async fn connect_and_bind(&self) -> Result<Ldap, Fault> {
        let ldap = self.connect().await?;
        let (own, bound) = (self.settings.own_bind.clone(), ldap.clone());
        isolated(self.settings.connect_timeout, async move { bind_own(bound, &own).await }).await?;
        Ok(ldap)
    }

    async fn connect(&self) -> Result<Ldap, Fault> {
        let tls = self.tls()?;
        let (settings, url) = (self.settings.clone(), self.url.clone());
        isolated(self.settings.connect_timeout, async move { connect(&settings, &url, tls).await }).await
    }

    /// What TLS goes by, read when it is first needed; `None` where there is no TLS.
    fn tls(&self) -> Result<Option<Arc<ClientConfig>>, Fault> {
        if !self.url.starts_with("ldaps:") && !self.settings.start_tls {
            return Ok(None);
        }
        let mut tls = lock(&self.tls);
        if tls.is_none() {
            let config = tls_config(self.settings.ca_file.as_deref());
            *tls = Some(Arc::new(config.map_err(|why| Fault::new(FaultKind::Site, why))?));
        }
        Ok(tls.clone())
    }
}

fn malformed() -> Fault {
    Fault::new(FaultKind::Broken, "the answer is not formed as LDAP")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
