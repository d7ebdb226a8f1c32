//! One connection: made, secured and bound; and the operations on it.
//!
//! Every operation runs in a task of its own. The library panics on some answers that are not
//! formed as they must be: a task takes that to be a broken connection, and nobody else notices.
//! And an operation is never left in the middle when whoever asked goes away.

use super::address::Address;
use super::entry::Entry;
use super::fault::{Bound, Fault, FaultKind};
use super::settings::{Deref, LdapSettings, OwnBind, Scope};
use crate::secret::Secret;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, SearchOptions, StdStream};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Where systems have the authorities they trust.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A search, with all values filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Search {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) deref: Deref,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
    /// Entries that are wanted at most; 0: all.
    pub(super) entries_max: i32,
}

/// Connects and secures the connection; it is not bound yet.
pub(super) async fn connect(
    settings: &LdapSettings,
    url: &str,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Ldap, Fault> {
    let address = Address::parse(url).map_err(|why| Fault::new(FaultKind::Site, why))?;
    let broken = |error: std::io::Error| Fault::new(FaultKind::Broken, error.to_string());
    let mut options = LdapConnSettings::new();
    let (stream, library_url) = match &address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(broken)?;
            (StdStream::Unix(stream.into_std().map_err(broken)?), "ldapi:///".to_owned())
        }
        Address::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(broken)?;
            // Small requests go out at once: others may be waiting for an answer already.
            stream.set_nodelay(true).map_err(broken)?;
            // The library takes the server's name for TLS from here, and nothing else.
            let scheme = if *tls { "ldaps" } else { "ldap" };
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            (StdStream::Tcp(stream.into_std().map_err(broken)?), format!("{scheme}://{host}:{port}"))
        }
    };
    options = options.set_std_stream(stream);
    if let Some(tls) = tls {
        options = options.set_config(tls);
    }
    options = options.set_starttls(settings.start_tls && matches!(address, Address::Tcp { tls: false, .. }));
    let connected = LdapConnAsync::with_settings(options, &library_url).await;
    let (connection, ldap) = connected.map_err(|error| Fault::of_library(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.drive().await {
            tracing::debug!("LDAP connection: {error}");
        }
    });
    Ok(ldap)
}

/// Binds as the settings say.
pub(super) async fn bind_own(mut ldap: Ldap, own: &OwnBind) -> Result<(), Fault> {
    let (dn, password) = match own {
        OwnBind::Anonymous => return Ok(()),
        OwnBind::External => {
            let result = ldap.sasl_external_bind().await.map_err(|error| Fault::of_library(&error))?;
            return own_result(&result, "SASL EXTERNAL");
        }
        OwnBind::Password(dn, password) => (dn, password.clone()),
        OwnBind::PasswordFile(dn, path) => (dn, first_line(path)?),
    };
    let password = text_of(&password).ok_or_else(|| {
        Fault::new(FaultKind::Site, format!("the password of {dn} is empty or no UTF-8 text"))
    })?;
    let result = ldap.simple_bind(dn, password).await.map_err(|error| Fault::of_library(&error))?;
    own_result(&result, dn)
}

fn own_result(result: &ldap3::LdapResult, who: &str) -> Result<(), Fault> {
    match Bound::of_result(result)? {
        Bound::Accepted => Ok(()),
        // Another server may know better: this one may be behind.
        Bound::Refused(why) => Err(Fault::new(FaultKind::Broken, format!("own bind as {who}: {why}"))),
    }
}

/// Binds with a user's password, which must not be empty: such a bind would be anonymous and
/// succeed (RFC 4513 section 5.1.2).
pub(super) async fn bind_user(mut ldap: Ldap, dn: String, password: Secret) -> Result<Bound, Fault> {
    if dn.trim().is_empty() {
        return Ok(Bound::Refused("a bind without a DN is none".to_owned()));
    }
    let Some(text) = text_of(&password) else {
        return Ok(Bound::Refused("the password is empty or no UTF-8 text".to_owned()));
    };
    let result = ldap.simple_bind(&dn, text).await.map_err(|error| Fault::of_library(&error))?;
    Bound::of_result(&result)
}

