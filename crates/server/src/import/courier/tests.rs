//! Courier's settings: what becomes of them, in files of the shape that its packages ship.

use super::*;
use crate::settings::read_text;

const IMAPD: &str = "##VERSION: $Id: 1$\n##NAME: ADDRESS:0\n# ADDRESS=127.0.0.1\n\nADDRESS=0\nPORT=143\n\
    MAXDAEMONS=40\nMAXPERIP=20\nTCPDOPTS=\"-nodnslookup -noidentlookup\"\n\
    IMAP_CAPABILITY=\"IMAP4rev1 UIDPLUS CHILDREN NAMESPACE XMAGICTRASH IDLE\"\n\
    IMAP_CAPABILITY_TLS=\"$IMAP_CAPABILITY AUTH=PLAIN\"\nIMAP_KEYWORDS=1\nIMAP_ACL=0\nIMAP_UMASK=022\n\
    IMAP_TRASHFOLDERNAME=Trash\nIMAPDSTART=YES\nMAILDIRPATH=Maildir\n";
const IMAPD_SSL: &str = "SSLPORT=993\nSSLADDRESS=0\nIMAPDSSLSTART=YES\nIMAPDSTARTTLS=YES\nIMAP_TLS_REQUIRED=1\n\
    TLS_STARTTLS_PROTOCOL=\"$TLS_PROTOCOL\"\nTLS_CERTFILE=/etc/courier/imapd.pem\nTLS_VERIFYPEER=NONE\n";
const AUTHDAEMONRC: &str = "authmodulelist=\"authuserdb\"\ndaemons=5\nDEBUG_LOGIN=0\nDEFAULTOPTIONS=\"\"\n";

