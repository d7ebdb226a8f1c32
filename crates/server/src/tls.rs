//! TLS: certificates by server name, and what is offered.

use crate::settings::{Certificate, Configuration};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What TLS does by a configuration; `None` when it has no certificate. All that is wrong is
/// said at once.
pub(crate) fn configure(configuration: &Configuration) -> Result<Option<Arc<ServerConfig>>, Vec<String>> {
    let Some(default) = &configuration.certificate else { return Ok(None) };
    let mut problems = Vec::new();
    let default = load(default).map_err(|problem| problems.push(problem)).ok();
    let mut by_name = Vec::new();
    for more in &configuration.more_certificates {
        match load(more) {
            Ok(key) => by_name.push((more.names.iter().map(|name| name.to_ascii_lowercase()).collect(), key)),
            Err(problem) => problems.push(problem),
        }
    }
    let Some(default) = default.filter(|_| problems.is_empty()) else { return Err(problems) };
    let versions: &[&rustls::SupportedProtocolVersion] =
        if configuration.tls13_only { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| vec![format!("TLS: {error}")])?;
    let certificates = Arc::new(Certificates { default, by_name });
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"imap".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| vec![format!("TLS tickets: {error}")])?;
    Ok(Some(Arc::new(config)))
}

/// The certificates, chosen by the name that a client asks for. Looking one up allocates
/// nothing that stays, whatever names are asked for.
struct Certificates {
    default: Arc<CertifiedKey>,
    by_name: Vec<(Vec<String>, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().map(str::to_ascii_lowercase);
        let named = wanted.and_then(|wanted| {
            let is_for = |names: &[String]| names.iter().any(|name| covers(name, &wanted));
            self.by_name.iter().find(|(names, _)| is_for(names)).map(|(_, key)| key.clone())
        });
        Some(named.unwrap_or_else(|| self.default.clone()))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({} more)", self.by_name.len())
    }
}

/// Whether a name, perhaps with a star for its first label, is for `wanted`.
fn covers(name: &str, wanted: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => {
            wanted.split_once('.').is_some_and(|(label, domain)| !label.is_empty() && domain == rest)
        }
        None => name == wanted,
    }
}

/// Reads a chain and its key, and checks that they belong together.
fn load(certificate: &Certificate) -> Result<Arc<CertifiedKey>, String> {
    let chain = read_chain(&certificate.certificate)?;
    let path = certificate.key.display();
    let key = read(&certificate.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| format!("{path}: no private key in PEM form: {error}"))?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|error| format!("{path}: a key that cannot be used: {error}"))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(_) => {
            Err(format!("{path} is not the key of the certificate in {}", certificate.certificate.display()))
        }
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(format!("{}: no certificate in PEM form", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_star_cover_one_label() {
        for (name, wanted, expected) in [
            ("imap.example.com", "imap.example.com", true),
            ("*.example.com", "imap.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
        ] {
            assert_eq!(covers(name, wanted), expected, "{name} {wanted}");
        }
    }
}
