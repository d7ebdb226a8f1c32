//! TLS: certificates by server name, and what is offered.

mod failure;

pub(crate) use failure::handshake_failure;

use crate::settings::{Certificate, ClientCertificates, Configuration};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SignatureScheme};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

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
    let verifier = configuration.client_certificates.as_ref().map(verifier).transpose();
    let verifier = verifier.map_err(|problem| vec![problem])?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| vec![format!("TLS: {error}")])?;
    let certificates = Arc::new(Certificates { default, by_name });
    let asks = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificates);
    if asks {
        // A session that is resumed carries the client's certificate on without a look at it:
        // it may have ended since, or been revoked.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    } else {
        config.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| vec![format!("TLS tickets: {error}")])?;
    }
    Ok(Some(Arc::new(config)))
}

/// The configuration for one connection of the protocol with this name (RFC 7301), and where the
/// certificate that it shows is noted.
pub(crate) fn for_connection(config: &ServerConfig, alpn: &[u8]) -> (Arc<ServerConfig>, Arc<Shown>) {
    let shown = Arc::new(Shown { resolver: config.cert_resolver.clone(), chosen: OnceLock::new() });
    let mut config = config.clone();
    config.cert_resolver = shown.clone();
    config.alpn_protocols = vec![alpn.to_vec()];
    (Arc::new(config), shown)
}

/// Notes which certificate one connection's client was shown: channel binding wants to know.
#[derive(Debug)]
pub(crate) struct Shown {
    resolver: Arc<dyn ResolvesServerCert>,
    chosen: OnceLock<Arc<CertifiedKey>>,
}

impl Shown {
    /// In DER form.
    pub(crate) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.chosen.get()?.cert.first()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.resolver.resolve(hello)?;
        Some(self.chosen.get_or_init(|| chosen).clone())
    }
}

/// Checks clients' certificates: from one of the authorities, for clients, and not revoked.
fn verifier(settings: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let path = settings.ca.display();
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(&settings.ca)? {
        roots.add(certificate).map_err(|error| format!("{path}: no authority: {error}"))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(crl) = &settings.crl {
        let bytes = read(crl)?;
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
        let lists = lists.ok().filter(|lists| !lists.is_empty());
        let lists = lists.ok_or(format!("{}: no list of revoked certificates in PEM form", crl.display()))?;
        // Authorities without a list here, such as intermediate ones, revoke nothing.
        builder = builder.with_crls(lists).allow_unknown_revocation_status();
    }
    if !settings.required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| format!("{path}: {error}"))
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
        Some(self.choose(wanted.as_deref(), hello.signature_schemes()).clone())
    }
}

impl Certificates {
    /// Those for the name that is asked for come first, then the default, then all others; of
    /// them the first whose kind of key, RSA or ECDSA, the client can check.
    fn choose(&self, wanted: Option<&str>, schemes: &[SignatureScheme]) -> &Arc<CertifiedKey> {
        let is_named =
            |names: &[String]| wanted.is_some_and(|wanted| names.iter().any(|name| covers(name, wanted)));
        let named = self.by_name.iter().filter(|(names, _)| is_named(names)).map(|(_, key)| key);
        let others = self.by_name.iter().map(|(_, key)| key);
        let mut all = named.chain([&self.default]).chain(others);
        all.find(|key| key.key.choose_scheme(schemes).is_some()).unwrap_or(&self.default)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({} more)", self.by_name.len())
    }
}

/// Keys and lists that this process cannot read any more, now that it has given up root.
pub(crate) fn unreadable_keys(configuration: &Configuration) -> Vec<String> {
    let all = configuration.certificate.iter().chain(&configuration.more_certificates);
    let files = all.flat_map(|each| [&each.certificate, &each.key]);
    let of_clients =
        configuration.client_certificates.iter().flat_map(|each| [Some(&each.ca), each.crl.as_ref()]);
    let files = files.chain(of_clients.flatten());
    files.filter_map(|path| read(path).err()).collect()
}

/// Whether a name, perhaps with a star for its first label, is for `wanted`.
pub(crate) fn covers(name: &str, wanted: &str) -> bool {
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

pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
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
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};

    fn certified(algorithm: &'static SignatureAlgorithm) -> Arc<CertifiedKey> {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let signing = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS#8");
        let signing = aws_lc_rs::sign::any_supported_type(&signing).expect("a key");
        Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing))
    }

    #[test]
    fn certificates_are_chosen_by_name_and_then_by_what_the_client_can_check() {
        let (rsa, ec) = (certified(&PKCS_RSA_SHA256), certified(&PKCS_ECDSA_P256_SHA256));
        let other = certified(&PKCS_ECDSA_P256_SHA256);
        let names = |name: &str| vec![name.to_owned()];
        let certificates = Certificates {
            default: rsa.clone(),
            by_name: vec![
                (names("mail.example.com"), ec.clone()),
                (names("*.example.org"), other.clone()),
                (names("mail.example.com"), rsa.clone()),
            ],
        };
        let both = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256];
        let only_ec = [SignatureScheme::ECDSA_NISTP256_SHA256];
        let only_rsa = [SignatureScheme::RSA_PSS_SHA256];
        for (wanted, schemes, expected) in [
            (Some("mail.example.com"), &both[..], &ec),
            (Some("mail.example.com"), &only_rsa[..], &rsa),
            (Some("a.example.org"), &both[..], &other),
            // A certificate of another name lets the client say what is wrong; none would not.
            (Some("a.example.org"), &only_rsa[..], &rsa),
            (Some("unknown.example"), &both[..], &rsa),
            (None, &both[..], &rsa),
            (None, &only_ec[..], &ec),
            (None, &[SignatureScheme::ED448][..], &rsa),
        ] {
            assert!(Arc::ptr_eq(certificates.choose(wanted, schemes), expected), "{wanted:?} {schemes:?}");
        }
    }

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