/// A directory of Courier's, with files that are not as above.
fn import_with(files: &[(&str, &str)]) -> (String, Vec<String>) {
    let directory = tempfile::tempdir().expect("a directory");
    let standard = [("imapd", IMAPD), ("imapd-ssl", IMAPD_SSL), ("authdaemonrc", AUTHDAEMONRC)];
    for (name, text) in standard.iter().chain(files) {
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    let draft = import(directory.path()).expect("it can be read");
    let losses = draft.losses().iter().map(ToString::to_string).collect();
    (draft.to_toml("a test"), losses)
}

/// `added` stands at the end of `file`; the lines of `expected` are there, those after a minus
/// are not.
fn check(file: &str, added: &str, expected: &[&str]) {
    let before = match file {
        "imapd" => IMAPD,
        "imapd-ssl" => IMAPD_SSL,
        "authdaemonrc" => AUTHDAEMONRC,
        _ => "",
    };
    let (toml, _) = import_with(&[(file, &format!("{before}{added}"))]);
    read_text(Path::new("r.toml"), &toml).unwrap_or_else(|problems| panic!("{problems:?}\n{toml}"));
    for line in expected {
        match line.strip_prefix('-') {
            Some(absent) => assert!(!toml.contains(absent), "{added}: {absent} is in\n{toml}"),
            None => assert!(toml.lines().any(|found| found == *line), "{added}: {line} is not in\n{toml}"),
        }
    }
}

#[test]
fn what_is_shipped_becomes_a_short_file() {
    let (toml, losses) = import_with(&[]);
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(configuration.maildir, "%h/Maildir");
    assert!(configuration.listen.is_empty() && configuration.cleartext_from.is_empty(), "{toml}");
    assert_eq!((configuration.connections.all, configuration.connections.per_network), (80, 40));
    assert_eq!(configuration.session.namespace, session::NamespaceStyle::Courier);
    assert_eq!(configuration.session.mechanisms, ["PLAIN"]);
    let certificate = configuration.certificate.expect("there is one");
    assert_eq!(certificate.certificate, certificate.key);
    let lost: Vec<&str> = losses.iter().map(|loss| loss.split(": ").nth(1).unwrap_or_default()).collect();
    assert_eq!(lost, ["IMAP_CAPABILITY=XMAGICTRASH", "authmodulelist=authuserdb"]);
}

#[test]
fn each_line_names_its_setting() {
    let standard = [
        "certificate = \"/etc/courier/imapd.pem\" # imapd-ssl: TLS_CERTFILE",
        "maildir = \"%h/Maildir\" # imapd: MAILDIRPATH",
        "mechanisms = [\"PLAIN\"] # imapd: IMAP_CAPABILITY_TLS",
        "# Ports 143 and 993 on all addresses are the default. # imapd: ADDRESS=0, PORT=143; imapd-ssl: SSLADDRESS=0, SSLPORT=993",
        "-minimum-version",
        "-[special-use]",
    ];
    check("imapd", "", &standard);
    for (file, added, expected) in [
        (
            "imapd",
            "PORT=\"143,127.0.0.1.900\"\n",
            &["address = \"127.0.0.1:900\" # imapd: ADDRESS=0, PORT=143,127.0.0.1.900", "tls = \"implicit\""]
                [..],
        ),
        (
            "imapd",
            "ADDRESS=192.0.2.1\n",
            &["address = \"192.0.2.1:143\" # imapd: ADDRESS=192.0.2.1, PORT=143"],
        ),
        (
            "imapd",
            "IMAPDSTART=NO\n",
            &["# Courier does not serve port 143. # imapd: IMAPDSTART=NO", "-\"starttls\""],
        ),
        ("imapd-ssl", "IMAPDSSLSTART=no\n", &["connections = 40 # imapd: MAXDAEMONS=40", "-\"implicit\""]),
        (
            "imapd-ssl",
            "MAXPERIP=100\n",
            &["connections-per-user-and-address = 200 # imapd-ssl: MAXPERIP=100"],
        ),
        ("imapd-ssl", "TLS_PROTOCOL=TLSv1.3\n", &["minimum-version = \"1.3\" # imapd-ssl: TLS_PROTOCOL"]),
        ("imapd-ssl", "TLS_PRIVATE_KEYFILE=/k\n", &["key = \"/k\" # imapd-ssl: TLS_PRIVATE_KEYFILE"]),
        (
            "imapd-ssl",
            "IMAP_TLS_REQUIRED=0\n",
            &["cleartext-from = [\"127.0.0.0/8\", \"::1\"] # imapd-ssl: IMAP_TLS_REQUIRED=0"],
        ),
        ("imapd", "DEFDOMAIN=\"@example.com\"\n", &["default-domain = \"example.com\" # imapd: DEFDOMAIN"]),
        ("imapd", "IMAP_KEYWORDS=0\n", &["keywords = 0 # imapd: IMAP_KEYWORDS"]),
        (
            "imapd",
            "IMAP_TRASHFOLDERNAME=\"Deleted Items\"\n",
            &["trash = [\"Deleted Items\", \"Trash\", \"Deleted Messages\"] # imapd: IMAP_TRASHFOLDERNAME"],
        ),
        (
            "imapd",
            "AUTH_MKHOMEDIR_SKEL=/etc/skel\nMAILDIRPATH=./Mail/100%\n",
            &[
                "create = true # imapd: AUTH_MKHOMEDIR_SKEL=/etc/skel",
                "maildir = \"%h/Mail/100%%\" # imapd: MAILDIRPATH",
            ],
        ),
        ("me", "mail.example.com\n", &["hostname = \"mail.example.com\" # me: (the whole file)"]),
        ("authdaemonrc", "DEBUG_LOGIN=2\n", &["level = \"debug\" # authdaemonrc: DEBUG_LOGIN=2"]),
        (
            "userdb",
            "a@b\tuid=5000|gid=5001|systempw=secret\nc@d\tuid=5000|gid=5002\n",
            &["user = \"5000\" # userdb: uid=5000", "-group =", "-secret"],
        ),
    ] {
        check(file, added, expected);
    }
}

#[test]
fn what_has_no_counterpart_is_said_and_what_makes_no_difference_is_not() {
    for (file, added, expected) in [
        ("imapd", "IMAP_EMPTYTRASH=Trash:7\n", Some("imapd: IMAP_EMPTYTRASH=Trash:7: nothing is deleted")),
        ("imapd", "IMAP_MOVE_EXPUNGE_TO_TRASH=1\n", Some("imapd: IMAP_MOVE_EXPUNGE_TO_TRASH=1: ")),
        ("imapd", "IMAP_MOVE_EXPUNGE_TO_TRASH=0\n", None),
        ("imapd", "IMAP_ACL=1\n", Some("imapd: IMAP_ACL=1: ACL is not there yet")),
        ("imapd", "IMAP_UMASK=007\n", Some("imapd: IMAP_UMASK=007: new files")),
        ("imapd", "IMAP_MAILBOX_SANITY_CHECK=1\nIMAP_ENHANCEDIDLE=1\nPIDFILE=/x\nOUTBOX=\n", None),
        (
            "imapd",
            "IMAP_CAPABILITY=AUTH=CRAM-MD5\n",
            Some("imapd: IMAP_CAPABILITY=AUTH=CRAM-MD5: set mail programs"),
        ),
        ("imapd", "PORT=143,pop3\n", Some("imapd: PORT=pop3: neither a port")),
        ("imapd", "HOUSE=secret\n", Some("imapd: HOUSE: no setting of Courier-IMAP that is known here")),
        ("imapd", "X=`id`\n", Some("imapd: line 18: X is made by the shell, which is not run")),
        ("imapd-ssl", "IMAP_TLS_REQUIRED=0\n", Some("imapd-ssl: IMAP_TLS_REQUIRED=0: no password")),
        ("imapd-ssl", "IMAPDSTARTTLS=NO\n", Some("imapd-ssl: IMAPDSTARTTLS=NO: STARTTLS is always offered")),
        ("imapd-ssl", "TLS_PRIORITY=NORMAL:-VERS-TLS1.0:-VERS-TLS1.1\nTLS_CACHESIZE=1\n", None),
        ("imapd-ssl", "TLS_PRIORITY=SECURE256\n", Some("imapd-ssl: TLS_PRIORITY=SECURE256: cipher suites")),
        ("imapd-ssl", "TLS_PROTOCOL=TLSv1\n", Some("imapd-ssl: TLS_PROTOCOL=TLSv1: TLS 1.2 is the oldest")),
        (
            "imapd-ssl",
            "TLS_VERIFYPEER=PEER\n",
            Some("imapd-ssl: TLS_VERIFYPEER=PEER: clients' certificates are"),
        ),
        (
            "authdaemonrc",
            "authmodulelist=authmysql\n",
            Some("authdaemonrc: authmodulelist=authmysql: MySQL (authmysqlrc)"),
        ),
        (
            "authdaemonrc",
            "DEFAULTOPTIONS=disableimap=1\n",
            Some("authdaemonrc: DEFAULTOPTIONS=disableimap=1: "),
        ),
        ("pop3d", "POP3DSTART=YES\n", Some("pop3d: POP3DSTART=YES: POP3 is not there yet")),
        ("pop3d-ssl", "POP3DSSLSTART=NO\n", None),
        ("imapaccess", "# x\n1.2.3\tdeny\n", Some("imapaccess: (the whole file): ")),
        ("imapaccess", "# x\n", None),
    ] {
        let before = match file {
            "imapd" => IMAPD,
            "imapd-ssl" => IMAPD_SSL,
            "authdaemonrc" => AUTHDAEMONRC,
            _ => "",
        };
        let (toml, losses) = import_with(&[(file, &format!("{before}{added}"))]);
        assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{added}\n{toml}");
        let (_, standard) = import_with(&[]);
        let new: Vec<&String> = losses.iter().filter(|loss| !standard.contains(loss)).collect();
        match expected {
            Some(expected) => assert!(
                new.len() == 1 && new[0].starts_with(expected) && toml.contains(&format!("# {}\n", new[0])),
                "{added}: {new:#?}\nexpected {expected}"
            ),
            None => assert!(new.is_empty(), "{added}: {new:#?}"),
        }
    }
}

/// With `authldap` alone, or what else the list has.
fn import_ldap(modules: &str, authldaprc: &str) -> (String, Vec<String>) {
    import_with(&[("authdaemonrc", &format!("authmodulelist=\"{modules}\"\n")), ("authldaprc", authldaprc)])
}

const AUTHLDAPRC: &str = "##NAME: LOCATION:1\n# LDAP_TLS 1\nLDAP_URI\t\tldaps://ldap.example.com, ldaps://b.example.com\n\
    LDAP_PROTOCOL_VERSION\t3\nLDAP_BASEDN\t\to=example, c=com\nLDAP_BINDDN\tcn=administrator, o=example\n\
    LDAP_BINDPW\t\ttoto\nLDAP_INITBIND 1\nLDAP_TIMEOUT\t7\nLDAP_AUTHBIND\t1\nLDAP_MAIL\tmail\n\
    LDAP_FILTER\t(objectClass=CourierMailAccount)\nLDAP_GLOB_UID vmail\nLDAP_DOMAIN\texample.com\n\
    LDAP_HOMEDIR\thomeDirectory\nLDAP_MAILROOT\t/var/mail\nLDAP_MAILDIR\tmailbox\nLDAP_MAILDIRQUOTA\tquota\n\
    LDAP_FULLNAME\tcn\nLDAP_UID\tuidNumber\nLDAP_AUXOPTIONS\tnoimap=disableimap,shared=sharedgroup\n\
    LDAP_DEREF\tnever\nLDAP_EMAILMAP\t(&(userid=@user@)(realm=@realm@))\n";

#[test]
fn ldap_becomes_a_source_but_for_its_password() {
    use crate::settings::SourceKind;
    use auth::ldap::{Mode, OwnBind};
    let (toml, losses) = import_ldap("authldap", AUTHLDAPRC);
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(configuration.user.as_deref(), Some("vmail"));
    assert_eq!(configuration.log_ins.default_domain.as_deref(), Some("example.com"));
    let [source] = configuration.sources.as_slice() else { panic!("{toml}") };
    let SourceKind::Ldap(ldap) = &source.kind else { panic!("{toml}") };
    assert_eq!(ldap.servers, ["ldaps://ldap.example.com", "ldaps://b.example.com"]);
    assert_eq!((ldap.mode, ldap.base.as_str()), (Mode::Search, "o=example, c=com"));
    assert_eq!(ldap.filter.as_deref(), Some("(&(objectClass=CourierMailAccount)(mail=%u))"));
    assert_eq!(ldap.list_filter.as_deref(), Some("(objectClass=CourierMailAccount)"));
    assert_eq!(ldap.operation_timeout.as_secs(), 7);
    let file = "/etc/restante/ldap-password".into();
    assert_eq!(ldap.own_bind, OwnBind::PasswordFile("cn=administrator, o=example".to_owned(), file));
    let attributes = &ldap.attributes;
    assert_eq!(attributes.home.as_deref(), Some("homeDirectory"));
    assert_eq!(ldap.mail_root.as_deref(), Some("/var/mail"));
    assert_eq!(
        (attributes.maildir.as_deref(), attributes.quota.as_deref()),
        (Some("mailbox"), Some("quota"))
    );
    // One uid for all is what counts.
    assert_eq!(attributes.uid, None);
    assert_eq!(attributes.disabling, [("noimap".to_owned(), "imap".to_owned())]);
    let lost: Vec<&String> = losses.iter().filter(|loss| loss.starts_with("authldaprc")).collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].contains("shared=sharedgroup") && lost[1].contains("LDAP_EMAILMAP"), "{lost:?}");
    assert!(!toml.contains("toto"), "{toml}");
}

