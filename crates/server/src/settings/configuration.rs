//! The configuration as the server uses it: typed, with defaults filled in.

use super::at_start::AtStart;
use super::kind::Value;
use super::oauth;
use super::parse::Problem;
use super::reader::Reader;
use super::setting::Section;
use super::sources::{self, SourceKind, UserSource};
use super::table::{LIMITS, LISTEN, LOG, LOGIN, MAIL, SPECIAL_USE, TLS, TLS_MORE, TOP};
use super::values::{Entries, Values};
use crate::admission;
use crate::certificate::NameFrom;
use crate::log::{Filter, Format};
use crate::mailbox_names;
use crate::owners::OwnUids;
use crate::privileges::Keep;
use auth::Mechanism;
use codec::{Limits, Parts};
use ipnet::IpNet;
use mail::{SpecialUse, SpecialUseNames};
use session::{NamespaceStyle, Protocol, SessionSettings};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::take_over::{Origin, Preference};
use store::{QuotaLimits, StoreSettings};

/// Where a running server answers commands, unless said otherwise: a directory that the systemd
/// unit makes.
pub(crate) const DEFAULT_CONTROL_SOCKET: &str = "/run/restante/control";

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// The certificate for clients that name no other; `None` without `[tls]`.
    pub(crate) certificate: Option<Certificate>,
    /// Further certificates.
    pub(crate) more_certificates: Vec<Certificate>,
    /// Clients are asked for certificates.
    pub(crate) client_certificates: Option<ClientCertificates>,
    /// What of a client's certificate is the user's name.
    pub(crate) external_name: NameFrom,
    /// TLS 1.2 is refused.
    pub(crate) tls13_only: bool,
    /// In milliseconds.
    pub(crate) handshake_timeout_ms: u64,
    /// The Maildir's template.
    pub(crate) maildir: String,
    /// The template of where index and cache lie, if not with the mail.
    pub(crate) index: Option<String>,
    /// What Dovecot has elsewhere.
    pub(crate) dovecot: DovecotLocation,
    /// Who the server becomes.
    pub(crate) user: Option<String>,
    /// And its group.
    pub(crate) group: Option<String>,
    /// Files belong to each user's own uid.
    pub(crate) own_uids: Option<OwnUids>,
    /// A missing Maildir is made.
    pub(crate) create_maildir: bool,
    /// Limits of users whose source gives none.
    pub(crate) quota: Option<QuotaLimits>,
    /// Where users come from, in the order in which they are asked.
    pub(crate) sources: Vec<UserSource>,
    /// What access tokens are checked by.
    pub(crate) oauth: Option<auth::oauth::OAuthSettings>,
    /// Networks from which a password may come in clear.
    pub(crate) cleartext_from: Vec<IpNet>,
    /// Where `restante reload` and `restante auth` ask.
    pub(crate) control_socket: PathBuf,
    /// The file says where.
    pub(crate) control_socket_is_given: bool,
    /// How log-ins are decided.
    pub(crate) log_ins: auth::authenticator::AuthenticatorSettings,
    /// Who may connect.
    pub(crate) connections: admission::Limits,
    /// In milliseconds.
    pub(crate) write_timeout_ms: u64,
    /// Jobs on files at once.
    pub(crate) file_jobs: usize,
    /// Where to listen; empty for the default ports.
    pub(crate) listen: Vec<Listen>,
    /// What is logged.
    pub(crate) log_level: String,
    /// What users do to their mail is logged.
    pub(crate) log_changes: bool,
    /// How it looks.
    pub(crate) log_format: Format,
    /// What sessions go by.
    pub(crate) session: Arc<SessionSettings>,
    /// What the store goes by.
    pub(crate) store: StoreSettings,
    /// What is read at the start only, as the file says it.
    at_start: AtStart,
}

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

/// Which certificates of clients are good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClientCertificates {
    /// PEM file of authorities.
    pub(crate) ca: PathBuf,
    /// PEM file of lists of what they have revoked.
    pub(crate) crl: Option<PathBuf>,
    /// Without one there is no connection.
    pub(crate) required: bool,
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Certificate {
    /// Server names it is for; empty for the one of `[tls]`.
    pub(crate) names: Vec<String>,
    /// PEM file of the chain.
    pub(crate) certificate: PathBuf,
    /// PEM file of the key.
    pub(crate) key: PathBuf,
}

