//! Who comes in: from what a machine asks to the user's account.

use crate::admission::{OfUser, Place};
use crate::jobs::Party;
use crate::log;
use crate::mail_place::{MailPlace, in_another_case};
use crate::owners::{OwnUids, owner_of};
use crate::server::Server;
use crate::users::quota_of;
use auth::{Binding, Client, Exchange, Mechanism, Network, Outcome, Progress, Refusal, Secret, Trace, User};
use session::{Accepted, Attempt, Elsewhere, NotOpened, Protocol, Refused, Verdict};
use std::net::IpAddr;
use std::sync::Arc;
use store::{Account, ErrorKind, Lock, Owner, Store};
use tokio::time::Instant;

/// What a TLS connection tells of its client.
#[derive(Default)]
pub(crate) struct Channel {
    /// What log-ins can be bound to.
    pub(crate) binding: Binding,
    /// Who the client is by its certificate: the names that could be meant.
    pub(crate) names: Vec<String>,
}

/// One connection's log-in: at most one exchange is under way.
pub(crate) struct LogIn {
    server: Arc<Server>,
    protocol: &'static Protocol,
    peer: IpAddr,
    /// What the connection counts for its network.
    place: Arc<Place>,
    exchange: Option<Exchange>,
    channel: Channel,
    /// The user that came in is counted as long as the connection lasts.
    counted: Option<OfUser>,
    /// The source that knows that user.
    source: Option<String>,
    /// Whom the files of that user belong to, if not to the server's user.
    owner: Option<Arc<Owner>>,
    /// As long as the connection lasts, the accounts that it has open are handed over to no other
    /// server.
    held: Vec<Arc<Lock>>,
}

impl LogIn {
    /// For a connection from `peer`.
    pub(crate) fn new(
        server: Arc<Server>,
        protocol: &'static Protocol,
        peer: IpAddr,
        place: Arc<Place>,
    ) -> Self {
        let channel = Channel::default();
        Self {
            server,
            protocol,
            peer,
            place,
            exchange: None,
            channel,
            counted: None,
            source: None,
            owner: None,
            held: Vec::new(),
        }
    }

    /// All of it; one of the same client that knows nothing stays in its place.
    pub(crate) fn take(&mut self) -> Self {
        let other = Self::new(self.server.clone(), self.protocol, self.peer, self.place.clone());
        std::mem::replace(self, other)
    }

    /// The source that knows the user who came in.
    pub(crate) fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// As whom to work on files for the user that came in, if not as the server's user.
    pub(crate) fn owner(&self) -> Option<Arc<Owner>> {
        self.owner.clone()
    }

    /// What the TLS connection tells of the client, and what log-ins can be bound to.
    pub(crate) fn set_channel(&mut self, channel: Channel) {
        self.exchange = None;
        self.channel = channel;
    }

    /// Answers what a machine asks. Takes as long as the password check and the delay of a
    /// failure take.
    pub(crate) async fn answer(&mut self, attempt: Attempt) -> Verdict {
        let (began, client) = (Instant::now(), self.client());
        let mut progress = match attempt {
            Attempt::Password { user, password, .. } => {
                self.exchange = None;
                return self.password(&user, &Secret::new(password.to_vec()), None).await;
            }
            Attempt::Begin { mechanism, initial } => {
                let Some(mechanism) = self.offered(&mechanism) else {
                    return Verdict::Refused(Refused::NoMechanism);
                };
                let initial = initial.as_ref().map(|bytes| &bytes[..]);
                let (exchange, progress) = Exchange::begin(mechanism, initial, &self.channel.binding);
                self.exchange = Some(exchange);
                progress
            }
            Attempt::Respond(response) => match &mut self.exchange {
                Some(exchange) => {
                    match self.server.authenticator().respond(exchange, &response, client).await {
                        Ok(progress) => progress,
                        Err(_) => return Verdict::Refused(Refused::Unavailable),
                    }
                }
                None => Progress::Malformed("No exchange is under way"),
            },
            Attempt::Abort => Progress::Malformed("Given up"),
        };
        if let Progress::Stored { user, authorize } = &progress {
            let stored = self.server.authenticator().stored(user, authorize.as_deref(), client).await;
            progress = match (stored, &mut self.exchange) {
                (Ok(stored), Some(exchange)) => exchange.stored(&stored.account, stored.secrets.as_deref()),
                _ => {
                    self.exchange = None;
                    return Verdict::Refused(Refused::Unavailable);
                }
            };
        }
        if let Progress::Token { user, token } = progress {
            return self.token(user.as_deref(), &token).await;
        }
        if let Progress::Challenge(challenge) = progress {
            return Verdict::Challenge(challenge);
        }
        self.exchange = None;
        self.conclude(progress, began).await
    }