#[test]
fn ldap_in_its_other_forms() {
    use crate::settings::SourceKind;
    use auth::ldap::{Mode, OwnBind};
    let source = |toml: &str| {
        let configuration = read_text(Path::new("r.toml"), toml).expect(toml);
        match &configuration.sources[0].kind {
            SourceKind::Ldap(ldap) => (*ldap.clone(), configuration.sources.len()),
            other => panic!("{other:?}: {toml}"),
        }
    };
    let (toml, _) = import_ldap(
        "authldap authuserdb",
        "LDAP_URI ldap://l.example.com\nLDAP_BASEDN o=x\nLDAP_TLS 1\nLDAP_AUTHBIND 0\nLDAP_CLEARPW clearPassword\n\
         LDAP_CRYPTPW userPassword\nLDAP_UID uidNumber\nLDAP_GID gidNumber\nLDAP_BINDDN cn=a\nLDAP_BINDPW b\n",
    );
    let (ldap, sources) = source(&toml);
    // The passwd file, for what userdb has that is not there, stands behind it.
    assert_eq!(sources, 2, "{toml}");
    assert!(ldap.start_tls && ldap.mode == Mode::Compare && ldap.own_bind == OwnBind::Anonymous, "{toml}");
    assert_eq!(ldap.attributes.password, ["userPassword"]);
    assert_eq!(ldap.attributes.clear_password.as_deref(), Some("clearPassword"));
    assert_eq!(ldap.attributes.uid.as_deref(), Some("uidNumber"));
    // Nothing says where passwords are.
    let (toml, _) = import_ldap("authldap", "LDAP_URI ldaps://l.example.com\nLDAP_BASEDN o=x\n");
    assert!(toml.contains("# Fill in: the attribute that holds hashed passwords"), "{toml}");
    assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{toml}");
    // Without a directory, there is the passwd file.
    let (toml, losses) = import_ldap("authldap", "LDAP_URI\tldaps://ldap.example.com\n");
    assert!(toml.contains("passwd-file"), "{toml}");
    assert!(losses.iter().any(|loss| loss.starts_with("authldaprc: LDAP_URI")), "{losses:?}");
    // Shipped with examples in it: of no account where LDAP is not asked.
    let (_, losses) = import_with(&[("authldaprc", "LDAP_URI\tldaps://ldap.example.com\n")]);
    assert!(!losses.iter().any(|loss| loss.starts_with("authldaprc")), "{losses:?}");
}

