//! What is read in certificates: a client's user names, and the hash by which the server's is
//! bound to a log-in.

use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::asn1_rs::oid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AttributeTypeAndValue;

/// Longest user name in a certificate, in bytes.
const NAME_MAX: usize = 512;

/// Most user names in a certificate; one with more has none.
const NAMES_MAX: usize = 32;

/// What of a client's certificate is the user's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NameFrom {
    /// Mail addresses among the alternative names; the subject's only where there are none.
    Email,
    /// The subject's common name.
    SubjectCn,
    /// The subject's user id.
    SubjectUid,
    /// DNS names among the alternative names.
    Dns,
}

impl NameFrom {
    /// By its setting.
    pub(crate) fn by_setting(text: &str) -> Self {
        match text {
            "subject-cn" => Self::SubjectCn,
            "subject-uid" => Self::SubjectUid,
            "dns" => Self::Dns,
            _ => Self::Email,
        }
    }

    /// The user names in a certificate (DER), each once. It has none at all if one of them
    /// cannot be a name (NUL, control characters, empty, too long, not text): what another
    /// program reads there may be something else.
    pub(crate) fn names(self, der: &[u8]) -> Vec<String> {
        self.read(der).filter(|names| names.len() <= NAMES_MAX).unwrap_or_default()
    }

    fn read(self, der: &[u8]) -> Option<Vec<String>> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then_some(())?;
        let subject = certificate.subject();
        let alternative = || -> Option<Vec<String>> {
            let Some(extension) = certificate.subject_alternative_name().ok()? else {
                return Some(Vec::new());
            };
            let all = &extension.value.general_names;
            // A name that cannot be read may be of the kind that is looked for.
            (!all.iter().any(|name| matches!(name, GeneralName::Invalid(..)))).then_some(())?;
            let wanted = all.iter().filter_map(|name| match (self, name) {
                (Self::Email, GeneralName::RFC822Name(text)) | (Self::Dns, GeneralName::DNSName(text)) => {
                    Some(usable(text))
                }
                _ => None,
            });
            wanted.collect()
        };
        let mut names = match self {
            Self::Email => {
                let names = alternative()?;
                if names.is_empty() { texts(subject.iter_email())? } else { names }
            }
            Self::SubjectCn => texts(subject.iter_common_name())?,
            Self::SubjectUid => texts(subject.iter_by_oid(&oid!(0.9.2342.19200300.100.1.1)))?,
            Self::Dns => alternative()?,
        };
        names.sort();
        names.dedup();
        Some(names)
    }
}

fn texts<'a>(attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<Vec<String>> {
    attributes.map(|attribute| usable(attribute.as_str().ok()?)).collect()
}

fn usable(text: &str) -> Option<String> {
    let is_bad = text.is_empty() || text.len() > NAME_MAX || text.chars().any(char::is_control);
    (!is_bad).then(|| text.to_owned())
}

/// `tls-server-end-point` of a certificate (RFC 5929 section 4.1): hashed by the hash of its
/// signature, SHA-256 where that is MD5 or SHA-1. `None` where it has no single hash.
pub(crate) fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let hash = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => parameters.hash_algorithm_oid().to_id_string(),
        _ => algorithm.algorithm.to_id_string(),
    };
    Some(match hash.as_str() {
        // MD5 and SHA-1, alone and with RSA, DSA and ECDSA; SHA-256 likewise.
        "1.2.840.113549.2.5"
        | "1.2.840.113549.1.1.4"
        | "1.3.14.3.2.26"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10040.4.3"
        | "1.2.840.10045.4.1"
        | "2.16.840.1.101.3.4.2.1"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2" => Sha256::digest(der).to_vec(),
        "2.16.840.1.101.3.4.2.2" | "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => {
            Sha384::digest(der).to_vec()
        }
        "2.16.840.1.101.3.4.2.3" | "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => {
            Sha512::digest(der).to_vec()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    /// A certificate with subject attributes and alternative names.
    fn certificate(subject: &[(DnType, &str)], emails: &[&str], names: &[&str]) -> Vec<u8> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            parameters.distinguished_name.push(kind.clone(), *value);
        }
        let emails = emails.iter().map(|one| SanType::Rfc822Name((*one).try_into().unwrap()));
        let names = names.iter().map(|one| SanType::DnsName((*one).try_into().unwrap()));
        parameters.subject_alt_names = emails.chain(names).collect();
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn user_names_by_each_setting() {
        let uid = || DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
        let email = || DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        let cn = || DnType::CommonName;
        let long = "a".repeat(513);
        for (subject, emails, names, from, expected) in [
            (vec![(cn(), "anna")], vec!["a@x.example"], vec![], NameFrom::Email, vec!["a@x.example"]),
            (vec![(cn(), "anna")], vec!["a@x.example"], vec![], NameFrom::SubjectCn, vec!["anna"]),
            (vec![(uid(), "anna"), (cn(), "Anna")], vec![], vec![], NameFrom::SubjectUid, vec!["anna"]),
            (vec![], vec![], vec!["anna.example"], NameFrom::Dns, vec!["anna.example"]),
            (vec![(email(), "a@x.example")], vec![], vec![], NameFrom::Email, vec!["a@x.example"]),
            // The subject's address is only for certificates without alternative ones.
            (vec![(email(), "b@x")], vec!["a@x"], vec![], NameFrom::Email, vec!["a@x"]),
            (vec![], vec!["b@x", "a@x", "b@x"], vec![], NameFrom::Email, vec!["a@x", "b@x"]),
            (vec![(cn(), "a@x")], vec![], vec!["a.example"], NameFrom::Email, vec![]),
            (vec![(cn(), "anna\0.example")], vec![], vec![], NameFrom::SubjectCn, vec![]),
            (vec![(cn(), "anna\r\n")], vec![], vec![], NameFrom::SubjectCn, vec![]),
            (vec![(cn(), "")], vec![], vec![], NameFrom::SubjectCn, vec![]),
            (vec![(cn(), &long)], vec![], vec![], NameFrom::SubjectCn, vec![]),
            (vec![], vec!["a@x", "b\0@x"], vec![], NameFrom::Email, vec![]),
            (vec![], vec!["a@x"; 1], vec![], NameFrom::SubjectCn, vec![]),
        ] {
            assert_eq!(
                from.names(&certificate(&subject, &emails, &names)),
                expected,
                "{subject:?} {emails:?}"
            );
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_names_and_no_hash() {
        let mut good = certificate(&[(DnType::CommonName, "anna")], &[], &[]);
        for length in 0..good.len() {
            assert!(NameFrom::SubjectCn.names(&good[..length]).is_empty());
            assert_eq!(end_point(&good[..length]), None);
        }
        good.push(0);
        assert!(NameFrom::SubjectCn.names(&good).is_empty());
    }

    #[test]
    fn the_end_point_is_hashed_as_the_certificate_is_signed() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_RSA_SHA512, Some(64)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let der = CertificateParams::default().self_signed(&key).unwrap().der().to_vec();
            assert_eq!(end_point(&der).map(|hash| hash.len()), length);
        }
    }
}
