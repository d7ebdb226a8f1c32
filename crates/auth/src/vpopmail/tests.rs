use super::*;
use crate::testing::{asked, cdb, name};

/// A vpopmail site.
struct Site {
    directory: tempfile::TempDir,
    source: Vpopmail,
}

const ANNA: &str = "$6$s$h:1:0:Anna:/home/anna:10485760S,1000C:in clear";

impl Site {
    /// With `example.com`, of which `alias.example` is an alias, and two who are no domains.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let domain = directory.path().join("domain");
        std::fs::create_dir(&domain).unwrap();
        let source = Vpopmail::new(directory.path().join("cdb"));
        let site = Self { directory, source };
        let value = format!("Example.com\x0089\x0090\0{}\0-\0\0", domain.display());
        site.assign(&[
            ("", "-"),
            ("!example.com-", &value),
            ("!alias.example-", &value),
            ("!local-", "local\x001\x001\0/home/local\0-\0\0"),
            ("!root\0", "root\x000\x000\0/root\0\0\0"),
        ]);
        site.users(&[("anna", ANNA)]);
        site
    }

    fn assign(&self, records: &[(&str, &str)]) {
        std::fs::write(self.directory.path().join("cdb"), cdb(&owned(records))).unwrap();
    }

    /// Replaces `vpasswd.cdb`.
    fn users(&self, records: &[(&str, &str)]) {
        self.write("cdb.tmp", &cdb(&owned(records)));
        std::fs::rename(self.at("cdb.tmp"), self.at("vpasswd.cdb")).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join("domain").join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at(name), bytes).unwrap();
    }

    async fn find(&self, login: &str) -> Result<SourceAnswer, Unavailable> {
        self.source.find(asked(&name(login))).await
    }

    /// Who that is, and what is stored of them; `None`: nobody.
    async fn known(&self, login: &str) -> Option<(User, Vec<Vec<u8>>)> {
        match self.find(login).await.unwrap() {
            SourceAnswer::Stored(user, stored) => {
                Some((user, stored.iter().map(|secret| secret.expose().to_vec()).collect()))
            }
            SourceAnswer::Unknown => None,
            other => panic!("{other:?}"),
        }
    }

    /// Why there is no answer; the same goes for the list, and the problems say it.
    async fn wrong(&self, login: &str) -> String {
        let reason = self.find(login).await.unwrap_err().reason;
        assert!(self.source.list().await.is_err(), "{reason}");
        let problems = self.source.problems().await.unwrap();
        assert!(problems.contains(&reason), "{reason}: {problems:?}");
        reason
    }
}

