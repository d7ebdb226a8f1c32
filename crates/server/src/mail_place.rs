//! Where a user's mail is: the Maildir, and what Dovecot says beside it.
//!
//! A word of Dovecot's location that would hide mail, or change UIDs, is obeyed or stops
//! everything with a sentence that names it.

use crate::settings::Configuration;
use crate::template;
use crate::users::{clean, maildir_of};
use auth::User;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Account, AccountPlace, DovecotLayout, ErrorKind, Owner, Store};

/// Words of Dovecot's location by which no mail lies elsewhere: indexes, and how names are
/// written, which is seen.
const HARMLESS: [&str; 9] = [
    "INDEX",
    "INDEXPVT",
    "INDEXCACHE",
    "ITERINDEX",
    "VOLATILEDIR",
    "UTF-8",
    "NO-NOSELECT",
    "KEEP-NOSELECT",
    "NO-FIXLOCK",
];

/// What `[mail]` says of Dovecot's location: templates.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct DovecotLocation {
    /// `CONTROL=`.
    pub(crate) control: Option<String>,
    /// `INBOX=`.
    pub(crate) inbox: Option<String>,
    /// `LAYOUT=fs`.
    pub(crate) is_fs: bool,
}

/// A user's mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MailPlace {
    /// The Maildir: absolute, and perhaps not there.
    pub(crate) root: PathBuf,
    /// What Dovecot has elsewhere.
    pub(crate) layout: DovecotLayout,
}

impl MailPlace {
    /// Of a user: what the source says, else the settings. An error says what is wrong, or not
    /// supported.
    pub(crate) fn of(user: &User, configuration: &Configuration) -> Result<Self, String> {
        let root = maildir_of(user, &configuration.maildir)?;
        let site = &configuration.dovecot;
        let expanded =
            |template: &Option<String>| template.as_deref().map(|text| path(text, user)).transpose();
        let mut layout = DovecotLayout {
            is_fs: site.is_fs,
            inbox: expanded(&site.inbox)?,
            control: expanded(&site.control)?,
        };
        if user.maildir.is_some() && !user.location.is_empty() {
            // Dovecot takes the user's location in the place of the site's.
            layout = DovecotLayout::default();
        }
        for (word, value) in &user.location {
            match word.as_str() {
                "CONTROL" => layout.control = Some(path(value, user)?),
                "INBOX" => layout.inbox = Some(path(value, user)?),
                "LAYOUT" if value.eq_ignore_ascii_case("fs") => layout.is_fs = true,
                "LAYOUT" if value.eq_ignore_ascii_case("maildir++") => layout.is_fs = false,
                _ if !hides_mail(word, value) => {}
                _ => {
                    return Err(format!(
                        "{word}={value} of Dovecot's location is not supported: convert the mail while Dovecot runs, with doveadm backup, and take {word} away"
                    ));
                }
            }
        }
        layout.inbox = layout.inbox.filter(|inbox| *inbox != root);
        layout.control = layout.control.filter(|control| *control != root);
        Ok(Self { root, layout })
    }

    /// Opens the account, if all of its mail would be seen. An error of the kind `Forbidden` says
    /// what is still to be converted.
    pub(crate) fn open(
        &self,
        store: &Arc<Store>,
        owner: Option<Arc<Owner>>,
        create: bool,
    ) -> store::Result<Arc<Account>> {
        if let Some((word, path)) = self.layout.unconverted(&self.root, owner.as_ref())? {
            let doing = match word {
                "INBOX=" => "INBOX=: restante migrate --from dovecot has to move the inbox into the Maildir:",
                _ => "LAYOUT=fs: restante migrate --from dovecot has to convert the mailboxes first:",
            };
            return Err(store::Error::new(ErrorKind::Forbidden, doing, &path));
        }
        let place = AccountPlace { root: self.root.clone(), control: self.layout.control.clone(), owner };
        store.account_at(place, create)
    }
}

/// Whether mail would not be seen because of a word of Dovecot's location.
pub(crate) fn hides_mail(word: &str, value: &str) -> bool {
    match word {
        "CONTROL" | "INBOX" => false,
        "LAYOUT" => !["fs", "maildir++"].iter().any(|known| value.eq_ignore_ascii_case(known)),
        other => !HARMLESS.contains(&other),
    }
}

