//! Why a TLS handshake failed, in words for the log that say what to do about it.

use rustls::{AlertDescription, InvalidMessage, PeerIncompatible};
use std::io;

/// In words for the log.
pub(crate) fn handshake_failure(error: &io::Error) -> String {
    let by_rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (error.kind(), by_rustls) {
        (_, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))) => {
            "the client spoke no TLS: it may be set to STARTTLS, or to none, on a port with TLS".to_owned()
        }
        (_, Some(rustls::Error::PeerIncompatible(what))) => incompatible(what),
        (_, Some(rustls::Error::AlertReceived(alert))) => alerted(*alert),
        (_, Some(rustls::Error::NoCertificatesPresented)) => {
            "the client showed no certificate, and client-certificates in [tls] requires one".to_owned()
        }
        (_, Some(rustls::Error::InvalidCertificate(why))) => {
            format!("the client's certificate is not accepted: {why}; see client-ca and client-crl in [tls]")
        }
        (io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset, _) => {
            "the client hung up during the handshake".to_owned()
        }
        _ => format!("the handshake failed: {error}"),
    }
}

/// What the client cannot do.
fn incompatible(what: &PeerIncompatible) -> String {
    match what {
        // Every client since TLS 1.2 says which signatures it can check.
        PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => {
            "the client offers TLS 1.1 at most: it needs an update, or a proxy in front that speaks old TLS \
             (docs/old-clients.md)"
                .to_owned()
        }
        PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "the client offers TLS 1.2 at most, and minimum-version in [tls] is 1.3".to_owned()
        }
        PeerIncompatible::NoCipherSuitesInCommon
        | PeerIncompatible::NoKxGroupsInCommon
        | PeerIncompatible::NamedGroupsExtensionRequired
        | PeerIncompatible::EcPointsExtensionRequired
        | PeerIncompatible::NoEcPointFormatsInCommon => {
            "the client offers only old ciphers, without forward secrecy or AEAD: it needs an update, or a proxy in \
             front (docs/old-clients.md)"
                .to_owned()
        }
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "the client cannot check our kind of certificate: an RSA certificate beside it in [[tls.more]] helps old \
             clients"
                .to_owned()
        }
        other => format!("the client's TLS does not fit ours: {other:?}"),
    }
}

/// What the client objects to.
fn alerted(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => {
            "the client does not trust our certificate: does the certificate file have the intermediates?"
                .to_owned()
        }
        AlertDescription::CertificateExpired => "the client says that our certificate has expired".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked => format!(
            "the client refuses our certificate ({alert:?}): is the name that it connects to in the certificate?"
        ),
        AlertDescription::ProtocolVersion => "the client does not speak TLS as new as ours".to_owned(),
        other => format!("the client ended the handshake: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_said_in_words_of_an_administrator() {
        let of = |error: rustls::Error| handshake_failure(&io::Error::other(error));
        for (error, expected) in [
            (PeerIncompatible::Tls12NotOffered.into(), "the client offers TLS 1.1 at most"),
            (
                PeerIncompatible::SignatureAlgorithmsExtensionRequired.into(),
                "the client offers TLS 1.1 at most",
            ),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), "only old ciphers"),
            (
                PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into(),
                "minimum-version in [tls] is 1.3",
            ),
            (PeerIncompatible::NoSignatureSchemesInCommon.into(), "RSA certificate"),
            (rustls::Error::AlertReceived(AlertDescription::UnknownCA), "intermediates"),
            (rustls::Error::AlertReceived(AlertDescription::BadCertificate), "is the name"),
            (rustls::Error::NoCertificatesPresented, "client-certificates"),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), "spoke no TLS"),
        ] {
            assert!(of(error).contains(expected), "{expected}");
        }
        let hung_up = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(handshake_failure(&hung_up).contains("hung up"));
    }
}