    /// A mechanism that is offered on this connection.
    fn offered(&self, mechanism: &str) -> Option<Mechanism> {
        let offered = &self.server.configuration().session.mechanisms;
        let known = Mechanism::by_name(mechanism)?;
        let fits = match known {
            Mechanism::External => !self.channel.names.is_empty(),
            Mechanism::ScramSha1Plus | Mechanism::ScramSha256Plus => !self.channel.binding.is_empty(),
            _ => true,
        };
        (fits && offered.iter().any(|one| one == known.name())).then_some(known)
    }

    /// The end of an exchange, whose last message came at `began`.
    async fn conclude(&mut self, progress: Progress, began: Instant) -> Verdict {
        let authenticator = self.server.authenticator();
        match progress {
            Progress::Credentials { user, password, authorize } => {
                self.password(&user, &password, authorize.as_deref()).await
            }
            Progress::Proven { user, authorize } => {
                let outcome = authenticator.proven(&user, authorize.as_deref(), self.client()).await;
                self.settle(outcome).await
            }
            Progress::Failed { user } => {
                let refusal = authenticator.disproven(&user, self.client(), began).await;
                self.settle(Err(refusal)).await
            }
            Progress::External { authorize } => {
                // The certificate may have several names: the client says whom it means.
                let names = &self.channel.names;
                let meant = authorize
                    .as_ref()
                    .and_then(|meant| names.iter().find(|name| name.as_bytes() == &meant[..]));
                let only = names.first().filter(|_| names.len() == 1);
                let Some(name) = meant.or(only).cloned() else {
                    let text = "The certificate has several names: say which one is meant".to_owned();
                    return Verdict::Refused(Refused::Malformed(text));
                };
                let outcome =
                    authenticator.vouched(name.as_bytes(), authorize.as_deref(), self.client()).await;
                self.settle(outcome).await
            }
            Progress::Malformed(text) => Verdict::Refused(Refused::Malformed(text.to_owned())),
            // Its failure was counted before.
            Progress::TokenRefused => Verdict::Refused(Refused::Credentials),
            // These go on.
            Progress::Token { .. } | Progress::Stored { .. } | Progress::Challenge(_) => {
                Verdict::Refused(Refused::NoMechanism)
            }
        }
    }

    /// A token; one that is not good has its client told why, and then the exchange fails.
    async fn token(&mut self, user: Option<&[u8]>, token: &Secret) -> Verdict {
        let Some(tokens) = self.server.tokens() else {
            self.exchange = None;
            return Verdict::Refused(Refused::Unavailable);
        };
        let authenticator = self.server.authenticator();
        let refused = match authenticator.token(&tokens, user, token, self.client()).await {
            Ok(user) => {
                self.exchange = None;
                return self.settle(Ok(user)).await;
            }
            Err(refused) => refused,
        };
        if let (Some(json), Some(exchange)) = (&refused.json, &mut self.exchange)
            && let Progress::Challenge(challenge) = exchange.refuse_token(json)
        {
            return Verdict::Challenge(challenge);
        }
        self.exchange = None;
        self.settle(Err(refused.refusal)).await
    }

    async fn password(&mut self, user: &[u8], password: &Secret, authorize: Option<&[u8]>) -> Verdict {
        let authenticator = self.server.authenticator();
        let outcome = authenticator.password(user, password, authorize, self.client()).await;
        self.settle(outcome).await
    }

