//! Where Dovecot says that a user's mail is: `maildir:~/Maildir:LAYOUT=fs:CONTROL=/var/lists`, or
//! since its version 2.4 a field for each of these.

use crate::source::User;

/// Takes `maildir:PATH[:WORD=VALUE…]`, or a path; `~/` at the path's beginning is the home
/// directory.
pub(crate) fn take(user: &mut User, value: &str) -> Result<(), String> {
    let mut parts = value.split(':');
    let (path, words) = match (parts.next().unwrap_or_default(), value.contains(':')) {
        ("maildir", true) => (parts.next().unwrap_or_default(), parts),
        (other, true) => return Err(format!("mail is in {other}, and only Maildirs are served")),
        (path, false) => (path, parts),
    };
    for word in words.filter(|word| !word.is_empty()) {
        let (word, value) = word.split_once('=').unwrap_or((word, ""));
        user.location.push((word.to_ascii_uppercase(), value.to_owned()));
    }
    let path = path.strip_prefix("~/").unwrap_or(path);
    if path.is_empty() {
        return Err("mail names no directory".to_owned());
    }
    user.maildir = Some(path.to_owned());
    Ok(())
}

/// Takes a field of version 2.4; `false` for one that says nothing of the location.
pub(crate) fn take_field(user: &mut User, key: &str, value: &str) -> Result<bool, String> {
    let word = match key {
        "mail_driver" if value.eq_ignore_ascii_case("maildir") => return Ok(true),
        "mail_driver" => return Err(format!("mail is in {value}, and only Maildirs are served")),
        "mail_path" => return take(user, value).map(|()| true),
        "mail_control_path" => "CONTROL",
        "mail_inbox_path" => "INBOX",
        "mailbox_list_layout" => "LAYOUT",
        _ => return Ok(false),
    };
    user.location.push((word.to_owned(), value.to_owned()));
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_path_and_words() {
        for (value, expected) in [
            ("maildir:~/Mail", Ok(("Mail", &[][..]))),
            ("/srv/anna", Ok(("/srv/anna", &[]))),
            (
                "maildir:/srv/anna:LAYOUT=fs:utf-8:CONTROL=~/c",
                Ok(("/srv/anna", &[("LAYOUT", "fs"), ("UTF-8", ""), ("CONTROL", "~/c")])),
            ),
            ("mbox:/var/mail/anna", Err("mail is in mbox, and only Maildirs are served")),
            ("maildir:", Err("mail names no directory")),
            ("", Err("mail names no directory")),
        ] {
            let mut user = User::default();
            let taken = take(&mut user, value);
            let words: Vec<(&str, &str)> = user.location.iter().map(|(w, v)| (&**w, &**v)).collect();
            match (taken, expected) {
                (Ok(()), Ok((path, expected))) => {
                    assert_eq!((user.maildir.as_deref(), &words[..]), (Some(path), expected), "{value}");
                }
                (taken, expected) => assert_eq!(taken.err().as_deref(), expected.err(), "{value}"),
            }
        }
    }

    #[test]
    fn fields_of_2_4_say_the_same() {
        let mut user = User::default();
        for (key, value, taken) in [
            ("mail_driver", "maildir", Ok(true)),
            ("mail_path", "~/Mail", Ok(true)),
            ("mail_control_path", "/c", Ok(true)),
            ("mailbox_list_layout", "fs", Ok(true)),
            ("quota", "5M", Ok(false)),
            ("mail_driver", "mdbox", Err("mail is in mdbox, and only Maildirs are served".to_owned())),
        ] {
            assert_eq!(take_field(&mut user, key, value), taken, "{key}");
        }
        assert_eq!(user.maildir.as_deref(), Some("Mail"));
        assert_eq!(user.location.len(), 2);
    }
}
