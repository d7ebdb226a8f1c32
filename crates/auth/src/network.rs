//! The networks that an address is counted in: what one attacker has many addresses of is one.
//!
//! Delays, the queue of password checks and the limits on connections all count by these.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or 64 or 48 bits of an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// All networks that `peer` counts in: one of IPv4; a /64 and a /48 of IPv6.
pub fn networks_of(peer: IpAddr) -> impl Iterator<Item = Network> {
    let (first, second) = (Network::narrowest(peer), Network::widest(peer));
    std::iter::once(first).chain(Some(second).filter(|second| *second != first))
}

impl Network {
    /// What one client has for certain: an IPv4 address, or a /64. An IPv4 address in IPv6's
    /// clothes is one of IPv4.
    pub fn narrowest(peer: IpAddr) -> Self {
        Self::of(peer, 64)
    }

    /// What one client may well have: an IPv4 address, or a /48. It may be a provider's, too.
    pub fn widest(peer: IpAddr) -> Self {
        Self::of(peer, 48)
    }

    /// How many times as much a network may do as one address.
    pub fn weight(self) -> u32 {
        if self.bits == 48 { 8 } else { 1 }
    }

    fn of(peer: IpAddr, bits: u8) -> Self {
        match peer.to_canonical() {
            address @ IpAddr::V4(_) => Self { address, bits: 32 },
            IpAddr::V6(address) => {
                let mask = u128::MAX << (128 - u32::from(bits));
                Self { address: Ipv6Addr::from(address.to_bits() & mask).into(), bits }
            }
        }
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
    fn security_26_an_address_counts_as_the_network_that_a_client_has() {
        for (peer, expected) in [
            ("192.0.2.1", &["192.0.2.1"][..]),
            ("::ffff:192.0.2.1", &["192.0.2.1"]),
            ("2001:db8:1:2:3:4:5:6", &["2001:db8:1:2::/64", "2001:db8:1::/48"]),
        ] {
            let networks: Vec<String> =
                networks_of(peer.parse().unwrap()).map(|network| network.to_string()).collect();
            assert_eq!(networks, expected, "{peer}");
            assert_eq!(Network::widest(peer.parse().unwrap()).to_string(), *expected.last().unwrap());
        }
    }
}
