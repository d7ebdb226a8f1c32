//! Tests of what is written for other servers.

use super::*;
use crate::extract::{Extract, ExtractRow};
use crate::scan::Place;
use crate::take_over::{self, Preference};
use mail::{Keyword, Uid, UidValidity};

fn row(uid: u32, base: &str, suffix: &str, keywords: &[&str], uidl: Option<&str>) -> ExtractRow {
    ExtractRow {
        uid: Uid::new(uid).unwrap(),
        base: base.as_bytes().into(),
        suffix: suffix.as_bytes().into(),
        place: Place::Cur,
        keywords: keywords.iter().map(|k| Keyword::new(k).unwrap()).collect(),
        uidl: uidl.map(Box::from),
    }
}

/// A mailbox's directory with the files of the rows.
struct Mail {
    directory: tempfile::TempDir,
    settings: StoreSettings,
    extract: Extract,
}

impl Mail {
    fn new(rows: Vec<ExtractRow>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for place in ["cur", "new", "tmp"] {
            std::fs::create_dir(directory.path().join(place)).unwrap();
        }
        for row in &rows {
            let name = String::from_utf8([&row.base[..], &row.suffix].concat()).unwrap();
            std::fs::write(directory.path().join("cur").join(name), "a\nb\n").unwrap();
        }
        let settings = StoreSettings {
            utf8_names: true,
            lock_wait_ms_max: 20,
            keywords_max: 1000,
            take_over: Preference::Newer,
            kept_bytes_max: 0,
            quota_counts_trash: false,
            hostname: "host".to_owned(),
            ..StoreSettings::default()
        };
        let extract = Extract { uid_validity: UidValidity::new(5).unwrap(), uid_next: Uid::new(20), rows };
        Self { directory, settings, extract }
    }

    fn write(&self, to: Origin, is_dry: bool) -> Result<HandedOver> {
        let directory = self.directory.path();
        let site = Site { directory, dovecot: directory, is_inbox: true, settings: &self.settings, is_dry };
        write(&site, &self.extract, to)
    }

