//! Where a server is: `ldap://host[:port]`, `ldaps://host[:port]`, `ldapi://path`.

use std::path::PathBuf;

/// A server's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Address {
    /// Over TCP.
    Tcp {
        /// Name or address; an IPv6 address without its brackets.
        host: String,
        port: u16,
        /// TLS from the first byte.
        tls: bool,
    },
    /// A socket of this machine.
    Unix(PathBuf),
}

impl Address {
    /// Reads a URL. What stands behind the host is refused: a base in it would be passed over.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong =
            || format!("{url} is no server, such as ldaps://ldap.example.com or ldapi:///run/slapd/ldapi");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "ldapi" => return unix(rest).map(Self::Unix).ok_or_else(wrong),
            "ldap" => false,
            "ldaps" => true,
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(['/', '?', '@', ' ', ',', '%']) {
            return Err(wrong());
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None if tls => 636,
            None => 389,
        };
        Ok(Self::Tcp { host: host.to_owned(), port, tls })
    }

    /// A password on the way there could be read by others.
    pub(super) fn is_in_clear(&self, start_tls: bool) -> bool {
        match self {
            Self::Unix(_) | Self::Tcp { tls: true, .. } => false,
            Self::Tcp { host, .. } => {
                let loopback = host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
                !start_tls && !loopback
            }
        }
    }
}

/// A path, written out or with `%2f` as OpenLDAP's tools want it.
fn unix(text: &str) -> Option<PathBuf> {
    let path = text.replace("%2f", "/").replace("%2F", "/");
    (path.starts_with('/') && path.len() > 1 && !path.contains('%')).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let tcp = |host: &str, port, tls| Some(Address::Tcp { host: host.to_owned(), port, tls });
        for (url, expected) in [
            ("ldap://ldap.example.com", tcp("ldap.example.com", 389, false)),
            ("ldap://ldap.example.com:3389/", tcp("ldap.example.com", 3389, false)),
            ("ldaps://10.0.0.1", tcp("10.0.0.1", 636, true)),
            ("ldaps://[::1]:1636", tcp("::1", 1636, true)),
            ("ldap://[::1]", tcp("::1", 389, false)),
            ("ldapi:///run/slapd/ldapi", Some(Address::Unix("/run/slapd/ldapi".into()))),
            ("ldapi://%2Frun%2fslapd%2Fldapi", Some(Address::Unix("/run/slapd/ldapi".into()))),
            ("ldapi://", None),
            ("ldap://", None),
            ("ldap://a/dc=x", None),
            ("ldap://a b", None),
            ("ldap://a:x", None),
            ("http://a", None),
            ("a", None),
        ] {
            assert_eq!(Address::parse(url).ok(), expected, "{url}");
        }
    }

    #[test]
    fn what_others_could_read_is_told() {
        for (url, start_tls, expected) in [
            ("ldap://ldap.example.com", false, true),
            ("ldap://ldap.example.com", true, false),
            ("ldaps://ldap.example.com", false, false),
            ("ldap://127.0.0.1", false, false),
            ("ldapi:///x", false, false),
        ] {
            assert_eq!(Address::parse(url).unwrap().is_in_clear(start_tls), expected, "{url}");
        }
    }
}
