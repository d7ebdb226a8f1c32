//! From an entry's attributes to a user.

use super::entry::Entry;
use super::settings::LdapSettings;
use crate::dovecot_location;
use crate::secret::Secret;
use crate::source::{User, is_true};

/// The attributes to ask for; with those of passwords where they are compared here.
pub(super) fn wanted(settings: &LdapSettings, passwords: bool) -> Vec<String> {
    let all = &settings.attributes;
    let single = [
        &all.name,
        &all.home,
        &all.maildir,
        &all.uid,
        &all.gid,
        &all.quota,
        &all.quota_size,
        &all.quota_count,
        &all.mailhost,
        &all.disabled_services,
        &all.allowed_services,
        &all.status,
        &settings.groups.attribute,
    ];
    let mut names: Vec<String> = single.into_iter().flatten().cloned().collect();
    names.extend(all.disabling.iter().map(|(attribute, _)| attribute.clone()));
    if passwords {
        names.extend(all.password.iter().chain(&all.clear_password).cloned());
    }
    if names.is_empty() {
        // None at all (RFC 4511 section 4.5.1.8); an empty list would mean all.
        names.push("1.1".to_owned());
    }
    names
}

/// The user that an entry tells of. The error is the site's to mend.
pub(super) fn user(settings: &LdapSettings, entry: &Entry) -> Result<User, String> {
    let names = &settings.attributes;
    let text = |name: &Option<String>| match name {
        Some(name) => entry.text(name),
        None => Ok(None),
    };
    let id = |fixed: Option<u32>, name: &Option<String>| match (fixed, text(name)?) {
        (Some(fixed), _) => Ok(Some(fixed)),
        (None, Some(text)) => {
            text.parse().map(Some).map_err(|_| format!("{text:?} of {:?} is no number", entry.dn))
        }
        (None, None) => Ok(None),
    };
    let name = match text(&names.name)? {
        Some(name) => crate::login_name::normalize(name.as_bytes())
            .map_err(|why| format!("the name of {:?}: {why}", entry.dn))?,
        None => String::new(),
    };
    let mut user = User {
        name,
        home: text(&names.home)?.map(|home| below(settings.mail_root.as_deref(), home)),
        uid: id(settings.uid, &names.uid)?,
        gid: id(settings.gid, &names.gid)?,
        mailhost: text(&names.mailhost)?.map(str::to_owned),
        groups: groups(settings, entry)?,
        ..User::default()
    };
    if let Some(value) = text(&names.maildir)? {
        maildir(&mut user, value)?;
    }
    for path in [&user.home, &user.maildir].into_iter().flatten() {
        if path.split('/').any(|part| part == "..") {
            return Err(format!("{path:?} of {:?} leads out of where mail is", entry.dn));
        }
    }
    services(settings, entry, &mut user)?;
    if let Some(quota) = quota(settings, entry)? {
        user.extra.push(("quota".to_owned(), quota));
    }
    Ok(user)
}

/// What is stored as passwords, each with a scheme.
pub(super) fn secrets(settings: &LdapSettings, entry: &Entry) -> Vec<Secret> {
    let with = |scheme: &[u8], value: &[u8]| Secret::new([scheme, value].concat());
    let mut secrets = Vec::new();
    for name in &settings.attributes.password {
        // A password without a scheme is of crypt(3), as Courier and qmail-ldap take it.
        secrets.extend(entry.values(name).map(|value| match value.first() {
            Some(b'{') => with(b"", value),
            _ => with(b"{CRYPT}", value),
        }));
    }
    if let Some(name) = &settings.attributes.clear_password {
        secrets.extend(
            entry.values(name).filter(|value| !value.is_empty()).map(|value| with(b"{PLAIN}", value)),
        );
    }
    secrets
}

/// The first part of a DN, or a plain name.
pub(super) fn group_name(value: &str) -> String {
    let Some((_, rest)) = value.split_once('=') else { return value.to_lowercase() };
    let mut name = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            ',' | '+' => break,
            '\\' => name.extend(characters.next()),
            other => name.push(other),
        }
    }
    name.trim().to_lowercase()
}