/// An address to listen on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Listen {
    /// Address and port.
    pub(crate) address: SocketAddr,
    /// What is spoken there.
    pub(crate) protocol: &'static Protocol,
    /// How TLS comes about.
    pub(crate) tls: ListenTls,
}

/// How TLS comes about on a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ListenTls {
    /// When the client asks for it.
    StartTls,
    /// From the first byte.
    Implicit,
}

impl Configuration {
    /// From the values of a file.
    pub(crate) fn build(values: &Values) -> Self {
        let nothing = Entries::new();
        let read = |section: &'static Section| Reader {
            section,
            entries: values.tables(section.name).first().unwrap_or(&nothing),
        };
        let (tls, mail, login) = (read(&TLS), read(&MAIL), read(&LOGIN));
        let (limits, log) = (read(&LIMITS), read(&LOG));
        let hostname = read(&TOP).text_if("hostname").unwrap_or_else(system_hostname);
        let repeated = |section: &'static Section| {
            values.tables(section.name).iter().map(move |entries| Reader { section, entries })
        };
        let certificate = |reader: &Reader<'_>, names| Certificate {
            names,
            certificate: reader.path("certificate"),
            key: reader.path("key"),
        };
        Self {
            certificate: (!values.tables(TLS.name).is_empty()).then(|| certificate(&tls, Vec::new())),
            more_certificates: repeated(&TLS_MORE).map(|r| certificate(&r, r.texts("names"))).collect(),
            client_certificates: client_certificates(&tls),
            external_name: NameFrom::by_setting(&login.text("external-name")),
            tls13_only: tls.text("minimum-version") == "1.3",
            handshake_timeout_ms: tls.number("handshake-timeout"),
            maildir: mail.text("maildir"),
            index: mail.text_if("index"),
            dovecot: DovecotLocation {
                control: mail.text_if("dovecot-control"),
                inbox: mail.text_if("dovecot-inbox"),
                is_fs: mail.text("dovecot-layout") == "fs",
            },
            user: mail.text_if("user"),
            group: mail.text_if("group"),
            own_uids: own_uids(&mail),
            create_maildir: mail.bool("create"),
            quota: mail.quota("quota"),
            sources: sources::build(values),
            oauth: (!values.tables(oauth::OAUTH.name).is_empty()).then(|| oauth::build(&read(&oauth::OAUTH))),
            cleartext_from: login.networks("cleartext-from"),
            control_socket: login
                .text_if("control-socket")
                .map_or_else(|| DEFAULT_CONTROL_SOCKET.into(), PathBuf::from),
            control_socket_is_given: login.text_if("control-socket").is_some(),
            log_ins: log_ins(&login, &hostname),
            connections: admission::Limits {
                all: limits.count("connections"),
                per_network: limits.count("connections-per-address"),
                before_login: limits.count("connections-before-login"),
                per_user: limits.count("connections-per-user-and-address"),
            },
            write_timeout_ms: limits.number("write-timeout"),
            file_jobs: limits.count("file-jobs"),
            listen: repeated(&LISTEN).filter_map(|reader| listen(&reader)).collect(),
            log_level: log.text("level"),
            log_changes: log.bool("changes"),
            log_format: if log.text("format") == "json" { Format::Json } else { Format::Text },
            session: Arc::new(session_settings(&hostname, &mail, &read(&SPECIAL_USE), &login, &limits)),
            store: StoreSettings {
                utf8_names: mail.bool("utf8-names"),
                lock_wait_ms_max: mail.number("lock-wait"),
                name_escape: mail.text_if("name-escape").and_then(|text| text.chars().next()),
                mailboxes_max: mail.count("mailboxes"),
                levels_max: mail.count("levels"),
                keywords_max: mail.count("keywords"),
                kept_bytes_max: mail.count("kept-memory"),
                take_over: match mail.text("take-over").as_str() {
                    "courier" => Preference::First(Origin::Courier),
                    "dovecot" => Preference::First(Origin::Dovecot),
                    _ => Preference::Newer,
                },
                hostname,
                quota_counts_trash: mail.bool("quota-counts-trash"),
            },
            at_start: AtStart::of(values),
        }
    }

    /// Which lines the log has.
    pub(crate) fn log_filter(&self) -> Filter<'_> {
        Filter { level: &self.log_level, changes: self.log_changes }
    }

    /// What of root the server has to keep.
    pub(crate) fn keep(&self) -> Keep {
        if self.own_uids.is_some() { Keep::Owners } else { Keep::Nothing }
    }

    /// Settings that differ from `old` and that a running server cannot change.
    pub(crate) fn fixed_at_start(&self, old: &Self) -> Vec<String> {
        self.at_start.differing(&old.at_start)
    }

    /// The passwd files among the sources, in their order.
    pub(crate) fn passwd_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.sources.iter().filter_map(|source| match &source.kind {
            SourceKind::PasswdFile(path) => Some(path),
            _ => None,
        })
    }

    /// What the helper process asks, in the order of the sources.
    pub(crate) fn helped(&self) -> impl Iterator<Item = &auth::helper::Check> {
        self.sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Helped(check) => Some(check),
            _ => None,
        })
    }

    /// What is wrong between settings that are each allowed.
    pub(crate) fn problems(&self, path: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |text: String| problems.push(Problem::of_file(path, text));
        let implicit = self.listen.iter().any(|listen| listen.tls == ListenTls::Implicit);
        if self.certificate.is_none() && (self.listen.is_empty() || implicit) {
            wrong("[tls] wants certificate and key: a port is to listen with TLS".to_owned());
        }
        if self.client_certificates.as_ref().is_some_and(|clients| clients.ca.as_os_str().is_empty()) {
            wrong("[tls] wants client-ca: clients are asked for certificates".to_owned());
        }
        if self.certificate.is_none() && self.cleartext_from.is_empty() {
            wrong("nobody could log in: there is neither [tls] nor cleartext-from in [login]".to_owned());
        }
        for (number, source) in (1..).zip(&self.sources) {
            if let SourceKind::Wrong(what) = &source.kind {
                wrong(format!("[[users]] number {number} {what}"));
            }
        }
        if self.index.as_deref().is_some_and(|index| !["%u", "%n", "%h"].iter().any(|it| index.contains(it)))
        {
            wrong("index in [mail] must differ for each user: it wants %u, %n or %h".to_owned());
        }
        if let Some(escape) = self.store.name_escape.filter(|escape| "./&-".contains(*escape)) {
            wrong(format!(
                "name-escape in [mail] cannot be {escape}, which parts levels or begins modified UTF-7"
            ));
        }
        for mechanism in &self.session.mechanisms {
            match Mechanism::by_name(mechanism) {
                Some(Mechanism::OAuthBearer | Mechanism::XOAuth2) if self.oauth.is_none() => {
                    wrong(format!("mechanism {mechanism} in [login] wants [oauth]"));
                }
                Some(_) => {}
                None => {
                    let known: Vec<&str> = Mechanism::ALL.iter().map(|m| m.name()).collect();
                    wrong(format!("no mechanism {mechanism} in [login]; known are {}", known.join(", ")));
                }
            }
        }
        problems
    }
}