/// As the packages ship them, with the site's words.
#[cfg(feature = "sql")]
const AUTHMYSQLRC: &str = "##NAME: LOCATION:0\n# MYSQL_X y\nMYSQL_SERVER\t\tdb.example.com\nMYSQL_USERNAME\t\tad@min\n\
    MYSQL_PASSWORD\t\ttoto\nMYSQL_PORT\t\t0\nMYSQL_OPT\t\t0\nMYSQL_DATABASE\t\tmail\nMYSQL_USER_TABLE\tpasswd\n\
    MYSQL_CRYPT_PWFIELD\tcrypt\nMYSQL_CLEAR_PWFIELD\tclear\nMYSQL_UID_FIELD\t'5000'\nMYSQL_HOME_FIELD\thome\n\
    MYSQL_NAME_FIELD name\nMYSQL_MAILDIR_FIELD\tconcat(dir, '/%u')\nMYSQL_AUXOPTIONS_FIELD options\n\
    MYSQL_WHERE_CLAUSE\tserver='mail' \\\n AND active=1\nDEFAULT_DOMAIN\texample.com\nMYSQL_NEW 1\n";

#[cfg(feature = "sql")]
#[test]
fn sql_becomes_a_source_but_for_its_password() {
    use crate::settings::SourceKind;
    use auth::sql::Tls;
    let (toml, losses) =
        import_with(&[("authdaemonrc", "authmodulelist=\"authmysql\"\n"), ("authmysqlrc", AUTHMYSQLRC)]);
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(configuration.user.as_deref(), Some("5000"));
    assert_eq!(configuration.log_ins.default_domain.as_deref(), Some("example.com"));
    let [source] = configuration.sources.as_slice() else { panic!("{toml}") };
    let SourceKind::Sql(sql) = &source.kind else { panic!("{toml}") };
    assert_eq!((sql.url.0.as_str(), sql.tls), ("mysql://ad%40min@db.example.com/mail", Tls::Verify));
    assert!(sql.password_file.is_some());
    assert_eq!(
        sql.user_query,
        "SELECT id AS user, COALESCE(NULLIF(crypt, ''), CONCAT('{PLAIN}', NULLIF(clear, ''))) AS password, \
         home AS home, concat(dir, '/%%u') AS maildir, '5000' AS uid, gid AS gid \
         FROM passwd WHERE id = '%u' AND (server='mail'   AND active=1)"
    );
    assert_eq!(
        sql.list_query.as_deref(),
        Some(
            "SELECT id AS user, home AS home, concat(dir, '/%%u') AS maildir, '5000' AS uid, gid AS gid \
             FROM passwd WHERE server='mail'   AND active=1"
        )
    );
    let lost: Vec<&String> = losses.iter().filter(|loss| loss.starts_with("authmysqlrc")).collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].contains("AUXOPTIONS") && lost[1].contains("MYSQL_NEW"), "{lost:?}");
    assert!(!toml.contains("toto"), "{toml}");
}

