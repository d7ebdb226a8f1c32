//! The name that somebody logs in with, as sources are asked for it.

/// Longest user name, in bytes.
pub const NAME_MAX: usize = 255;

/// A name in lower case, with nothing in it that a path, a query or a log could take for more
/// than a name. Sources escape it nevertheless.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LoginName {
    full: String,
    /// Length of the part before the `@`.
    local: usize,
    /// The domain is the default one.
    in_default_domain: bool,
}

/// Why a name is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// Bytes that are no text.
    #[error("it is no UTF-8")]
    NoText,
    /// No name, or nothing but blanks.
    #[error("the user name is empty")]
    Empty,
    /// More than [`NAME_MAX`] bytes.
    #[error("the user name is longer than {NAME_MAX} bytes")]
    TooLong,
    /// See [`LoginName`].
    #[error("it has characters that names cannot have")]
    Characters,
}

impl LoginName {
    /// From what a client sent. `default_domain` is added to a name without `@`.
    pub fn new(login: &[u8], default_domain: Option<&str>) -> Result<Self, BadName> {
        let name = normalize(login)?;
        let (full, in_default_domain) = match (name.split_once('@'), default_domain) {
            (None, Some(default)) => (format!("{name}@{default}"), true),
            (Some((_, domain)), Some(default)) => {
                let same = domain == default;
                (name, same)
            }
            (_, None) => (name, false),
        };
        let local = full.find('@').unwrap_or(full.len());
        Ok(Self { full, local, in_default_domain })
    }

    /// All of it: `anna@example.com`, or `anna` where there is no domain. `%u` of templates.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// What stands before the `@`. `%n` of templates.
    pub fn local(&self) -> &str {
        &self.full[..self.local]
    }

    /// What stands behind the `@`. `%d` of templates.
    pub fn domain(&self) -> Option<&str> {
        self.full.get(self.local + 1..)
    }

    /// The name without a domain, where it has none or the default one: only such a name means
    /// the same user without it.
    pub fn bare(&self) -> Option<&str> {
        (self.in_default_domain || self.domain().is_none()).then(|| self.local())
    }

    /// The names under which a source may have the user: in full, then bare.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        let bare = self.bare().filter(|bare| *bare != self.full);
        std::iter::once(self.full.as_str()).chain(bare)
    }
}

/// Of ASCII, what the part before the `@` may have beside letters, digits and dots: `atext` of
/// RFC 5322 section 3.2.3, without the slash, as the name becomes a part of a path.
const LOCAL_PUNCTUATION: &str = "!#$%&'*+-=?^_`{|}~";
/// Likewise behind the `@`: a domain is the name of a file for some sources.
const DOMAIN_PUNCTUATION: &str = "-+_";

/// Lower case, clean, and of a length that names have.
pub(crate) fn normalize(login: &[u8]) -> Result<String, BadName> {
    let name = std::str::from_utf8(login).map_err(|_| BadName::NoText)?.trim().to_lowercase();
    match name.len() {
        0 => return Err(BadName::Empty),
        length if length > NAME_MAX => return Err(BadName::TooLong),
        _ => {}
    }
    let (local, domain) = name.split_once('@').unwrap_or((&name, "x"));
    let clean = |part: &str, punctuation: &str| {
        let allowed = |c: char| match c.is_ascii() {
            true => c.is_ascii_alphanumeric() || c == '.' || punctuation.contains(c),
            false => !c.is_control() && !c.is_whitespace(),
        };
        !part.is_empty() && !part.starts_with('.') && !part.contains("..") && part.chars().all(allowed)
    };
    // In a passwd file, a line that begins so is a comment.
    let is_comment = name.starts_with('#');
    match clean(local, LOCAL_PUNCTUATION) && clean(domain, DOMAIN_PUNCTUATION) && !is_comment {
        true => Ok(name),
        false => Err(BadName::Characters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_parts() {
        for (login, default, full, bare, domain) in [
            ("Anna", None, "anna", Some("anna"), None),
            ("anna", Some("example.com"), "anna@example.com", Some("anna"), Some("example.com")),
            ("anna@Example.com", Some("example.com"), "anna@example.com", Some("anna"), Some("example.com")),
            ("anna@other.example", Some("example.com"), "anna@other.example", None, Some("other.example")),
            ("anna@example.com", None, "anna@example.com", None, Some("example.com")),
        ] {
            let name = LoginName::new(login.as_bytes(), default).expect("a name");
            assert_eq!((name.full(), name.bare(), name.domain()), (full, bare, domain), "{login}");
            assert_eq!(name.local(), "anna");
            let variants: Vec<&str> = name.variants().collect();
            let expected: Vec<&str> =
                std::iter::once(full).chain(bare.filter(|bare| *bare != full)).collect();
            assert_eq!(variants, expected, "{login}");
        }
    }

    #[test]
    fn security_13_names_that_mean_more_than_a_name_are_refused() {
        for name in [
            "a/b",
            "../a",
            "..",
            ".a",
            "a..b",
            "a@b/c",
            "a@",
            "@b",
            "a@b@c",
            "a\nb",
            "a\0",
            "a b",
            "a:b",
            "a\"b",
            "a\\b",
            "a,b",
            "a(b)",
            "a[b]",
            "a<b>",
            "a;b",
            "#a",
            "a@b*",
            "a@b%c",
            "a@b'c",
            "a@b|c",
            "a\u{2028}b",
            "",
        ] {
            assert!(normalize(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(normalize(b"\xff").is_err() && normalize(&[b'a'; 256]).is_err());
        for name in ["a", "a.b", "a+tag@example.com", "a_b-c@x", "jörg@example.com"] {
            assert_eq!(normalize(name.as_bytes()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn all_that_an_address_may_have_may_stand_in_a_name() {
        for name in ["o'neil@example.com", "o'neil", "a!#$%&'*+-=?^_`{|}~z@example.com", "%u", "~", "*"] {
            assert_eq!(normalize(name.as_bytes()).as_deref(), Ok(name));
        }
    }
}