fn groups(settings: &LdapSettings, entry: &Entry) -> Result<Vec<String>, String> {
    let Some(attribute) = &settings.groups.attribute else { return Ok(Vec::new()) };
    Ok(entry.texts(attribute)?.into_iter().map(group_name).filter(|name| !name.is_empty()).collect())
}

fn below(root: Option<&str>, path: &str) -> String {
    match root {
        Some(root) => format!("{}/{}", root.trim_end_matches('/'), path.trim_start_matches('/')),
        None => path.to_owned(),
    }
}

/// As Courier, Dovecot and qmail-ldap write it. Only Dovecot has words behind the path.
fn maildir(user: &mut User, value: &str) -> Result<(), String> {
    match value.starts_with("maildir:") {
        true => dovecot_location::take(user, value)?,
        false => user.maildir = Some(value.strip_prefix("~/").unwrap_or(value).to_owned()),
    }
    if let Some(path) = user.maildir.as_mut().filter(|path| path.len() > 1) {
        path.truncate(path.trim_end_matches('/').len());
    }
    Ok(())
}

/// Courier's form is passed on; of qmail-ldap's two numbers it is made. A limit of 0 is none.
fn quota(settings: &LdapSettings, entry: &Entry) -> Result<Option<String>, String> {
    let names = &settings.attributes;
    if let Some(name) = &names.quota
        && let Some(quota) = entry.text(name)?
    {
        return Ok(Some(quota.to_owned()));
    }
    let mut limits = Vec::new();
    for (name, unit) in [(&names.quota_size, 'S'), (&names.quota_count, 'C')] {
        let Some(name) = name else { continue };
        let Some(text) = entry.text(name)? else { continue };
        let number: u64 =
            text.parse().map_err(|_| format!("{name} of {:?} is no number: {text:?}", entry.dn))?;
        if number > 0 {
            limits.push(format!("{number}{unit}"));
        }
    }
    Ok((!limits.is_empty()).then(|| limits.join(",")))
}

