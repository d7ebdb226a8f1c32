//! The line in the log for a failed log-in, in the words of Courier's, so that programs that read
//! logs know it: fail2ban's filter `courier-auth` takes it as it is.
//!
//! fail2ban bans who is named in `ip=[…]`. So nothing of a name can be taken for that, nor for a
//! separator: a client that calls itself `x, ip=[192.0.2.1]` must not have others banned.

use std::fmt::{self, Write};
use std::net::IpAddr;

/// Bytes of a name that are shown.
const SHOWN_MAX: usize = 255;

/// `LOGIN FAILED, user=anna@example.com, service=imap, ip=[192.0.2.1]`.
pub fn failure_line(user: &[u8], peer: IpAddr, service: &str) -> String {
    // An IPv4 address as IPv4: `::ffff:192.0.2.1` would be banned where no packet comes from.
    let peer = peer.to_canonical();
    format!("LOGIN FAILED, user={}, service={}, ip=[{peer}]", Shown(user), Shown(service.as_bytes()))
}

/// A client's text, in which all but what names usually have is escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.iter().take(SHOWN_MAX) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => f.write_char(byte.into())?,
                b'.' | b'@' | b'_' | b'-' | b'+' | b'*' | b'~' | b'!' | b'#' | b'$' | b'&' | b'/' => {
                    f.write_char(byte.into())?
                }
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        if self.0.len() > SHOWN_MAX { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_16_names_cannot_forge_a_line() {
        for (user, peer, expected) in [
            (&b"anna@example.com"[..], "192.0.2.1", "user=anna@example.com, service=imap, ip=[192.0.2.1]"),
            (b"anna", "::ffff:192.0.2.1", "user=anna, service=imap, ip=[192.0.2.1]"),
            (b"anna", "2001:db8::1", "user=anna, service=imap, ip=[2001:db8::1]"),
            (
                b"x, ip=[1.2.3.4]",
                "192.0.2.1",
                "user=x\\x2c\\x20ip\\x3d\\x5b1.2.3.4\\x5d, service=imap, ip=[192.0.2.1]",
            ),
            (b"\"a\nb\\\xff", "192.0.2.1", "user=\\x22a\\x0ab\\x5c\\xff, service=imap, ip=[192.0.2.1]"),
            (b"", "192.0.2.1", "user=, service=imap, ip=[192.0.2.1]"),
        ] {
            let line = failure_line(user, peer.parse().unwrap(), "imap");
            assert_eq!(line, format!("LOGIN FAILED, {expected}"));
        }
        let long = failure_line(&[b'a'; 10_000], IpAddr::from([192, 0, 2, 1]), "imap");
        assert!(long.len() < 400 && long.contains("aaa..., "), "{long}");
    }
}
