//! Texts with a user's name in them: filters (RFC 4515) and DNs (RFC 4514).
//!
//! A template is taken apart once, when settings are read. Filling it in is one pass: what a
//! name puts in is escaped for the place where it comes to stand, and never looked at again, so
//! that no name can change a filter's or a DN's structure, or be a variable itself.

use crate::login_name::LoginName;
use std::fmt::Write;

/// What the text is, and so how values are escaped in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TemplateKind {
    /// A search filter.
    Filter,
    /// A distinguished name, or what a server takes for one in a bind.
    Dn,
}

/// A filter or DN with variables: `%u` the name in full, `%n` what stands before the `@`, `%d`
/// what stands behind it, `%D` the DN of the user's entry, `%%` a percent sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    kind: TemplateKind,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Variable(char),
}

/// What variables stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `%u`: the name as this source may have it.
    pub user: &'a str,
    /// Of whom `%n` and `%d` are taken.
    pub name: &'a LoginName,
    /// `%D`, where there is one yet.
    pub dn: Option<&'a str>,
}

impl Template {
    /// Takes a text apart; `allowed` are the letters of its variables. The error follows "the
    /// setting …".
    pub fn parse(kind: TemplateKind, text: &str, allowed: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                literal.push(character);
                continue;
            }
            match characters.next() {
                Some('%') => literal.push('%'),
                Some(letter) if allowed.contains(letter) => {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                    parts.push(Part::Variable(letter));
                }
                Some(letter) => return Err(format!("has %{letter}; known are {} and %%", listed(allowed))),
                None => return Err("ends in the middle of a variable".to_owned()),
            }
        }
        parts.push(Part::Text(literal));
        parts.retain(|part| *part != Part::Text(String::new()));
        let template = Self { kind, parts };
        // With plain letters in the place of its variables it must be a filter.
        if kind == TemplateKind::Filter && ldap3::parse_filter(template.put_together(|_| Some("x"))?).is_err()
        {
            return Err("is not an LDAP filter; (mail=%u) is one".to_owned());
        }
        Ok(template)
    }

    /// Whether it depends on who is asked for.
    pub fn has_variables(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable(_)))
    }

    /// The text for a user; `None` where a variable has no value, as `%d` of a name without a
    /// domain: such a user is not there.
    pub fn fill(&self, values: Values<'_>) -> Option<String> {
        let value = |letter| match letter {
            'u' => Some(values.user),
            'n' => Some(values.name.local()),
            'd' => values.name.domain(),
            'D' => values.dn,
            _ => None,
        };
        self.put_together(value).ok()
    }

    /// The text where there are no variables, else `None`.
    pub fn fixed(&self) -> Option<String> {
        self.put_together(|_| None).ok()
    }

    fn put_together<'v>(&self, value: impl Fn(char) -> Option<&'v str>) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.parts {
            match (part, self.kind) {
                (Part::Text(text), _) => out.push_str(text),
                (Part::Variable(letter), kind) => {
                    let value = value(*letter).ok_or_else(|| format!("has no value for %{letter}"))?;
                    match kind {
                        TemplateKind::Filter => escape_filter(value, &mut out),
                        TemplateKind::Dn => escape_dn(value, &mut out),
                    }
                }
            }
        }
        Ok(out)
    }
}

fn listed(letters: &str) -> String {
    letters.chars().map(|letter| format!("%{letter}")).collect::<Vec<_>>().join(", ")
}