fn services(settings: &LdapSettings, entry: &Entry, user: &mut User) -> Result<(), String> {
    let names = &settings.attributes;
    for (attribute, service) in &names.disabling {
        if entry.texts(attribute)?.into_iter().any(is_true) {
            user.disabled_services.push(service.to_lowercase());
        }
    }
    let listed = |name: &str| -> Result<Vec<String>, String> {
        let texts = entry.texts(name)?;
        let words = texts.into_iter().flat_map(|text| text.split([',', ' ']));
        Ok(words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect())
    };
    if let Some(name) = &names.disabled_services {
        user.disabled_services.extend(listed(name)?);
    }
    if let Some(name) = &names.allowed_services
        && entry.values(name).next().is_some()
    {
        user.allowed_services = Some(listed(name)?);
    }
    let status = match &names.status {
        Some(name) => entry.text(name)?.unwrap_or("active"),
        None => "active",
    };
    match status.to_lowercase().as_str() {
        "active" => {}
        "nopop" | "noaccess" | "disabled" | "deleted" => user.allowed_services = Some(Vec::new()),
        other => return Err(format!("the status of {:?} is not known: {other:?}", entry.dn)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::settings::Attributes;
    use super::*;

    fn settings() -> LdapSettings {
        let some = |name: &str| Some(name.to_owned());
        let mut settings = LdapSettings::new(vec!["ldap://x".to_owned()], "dc=x");
        settings.attributes = Attributes {
            name: some("mail"),
            list_name: None,
            password: vec!["userPassword".to_owned()],
            clear_password: some("clearPassword"),
            home: some("homeDirectory"),
            maildir: some("mailbox"),
            uid: some("uidNumber"),
            gid: some("gidNumber"),
            quota: some("quota"),
            quota_size: some("mailQuotaSize"),
            quota_count: some("mailQuotaCount"),
            mailhost: some("mailhost"),
            disabling: vec![
                ("disableimap".to_owned(), "imap".to_owned()),
                ("disablepop3".to_owned(), "pop3".to_owned()),
            ],
            disabled_services: some("forbidden"),
            allowed_services: some("allowed"),
            status: some("accountStatus"),
        };
        settings.groups.attribute = some("memberOf");
        settings
    }

    #[test]
    fn attributes_become_a_user() {
        let entry = Entry::of(
            "uid=a",
            &[
                ("mail", &["Anna@Example.com"]),
                ("homeDirectory", &["/anna"]),
                ("mailbox", &["maildir:~/Maildir/"]),
                ("uidNumber", &["1000"]),
                ("gidNumber", &["1001"]),
                ("mailhost", &["m2.example.com"]),
                ("memberOf", &["cn=Staff,ou=g,dc=x", "cn=A\\,B,dc=x", "plain"]),
            ],
        );
        let mut settings = settings();
        settings.mail_root = Some("/srv/mail/".to_owned());
        settings.gid = Some(8);
        let user = user(&settings, &entry).unwrap();
        assert_eq!(user.name, "anna@example.com");
        assert_eq!(user.home.as_deref(), Some("/srv/mail/anna"));
        assert_eq!(user.maildir.as_deref(), Some("Maildir"));
        assert_eq!((user.uid, user.gid), (Some(1000), Some(8)));
        assert_eq!(user.mailhost.as_deref(), Some("m2.example.com"));
        assert_eq!(user.groups, ["staff", "a,b", "plain"]);
        assert!(user.may_use("imap") && user.extra.is_empty());
    }

    #[test]
    fn quotas_of_both_schemas() {
        for (attributes, expected) in [
            (&[("quota", &["10000000S,1000C"][..])][..], Some("10000000S,1000C")),
            (&[("mailQuotaSize", &["5000"]), ("mailQuotaCount", &["10"])], Some("5000S,10C")),
            (&[("mailQuotaSize", &["5000"]), ("mailQuotaCount", &["0"])], Some("5000S")),
            (&[("mailQuotaCount", &["7"])], Some("7C")),
            (&[("mailQuotaSize", &["0"])], None),
            (&[], None),
        ] {
            let user = user(&settings(), &Entry::of("uid=a", attributes)).unwrap();
            assert_eq!(user.extra.first().map(|(_, quota)| quota.as_str()), expected, "{attributes:?}");
        }
    }

    #[test]
    fn services_that_may_be_used() {
        for (attributes, imap, pop3) in [
            (&[("disableimap", &["1"][..])][..], false, true),
            (&[("disableimap", &["TRUE"]), ("disablepop3", &["FALSE"])], false, true),
            (&[("disableimap", &["0"]), ("disablepop3", &["yes"])], true, false),
            (&[("disableimap", &["no"])], true, true),
            (&[("forbidden", &["IMAP", "smtp"])], false, true),
            (&[("forbidden", &["imap,pop3"])], false, false),
            (&[("allowed", &["pop3"])], false, true),
            (&[("allowed", &["imap", "pop3"])], true, true),
            (&[("accountStatus", &["active"])], true, true),
            (&[("accountStatus", &["nopop"])], false, false),
            (&[("accountStatus", &["Disabled"])], false, false),
            (&[("accountStatus", &["deleted"])], false, false),
        ] {
            let user = user(&settings(), &Entry::of("uid=a", attributes)).unwrap();
            assert_eq!((user.may_use("imap"), user.may_use("pop3")), (imap, pop3), "{attributes:?}");
        }
    }

    #[test]
    fn what_the_site_must_mend_is_no_guess() {
        for attributes in [
            &[("mail", &["a@x", "b@x"][..])][..],
            &[("mail", &["a/b"])],
            &[("homeDirectory", &["/srv/../etc"])],
            &[("mailbox", &["../b/Maildir"])],
            &[("uidNumber", &["many"])],
            &[("mailQuotaSize", &["1G"])],
            &[("accountStatus", &["resting"])],
            &[("homeDirectory", &["/a\0"])],
        ] {
            assert!(user(&settings(), &Entry::of("uid=a", attributes)).is_err(), "{attributes:?}");
        }
    }

    #[test]
    fn passwords_have_a_scheme() {
        let entry = Entry::of(
            "uid=a",
            &[("userPassword", &["{SSHA}x", "ab1234567890.", "$6$s$h"]), ("clearPassword", &["{x", ""])],
        );
        let secrets = secrets(&settings(), &entry);
        let shown: Vec<_> = secrets.iter().map(|secret| String::from_utf8_lossy(secret.expose())).collect();
        assert_eq!(shown, ["{SSHA}x", "{CRYPT}ab1234567890.", "{CRYPT}$6$s$h", "{PLAIN}{x"]);
    }
}