/// A path of Dovecot's, for a user.
fn path(text: &str, user: &User) -> Result<PathBuf, String> {
    let at_home = text.strip_prefix("~/").map(|below| format!("%h/{below}"));
    let expanded = template::expand(at_home.as_deref().unwrap_or(text), &user.name, user.home.as_deref());
    let expanded = expanded.ok_or_else(|| {
        format!(
            "{text} wants a domain or home directory that the user does not have, or has another variable"
        )
    })?;
    clean(Path::new(&expanded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    fn place(user: &User, settings: &str) -> Result<MailPlace, String> {
        let text = format!(
            "[mail]\nmaildir = \"/srv/%d/%n\"\n{settings}[[users]]\npasswd-file = \"/u\"\n[login]\n\
             cleartext-from = [\"127.0.0.1\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n"
        );
        MailPlace::of(user, &read_text(Path::new("r.toml"), &text).expect("it is right"))
    }

    fn user(maildir: Option<&str>, words: &[(&str, &str)]) -> User {
        let words = words.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned()));
        User {
            name: "anna@example.com".to_owned(),
            home: Some("/home/anna".to_owned()),
            maildir: maildir.map(str::to_owned),
            location: words.collect(),
            ..User::default()
        }
    }

    #[test]
    fn what_dovecot_has_elsewhere_is_where_the_source_or_the_settings_say() {
        let settings = "dovecot-control = \"/c/%d/%n\"\ndovecot-layout = \"fs\"\ndovecot-inbox = \"%h/in\"\n";
        let layout = |is_fs, inbox: Option<&str>, control: Option<&str>| DovecotLayout {
            is_fs,
            inbox: inbox.map(PathBuf::from),
            control: control.map(PathBuf::from),
        };
        let everywhere = layout(true, Some("/home/anna/in"), Some("/c/example.com/anna"));
        for (user, settings, expected) in [
            (user(None, &[]), "", DovecotLayout::default()),
            (user(None, &[]), settings, everywhere.clone()),
            (user(Some("/m"), &[]), settings, everywhere),
            (
                user(Some("/m"), &[("CONTROL", "~/c"), ("INDEX", "/i")]),
                settings,
                layout(false, None, Some("/home/anna/c")),
            ),
            (user(Some("/m"), &[("LAYOUT", "FS"), ("INBOX", "/m")]), "", layout(true, None, None)),
            (
                user(Some("/m"), &[("LAYOUT", "maildir++"), ("INBOX", "/i/%u")]),
                "",
                layout(false, Some("/i/anna@example.com"), None),
            ),
        ] {
            assert_eq!(place(&user, settings).map(|place| place.layout), Ok(expected), "{user:?}");
        }
    }

    #[test]
    fn a_word_that_is_not_supported_stops_and_is_named() {
        for (word, value) in [
            ("LAYOUT", "index"),
            ("DIRNAME", "mAildir"),
            ("SUBSCRIPTIONS", "subs"),
            ("ALT", "/a"),
            ("NEW", ""),
        ] {
            let error = place(&user(Some("/m"), &[(word, value)]), "").expect_err(word);
            assert!(error.starts_with(&format!("{word}={value} ")), "{error}");
        }
        for value in ["%x/c", "~/../c", "relative"] {
            assert!(place(&user(Some("/m"), &[("CONTROL", value)]), "").is_err(), "{value}");
        }
    }

    #[test]
    fn an_account_whose_mail_would_not_be_seen_is_not_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("mail");
        for path in ["cur", "new", "tmp", "A/B/cur"] {
            std::fs::create_dir_all(root.join(path)).expect("a directory");
        }
        let text = root.to_string_lossy().into_owned();
        let place = place(&user(Some(&text), &[("LAYOUT", "fs")]), "").expect("a place");
        let configuration = read_text(Path::new("r.toml"), crate::settings::document::MINIMAL);
        let store = Store::new(configuration.expect("it is right").store);
        let error = place.open(&store, None, false).expect_err("it is not converted");
        assert!(
            error.kind == ErrorKind::Forbidden && error.to_string().starts_with("LAYOUT=fs: "),
            "{error}"
        );
        std::fs::rename(root.join("A/B"), root.join(".A.B")).expect("converted");
        assert!(place.open(&store, None, false).is_ok());
    }
}