/// Searches; references to other servers are passed over.
pub(super) async fn search(mut ldap: Ldap, search: Search) -> Result<Vec<Entry>, Fault> {
    let Search { base, scope, deref, filter, attributes, entries_max } = search;
    ldap.with_search_options(SearchOptions::new().deref(aliases(deref)).sizelimit(entries_max));
    let library = |error| Fault::of_library(&error);
    let mut stream =
        ldap.streaming_search(&base, scope_of(scope), &filter, attributes).await.map_err(library)?;
    let mut entries = Vec::new();
    while let Some(entry) = stream.next().await.map_err(library)? {
        if !entry.is_ref() && !entry.is_intermediate() {
            entries.push(read(entry)?);
        }
    }
    let result = stream.finish().await;
    // sizeLimitExceeded of a limit that was ours says that there are more.
    match result.rc {
        0 => Ok(entries),
        4 if entries_max > 0 && entries.len() > 1 => Ok(entries),
        _ => Err(Fault::of_result(&result)),
    }
}

/// Searches page by page (RFC 2696). The time is that for one answer.
pub(super) async fn search_all(
    mut ldap: Ldap,
    search: Search,
    page_size: i32,
    timeout: Duration,
) -> Result<Vec<Entry>, Fault> {
    let Search { base, scope, deref, filter, attributes, .. } = search;
    ldap.with_search_options(SearchOptions::new().deref(aliases(deref)));
    ldap.with_timeout(timeout);
    let library = |error| Fault::of_library(&error);
    let adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
        vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(page_size))];
    let stream = ldap.streaming_search_with(adapters, &base, scope_of(scope), &filter, attributes).await;
    let mut stream = stream.map_err(library)?;
    let mut entries = Vec::new();
    while let Some(entry) = stream.next().await.map_err(library)? {
        if !entry.is_intermediate() {
            entries.push(read(entry)?);
        }
    }
    let result = stream.finish().await;
    if result.rc == 0 { Ok(entries) } else { Err(Fault::of_result(&result)) }
}

/// In a task of its own, within a time.
pub(super) async fn isolated<T: Send + 'static>(
    timeout: Duration,
    operation: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let task = tokio::spawn(tokio::time::timeout(timeout, operation));
    match task.await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Fault::new(FaultKind::TimedOut, format!("no answer in {timeout:?}"))),
        Err(_) => Err(Fault::new(FaultKind::Broken, "the answer is not formed as LDAP")),
    }
}

/// What TLS connections go by. The error names the file.
pub(super) fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let wrong = |why: &dyn std::fmt::Display| format!("ca-file {}: {why}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"no certificate in it"));
            }
        }
        None => {
            let all = SYSTEM_ROOTS.iter().find_map(|path| CertificateDer::pem_file_iter(path).ok());
            let _ = roots.add_parsable_certificates(all.into_iter().flatten().flatten());
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

fn read(entry: ldap3::ResultEntry) -> Result<Entry, Fault> {
    Entry::read(entry).ok_or_else(|| Fault::new(FaultKind::Broken, "an entry is not formed as LDAP"))
}

fn text_of(password: &Secret) -> Option<&str> {
    // Where a NUL ends a text, what begins with one is empty, and an empty one is right.
    std::str::from_utf8(password.expose()).ok().filter(|text| !text.is_empty() && !text.contains('\0'))
}

fn first_line(path: &Path) -> Result<Secret, Fault> {
    let bytes = std::fs::read(path).map_err(|error| {
        Fault::new(FaultKind::Site, format!("bind-password-file {}: {error}", path.display()))
    })?;
    let bytes = zeroize::Zeroizing::new(bytes);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
}

fn scope_of(scope: Scope) -> ldap3::Scope {
    match scope {
        Scope::Base => ldap3::Scope::Base,
        Scope::One => ldap3::Scope::OneLevel,
        Scope::Subtree => ldap3::Scope::Subtree,
    }
}

fn aliases(deref: Deref) -> DerefAliases {
    match deref {
        Deref::Never => DerefAliases::Never,
        Deref::Searching => DerefAliases::Searching,
        Deref::Finding => DerefAliases::Finding,
        Deref::Always => DerefAliases::Always,
    }
}