    fn foreign(&self) -> take_over::ForeignFiles<'_> {
        take_over::ForeignFiles { directory: self.directory.path(), dovecot: self.directory.path() }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join(directory)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn rows() -> Vec<ExtractRow> {
    vec![
        row(3, "1.a,S=4,W=6", ":2,S", &["$Junk", "Work"], Some("UID7-9")),
        row(9, "1.b", ":2,Sac", &["Work"], Some("odd")),
        row(12, "1.c", ":2,", &[], None),
    ]
}

#[test]
fn courier_reads_what_was_written() {
    let mail = Mail::new(rows());
    std::fs::create_dir(mail.directory.path().join("courierimapkeywords")).unwrap();
    std::fs::write(mail.directory.path().join("courierimapkeywords/1.c"), "Stale\n").unwrap();
    let dry = mail.write(Origin::Courier, true).unwrap();
    assert_eq!(mail.names(""), ["courierimapkeywords", "cur", "new", "tmp"]);
    let done = mail.write(Origin::Courier, false).unwrap();
    assert_eq!((done.messages, done.keywords, done.uidls, &done.left), (3, 2, 2, &dry.left));
    assert!(done.left.len() == 1 && done.left[0].starts_with("1 POP3 UIDLs"), "{:?}", done.left);
    assert_eq!(mail.text("courierimapuiddb"), "1 5 20\n3 1.a,S=4,W=6\n9 1.b\n12 1.c\n");
    assert_eq!(mail.text("courierimapkeywords/:list"), "$Junk\nWork\n\n1.a,S=4,W=6:0 1\n1.b:1\n");
    assert_eq!(mail.text("courierpop3dsizelist"), "/2 8 5\n1.a,S=4,W=6 6 7:9\n");
    assert_eq!(mail.names("courierimapkeywords"), [":list"]);
    assert!(mail.names("tmp").is_empty(), "the lock is gone");
    let taken = take_over::take_over(mail.foreign(), Preference::Newer).unwrap().unwrap();
    assert!(taken.faults.is_none(), "{}", taken.faults);
    // 2 keywords, 3 messages, 1 UIDL, UIDNEXT, recent.
    assert_eq!((taken.uid_validity.map(UidValidity::get), taken.lines.len()), (Some(5), 8));
}

#[test]
fn dovecot_reads_what_was_written() {
    let mail = Mail::new(rows());
    let path = |name: &str| mail.directory.path().join(name);
    std::fs::write(path("dovecot-keywords"), "0 Old\n2 $Junk\n").unwrap();
    let guid = "3085f01b7f11094c501100008c4a11c1";
    let earlier = format!("3 V5 N7 G{guid}\n3 O4 Gff :1.a,S=4,W=6\n");
    std::fs::write(path("dovecot-uidlist"), earlier).unwrap();
    let dry = mail.write(Origin::Dovecot, true).unwrap();
    assert_eq!((dry.renamed, mail.text("dovecot-keywords")), (2, "0 Old\n2 $Junk\n".to_owned()));
    let done = mail.write(Origin::Dovecot, false).unwrap();
    assert_eq!((done.renamed, done.left.len()), (2, 0));
    assert_eq!(mail.text("dovecot-keywords"), "0 Old\n1 Work\n2 $Junk\n");
    assert_eq!(mail.names("cur"), ["1.a,S=4,W=6:2,Sbc", "1.b:2,Sb", "1.c:2,"]);
    let expected = format!("3 V5 N20 G{guid}\n3 S4 W6 PUID7-9 O4 Gff :1.a,S=4,W=6\n9 Podd :1.b\n12 :1.c\n");
    assert_eq!(mail.text("dovecot-uidlist"), expected);
    let taken = take_over::take_over(mail.foreign(), Preference::Newer).unwrap().unwrap();
    assert!(taken.faults.is_none(), "{}", taken.faults);
    assert_eq!((taken.uid_validity.map(UidValidity::get), taken.lines.len()), (Some(5), 9));
    assert!(!path("dovecot-uidlist.lock").exists());
}

#[test]
fn more_keywords_than_letters_are_said() {
    let names: Vec<String> = (0..30).map(|n| format!("k{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mail = Mail::new(vec![row(1, "1.a", ":2,", &names, None), row(2, "1.b", ":2,", &["k29"], None)]);
    let done = mail.write(Origin::Dovecot, false).unwrap();
    assert_eq!(done.left, ["Dovecot keeps 26 keywords in file names; left out: k25 k26 k27 k28"]);
    assert!(mail.text("dovecot-keywords").starts_with("0 k29\n1 k00\n"), "the most used first");
    assert_eq!(mail.names("cur"), ["1.a:2,abcdefghijklmnopqrstuvwxyz", "1.b:2,a"]);
}

#[test]
fn what_another_process_locked_is_left_alone() {
    for (to, lock) in [(Origin::Courier, "tmp/courier.lock"), (Origin::Dovecot, "dovecot-uidlist.lock")] {
        let mail = Mail::new(rows());
        let lock = mail.directory.path().join(lock);
        let file = std::fs::File::create(&lock).unwrap();
        assert_eq!(mail.write(to, false).unwrap_err().kind, crate::ErrorKind::Busy);
        assert!(!mail.directory.path().join(to.list_name()).exists());
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(200);
        file.set_modified(old).unwrap();
        mail.write(to, false).unwrap();
        assert!(mail.directory.path().join(to.list_name()).exists() && !lock.exists());
    }
}

#[test]
fn dovecots_uidvalidities_go_on_above_ours() {
    let site = tempfile::tempdir().unwrap();
    let root = site.path();
    for (greatest, expected) in [(0, 0), (0x5000, 0x5000), (0x4000, 0x5000), (0x6000, 0x6000)] {
        dovecot::write_uid_validity(root, greatest).unwrap();
        assert_eq!(take_over::dovecot::greatest_uid_validity(root), expected);
    }
    assert_eq!(std::fs::read_to_string(root.join("dovecot-uidvalidity")).unwrap(), "00006000");
    assert!(root.join("dovecot-uidvalidity.00006000").exists());
}