fn log_ins(login: &Reader<'_>, hostname: &str) -> auth::authenticator::AuthenticatorSettings {
    let time = |key| Duration::from_millis(login.number(key));
    auth::authenticator::AuthenticatorSettings {
        default_domain: login.text_if("default-domain"),
        master_separator: login.text("master-separator").chars().next().unwrap_or('*'),
        hostname: hostname.to_owned(),
        hashes_at_once: login.count("hashes-at-once"),
        hashes_waiting_max: login.count("hashes-waiting"),
        refuse_weak: login.text("weak-schemes") == "refuse",
        rehash: login.bool("rehash"),
        cache: auth::CacheSettings {
            lifetime: time("cache-lifetime"),
            negative_lifetime: time("cache-negative-lifetime"),
            entries_max: login.count("cache-entries"),
        },
        delays: auth::delay::DelaySettings {
            ban_after: u32::try_from(login.count("ban-after")).unwrap_or(u32::MAX),
            ban_for: time("ban-for"),
            trusted: login.networks("trusted-networks"),
        },
    }
}

fn own_uids(mail: &Reader<'_>) -> Option<OwnUids> {
    let id = |key| u32::try_from(mail.number(key)).unwrap_or(u32::MAX);
    let own_uids = || OwnUids { minimum_uid: id("minimum-uid"), minimum_gid: id("minimum-gid") };
    mail.bool("own-uid").then(own_uids)
}

