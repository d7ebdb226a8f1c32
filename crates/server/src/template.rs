//! Paths with `%u`, `%n`, `%d`, `%h` in them, expanded once.

/// Whether all that follows a percent sign is known.
pub(crate) fn is_valid(template: &str) -> bool {
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c == '%' && !matches!(chars.next(), Some('u' | 'n' | 'd' | 'h' | '%')) {
            return false;
        }
    }
    true
}

/// Expands a template for a user. One pass: a percent sign in a name or home directory is a
/// percent sign. `None` when the template wants a domain or home that the user does not have.
pub(crate) fn expand(template: &str, user: &str, home: Option<&str>) -> Option<String> {
    let (name, domain) = match user.split_once('@') {
        Some((name, domain)) => (name, Some(domain)),
        None => (user, None),
    };
    let mut out = String::with_capacity(template.len() + user.len());
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            'u' => out.push_str(user),
            'n' => out.push_str(name),
            'd' => out.push_str(domain?),
            'h' => out.push_str(home?),
            '%' => out.push('%'),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_expanded() {
        for (template, user, home, expected) in [
            ("/srv/mail/%d/%n/Maildir", "anna@example.com", None, Some("/srv/mail/example.com/anna/Maildir")),
            ("/srv/%u", "anna", None, Some("/srv/anna")),
            ("/srv/%d/%n", "anna", None, None),
            ("%h/Maildir", "anna", Some("/home/anna"), Some("/home/anna/Maildir")),
            ("%h/Maildir", "anna", None, None),
            ("/100%%/%n", "anna", None, Some("/100%/anna")),
        ] {
            assert_eq!(expand(template, user, home).as_deref(), expected, "{template} {user}");
        }
        assert!(!is_valid("/srv/%x") && !is_valid("/srv/%") && is_valid("/srv/%u%%"));
    }

    #[test]
    fn security_13_what_a_variable_holds_is_not_expanded_again() {
        assert_eq!(expand("/srv/%n", "%h%u@x", Some("/etc")).as_deref(), Some("/srv/%h%u"));
        assert_eq!(expand("%h/m", "a", Some("/home/%u")).as_deref(), Some("/home/%u/m"));
    }
}