#[cfg(feature = "sql")]
#[test]
fn sql_in_its_other_forms() {
    use crate::settings::SourceKind;
    let with = |modules: &str, file: &str, text: &str| {
        import_with(&[("authdaemonrc", &format!("authmodulelist=\"{modules}\"\n")), (file, text)])
    };
    for (modules, file, text, url, password) in [
        (
            "authpgsql",
            "authpgsqlrc",
            "PGSQL_USERNAME a\nPGSQL_DATABASE d\nPGSQL_USER_TABLE t\nPGSQL_CLEAR_PWFIELD clear\n",
            "postgres://a@localhost/d?host=/run/postgresql",
            "'{PLAIN}' || NULLIF(clear, '')",
        ),
        (
            "authpgsql",
            "authpgsqlrc",
            "PGSQL_HOST h\nPGSQL_PORT 5433\nPGSQL_USERNAME a\nPGSQL_DATABASE d\nPGSQL_USER_TABLE t\nPGSQL_CRYPT_PWFIELD c\n",
            "postgres://a@h:5433/d",
            "c AS password",
        ),
        (
            "authmysql",
            "authmysqlrc",
            "MYSQL_SERVER localhost\nMYSQL_SOCKET /run/s\nMYSQL_USERNAME a\nMYSQL_DATABASE d\nMYSQL_USER_TABLE t\nMYSQL_CRYPT_PWFIELD c\n",
            "mysql://a@localhost/d?socket=/run/s",
            "c AS password",
        ),
    ] {
        let (toml, _) = with(modules, file, text);
        let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
        let SourceKind::Sql(sql) = &configuration.sources[0].kind else { panic!("{toml}") };
        assert_eq!((sql.url.0.as_str(), configuration.sources.len()), (url, 1), "{toml}");
        assert!(sql.user_query.contains(password), "{toml}");
    }
    // A query of the site's own cannot be translated; userdb behind it is the passwd file.
    let own = format!("{AUTHMYSQLRC}MYSQL_SELECT_CLAUSE SELECT a, b FROM c\n");
    let (toml, losses) = with("authmysql authuserdb", "authmysqlrc", &own);
    assert!(toml.contains("Fill in: what finds a user") && toml.contains("passwd-file"), "{toml}");
    assert!(losses.iter().any(|loss| loss.contains("MYSQL_SELECT_CLAUSE")), "{losses:?}");
    assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{toml}");
    // What would not be read by our parser is no source.
    for wrong in ["MYSQL_WHERE_CLAUSE a = 'b\n", "MYSQL_PORT x\n", "MYSQL_WHERE_CLAUSE a = ?\n"] {
        let (toml, losses) = with("authmysql", "authmysqlrc", &format!("{AUTHMYSQLRC}{wrong}"));
        assert!(read_text(Path::new("r.toml"), &toml).is_ok() && toml.contains("passwd-file"), "{toml}");
        assert!(losses.iter().any(|loss| loss.starts_with("authmysqlrc: (the whole file): ")), "{losses:?}");
    }
    // Shipped with examples in it: of no account where SQL is not asked.
    let (toml, losses) = import_with(&[("authmysqlrc", AUTHMYSQLRC)]);
    assert!(
        !losses.iter().any(|loss| loss.starts_with("authmysqlrc")) && !toml.contains("users.sql"),
        "{toml}"
    );
}

