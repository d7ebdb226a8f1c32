//! What a row says of a user.

use crate::dovecot_location;
use crate::login_name::{LoginName, normalize};
use crate::secret::Secret;
use crate::source::{User, is_true};

/// Columns of a row by name.
pub(super) type Columns = Vec<(String, Option<String>)>;

/// Whether a row is the one that was asked for. Without a column `asked`, `user` is looked at
/// where the database may find other spellings of a name, and a row without one is nobody's.
pub(super) fn is_of(row: &Columns, name: &LoginName, by_local: bool, other_spellings: bool) -> bool {
    let one = |name: &str| row.iter().find(|(column, _)| column == name);
    let user = || one("user").or_else(|| one("name")).filter(|_| other_spellings);
    let compared = one("asked").or_else(user);
    let Some((_, value)) = compared else { return !other_spellings };
    let Some(Ok(found)) = value.as_ref().map(|value| normalize(value.as_bytes())) else { return false };
    name.variants().any(|variant| variant == found) || by_local && name.local() == found
}

/// A row as a user, and what is stored as password.
pub(super) fn user_of(row: Columns) -> Result<(User, Option<Secret>), String> {
    let (mut user, mut password, mut no_login) = (User::default(), None, false);
    // Beside it, a name is what a person is called.
    let has_user = row.iter().any(|(column, _)| column == "user");
    for (column, value) in row {
        let Some(value) = value else { continue };
        let number = |value: &str| {
            value.parse::<u32>().map_err(|_| format!("column {column} is no number of a user or group"))
        };
        // Dovecot's queries name so what is not of the password.
        match column.strip_prefix("userdb_").unwrap_or(&column) {
            "password" => {
                password = Some(Secret::new(value.into_bytes())).filter(|one| !one.expose().is_empty())
            }
            "user" => user.name = value,
            "name" if has_user => {}
            "name" => user.name = value,
            "home" => user.home = filled(value),
            "maildir" => user.maildir = filled(value),
            "mail" => {
                if let Some(value) = filled(value) {
                    dovecot_location::take(&mut user, &value)?;
                }
            }
            "uid" => user.uid = Some(number(&value)?),
            "gid" => user.gid = Some(number(&value)?),
            "mailhost" => user.mailhost = filled(value),
            "disabled_services" => user.disabled_services = services(&value),
            "allowed_services" => user.allowed_services = Some(services(&value)),
            "nologin" => no_login = is_true(&value),
            "asked" => {}
            // Who has it set must not come in from everywhere.
            "allow_nets" if !value.is_empty() => {
                return Err("column allow_nets is not obeyed: compare %r in user-query".to_owned());
            }
            other if dovecot_location::take_field(&mut user, other, &value)? => {}
            other => user.extra.push((other.to_owned(), value)),
        }
    }
    if no_login {
        user.allowed_services = Some(Vec::new());
    }
    Ok((user, password))
}

/// Rows for a trace, without what is stored as password.
pub(super) fn shown(rows: &[Columns]) -> String {
    let Some(row) = rows.first() else { return "no row".to_owned() };
    let column = |(name, value): &(String, Option<String>)| match value {
        None => format!("{name}=NULL"),
        Some(_) if name.contains("pass") => format!("{name}=(not shown)"),
        Some(value) => format!("{name}={value:?}"),
    };
    let columns: Vec<String> = row.iter().map(column).collect();
    format!("{}: {}", if rows.len() > 1 { "more than one row, the first" } else { "row" }, columns.join(", "))
}

fn filled(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

fn services(list: &str) -> Vec<String> {
    list.split(',').map(|one| one.trim().to_lowercase()).filter(|one| !one.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, Option<&str>)]) -> Columns {
        columns.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn security_13_a_row_of_another_spelling_is_nobodys() {
        for (login, by_local, columns, is_theirs) in [
            ("anna@example.com", false, &[("user", Some("Anna@example.com "))][..], true),
            ("anna@example.com", false, &[("name", Some("anna"))], true),
            ("\u{e1}nna@example.com", false, &[("user", Some("anna@example.com"))], false),
            ("anna@example.com", false, &[("user", None)], false),
            ("anna@example.com", false, &[("home", Some("/anna"))], false),
            ("anna@other.example", false, &[("user", Some("anna"))], false),
            ("anna@other.example", true, &[("user", Some("anna"))], true),
            ("alias@example.com", false, &[("user", Some("anna@example.com"))], false),
            (
                "alias@example.com",
                false,
                &[("user", Some("anna@example.com")), ("asked", Some("Alias@example.com"))],
                true,
            ),
            ("alias@example.com", false, &[("user", Some("alias@example.com")), ("asked", None)], false),
        ] {
            let name = LoginName::new(login.as_bytes(), Some("example.com")).expect("a name");
            assert_eq!(is_of(&row(columns), &name, by_local, true), is_theirs, "{login} {columns:?}");
        }
        let name = LoginName::new(b"anna", None).expect("a name");
        let other = [("user", Some("bert"))];
        assert!(is_of(&row(&other), &name, false, false), "where there are no other spellings");
        assert!(!is_of(&row(&[("asked", Some("bert"))]), &name, false, false), "asked counts everywhere");
    }

    #[test]
    fn security_13_a_persons_name_is_no_user() {
        for columns in [
            [("user", Some("anna")), ("name", Some("bert"))],
            [("name", Some("bert")), ("user", Some("anna"))],
            [("name", Some("anna")), ("home", None)],
        ] {
            assert_eq!(user_of(row(&columns)).expect("a user").0.name, "anna", "{columns:?}");
        }
        let bert = LoginName::new(b"bert", None).expect("a name");
        assert!(!is_of(&row(&[("name", Some("bert")), ("user", Some("anna"))]), &bert, false, true));
    }

    #[test]
    fn columns_of_dovecots_are_known() {
        let columns = [
            ("userdb_home", Some("/srv/anna")),
            ("userdb_mail", Some("maildir:~/Mail:INDEX=x")),
            ("userdb_quota_rule", Some("*:storage=5M")),
        ];
        let (user, _) = user_of(row(&columns)).expect("a user");
        assert_eq!((user.home.as_deref(), user.maildir.as_deref()), (Some("/srv/anna"), Some("Mail")));
        assert_eq!(user.extra, [("quota_rule".to_owned(), "*:storage=5M".to_owned())]);
        for refused in [("mail", "mdbox:~/mdbox"), ("allow_nets", "192.0.2.0/24")] {
            assert!(user_of(row(&[(refused.0, Some(refused.1))])).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn nologin_is_for_all_services() {
        for (value, may) in [
            (None, true),
            (Some(""), true),
            (Some("0"), true),
            (Some("No"), true),
            (Some("false"), true),
            (Some("1"), false),
            (Some("y"), false),
            (Some("nologin"), false),
        ] {
            let columns = [("nologin", value), ("allowed_services", Some("imap"))];
            let (user, _) = user_of(row(&columns)).expect("a user");
            assert_eq!(user.may_use("imap"), may, "{value:?}");
            assert!(user.extra.is_empty());
        }
    }
}
