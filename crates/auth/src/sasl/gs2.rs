//! The GS2 header (RFC 5801 section 4) that SCRAM and OAUTHBEARER begin with.

use super::NAME_MAX;

/// What the client says about channel binding.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Flag {
    /// `n`: it can do none.
    None,
    /// `y`: it could, but thinks that the server cannot.
    ServerCannot,
    /// `p=NAME`: it does this type.
    Bound(String),
}

/// A header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) flag: Flag,
    pub(super) authorize: Option<Vec<u8>>,
    /// As it came, to be compared with what the client says it sent.
    pub(super) bytes: Vec<u8>,
}

/// Splits a message into the header, and the rest behind the header's last comma.
pub(super) fn read(message: &[u8]) -> Result<(Header, &[u8]), &'static str> {
    let bad = "Expected a GS2 header";
    let mut parts = message.splitn(3, |b| *b == b',');
    let (Some(flag), Some(authorize), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad);
    };
    let flag = match flag {
        b"n" => Flag::None,
        b"y" => Flag::ServerCannot,
        _ => Flag::Bound(binding_name(flag.strip_prefix(b"p=").ok_or(bad)?).ok_or(bad)?),
    };
    let authorize = match authorize {
        b"" => None,
        _ => Some(sasl_name(authorize.strip_prefix(b"a=").ok_or(bad)?)?.into_bytes()),
    };
    let bytes = message[..message.len() - rest.len()].to_vec();
    Ok((Header { flag, authorize, bytes }, rest))
}

/// Decodes a `saslname` (RFC 5802 section 5.1): comma and equals sign are `=2C` and `=3D`.
pub(super) fn sasl_name(encoded: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(encoded).map_err(|_| "A name is not UTF-8")?;
    if text.is_empty() || text.len() > NAME_MAX || text.contains('\0') {
        return Err("A name is empty, too long or has a NUL in it");
    }
    let mut pieces = text.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err("An equals sign in a name must be =3D"),
        };
        name.push(character);
        name.push_str(rest);
    }
    Ok(name)
}

/// `1*(ALPHA / DIGIT / "." / "-")`.
fn binding_name(name: &[u8]) -> Option<String> {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b".-".contains(b);
    let fits = (1..=64).contains(&name.len()) && name.iter().all(allowed);
    fits.then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |encoded: &str, expected: Option<&str>| {
            assert_eq!(sasl_name(encoded.as_bytes()).ok().as_deref(), expected, "{encoded}");
        };
        check("anna", Some("anna"));
        check("a=2Cb=3Dc=3D", Some("a,b=c="));
        check("=3D2C", Some("=2C"));
        for bad in ["", "a=", "a=2c", "a=2", "a==3D", "a\0b"] {
            check(bad, None);
        }
    }
}
