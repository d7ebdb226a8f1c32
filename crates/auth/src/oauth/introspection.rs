//! Asking the authorization server about a token (introspection, RFC 7662).
//!
//! The answer is remembered for a while, for good tokens only, by a keyed hash: a client that
//! opens ten connections asks once. A server that does not answer, or nothing that is an
//! answer, is never taken for "the token is bad".

use super::claims::Rules;
use super::{TokenRefusal, TokenUser, now};
use crate::secret::Secret;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value};
use sha2::Sha256;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, http::Uri};
use zeroize::Zeroizing;

/// Longest answer, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

/// Good tokens that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// How to ask.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// `https://…`; `http://…` only to this machine.
    pub url: String,
    /// Who asks, and the proof. Without it, the server must know us otherwise.
    pub client: Option<(String, ClientSecret)>,
    /// PEM file of authorities that the server's certificate may be from; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Questions under way at once.
    pub at_once: usize,
    /// How long a good token is not asked about again; never beyond its end. Zero: always asked.
    pub remember: Duration,
}

/// The proof that we may ask.
#[derive(Clone, Debug)]
pub enum ClientSecret {
    /// This.
    Given(Secret),
    /// What stands in a file, but for white space at its end; read at each question.
    File(PathBuf),
}

/// See the module.
pub(super) struct Introspection {
    settings: IntrospectionSettings,
    agent: Agent,
    places: Arc<Semaphore>,
    /// Of the remembered hashes.
    key: Zeroizing<[u8; 32]>,
    remembered: Cache<[u8; 32], (TokenUser, Instant)>,
}

impl Introspection {
    /// Asks nothing yet. Fails where the settings cannot be followed.
    pub(super) fn new(settings: IntrospectionSettings) -> Result<Self, String> {
        let is_https = is_https(&settings.url)?;
        if settings.client.as_ref().is_some_and(|(id, secret)| id.is_empty() || secret.is_missing()) {
            return Err("an id of the client that asks, and a secret, go together".to_owned());
        }
        let mut key = Zeroizing::new([0_u8; 32]);
        rustix::rand::getrandom(&mut key[..], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| format!("no random numbers: {error}"))?;
        let roots = if is_https { roots(&settings)? } else { Vec::new() };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        // Neither a proxy of the environment nor a redirection may get to see tokens.
        let agent = Agent::config_builder()
            .https_only(is_https)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(settings.timeout))
            .tls_config(tls)
            .build()
            .new_agent();
        let places = Arc::new(Semaphore::new(settings.at_once.max(1)));
        Ok(Self { settings, agent, places, key, remembered: Cache::new(REMEMBERED_MAX) })
    }

    /// Whose the token is.
    pub(super) async fn check(&self, token: &Secret, rules: &Rules) -> Result<TokenUser, TokenRefusal> {
        let hash = self.hash(token);
        if let Some(user) = self.recall(&hash, rules) {
            return Ok(user);
        }
        let unavailable = |why: &str| TokenRefusal::Unavailable(format!("{}: {why}", self.settings.url));
        let place = tokio::time::timeout(self.settings.timeout, self.places.clone().acquire_owned());
        let Ok(Ok(place)) = place.await else { return Err(unavailable("too many questions are under way")) };
        // Another connection may have asked about it meanwhile.
        if let Some(user) = self.recall(&hash, rules) {
            return Ok(user);
        }
        let (agent, settings, token) = (self.agent.clone(), self.settings.clone(), token.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let _held = place;
            ask(&agent, &settings, &token)
        });
        let answer =
            asked.await.map_err(|_| unavailable("asking panicked"))?.map_err(|why| unavailable(&why))?;
        match answer.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(TokenRefusal::Invalid("it is not active")),
            _ => return Err(unavailable("the answer does not say whether the token is active")),
        }
        let user = rules.user_of_answer(&answer, now())?;
        if !self.settings.remember.is_zero() {
            self.remembered.insert(hash, (user.clone(), Instant::now()));
        }
        Ok(user)
    }

    /// Everything is asked again.
    pub(super) fn forget(&self) {
        self.remembered.clear();
    }

    fn recall(&self, hash: &[u8; 32], rules: &Rules) -> Option<TokenUser> {
        let (user, at) = self.remembered.get(hash)?;
        let is_fresh = at.elapsed() < self.settings.remember;
        let is_over = user.expires.is_some_and(|end| now() >= end.saturating_add(rules.leeway_s));
        if is_fresh && !is_over {
            return Some(user);
        }
        self.remembered.remove(hash);
        None
    }

    fn hash(&self, token: &Secret) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key[..]).expect("HMAC takes keys of any length");
        mac.chain_update(token.expose()).finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ClientSecret {
    /// The file it is in.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Given(_) => None,
            Self::File(path) => Some(path),
        }
    }

    fn is_missing(&self) -> bool {
        self.file().is_some_and(|path| path.as_os_str().is_empty())
    }

    fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let bytes = std::fs::read(path).map(Zeroizing::new);
                let bytes = bytes.map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
                Ok(Secret::new(bytes.trim_ascii_end().to_vec()))
            }
        }
    }
}

