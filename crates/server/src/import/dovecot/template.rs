//! Dovecot's variables in paths, as ours.

/// A path of Dovecot's as a template of ours; an error says what has no counterpart in it.
/// `home` is put where the home directory stands, where it is known to be the same for all.
pub(super) fn convert(path: &str, home: Option<&str>) -> Result<String, String> {
    let home = home.unwrap_or("%h");
    let (start, rest) = path.strip_prefix('~').map_or(("", path), |below| (home, below));
    // `%h` with a home that ends in a slash.
    Ok(format!("{start}{}", filled(rest, home)?).replace("//", "/"))
}

/// A text of Dovecot's with variables, with ours.
pub(super) fn variables(text: &str) -> Result<String, String> {
    filled(text, "%h")
}

fn filled(text: &str, home: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let (variable, after) = match behind.strip_prefix('{') {
            Some(braced) => {
                let (inside, after) = braced.split_once('}').ok_or("a %{ that is never closed")?;
                (long(inside).ok_or_else(|| format!("%{{{inside}}} has no counterpart"))?, after)
            }
            None => short(behind).ok_or_else(|| {
                let shown: String = behind.chars().take(8).collect();
                format!("%{shown} has no counterpart")
            })?,
        };
        out.push_str(if variable == "%h" { home } else { variable });
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `%u`, and `%Lu`: names are in small letters here anyway.
fn short(text: &str) -> Option<(&'static str, &str)> {
    let text = text.strip_prefix('L').unwrap_or(text);
    let variable = match text.chars().next()? {
        'u' => "%u",
        'n' => "%n",
        'd' => "%d",
        'h' => "%h",
        '%' => "%%",
        _ => return None,
    };
    Some((variable, &text[1..]))
}

/// `%{user}`, and since Dovecot 2.4 `%{user | username | lower}`.
fn long(text: &str) -> Option<&'static str> {
    let mut parts = text.split('|').map(str::trim);
    let mut variable = match parts.next()? {
        "user" => "%u",
        "username" => "%n",
        "domain" => "%d",
        "home" => "%h",
        _ => return None,
    };
    for filter in parts {
        variable = match (variable, filter) {
            ("%u", "username") => "%n",
            ("%u", "domain") => "%d",
            (same, "lower") => same,
            _ => return None,
        };
    }
    Some(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_ours() {
        for (path, home, expected) in [
            ("~/Maildir", None, Ok("%h/Maildir")),
            ("~/Maildir", Some("/srv/%d/%n/"), Ok("/srv/%d/%n/Maildir")),
            ("/srv/%Ld/%Ln/50%%", None, Ok("/srv/%d/%n/50%%")),
            ("%h/x", Some("/srv/%u"), Ok("/srv/%u/x")),
            ("/srv/%{user | domain}/%{user|username|lower}/%{home}", None, Ok("/srv/%d/%n/%h")),
            ("/srv/%{domain}/%{username}", None, Ok("/srv/%d/%n")),
            ("/srv/%1n/%n", None, Err("%1n/%n has no counterpart")),
            ("/srv/%{user | md5}", None, Err("%{user | md5} has no counterpart")),
            ("/srv/%{user", None, Err("a %{ that is never closed")),
            ("/srv/%", None, Err("% has no counterpart")),
        ] {
            let found = convert(path, home);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{path}");
        }
    }
}
