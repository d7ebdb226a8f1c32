//! The networks that an address is counted in.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or 64 or 48 bits of an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

/// All networks that failures of `peer` count for: one of IPv4; a /64 and a /48 of IPv6.
pub(super) fn of(peer: IpAddr) -> impl Iterator<Item = Network> {
    let (first, second) = match peer.to_canonical() {
        IpAddr::V4(_) => (Network::widest(peer), None),
        IpAddr::V6(address) => (Network::first(address, 64), Some(Network::first(address, 48))),
    };
    std::iter::once(first).chain(second)
}

impl Network {
    /// The widest of those networks. An IPv4 address in IPv6's clothes is one of IPv4.
    pub(super) fn widest(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            address @ IpAddr::V4(_) => Self { address, bits: 32 },
            IpAddr::V6(address) => Self::first(address, 48),
        }
    }

    /// Failures in it that weigh as one.
    pub(super) fn weight(self) -> u32 {
        if self.bits == 48 { 8 } else { 1 }
    }

    fn first(address: Ipv6Addr, bits: u8) -> Self {
        let mask = u128::MAX << (128 - u32::from(bits));
        Self { address: Ipv6Addr::from(address.to_bits() & mask).into(), bits }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/{}", self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_addresses() {
        for (peer, expected) in [
            ("192.0.2.1", &["192.0.2.1"][..]),
            ("::ffff:192.0.2.1", &["192.0.2.1"]),
            ("2001:db8:1:2:3:4:5:6", &["2001:db8:1:2::/64", "2001:db8:1::/48"]),
        ] {
            let networks: Vec<String> =
                of(peer.parse().unwrap()).map(|network| network.to_string()).collect();
            assert_eq!(networks, expected, "{peer}");
            assert_eq!(Network::widest(peer.parse().unwrap()).to_string(), *expected.last().unwrap());
        }
    }
}
