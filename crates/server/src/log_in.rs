//! Who comes in: from what a machine asks to the user's account.

use crate::admission::{OfUser, Place};
use crate::jobs::Party;
use crate::log;
use crate::mail_place::{MailPlace, in_another_case};
use crate::owners::{OwnUids, owner_of};
use crate::server::Server;
use crate::users::quota_of;
use auth::authenticator::{RefusedToken, Stored};
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
    exchange: Exchange,
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

/// What became of an exchange's step.
enum Decided {
    Outcome(Box<Outcome>),
    Malformed(&'static str),
    /// The client goes on.
    Challenge(Vec<u8>),
    /// The exchange goes on.
    Stored(Stored),
    /// Likewise.
    RefusedToken(String),
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
            exchange: Exchange::default(),
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
        self.exchange = Exchange::default();
        self.channel = channel;
    }

    /// Answers what a machine asks. Takes as long as the password check and the delay of a
    /// failure take.
    pub(crate) async fn answer(&mut self, attempt: Attempt) -> Verdict {
        let (began, client, authenticator) = (Instant::now(), self.client(), self.server.authenticator());
        let mut exchange = std::mem::take(&mut self.exchange);
        let mut progress = match attempt {
            Attempt::Password { user, password, .. } => {
                let password = Secret::new(password.to_vec());
                Progress::Credentials { user, password, authorize: None }
            }
            Attempt::Begin { mechanism, initial } => {
                let Some(mechanism) = self.offered(&mechanism) else {
                    return Verdict::Refused(Refused::NoMechanism);
                };
                let initial = initial.as_ref().map(|bytes| &bytes[..]);
                let (begun, progress) = Exchange::begin(mechanism, initial, &self.channel.binding);
                exchange = begun;
                progress
            }
            Attempt::Respond(response) => {
                match authenticator.respond(&mut exchange, &response, client).await {
                    Ok(progress) => progress,
                    Err(refusal) => return self.settle(Err(refusal)).await,
                }
            }
            Attempt::Abort => Progress::Malformed("Given up"),
        };
        loop {
            progress = match self.decide(progress, began).await {
                Decided::Outcome(outcome) => return self.settle(*outcome).await,
                Decided::Malformed(text) => return Verdict::Refused(Refused::Malformed(text.to_owned())),
                Decided::Challenge(challenge) => {
                    self.exchange = exchange;
                    return Verdict::Challenge(challenge);
                }
                Decided::Stored(stored) => exchange.stored(&stored.account, stored.secrets.as_deref()),
                Decided::RefusedToken(json) => exchange.refuse_token(&json),
            };
        }
    }

    /// Does what an exchange wants, whose last message came at `began`.
    async fn decide(&self, progress: Progress, began: Instant) -> Decided {
        let (client, authenticator) = (self.client(), self.server.authenticator());
        let outcome = match progress {
            Progress::Challenge(challenge) => return Decided::Challenge(challenge),
            Progress::Malformed(text) => return Decided::Malformed(text),
            Progress::Credentials { user, password, authorize } => {
                authenticator.password(&user, &password, authorize.as_deref(), client).await
            }
            Progress::Stored { user, authorize } => {
                match authenticator.stored(&user, authorize.as_deref(), client).await {
                    Ok(stored) => return Decided::Stored(stored),
                    Err(refusal) => Err(refusal),
                }
            }
            Progress::Proven { user, authorize } => {
                authenticator.proven(&user, authorize.as_deref(), client).await
            }
            Progress::Failed { user } => Err(authenticator.disproven(&user, client, began).await),
            Progress::External { authorize } => match self.certified_name(authorize.as_deref()) {
                Some(name) => authenticator.vouched(name.as_bytes(), authorize.as_deref(), client).await,
                None => {
                    return Decided::Malformed("The certificate has several names: say which one is meant");
                }
            },
            Progress::Token { user, token } => {
                let Some(tokens) = self.server.tokens() else {
                    return Decided::Outcome(Box::new(Err(Refusal::Unavailable)));
                };
                match authenticator.token(&tokens, user.as_deref(), &token, client).await {
                    Ok(user) => Ok(user),
                    // Its client is told why, and then the exchange fails.
                    Err(RefusedToken { json: Some(json), .. }) => return Decided::RefusedToken(json),
                    Err(refused) => Err(refused.refusal),
                }
            }
            // Its failure was counted before.
            Progress::TokenRefused => Err(Refusal::Credentials),
        };
        Decided::Outcome(Box::new(outcome))
    }

    /// The name of the client's certificate; where it has several, the one that the client says.
    fn certified_name(&self, meant: Option<&[u8]>) -> Option<&str> {
        let names = &self.channel.names;
        let meant = meant.and_then(|meant| names.iter().find(|name| name.as_bytes() == meant));
        let only = names.first().filter(|_| names.len() == 1);
        meant.or(only).map(String::as_str)
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
