//! What a site says of its directory.

use super::template::{Template, TemplateKind};
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// How a password is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// The user's entry is searched for; then a bind with its DN and the password.
    #[default]
    Search,
    /// A bind with a DN made of the name; then the entry is read as that user.
    Direct,
    /// The entry is searched for, and what it has as password is compared here.
    Compare,
}

/// How much of the tree below the base is searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// The base alone.
    Base,
    /// The entries just below it.
    One,
    /// The base and all below it.
    #[default]
    Subtree,
}

/// When aliases of the directory are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Deref {
    /// Never.
    #[default]
    Never,
    /// While searching below the base.
    Searching,
    /// While finding the base.
    Finding,
    /// Always.
    Always,
}

/// All that a site says. Times and numbers are within the bounds of the settings' table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LdapSettings {
    /// `ldap://`, `ldaps://` or `ldapi://` URLs. The first that answers is asked.
    pub servers: Vec<String>,
    /// StartTLS on `ldap://` connections.
    pub start_tls: bool,
    /// PEM file of the authorities that may have signed the servers' certificates; the system's
    /// where it is not given.
    pub ca_file: Option<PathBuf>,
    /// How Restante itself binds.
    pub own_bind: OwnBind,
    /// Longest wait for a connection, TLS and the own bind included.
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    pub operation_timeout: Duration,
    /// How long a server that failed is left alone while there are others.
    pub retry_after: Duration,
    /// Connections for searches, each with many searches at once, for each server.
    pub search_connections: usize,
    /// Connections on which passwords are tried, one at a time on each, for each server.
    pub bind_connections: usize,
    /// How passwords are checked.
    pub mode: Mode,
    /// Where users are: `%u`, `%n`, `%d`.
    pub base: String,
    /// How far below the base.
    pub scope: Scope,
    /// Whether aliases are followed.
    pub deref: Deref,
    /// Which entry is the user: `%u`, `%n`, `%d`.
    pub filter: Option<String>,
    /// The DN for [`Mode::Direct`]: `%u`, `%n`, `%d`.
    pub user_dn: Option<String>,
    /// Which entries are users at all.
    pub list_filter: Option<String>,
    /// Entries in a page of that list (RFC 2696).
    pub page_size: u32,
    /// Groups of a user.
    pub groups: Groups,
    /// What is taken from an entry.
    pub attributes: Attributes,
    /// Put before the home directory.
    pub mail_root: Option<String>,
    /// Whom all files belong to, whatever entries say.
    pub uid: Option<u32>,
    /// Likewise.
    pub gid: Option<u32>,
}

/// How Restante binds for its searches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum OwnBind {
    /// It does not: searches are anonymous.
    #[default]
    Anonymous,
    /// With a DN and a password.
    Password(String, Secret),
    /// With a DN, and the password that is the first line of a file, read at each connect.
    PasswordFile(String, PathBuf),
    /// SASL EXTERNAL: by the uid of the process, over `ldapi://`.
    External,
}

/// Where the groups of a user come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Groups {
    /// An attribute of the user's entry with names or DNs (`memberOf`).
    pub attribute: Option<String>,
    /// Or which entries are groups of the user: `%u`, `%n`, `%d`, `%D`.
    pub filter: Option<String>,
    /// Below which; the users' base where it is not given.
    pub base: Option<String>,
    /// The attribute of a group's name.
    pub name: String,
}

/// Names of attributes. An empty name or none: it is not asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// The user's one name, by which mail is filed.
    pub name: Option<String>,
    /// The name in a list of all users, where there is no attribute of the one name.
    pub list_name: Option<String>,
    /// Passwords with their scheme.
    pub password: Vec<String>,
    /// Passwords in clear text (Courier's `clearPassword`).
    pub clear_password: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Maildir.
    pub maildir: Option<String>,
    /// Owner of the files.
    pub uid: Option<String>,
    /// Their group.
    pub gid: Option<String>,
    /// A quota in Courier's form.
    pub quota: Option<String>,
    /// A quota in bytes (qmail-ldap's `mailQuotaSize`).
    pub quota_size: Option<String>,
    /// A quota in messages (`mailQuotaCount`).
    pub quota_count: Option<String>,
    /// The host that has the mail.
    pub mailhost: Option<String>,
    /// Attributes that forbid a service when true, and the service's name.
    pub disabling: Vec<(String, String)>,
    /// Names of services that are forbidden.
    pub disabled_services: Option<String>,
    /// Names of services that are allowed, and no others.
    pub allowed_services: Option<String>,
    /// State of the account: `active`, or nothing; else nobody comes in (qmail-ldap's
    /// `accountStatus`).
    pub status: Option<String>,
}