fn owned(records: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    records.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn a_user_is_found_by_the_domain_and_its_aliases() {
    let site = Site::new();
    let expected = User {
        name: "anna@example.com".to_owned(),
        home: Some("/home/anna".to_owned()),
        maildir: Some("Maildir".to_owned()),
        uid: Some(89),
        gid: Some(90),
        extra: vec![("quota".to_owned(), "10485760S,1000C".to_owned())],
        ..User::default()
    };
    for login in ["anna@example.com", "Anna@Example.COM", "anna@alias.example"] {
        let known = site.known(login).await;
        assert_eq!(known, Some((expected.clone(), vec![b"{CRYPT}$6$s$h".to_vec()])), "{login}");
    }
    for login in ["anna", "bert@example.com", "anna@other.example", "anna@local", "root@local"] {
        assert_eq!(site.known(login).await, None, "{login}");
    }
    assert_eq!(site.source.list().await, Ok(vec![expected]));
    assert_eq!(site.source.problems().await, Ok(vec![]));
}

#[tokio::test]
async fn records_are_read_as_vpopmail_reads_them() {
    let site = Site::new();
    for (value, domain_limits, disabled, stored) in [
        ("h:1:0:A:/a:NOQUOTA", "", &[][..], &["{CRYPT}h"][..]),
        ("h:1::A:/a", "", &[], &["{CRYPT}h"]),
        ("h:1:8:A:/a:", "", &["imap"], &["{CRYPT}h"]),
        ("h:1:2062:A:/a:", "", &["pop3", "webmail", "imap", "smtp"], &["{CRYPT}h"]),
        ("h:1:497:A:/a:", "", &[], &["{CRYPT}h"]),
        ("h:1:2:A:/a:", "quota: 1\ndisable_imap\n", &["pop3", "imap"], &["{CRYPT}h"]),
        ("h:1:0:A:/a:", "#disable_imap\r\ndisable_imaps\ndisable_pop: 1", &["pop3"], &["{CRYPT}h"]),
        ("h:1:8194:A:/a:", "disable_imap\n", &["pop3"], &["{CRYPT}h"]),
        // Neither does a hash name a scheme, nor is the password in clear taken.
        ("{PLAIN}a:1:0:A:/a::b", "", &[], &["{CRYPT}{PLAIN}a"]),
        (":1:0:A:/a::clear", "", &[], &[]),
    ] {
        site.users(&[("anna", value)]);
        site.write(".qmailadmin-limits", domain_limits.as_bytes());
        let (user, found) = site.known("anna@example.com").await.unwrap();
        assert_eq!(user.disabled_services, disabled, "{value} {domain_limits}");
        assert_eq!(found, stored.iter().map(|one| one.as_bytes()).collect::<Vec<_>>(), "{value}");
    }
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_the_text_only_without_a_cdb() {
    let site = Site::new();
    site.write("vpasswd", format!("bert:{ANNA}\nno colon\n\n../x:a\ncarl:h:1:0::/c:\r\n").as_bytes());
    assert!(site.known("bert@example.com").await.is_none(), "the cdb is there");
    for hash in ["a", "b", "c"] {
        site.users(&[("anna", &format!("{hash}:1:0::/a:"))]);
        let (_, stored) = site.known("anna@example.com").await.unwrap();
        assert_eq!(stored, [format!("{{CRYPT}}{hash}").as_bytes()]);
    }
    std::fs::remove_file(site.at("vpasswd.cdb")).unwrap();
    assert!(site.known("anna@example.com").await.is_none());
    assert!(site.known("bert@example.com").await.is_some());
    assert_eq!(site.known("carl@example.com").await.unwrap().0.extra, []);
    assert_eq!(site.source.problems().await.unwrap().len(), 2);
    assert!(site.source.list().await.is_err(), "a list without them would be wrong");
    site.write("vpasswd", b"carl:h:1:0::/c:\n");
    assert_eq!(site.source.list().await.unwrap().len(), 1);
    std::fs::remove_file(site.at("vpasswd")).unwrap();
    assert!(site.wrong("carl@example.com").await.contains("domain/vpasswd: "));
}

#[tokio::test]
async fn security_22_what_is_wrong_is_unavailable_and_tells_no_secret() {
    let site = Site::new();
    for value in ["SECRET", "SECRET:1:x:A:/a", "SECRET:1:0:A::q", "SECRET:1:-1:A:/a", "SECRET:1:0:A"] {
        site.users(&[("anna", value)]);
        let reason = site.wrong("anna@example.com").await;
        assert!(reason.contains("vpasswd.cdb: anna: ") && !reason.contains("SECRET"), "{reason}");
    }
    site.users(&[("anna", ANNA), ("../bert", ANNA), ("anna@example.com", ANNA)]);
    assert!(site.known("anna@example.com").await.is_some());
    assert_eq!(site.source.problems().await.unwrap().len(), 2);

    let whole = std::fs::read(site.at("vpasswd.cdb")).unwrap();
    for length in [0, 100, 2048, whole.len() - 1] {
        site.write("vpasswd.cdb", &whole[..length]);
        assert!(site.wrong("anna@example.com").await.contains("truncated"), "{length}");
    }
    std::fs::remove_file(site.at("vpasswd.cdb")).unwrap();
    site.write("real", &whole);
    std::os::unix::fs::symlink(site.at("real"), site.at("vpasswd.cdb")).unwrap();
    site.wrong("anna@example.com").await;
    site.users(&[("anna", ANNA)]);
    std::fs::create_dir(site.at(".qmailadmin-limits")).unwrap();
    assert!(site.wrong("anna@example.com").await.contains(".qmailadmin-limits"));
}

#[tokio::test]
async fn a_wrong_users_cdb_is_unavailable() {
    let site = Site::new();
    for value in [
        "",
        "example.com",
        "example.com\x001",
        "example.com\x001\x00x\0/d\0",
        "example.com\x001\x001\0\0",
        "example.com\x001\x001\0d\0",
        "../x\x001\x001\0/d\0",
        "a@b\x001\x001\0/d\0",
        "a.example\x001\x00-1\0/d\0",
    ] {
        site.assign(&[("!example.com-", value)]);
        assert!(site.wrong("anna@example.com").await.contains("cdb: example.com: "), "{value:?}");
    }
    std::fs::write(site.directory.path().join("cdb"), "no cdb").unwrap();
    for login in ["anna@example.com", "anna"] {
        site.wrong(login).await;
    }
    std::fs::remove_file(site.directory.path().join("cdb")).unwrap();
    site.wrong("anna@example.com").await;
}