#[test]
fn certificates_by_name_are_found_beside_the_first() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["pem", "pem.imap.example.org", "pem.192.0.2.1", "pem.old"] {
        std::fs::write(directory.path().join(name), "x").expect("a file");
    }
    let path = directory.path().join("pem");
    let ssl = format!("{IMAPD_SSL}TLS_CERTFILE={}\n", path.display());
    let (toml, losses) = import_with(&[("imapd-ssl", &ssl)]);
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    let names: Vec<_> = configuration.more_certificates.iter().map(|one| one.names.clone()).collect();
    assert_eq!(names, [["imap.example.org"]]);
    assert!(
        losses.iter().any(|loss| loss.contains("pem.192.0.2.1: certificates are chosen by")),
        "{losses:?}"
    );
}

#[test]
fn versions_of_tls_are_read() {
    use Oldest::{Older, Tls12, Tls13};
    for (value, expected) in [
        ("TLSv1.2++", Some(Tls12)),
        ("TLSv1.3", Some(Tls13)),
        ("TLSv1.1", Some(Older)),
        ("TLS1_2:TLS1_1:TLS1:SSL3", Some(Older)),
        ("TLS1_3:TLS1_2", Some(Tls12)),
        ("SSL23", Some(Older)),
        ("NORMAL", Some(Tls12)),
        ("NORMAL:-CTYPE-OPENPGP", Some(Tls12)),
        ("NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3", Some(Tls13)),
        ("NORMAL:+VERS-TLS1.0", Some(Older)),
        ("NORMAL:-CIPHER-ALL", None),
        ("HIGH", None),
    ] {
        assert_eq!(oldest_tls(value), expected, "{value}");
    }
}

#[test]
fn userdb_and_pam_are_taken_in_their_order() {
    use crate::settings::SourceKind;
    let userdb = "anna\tuid=5000|gid=5000|home=/srv/anna|systempw=secret\n";
    let files = [("authdaemonrc", "authmodulelist=\"authuserdb authpam authvchkpw\"\n"), ("userdb", userdb)];
    let (toml, losses) = import_with(&files);
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    let [first, second, third] = &configuration.sources[..] else { panic!("{toml}") };
    assert!(matches!(&first.kind, SourceKind::Userdb(path) if path.ends_with("userdb")), "{toml}");
    assert!(
        matches!(&second.kind, SourceKind::Helped(auth::helper::Check::Pam(pam)) if pam.service == "imap"),
        "{toml}"
    );
    assert_eq!(third.kind, SourceKind::Vpopmail("/var/qmail/users/cdb".into()));
    assert_eq!(configuration.user.as_deref(), Some("5000"));
    assert!(!losses.iter().any(|loss| loss.starts_with("authdaemonrc")), "{losses:?}");
    assert!(!toml.contains("secret"), "{toml}");
}