/// LdapSettings with their templates taken apart.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) base: Template,
    pub(super) filter: Option<Template>,
    pub(super) user_dn: Option<Template>,
    pub(super) list_filter: Option<Template>,
    pub(super) group_base: Option<Template>,
    pub(super) group_filter: Option<Template>,
}

impl LdapSettings {
    /// With every default but the servers and the base.
    pub fn new(servers: Vec<String>, base: &str) -> Self {
        Self {
            servers,
            start_tls: false,
            ca_file: None,
            own_bind: OwnBind::Anonymous,
            connect_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(10),
            retry_after: Duration::from_secs(5),
            search_connections: 2,
            bind_connections: 16,
            mode: Mode::Search,
            base: base.to_owned(),
            scope: Scope::Subtree,
            deref: Deref::Never,
            filter: None,
            user_dn: None,
            list_filter: None,
            page_size: 500,
            groups: Groups { name: "cn".to_owned(), ..Groups::default() },
            attributes: Attributes::default(),
            mail_root: None,
            uid: None,
            gid: None,
        }
    }

    /// The first thing that is wrong, as far as it can be seen without a server.
    pub fn check(&self) -> Result<(), String> {
        self.compile().map(drop)
    }

    pub(super) fn compile(&self) -> Result<Compiled, String> {
        if self.servers.is_empty() {
            return Err("servers names none".to_owned());
        }
        for server in &self.servers {
            super::address::Address::parse(server)?;
            if self.own_bind == OwnBind::External && !server.starts_with("ldapi://") {
                return Err(format!("sasl-external is for ldapi:// alone, and there is {server}"));
            }
        }
        let template = |setting: &str, kind, text: &str, allowed| {
            Template::parse(kind, text, allowed).map_err(|why| format!("{setting} {why}"))
        };
        let optional = |setting: &str, kind, text: &Option<String>, allowed| {
            text.as_deref().map(|text| template(setting, kind, text, allowed)).transpose()
        };
        let compiled = Compiled {
            base: template("base", TemplateKind::Dn, &self.base, "und")?,
            filter: optional("filter", TemplateKind::Filter, &self.filter, "und")?,
            user_dn: optional("user-dn", TemplateKind::Dn, &self.user_dn, "und")?,
            list_filter: optional("list-filter", TemplateKind::Filter, &self.list_filter, "")?,
            group_base: optional("group-base", TemplateKind::Dn, &self.groups.base, "und")?,
            group_filter: optional("group-filter", TemplateKind::Filter, &self.groups.filter, "undD")?,
        };
        let attributes = &self.attributes;
        match self.mode {
            Mode::Direct if compiled.user_dn.is_none() => Err("mode \"direct\" wants user-dn".to_owned()),
            Mode::Search | Mode::Compare if compiled.filter.is_none() => {
                Err("wants filter, such as filter = \"(mail=%u)\"".to_owned())
            }
            Mode::Compare if attributes.password.is_empty() && attributes.clear_password.is_none() => {
                Err("mode \"compare\" wants password-attributes or clear-password-attribute".to_owned())
            }
            _ if compiled.filter.as_ref().is_some_and(|filter| !filter.has_variables()) => {
                Err("filter finds the same entry for everybody: it wants %u or %n".to_owned())
            }
            _ if compiled.user_dn.as_ref().is_some_and(|dn| !dn.has_variables()) => {
                Err("user-dn is the same for everybody: it wants %u or %n".to_owned())
            }
            _ => Ok(compiled),
        }
    }
}
