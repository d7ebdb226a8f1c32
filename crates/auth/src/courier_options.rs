//! Courier's account options: `disableimap=1,disablepop3=1,sharedgroup=sales`.

use crate::source::User;

/// Notes what the options say of a user. Those without a meaning here are kept by their names.
pub(crate) fn take(user: &mut User, options: &str) {
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key.strip_prefix("disable") {
            Some(service @ ("imap" | "pop3" | "webmail" | "smtp")) => {
                if is_on(value.trim()) {
                    user.disabled_services.push(service.to_owned());
                }
            }
            _ => user.extra.push((key.to_owned(), value.to_owned())),
        }
    }
}

/// Whether Courier takes a value for yes: a number that is not 0, with whatever behind it, or a
/// word that begins as "yes" or "true".
fn is_on(value: &str) -> bool {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let number = digits.bytes().take_while(u8::is_ascii_digit).any(|digit| digit != b'0');
    number || value.starts_with(['y', 'Y', 't', 'T'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_disable_services() {
        for (options, disabled, extra) in [
            ("", &[][..], 0),
            ("disableimap=1,disablepop3=1,sharedgroup=sales", &["imap", "pop3"], 1),
            ("disableimap=0, disablewebmail=1", &["webmail"], 0),
            ("disablefoo=1,,x", &[], 2),
            ("disableimap=no,disablepop3=false,disablewebmail=,disablesmtp", &[], 0),
            (
                "disableimap=yes,disablepop3=True,disablewebmail=10,disablesmtp=2x",
                &["imap", "pop3", "webmail", "smtp"],
                0,
            ),
        ] {
            let mut user = User::default();
            take(&mut user, options);
            assert_eq!(
                (user.disabled_services, user.extra.len()),
                (disabled.iter().map(|s| (*s).to_owned()).collect(), extra),
                "{options}"
            );
        }
    }
}
