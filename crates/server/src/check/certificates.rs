//! What clients will object to in the certificates.

use crate::settings::{Certificate, Configuration};
use crate::tls;
use rustls::pki_types::CertificateDer;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Days before its end from which a certificate is warned of: those of ACME are renewed a month
/// before it.
const DAYS_LEFT_MIN: i64 = 14;

const DAY: i64 = 86_400;

/// One that cannot be read at all is fatal, and said elsewhere.
pub(super) fn warnings(configuration: &Configuration) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let all = configuration.certificate.iter().chain(&configuration.more_certificates);
    let hostname = &configuration.session.hostname;
    all.flat_map(|certificate| {
        let names = match certificate.names.as_slice() {
            [] => std::slice::from_ref(hostname),
            names => names,
        };
        of_file(certificate, names, now)
    })
    .collect()
}

fn of_file(certificate: &Certificate, names: &[String], now: i64) -> Vec<String> {
    let Ok(chain) = tls::read_chain(&certificate.certificate) else { return Vec::new() };
    let path = certificate.certificate.display();
    let of_leaf = chain.first().map(|leaf| of_certificate(leaf, names, now)).unwrap_or_default();
    of_leaf.into_iter().map(|what| format!("{path}: {what}")).collect()
}

fn of_certificate(der: &CertificateDer<'_>, names: &[String], now: i64) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let mut found = Vec::new();
    let (begins, ends) =
        (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    if now > ends {
        found.push(format!(
            "the certificate ended {} days ago: clients refuse it; renew it",
            (now - ends) / DAY
        ));
    } else if now < begins {
        found.push("the certificate is not valid yet: clients refuse it; is the clock right?".to_owned());
    } else if ends - now < DAYS_LEFT_MIN * DAY {
        found.push(format!("the certificate ends in {} days: renew it", (ends - now) / DAY));
    }
    let of_certificate = names_of(&certificate);
    for name in names {
        let wanted = name.to_ascii_lowercase();
        if !of_certificate.iter().any(|one| *one == wanted || tls::covers(one, &wanted)) {
            found.push(format!(
                "the certificate is not for {name} but for {}: clients that connect to {name} refuse it",
                of_certificate.join(", ")
            ));
        }
    }
    found
}

/// The DNS names that it is for, in lower case; the subject's common name only where there are none.
fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let of_general = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    let names: Vec<String> =
        alternative.iter().flat_map(|names| &names.value.general_names).filter_map(of_general).collect();
    let common = || certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    if names.is_empty() { common().map(str::to_ascii_lowercase).collect() } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn what_clients_refuse_is_said() {
        let mut parameters =
            CertificateParams::new(["mail.example.com", "*.example.org"].map(String::from)).unwrap();
        parameters.not_before = date_time_ymd(2026, 1, 1);
        parameters.not_after = date_time_ymd(2026, 4, 1);
        let der = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let on = |year, month, day| date_time_ymd(year, month, day).unix_timestamp();
        for (now, name, expected) in [
            (on(2026, 2, 1), "mail.example.com", ""),
            (on(2026, 2, 1), "IMAP.example.org", ""),
            (on(2026, 2, 1), "example.com", "is not for example.com but for mail.example.com, *.example.org"),
            (on(2026, 2, 1), "a.b.example.org", "is not for a.b.example.org"),
            (on(2026, 3, 19), "mail.example.com", "ends in 13 days"),
            (on(2026, 3, 17), "mail.example.com", ""),
            (on(2026, 4, 11), "mail.example.com", "ended 10 days ago"),
            (on(2025, 12, 31), "mail.example.com", "not valid yet"),
        ] {
            let found = of_certificate(&der, &[name.to_owned()], now).join("; ");
            assert!(
                found.contains(expected) && found.is_empty() == expected.is_empty(),
                "{name} {now}: {found}"
            );
        }
    }
}