fn client_certificates(tls: &Reader<'_>) -> Option<ClientCertificates> {
    let asked = tls.text("client-certificates");
    let crl = tls.text_if("client-crl").map(PathBuf::from);
    (asked != "no").then(|| ClientCertificates {
        ca: tls.path("client-ca"),
        crl,
        required: asked == "required",
    })
}

fn listen(reader: &Reader<'_>) -> Option<Listen> {
    let Some(Value::Address(address)) = reader.value("address") else { return None };
    let tls = if reader.text("tls") == "implicit" { ListenTls::Implicit } else { ListenTls::StartTls };
    let protocol = Protocol::by_name(&reader.text("protocol")).unwrap_or(Protocol::DEFAULT);
    Some(Listen { address, protocol, tls })
}

fn session_settings(
    hostname: &str,
    mail: &Reader<'_>,
    names: &Reader<'_>,
    login: &Reader<'_>,
    limits: &Reader<'_>,
) -> SessionSettings {
    let uses = [
        (SpecialUse::Drafts, "drafts"),
        (SpecialUse::Sent, "sent"),
        (SpecialUse::Junk, "junk"),
        (SpecialUse::Trash, "trash"),
        (SpecialUse::Archive, "archive"),
    ];
    let special_use_names = uses.map(|(special_use, key)| SpecialUseNames {
        special_use,
        names: names.texts(key).iter().flat_map(|name| mailbox_names::meanings(name)).collect(),
    });
    let before_login = limits.count("line-before-login");
    let nesting_max = limits.count("nesting");
    let parts = Parts {
        search_keys_max: limits.count("search-keys"),
        patterns_max: limits.count("list-patterns"),
        items_max: limits.count("fetch-items"),
        names_max: limits.count("names"),
        ranges_max: limits.count("set-ranges"),
    };
    SessionSettings {
        hostname: hostname.to_owned(),
        id: vec![
            ("name".to_owned(), "Restante".to_owned()),
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ],
        namespace: if mail.text("namespace") == "courier" {
            NamespaceStyle::Courier
        } else {
            NamespaceStyle::Plain
        },
        other_namespaces: Vec::new(),
        special_use_names: special_use_names.to_vec(),
        mechanisms: login.texts("mechanisms").iter().map(|name| name.to_ascii_uppercase()).collect(),
        limits_before_login: Limits {
            line_max: before_login,
            literal_max: before_login,
            literals_sum_max: before_login,
            // An ID may have thirty names and as many values (RFC 2971 section 3.3).
            literals_max: 64,
            nesting_max: nesting_max.min(8),
            append_max: 0,
            parts,
        },
        limits: Limits {
            line_max: limits.count("line"),
            literal_max: limits.count("literal"),
            literals_sum_max: limits.count("literals-together"),
            literals_max: limits.count("literals"),
            nesting_max,
            append_max: limits.number("message"),
            parts,
        },
        bytes_before_login_max: limits.number("bytes-before-login"),
        login_timeout_ms: login.number("timeout"),
        idle_timeout_ms: limits.number("idle-timeout"),
        idle_keepalive_ms: limits.number("idle-keepalive"),
        bad_commands_max: u32::try_from(limits.count("bad-commands")).unwrap_or(u32::MAX),
        failed_logins_max: u32::try_from(login.count("failures")).unwrap_or(u32::MAX),
    }
}

fn system_hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