/// A value in a filter (RFC 4515 section 3): what has a meaning there, and all control
/// characters, as `\` and two hexadecimal digits.
pub fn escape_filter(value: &str, out: &mut String) {
    for character in value.chars() {
        if character.is_ascii_control() || "*()\\&|!=<>~/".contains(character) {
            let _ = write!(out, "\\{:02x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
}

/// A value in a DN (RFC 4514 section 2.4): escaped with two hexadecimal digits, which every
/// position allows.
pub fn escape_dn(value: &str, out: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let at_an_end = at == 0 || at == last;
        let special = character.is_ascii_control()
            || "\"+,;<>\\=/".contains(character)
            || (character == ' ' && at_an_end)
            || (character == '#' && at == 0);
        if special {
            let _ = write!(out, "\\{:02x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;
    use proptest::prelude::*;

    fn filled(kind: TemplateKind, text: &str, user: &str) -> String {
        let name = name("anna@example.com");
        let template = Template::parse(kind, text, "undD").expect("a template");
        template.fill(Values { user, name: &name, dn: Some("cn=a,dc=b") }).expect("all values")
    }

    #[test]
    fn variables_are_filled_in_once() {
        for (text, user, expected) in [
            ("(mail=%u)", "anna@example.com", "(mail=anna@example.com)"),
            ("(&(uid=%n)(d=%d))", "x", "(&(uid=anna)(d=example.com))"),
            ("(a=100%%u)", "x", "(a=100%u)"),
            ("(a=%u)", "%d%%u", "(a=%d%%u)"),
            ("(member=%D)", "x", "(member=cn\\3da,dc\\3db)"),
        ] {
            assert_eq!(filled(TemplateKind::Filter, text, user), expected, "{text}");
        }
        assert_eq!(filled(TemplateKind::Dn, "uid=%n,o=%d", "x"), "uid=anna,o=example.com");
    }

    #[test]
    fn security_12_values_are_escaped() {
        for (value, in_filter, in_dn) in [
            ("a*", "a\\2a", "a*"),
            ("(a)", "\\28a\\29", "(a)"),
            ("a\\b", "a\\5cb", "a\\5cb"),
            ("a\0b", "a\\00b", "a\\00b"),
            ("a,dc=x", "a,dc\\3dx", "a\\2cdc\\3dx"),
            (" a b ", " a b ", "\\20a b\\20"),
            ("#a#", "#a#", "\\23a#"),
            ("a+b=c", "a+b\\3dc", "a\\2bb\\3dc"),
            ("a\"<>;", "a\"\\3c\\3e;", "a\\22\\3c\\3e\\3b"),
            ("*)(|(uid=*", "\\2a\\29\\28\\7c\\28uid\\3d\\2a", "*)(|(uid\\3d*"),
            ("jörg", "jörg", "jörg"),
        ] {
            let (mut filter, mut dn) = (String::new(), String::new());
            escape_filter(value, &mut filter);
            escape_dn(value, &mut dn);
            assert_eq!((filter.as_str(), dn.as_str()), (in_filter, in_dn), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_template_is_said() {
        for (kind, text, why) in [
            (TemplateKind::Filter, "(mail=%x)", "has %x; known are %u, %n, %d and %%"),
            (TemplateKind::Filter, "(mail=%", "ends in the middle of a variable"),
            (TemplateKind::Filter, "(mail=%u", "is not an LDAP filter; (mail=%u) is one"),
            (TemplateKind::Filter, "(&(mail=%u)", "is not an LDAP filter; (mail=%u) is one"),
            (TemplateKind::Filter, "(mail=%u))", "is not an LDAP filter; (mail=%u) is one"),
            (TemplateKind::Dn, "uid=%D", "has %D; known are %u, %n, %d and %%"),
        ] {
            assert_eq!(Template::parse(kind, text, "und"), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_name_without_a_domain_has_no_value_for_it() {
        let name = name("anna");
        let template = Template::parse(TemplateKind::Filter, "(mail=%n@%d)", "und").unwrap();
        assert_eq!(template.fill(Values { user: "anna", name: &name, dn: None }), None);
        assert!(template.has_variables() && template.fixed().is_none());
    }

    proptest! {
        /// Of whatever value: one equality with that value, between the two that the site wrote.
        #[test]
        fn security_12_no_value_changes_a_filters_structure(value in "(?s).{1,40}") {
            let filter = filled(TemplateKind::Filter, "(&(a=1)(mail=%u)(b=2))", &value);
            let parsed = ldap3::parse_filter(&filter).expect("it is a filter");
            let plain = ldap3::parse_filter("(&(a=1)(mail=VALUE)(b=2))").expect("a filter");
            let debugged = format!("{plain:?}").replace(&format!("{:?}", b"VALUE"), &format!("{:?}", value.as_bytes()));
            prop_assert_eq!(format!("{parsed:?}"), debugged);
        }

        /// Of whatever value: as many parts as the site wrote, and the value comes out of it again.
        #[test]
        fn security_12_no_value_changes_a_dns_structure(value in "(?s).{1,40}") {
            let dn = filled(TemplateKind::Dn, "uid=%u,dc=x", &value);
            let inner = dn.strip_prefix("uid=").and_then(|rest| rest.strip_suffix(",dc=x")).expect("as written");
            prop_assert!(!inner.contains([',', '+', '=', ';', '"', '<', '>']), "{}", dn);
            prop_assert_eq!(unescaped(inner), value.as_bytes());
        }
    }

    fn unescaped(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'\\' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(byte);
            }
        }
        out
    }
}