/// One question. Blocks as long as the timeout. The error is for the log.
fn ask(
    agent: &Agent,
    settings: &IntrospectionSettings,
    token: &Secret,
) -> Result<Map<String, Value>, String> {
    let mut form = Zeroizing::new(String::from("token="));
    escape(token.expose(), &mut form);
    form.push_str("&token_type_hint=access_token");
    let mut request = agent
        .post(&settings.url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Accept", "application/json");
    if let Some((id, secret)) = &settings.client {
        request = request.header("Authorization", basic(id, &secret.read()?).as_str());
    }
    let mut response = request.send(form.as_bytes()).map_err(|error| error.to_string())?;
    let status = response.status();
    if status != 200 {
        // 401 is about our own credentials (RFC 7662 section 2.3), the rest about the server.
        return Err(format!("status {status}"));
    }
    let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
    let body = Zeroizing::new(body.map_err(|error| error.to_string())?);
    // The parser's own words could quote the answer.
    serde_json::from_slice(&body).map_err(|_| "the answer is no JSON object".to_owned())
}

/// The value of an Authorization header; id and secret are escaped first (RFC 6749 section
/// 2.3.1).
fn basic(id: &str, secret: &Secret) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::new());
    escape(id.as_bytes(), &mut pair);
    pair.push(':');
    escape(secret.expose(), &mut pair);
    Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())))
}

/// Everything but unreserved characters as `%XX`.
fn escape(bytes: &[u8], into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    into.reserve(bytes.len() * 3);
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Whether the URL is of HTTPS; fails where it may not be asked.
fn is_https(url: &str) -> Result<bool, String> {
    let uri: Uri = url.parse().map_err(|_| format!("{url} is no URL"))?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    // It would be told in errors.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("a URL with a password in it: give client and secret of their own".to_owned());
    }
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(true),
        Some("http") if is_here => Ok(false),
        _ => Err(format!("{url} is not https://, and tokens go in clear only to this machine")),
    }
}

/// Authorities that the server's certificate may be from.
fn roots(settings: &IntrospectionSettings) -> Result<Vec<Certificate<'static>>, String> {
    let of = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
    let Some(path) = &settings.ca else {
        let found = rustls_native_certs::load_native_certs().certs;
        return match found.is_empty() {
            true => Err("the system has no authorities for TLS: name a file of them".to_owned()),
            false => Ok(found.iter().map(of).collect()),
        };
    };
    let bytes =
        std::fs::read(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all.iter().map(of).collect()),
        _ => Err(format!("{}: no certificate in PEM form", path.display())),
    }
}

#[cfg(test)]
mod tests;