    fn client(&self) -> Client<'static> {
        Client { peer: Some(self.peer), service: self.protocol.service, trace: Trace::OFF }
    }

    async fn settle(&mut self, outcome: Outcome) -> Verdict {
        let forbidden = |text: String| Verdict::Refused(Refused::Forbidden(text));
        match outcome {
            Ok(user) => self.let_in(user).await.unwrap_or_else(Verdict::Refused),
            Err(Refusal::Credentials) => Verdict::Refused(Refused::Credentials),
            // Clients throw saved passwords away when they hear that one is wrong.
            Err(Refusal::Unavailable | Refusal::Banned) => Verdict::Refused(Refused::Unavailable),
            Err(Refusal::Disabled) => forbidden(format!("This user may not use {}", self.protocol.title)),
            Err(Refusal::NotMaster) => forbidden("You may not act for that user".to_owned()),
            Err(Refusal::Weak) => {
                forbidden("Your password must be set anew; please ask the administrator".to_owned())
            }
            Err(Refusal::Elsewhere { host, user }) => Verdict::Elsewhere(Elsewhere { host, user }),
        }
    }

    async fn let_in(&mut self, user: User) -> Result<Verdict, Refused> {
        let configuration = self.server.configuration();
        let max = configuration.connections.per_user;
        let Some(counted) = self.server.admission.user(&user.name, self.peer, max) else {
            let client = format!("{:?} at {}", user.name, Network::narrowest(self.peer));
            self.server.refusals.note("of one user from one address", client);
            let text = format!("Too many connections: at most {max} of one user from one address");
            return Err(Refused::TooMany(text));
        };
        let (party, create) = (Party::User(user.name.as_str().into()), configuration.create_maildir);
        let account = self.open_account(&user, &party, create).await?;
        self.counted = Some(counted);
        self.source = Some(user.source);
        self.place.log_in();
        self.owner = account.owner().cloned();
        Ok(Verdict::Accepted(Box::new(Accepted { user: user.name, account })))
    }

    /// Opens an account, which has to be there, for a user that came in and is not its own.
    pub(crate) async fn open(&mut self, name: &str, party: &Party) -> Result<Arc<Account>, NotOpened> {
        match self.server.authenticator().lookup(name, self.client()).await {
            Ok(Some(user)) => {
                self.open_account(&user, party, false).await.map_err(|_| NotOpened::Unavailable)
            }
            Ok(None) => Err(NotOpened::NonExistent),
            Err(error) => {
                tracing::warn!(account = ?name, %error, "cannot be looked up");
                Err(NotOpened::Unavailable)
            }
        }
    }

    /// Opens a user's account, for as long as the connection lasts.
    async fn open_account(
        &mut self,
        user: &User,
        party: &Party,
        create: bool,
    ) -> Result<Arc<Account>, Refused> {
        let configuration = self.server.configuration();
        let place = MailPlace::of(user, &configuration).map_err(|why| {
            tracing::error!(user = ?user.name, why, "no Maildir");
            Refused::NoMaildir("There is no mailbox for this user; please ask the administrator".to_owned())
        })?;
        let quota = quota_of(user, configuration.quota).unwrap_or_else(|why| {
            tracing::error!(user = ?user.name, why, "invalid quota from the user source; using the quota of [mail]");
            configuration.quota
        });
        let (store, own_uids) = (self.server.store.clone(), configuration.own_uids);
        let (mail, of_user) = (place.clone(), user.clone());
        let job = self.server.jobs.begin(party).await;
        let opened = tokio::task::spawn_blocking(log::carried(move || {
            open_account(&store, &mail, create, &of_user, own_uids)
        }))
        .await;
        drop(job);
        match opened {
            Ok(Ok((account, held))) => {
                self.held.extend(held);
                account.quota().set_limits(quota);
                Ok(account)
            }
            Ok(Err(error)) => {
                tracing::error!(user = ?user.name, maildir = %place.root.display(), %error, "the Maildir cannot be opened");
                Err(match error.kind {
                    // It is being handed over, or another process is slow.
                    ErrorKind::Busy => Refused::Unavailable,
                    ErrorKind::NonExistent => Refused::NoMaildir(
                        "There is no mailbox for this user; please ask the administrator".to_owned(),
                    ),
                    _ => Refused::NoMaildir(
                        "The mailbox cannot be opened; please ask the administrator".to_owned(),
                    ),
                })
            }
            Err(_) => {
                self.server.note_panic(&user.name);
                Err(Refused::Unavailable)
            }
        }
    }
}

/// The account, as whoever its files belong to, and what tells others that it is open.
fn open_account(
    store: &Arc<Store>,
    place: &MailPlace,
    create: bool,
    user: &User,
    own_uids: Option<OwnUids>,
) -> store::Result<(Arc<Account>, Option<Arc<Lock>>)> {
    let owner = owner_of(user, own_uids).map_err(|why| store::Error {
        kind: ErrorKind::Denied,
        doing: "nobody to be the owner of",
        path: place.root.clone(),
        source: Some(std::io::Error::other(why)),
    })?;
    if create && let Some(other) = in_another_case(&place.root) {
        let why = format!("{} is there, whose name differs in case only; rename it", other.display());
        return Err(store::Error {
            kind: ErrorKind::AlreadyExists,
            doing: "cannot make",
            path: place.root.clone(),
            source: Some(std::io::Error::other(why)),
        });
    }
    let account = place.open(store, owner, create)?;
    let held = account.hold()?;
    Ok((account, held))
}
