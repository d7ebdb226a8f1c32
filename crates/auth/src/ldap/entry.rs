//! An entry that a server returned.

use ldap3::ResultEntry;

/// DN and attributes. The names of attributes are in lower case and without options.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Reads one (RFC 4511 section 4.5.2); `None` when it is not formed so.
    pub(super) fn read(entry: ResultEntry) -> Option<Self> {
        let mut parts = entry.0.match_id(4)?.expect_constructed()?.into_iter();
        let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let mut attributes = Vec::new();
        for attribute in parts.next()?.expect_constructed()? {
            let mut parts = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
            let values = parts.next()?.expect_constructed()?;
            let values = values.into_iter().map(|value| value.expect_primitive()).collect::<Option<_>>()?;
            attributes.push((without_options(&name), values));
        }
        Some(Self { dn, attributes })
    }

    #[cfg(test)]
    pub(super) fn of(dn: &str, attributes: &[(&str, &[&str])]) -> Self {
        let values = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let attributes =
            attributes.iter().map(|(name, given)| (name.to_lowercase(), values(given))).collect();
        Self { dn: dn.to_owned(), attributes }
    }

    /// The values of an attribute; none where it is not there.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let name = without_options(name);
        let attributes = self.attributes.iter().filter(move |(given, _)| *given == name);
        attributes.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// Its values as texts. The error says what is wrong.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, String> {
        let text = |value| match std::str::from_utf8(value) {
            Ok(text) if !text.contains('\0') => Ok(text.trim()),
            _ => Err(format!("{name} of {} is no text", self.dn.escape_debug())),
        };
        self.values(name).map(text).collect()
    }

    /// Its one value, if there is one that is not empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        let texts = self.texts(name)?;
        match texts.as_slice() {
            [] | [""] => Ok(None),
            [text] => Ok(Some(text)),
            _ => Err(format!("{name} of {} has more than one value", self.dn.escape_debug())),
        }
    }

    /// What came back, for a trace: the values of `secret` attributes are not shown.
    pub(super) fn shown(&self, secret: &[&str]) -> String {
        let one = |(name, values): &(String, Vec<Vec<u8>>)| {
            if secret.iter().any(|secret| without_options(secret) == *name) || name.contains("password") {
                return format!("{name} ({}, not shown)", values.len());
            }
            let values = values.iter().map(|value| String::from_utf8_lossy(value).escape_debug().to_string());
            format!("{name}={}", values.collect::<Vec<_>>().join("|"))
        };
        self.attributes.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

fn without_options(name: &str) -> String {
    name.split(';').next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_and_secrets_are_not_shown() {
        let entry = Entry::of(
            "uid=a",
            &[("Mail", &["a@x", "b@x"]), ("userPassword", &["{SSHA}x"]), ("uid", &["a"]), ("pw", &["z"])],
        );
        assert_eq!(entry.text("UID"), Ok(Some("a")));
        assert_eq!(entry.text("none"), Ok(None));
        assert_eq!(entry.texts("mail").unwrap(), ["a@x", "b@x"]);
        assert!(entry.text("mail").unwrap_err().contains("more than one"));
        assert_eq!(entry.shown(&["PW"]), "mail=a@x|b@x userpassword (1, not shown) uid=a pw (1, not shown)");
    }
}
