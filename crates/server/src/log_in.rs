//! Who comes in: from what a session asks to the user's account.

use crate::counts::Counted;
use crate::owners::{OwnUids, owner_of};
use crate::serve::Server;
use crate::users::{maildir_of, quota_of};
use auth::{Binding, Exchange, Mechanism, Progress, Refusal, Secret, User};
use session::{Accepted, Attempt, Refused, Verdict};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use store::{Account, ErrorKind, Owner, Store};

/// One connection's log-in: at most one exchange is under way.
pub(crate) struct LogIn {
    server: Arc<Server>,
    peer: IpAddr,
    exchange: Option<Exchange>,
    /// The user that came in is counted as long as the connection lasts.
    counted: Option<Counted<(String, IpAddr)>>,
    /// Whom the files of that user belong to, if not to the server's user.
    owner: Option<Arc<Owner>>,
}

impl LogIn {
    /// For a connection from `peer`.
    pub(crate) fn new(server: Arc<Server>, peer: IpAddr) -> Self {
        Self { server, peer, exchange: None, counted: None, owner: None }
    }

    /// As whom to work on files for the user that came in, if not as the server's user.
    pub(crate) fn owner(&self) -> Option<Arc<Owner>> {
        self.owner.clone()
    }

    /// Answers what a session asks. Takes as long as the password check and the delay of a
    /// failure take.
    pub(crate) async fn answer(&mut self, attempt: Attempt) -> Verdict {
        let progress = match attempt {
            Attempt::Login { user, password } => {
                self.exchange = None;
                return self.check(&user, &Secret::new(password.to_vec()), None).await;
            }
            Attempt::Begin { mechanism, initial } => {
                let offered = &self.server.configuration().session.mechanisms;
                let known =
                    Mechanism::by_name(&mechanism).filter(|known| offered.iter().any(|o| o == known.name()));
                let Some(mechanism) = known else { return Verdict::Refused(Refused::NoMechanism) };
                let (exchange, progress) =
                    Exchange::begin(mechanism, initial.as_ref().map(|bytes| &bytes[..]), &Binding::default());
                self.exchange = Some(exchange);
                progress
            }
            Attempt::Respond(response) => match &mut self.exchange {
                Some(exchange) => exchange.respond(&response),
                None => Progress::Malformed("No exchange is under way"),
            },
            Attempt::Abort => Progress::Malformed("Given up"),
        };
        match progress {
            Progress::Challenge(challenge) => Verdict::Challenge(challenge),
            Progress::Credentials { user, password, authorize } => {
                self.exchange = None;
                self.check(&user, &password, authorize.as_deref()).await
            }
            // Mechanisms that this server does not serve yet.
            Progress::Stored { .. }
            | Progress::Proven { .. }
            | Progress::Failed { .. }
            | Progress::Token { .. }
            | Progress::External { .. } => {
                self.exchange = None;
                Verdict::Refused(Refused::NoMechanism)
            }
            Progress::Malformed(text) => {
                self.exchange = None;
                Verdict::Refused(Refused::Malformed(text.to_owned()))
            }
        }
    }

    async fn check(&mut self, user: &[u8], password: &Secret, authorize: Option<&[u8]>) -> Verdict {
        if authorize.is_some_and(|other| other != user) {
            let text = "Nobody may act for another user".to_owned();
            return Verdict::Refused(Refused::Forbidden(text));
        }
        let authenticator = self.server.authenticator();
        let user = match authenticator.check(user, password, self.peer, "imap").await {
            Ok(user) => user,
            Err(Refusal::Credentials) => return Verdict::Refused(Refused::Credentials),
            Err(Refusal::Disabled) => {
                let text = "This user may not use IMAP".to_owned();
                return Verdict::Refused(Refused::Forbidden(text));
            }
            // Clients throw saved passwords away when they hear that one is wrong.
            Err(Refusal::Unavailable | Refusal::Banned) => return Verdict::Refused(Refused::Unavailable),
            Err(Refusal::Malformed(text)) => return Verdict::Refused(Refused::Malformed(text.to_owned())),
            Err(Refusal::Aborted) => return Verdict::Refused(Refused::Malformed("Given up".to_owned())),
        };
        self.let_in(user).await.unwrap_or_else(Verdict::Refused)
    }

    async fn let_in(&mut self, user: User) -> Result<Verdict, Refused> {
        let configuration = self.server.configuration();
        let max = configuration.connections_per_user_max;
        let Some(counted) = self.server.counts.user(&user.name, self.peer, max) else {
            tracing::warn!(user = ?user.name, peer = %self.peer, max, "refused: too many connections of one user");
            let text = format!("Too many connections: at most {max} of one user from one address");
            return Err(Refused::TooMany(text));
        };
        let maildir = maildir_of(&user, &configuration.maildir).map_err(|why| {
            tracing::error!(user = ?user.name, why, "no Maildir");
            Refused::NoMaildir("There is no mailbox for this user; please ask the administrator".to_owned())
        })?;
        let quota = quota_of(&user, configuration.quota).unwrap_or_else(|why| {
            tracing::error!(user = ?user.name, why, "the user's quota is that of [mail]");
            configuration.quota
        });
        let (store, create) = (self.server.store.clone(), configuration.create_maildir);
        let (path, of_user, own_uids) = (maildir.clone(), user.clone(), configuration.own_uids);
        let permit = self.server.file_job().await;
        let opened =
            tokio::task::spawn_blocking(move || open_account(&store, &path, create, &of_user, own_uids))
                .await;
        drop(permit);
        match opened {
            Ok(Ok(account)) => {
                account.quota().set_limits(quota);
                self.counted = Some(counted);
                self.owner = account.owner().cloned();
                Ok(Verdict::Accepted(Box::new(Accepted { user: user.name, account })))
            }
            Ok(Err(error)) => {
                tracing::error!(user = ?user.name, maildir = %maildir.display(), %error, "the Maildir cannot be opened");
                Err(match error.kind {
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

/// The account, as whoever its files belong to.
fn open_account(
    store: &Arc<Store>,
    path: &Path,
    create: bool,
    user: &User,
    own_uids: Option<OwnUids>,
) -> store::Result<Arc<Account>> {
    let owner = owner_of(user, own_uids).map_err(|why| store::Error {
        kind: ErrorKind::Denied,
        doing: "nobody to be the owner of",
        path: path.to_owned(),
        source: Some(std::io::Error::other(why)),
    })?;
    store.account_of(path, create, owner)
}
