//! Addresses and ports: `listen`, and the `inet_listener`s of `service imap-login`.

use super::Import;
use crate::import::doveconf::Block;
use crate::import::draft::Origin;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What one `inet_listener` says.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Listener {
    name: String,
    port: u16,
    tls: bool,
    addresses: Option<String>,
    /// Settings that it was read from.
    keys: Vec<&'static str>,
}

impl Import {
    /// Sets `[[listen]]`, unless it is the default.
    pub(super) fn listen(&mut self) {
        let no_tls = self.first(&["ssl"]).filter(|(_, value)| value == "no");
        if let Some((key, value)) = &no_tls {
            let why = "STARTTLS is always offered: without TLS no password is taken, but from cleartext-from of [login]";
            self.lose(key, value, why);
        }
        let listen = self.first(&["listen"]);
        let everywhere = listen.as_ref().map_or("*, ::", |(_, value)| value);
        let mut tables: Vec<(SocketAddr, bool, Vec<Origin>)> = Vec::new();
        for listener in self.listeners(no_tls.is_some()) {
            let from: Vec<Origin> = listener
                .keys
                .iter()
                .map(|key| self.origin(&format!("service imap-login inet_listener {}: {key}", listener.name)))
                .chain(
                    listen.iter().filter(|_| listener.addresses.is_none()).map(|(key, _)| self.origin(key)),
                )
                .collect();
            let list = listener.addresses.as_deref().unwrap_or(everywhere);
            for word in list.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
                match address(word) {
                    Some(ip) => tables.push(((ip, listener.port).into(), listener.tls, from.clone())),
                    None => self.lose("listen", word, "addresses are written as numbers: look the name up"),
                }
            }
        }
        let mut found: Vec<(SocketAddr, bool)> =
            tables.iter().map(|(address, tls, _)| (*address, *tls)).collect();
        found.sort();
        if found == standard() {
            self.draft.note("listen", "Ports 143 and 993 on all addresses are the default.", &[]);
            return;
        }
        if tables.is_empty() {
            let note = "Dovecot listens for IMAP nowhere; here ports 143 and 993 are open unless there is a [[listen]].";
            self.draft.note("listen", note, &[]);
        }
        for (address, tls, from) in tables {
            self.draft.start("listen");
            self.draft.set("listen", "address", address.to_string(), &from);
            self.draft.set("listen", "tls", if tls { "implicit" } else { "starttls" }, &[]);
        }
    }

    /// The two that there are anyway, as they are changed, and further ones.
    fn listeners(&mut self, no_tls: bool) -> Vec<Listener> {
        let standard = |name: &str, port, tls| Listener {
            name: name.to_owned(),
            port,
            tls,
            addresses: None,
            keys: Vec::new(),
        };
        let mut listeners = vec![standard("imap", 143, false), standard("imaps", 993, true)];
        let services: Vec<Block> =
            self.root.of_kind("service").filter(|s| s.name == "imap-login").cloned().collect();
        for block in services.iter().flat_map(|service| service.of_kind("inet_listener")) {
            let at = listeners.iter().position(|listener| listener.name == block.name);
            let at = at.unwrap_or_else(|| {
                listeners.push(standard(&block.name, 0, false));
                listeners.len() - 1
            });
            if let Some(listener) = listeners.get_mut(at) {
                change(listener, block);
            }
            if block.get("haproxy") == Some("yes") {
                let origin =
                    self.origin(&format!("service imap-login inet_listener {}: haproxy", block.name));
                self.draft.lose(
                    origin,
                    "the PROXY protocol is not there yet: clients behind the proxy all have its address",
                );
            }
        }
        // Port 0 closes one; without TLS there is no port that begins with it.
        listeners.retain(|listener| listener.port != 0 && !(no_tls && listener.tls));
        listeners
    }
}

fn change(listener: &mut Listener, block: &Block) {
    if let Some(port) = block.get("port").and_then(|port| port.trim().parse().ok()) {
        listener.port = port;
        listener.keys.push("port");
    }
    if let Some(ssl) = block.get("ssl") {
        listener.tls = ssl == "yes";
        listener.keys.push("ssl");
    }
    for key in ["address", "listen"] {
        if let Some(list) = block.get(key).filter(|list| !list.trim().is_empty()) {
            listener.addresses = Some(list.to_owned());
            listener.keys.push(key);
        }
    }
}

fn address(word: &str) -> Option<IpAddr> {
    match word {
        "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
        "::" | "[::]" => Some(Ipv6Addr::UNSPECIFIED.into()),
        word => word.trim_matches(['[', ']']).parse().ok(),
    }
}

/// What Restante listens on by default, sorted.
fn standard() -> Vec<(SocketAddr, bool)> {
    let everywhere: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    everywhere.iter().flat_map(|ip| [((*ip, 143).into(), false), ((*ip, 993).into(), true)]).collect()
}
