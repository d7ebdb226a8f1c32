//! Addresses and ports of Courier-IMAP: `ADDRESS`, `PORT`, and what starts its daemons.

use super::{Import, is_yes};
use crate::import::draft::Origin;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One of Courier's two daemons.
struct Daemon {
    start: &'static str,
    address: &'static str,
    port: &'static str,
    standard_port: u16,
    service: &'static [&'static str],
    file: &'static str,
    tls: &'static str,
}

const DAEMONS: [Daemon; 2] = [
    Daemon {
        start: "IMAPDSTART",
        address: "ADDRESS",
        port: "PORT",
        standard_port: 143,
        service: &["imap", "imap2"],
        file: "imapd",
        tls: "starttls",
    },
    Daemon {
        start: "IMAPDSSLSTART",
        address: "SSLADDRESS",
        port: "SSLPORT",
        standard_port: 993,
        service: &["imaps"],
        file: "imapd-ssl",
        tls: "implicit",
    },
];

/// What a daemon listens on.
struct Listening {
    addresses: Vec<SocketAddr>,
    origins: Vec<Origin>,
    tls: &'static str,
    is_standard: bool,
}

impl Import {
    /// Sets `[[listen]]`, unless it is the default; how many daemons are started.
    pub(super) fn listen(&mut self) -> u64 {
        let mut listening = Vec::new();
        for daemon in &DAEMONS {
            if !self.directory.join(daemon.file).is_file() {
                continue;
            }
            match self.value(daemon.start).filter(|variable| !is_yes(&variable.value)) {
                Some(no) => {
                    let from = [Origin::with_value(&no.file, daemon.start, &no.value)];
                    let port = daemon.standard_port;
                    self.draft.note("listen", &format!("Courier does not serve port {port}."), &from);
                }
                None => listening.push(self.addresses(daemon)),
            }
        }
        let is_default = listening.len() == DAEMONS.len() && listening.iter().all(|one| one.is_standard);
        if is_default {
            let from: Vec<Origin> = listening.iter().flat_map(|one| one.origins.clone()).collect();
            self.draft.note("listen", "Ports 143 and 993 on all addresses are the default.", &from);
        } else if listening.is_empty() {
            let note = "Courier serves neither port; here both are open unless there is a [[listen]].";
            self.draft.note("listen", note, &[]);
        } else {
            for one in &listening {
                for address in &one.addresses {
                    self.draft.start("listen");
                    self.draft.set("listen", "address", address.to_string(), &one.origins);
                    self.draft.set("listen", "tls", one.tls, &[]);
                }
            }
        }
        self.without_starttls();
        listening.len() as u64
    }

    fn addresses(&mut self, daemon: &Daemon) -> Listening {
        let variables = [self.value(daemon.address), self.value(daemon.port)];
        let origins: Vec<Origin> = [daemon.address, daemon.port]
            .iter()
            .zip(&variables)
            .filter_map(|(name, variable)| {
                Some(Origin::with_value(&variable.as_ref()?.file, name, &variable.as_ref()?.value))
            })
            .collect();
        let [address, port] = variables.map(|variable| variable.map(|variable| variable.value));
        let address = address.unwrap_or_default();
        let port = port.unwrap_or_else(|| daemon.standard_port.to_string());
        let mut addresses = Vec::new();
        for item in port.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match endpoints(item, address.trim(), daemon) {
                Some(found) => addresses.extend(found),
                None => {
                    let from = Origin::with_value(daemon.file, daemon.port, item);
                    self.draft.lose(from, "neither a port nor an address with one, such as 127.0.0.1.143");
                }
            }
        }
        addresses.dedup();
        let standard = everywhere(daemon.standard_port);
        Listening { is_standard: addresses == standard, addresses, origins, tls: daemon.tls }
    }

    fn without_starttls(&mut self) {
        if let Some(no) = self.value("IMAPDSTARTTLS").filter(|variable| !is_yes(&variable.value)) {
            let why = "STARTTLS is always offered: without TLS no password is taken, but from cleartext-from of [login]";
            self.draft.lose(Origin::with_value(&no.file, "IMAPDSTARTTLS", &no.value), why);
        }
    }
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()]
}

/// `143`, `imap`, `127.0.0.1.900`; a port alone is on the daemon's address.
fn endpoints(item: &str, address: &str, daemon: &Daemon) -> Option<Vec<SocketAddr>> {
    let (address, port) = item.rsplit_once('.').unwrap_or((address, item));
    let port = match port.parse::<u16>() {
        Ok(port) if port > 0 => port,
        Ok(_) => return None,
        Err(_) if daemon.service.contains(&port) => daemon.standard_port,
        Err(_) => return None,
    };
    match address {
        "0" | "" | "::" => Some(everywhere(port)),
        address => Some(vec![(address.parse::<IpAddr>().ok()?, port).into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_addresses_are_read() {
        for (item, address, expected) in [
            ("143", "0", Some(&["0.0.0.0:143", "[::]:143"][..])),
            ("imap", "127.0.0.1", Some(&["127.0.0.1:143"])),
            ("127.0.0.1.900", "0", Some(&["127.0.0.1:900"])),
            ("::1.900", "0", Some(&["[::1]:900"])),
            ("0.143", "127.0.0.1", Some(&["0.0.0.0:143", "[::]:143"])),
            ("0", "0", None),
            ("pop3", "0", None),
            ("70000", "0", None),
            ("1.2.3.900", "0", None),
            ("host.example.900", "0", None),
        ] {
            let found = endpoints(item, address, &DAEMONS[0]);
            let found: Option<Vec<String>> = found.map(|all| all.iter().map(ToString::to_string).collect());
            let expected = expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
            assert_eq!(found, expected, "{item} {address}");
        }
    }
}
