//! Where a user's mail is: the Maildir, and what Dovecot says beside it.
//!
//! A word of Dovecot's location that would hide mail, or change UIDs, is obeyed or stops
//! everything with a sentence that names it.

use crate::settings::Configuration;
use crate::template;
use auth::User;
use std::path::{Component, Path, PathBuf};
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

/// A user's mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MailPlace {
    /// The Maildir: absolute, and perhaps not there.
    pub(crate) root: PathBuf,
    /// What Dovecot has elsewhere.
    pub(crate) layout: DovecotLayout,
    /// Where index and cache of the mailboxes lie, if not with the mail.
    pub(crate) index: Option<PathBuf>,
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
        let index = expanded(&configuration.index)?.filter(|index| *index != root);
        Ok(Self { root, layout, index })
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
        let Self { root, layout, index } = self;
        let (root, control, index) = (root.clone(), layout.control.clone(), index.clone());
        let place = AccountPlace { root, control, index, owner };
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

/// A user's Maildir: what the source says, absolute or below the home directory, else the
/// template.
fn maildir_of(user: &User, template: &str) -> Result<PathBuf, String> {
    let text = match (&user.maildir, &user.home) {
        (Some(maildir), _) if maildir.starts_with('/') => maildir.clone(),
        (Some(maildir), Some(home)) => Path::new(home).join(maildir).to_string_lossy().into_owned(),
        (Some(maildir), None) => {
            return Err(format!("{maildir} is relative, and there is no home directory"));
        }
        (None, home) => template::expand(template, &user.name, home.as_deref()).ok_or_else(|| {
            format!("{template} wants a domain or home directory that the user does not have")
        })?,
    };
    clean(Path::new(&text))
}

/// A path that leads nowhere but down.
fn clean(path: &Path) -> Result<PathBuf, String> {
    let is_clean = path.is_absolute() && !path.components().any(|c| matches!(c, Component::ParentDir));
    if is_clean {
        Ok(path.to_owned())
    } else {
        Err(format!("{} is no absolute path without ..", path.display()))
    }
}

/// What is there in the place of a path that is not, and differs from it in case only: a server
/// before us may have named directories as its users wrote them. The Maildir to be made would be
/// a second, empty one.
pub(crate) fn in_another_case(path: &Path) -> Option<PathBuf> {
    // The first part that is missing, in the last that is there.
    let missing = path.ancestors().take_while(|part| !part.exists()).last()?;
    let (parent, name) = (missing.parent()?, missing.file_name()?);
    let folded = name.to_str()?.to_lowercase();
    let entries = std::fs::read_dir(parent).ok()?.filter_map(Result::ok);
    let mut others = entries.filter(|entry| {
        let other = entry.file_name();
        // The very name is there by now where another log-in of the user was faster.
        let differs_in_case =
            other != name && other.to_str().is_some_and(|other| other.to_lowercase() == folded);
        differs_in_case && entry.path().is_dir()
    });
    others.next().map(|entry| entry.path())
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
    fn indexes_lie_where_the_settings_say_whatever_the_source_says_of_the_mail() {
        let settings = "index = \"/fast/%d/%n\"\n";
        for (user, settings, expected) in [
            (user(None, &[]), "", None),
            (user(None, &[]), settings, Some("/fast/example.com/anna")),
            (
                user(Some("/m"), &[("INDEX", "/i"), ("CONTROL", "/c")]),
                settings,
                Some("/fast/example.com/anna"),
            ),
            (user(Some("/home/anna/m"), &[]), "index = \"%h/m\"\n", None),
        ] {
            let index = place(&user, settings).map(|place| place.index);
            assert_eq!(index, Ok(expected.map(PathBuf::from)), "{user:?}");
        }
        let mut homeless = user(None, &[]);
        homeless.home = None;
        assert!(place(&homeless, "index = \"%h/i\"\n").is_err());
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

    #[test]
    fn a_maildir_is_where_the_source_or_the_template_says() {
        for (maildir, home, expected) in [
            (None, None, Some("/srv/example.com/anna")),
            (Some("/elsewhere"), None, Some("/elsewhere")),
            (Some("Maildir"), Some("/home/anna"), Some("/home/anna/Maildir")),
            (Some("Maildir"), None, None),
            (Some("/a/../b"), None, None),
        ] {
            let user = User {
                name: "anna@example.com".to_owned(),
                maildir: maildir.map(str::to_owned),
                home: home.map(str::to_owned),
                ..User::default()
            };
            let found = maildir_of(&user, "/srv/%d/%n").ok();
            assert_eq!(found, expected.map(PathBuf::from), "{maildir:?} {home:?}");
        }
    }

    #[test]
    fn a_directory_in_another_case_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |path: &str| directory.path().join(path);
        std::fs::create_dir_all(at("Example.COM/Anna/Maildir")).expect("a Maildir");
        std::fs::create_dir(at("example.org")).expect("a directory");
        std::fs::write(at("example.org/Bert"), "a file").expect("a file");
        for (path, expected) in [
            ("example.com/anna/Maildir", Some("Example.COM")),
            ("Example.COM/anna/Maildir", Some("Example.COM/Anna")),
            ("Example.COM/Anna/Maildir", None),
            ("example.org/anna/Maildir", None),
            ("example.org/bert/Maildir", None),
        ] {
            assert_eq!(in_another_case(&at(path)), expected.map(at), "{path}");
        }
    }
}
