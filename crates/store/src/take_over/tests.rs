//! Tests of what is read of other servers' files, and of what becomes of it.

use super::*;
use proptest::prelude::*;

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

/// UIDVALIDITY, UIDNEXT, and `UID NAME[ UIDL][FIELDS]` of each message.
fn shown(foreign: &Foreign) -> (Option<u32>, Option<u32>, Vec<String>) {
    let messages = foreign.messages.iter().map(|(uid, listed)| {
        let uidl = listed.uidl.as_ref().map(|uidl| format!(" {uidl}")).unwrap_or_default();
        format!("{uid} {}{uidl}{}", String::from_utf8_lossy(&listed.base), listed.fields)
    });
    (foreign.uid_validity.map(UidValidity::get), foreign.uid_next.map(Uid::get), messages.collect())
}

fn faults(set: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    set(&mut faults);
    faults
}

type Case = (&'static [u8], Option<u32>, Option<u32>, &'static [&'static str], Faults);

fn check(parse: fn(&[u8]) -> Foreign, cases: &[Case]) {
    for (list, validity, next, messages, faults) in cases {
        let text = list.escape_ascii();
        let foreign = parse(list);
        let expected = messages.iter().map(ToString::to_string).collect();
        assert_eq!(shown(&foreign), (*validity, *next, expected), "{text}");
        assert_eq!(foreign.faults, *faults, "{text}");
    }
}

#[test]
fn security_22_couriers_list() {
    let none = Faults::default();
    let headless = |set: fn(&mut Faults)| {
        let mut faults = faults(set);
        faults.headers = 1;
        faults
    };
    check(
        courier::parse_list,
        &[
            (
                b"1 748123456 9\n1 1.a,S=5\n3 2.b c\n",
                Some(748_123_456),
                Some(9),
                &["1 1.a,S=5", "3 2.b c"],
                none,
            ),
            (b"1 5 1\n", Some(5), Some(1), &[], none),
            // UIDNEXT is above all UIDs whatever the first line says.
            (b"1 5 2\n7 1.a:2,S\n", Some(5), Some(8), &["7 1.a"], none),
            (
                b"1 5 9\n3 1.a\n2 1.b\n",
                Some(5),
                Some(9),
                &["2 1.b", "3 1.a"],
                faults(|f| f.not_ascending = 1),
            ),
            (b"1 5 9\n3 1.a\n3 1.b\n", Some(5), Some(9), &["3 1.a"], faults(|f| f.duplicate_uids = 1)),
            (b"1 5 2\n3 1.a\n4 1.a\n", Some(5), Some(5), &["4 1.a"], faults(|f| f.duplicate_names = 1)),
            (
                b"1 5 9\n0 1.a\n4294967296 1.b\n2147483648 1.c\n",
                Some(5),
                Some(9),
                &[],
                faults(|f| f.impossible_uids = 3),
            ),
            (b"1 5 9\n1 a/b\n2 \n3 .a\n4 a\0b\n", Some(5), Some(9), &[], faults(|f| f.bad_names = 4)),
            (b"1 5 9\nx y\n\n-1 1.a\n+1 1.b\n", Some(5), Some(9), &[], faults(|f| f.bad_lines = 4)),
            (b"1 5 9\n1 1.a\n2 1.b", Some(5), Some(9), &["1 1.a"], faults(|f| f.torn_lines = 1)),
            (b"1 0 9\n1 1.a\n", None, Some(2), &["1 1.a"], headless(|_| {})),
            (b"1 5\n1 1.a\n", None, Some(2), &["1 1.a"], headless(|_| {})),
            (b"1 5 4294967296\n1 1.a\n", None, Some(2), &["1 1.a"], headless(|_| {})),
            (b"2 5 7\n1 1.a\n", None, Some(2), &["1 1.a"], headless(|_| {})),
            (b"6 1.x\n7 1.a\n", None, Some(8), &["6 1.x", "7 1.a"], headless(|_| {})),
            (b"1 5 9\n2147483647 1.a\n", Some(5), None, &["2147483647 1.a"], none),
            (b"", None, Some(1), &[], headless(|_| {})),
        ],
    );
}

#[test]
fn security_22_dovecots_list() {
    let none = Faults::default();
    check(
        dovecot::parse_list,
        &[
            (
                b"3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n25006 :1.a,S=1355,W=1394\n25017 W2481 PUID7-5 O3 Gabc :1.b\n",
                Some(1_275_660_208),
                Some(25_022),
                &["25006 1.a,S=1355,W=1394", "25017 1.b UID7-5 O3 Gabc"],
                none,
            ),
            // Records that came after the first line was written.
            (b"3 V5 N2\n9 :1.a:2,S\n", Some(5), Some(10), &["9 1.a"], none),
            // The first version.
            (b"1 5 9\n3 1.a:2,S\n", Some(5), Some(9), &["3 1.a"], none),
            (b"3 V5 N9\n3 :1.a\n4 :1.a\n4 :1.b\n", Some(5), Some(9), &["4 1.a"], faults(|f| (f.duplicate_names, f.duplicate_uids) = (1, 1))),
            (b"3 V5 N9\n3 1.a\n4 Wx\n5 W6 \n6 :a/b\n", Some(5), Some(9), &[], faults(|f| (f.bad_lines, f.bad_names) = (3, 1))),
            (b"3 V5 N9\n3 P\xff Q1 :1.a\n", Some(5), Some(9), &["3 1.a"], faults(|f| f.bad_uidls = 1)),
            (b"3 V0 N9\n3 :1.a\n", None, Some(4), &["3 1.a"], faults(|f| f.headers = 1)),
            (b"3 V5\n3 :1.a\n", None, Some(4), &["3 1.a"], faults(|f| f.headers = 1)),
            (b"\0\0\0\n3 :1.a\n", None, Some(4), &["3 1.a"], faults(|f| (f.headers, f.bad_lines) = (1, 1))),
            (b"2 :1.x\n3 :1.a\n", None, Some(4), &["2 1.x", "3 1.a"], faults(|f| f.headers = 1)),
        ],
    );
}

#[test]
fn keywords_are_read_with_what_is_wrong_in_them() {
    let mut found = Faults::default();
    let list = b"$Forwarded\nbad word\nWork\n\n1.a:0 2\n1.b:1 7 2\nno colon\na/b:0\n";
    let keywords = courier::parse_keywords(list, &mut found);
    let of = |base: &[u8]| keywords.get(base).map(|k| k.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(of(b"1.a"), Some(vec!["$Forwarded".to_owned(), "Work".to_owned()]));
    assert_eq!(of(b"1.b"), Some(vec!["Work".to_owned()]));
    assert_eq!(found, faults(|f| (f.bad_keywords, f.bad_lines, f.bad_names) = (2, 1, 1)));
    let mut found = Faults::default();
    let keywords = dovecot::parse_keywords(b"0 $Junk\n1 a b\nx y\n26 late\n0 Again\n25 z", &mut found);
    assert_eq!(keywords, BTreeMap::from([(0, Keyword::new("$Junk").unwrap())]));
    assert_eq!(found, faults(|f| (f.bad_keywords, f.bad_lines, f.torn_lines) = (1, 1, 1)));
}

#[test]
fn couriers_pop3_uidls() {
    let mut found = Faults::default();
    let list = b"/3 9 5\n1.a:2,S 100 7:5:1\ncur/1.b 100 8:0:-1\n1.'c d 100 0:5:0\nx\n1.e 5 a:b\na/.. 5 1:1\n";
    let uidls = courier::parse_sizes(list, &mut found);
    let of = |base: &[u8]| uidls.get(base).map(|uidl| uidl.to_string());
    assert_eq!(of(b"1.a").as_deref(), Some("UID7-5"));
    assert_eq!(of(b"1.b").as_deref(), Some("UID8"));
    assert_eq!(of(b"1.'c d").as_deref(), Some("1.+27c+20d"));
    assert_eq!(found, faults(|f| (f.bad_lines, f.bad_names) = (2, 1)));
    for (uidl, numbers) in [
        ("UID7-5", Some((7, 5))),
        ("UID8", Some((8, 0))),
        ("1.+27c+20d", Some((0, 0))),
        ("UID07", None),
        ("UID7-0", None),
        ("0000000700000005", None),
    ] {
        assert_eq!(courier::numbers_of_uidl(uidl, b"1.'c d"), numbers, "{uidl}");
    }
}

#[test]
fn the_newer_list_counts_or_the_one_that_is_wanted() {
    let site = tempfile::tempdir().unwrap();
    for place in ["cur", "new"] {
        std::fs::create_dir(site.path().join(place)).unwrap();
    }
    let write = |name: &str, text: &str, age: u64| {
        let path = site.path().join(name);
        std::fs::write(&path, text).unwrap();
        let time = SystemTime::now() - std::time::Duration::from_secs(age);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    let taken = |preference| {
        let taken =
            take_over(ForeignFiles { directory: site.path(), dovecot: site.path() }, preference).unwrap();
        taken.map(|taken| (taken.origin, taken.uid_validity.map(UidValidity::get)))
    };
    let (courier, dovecot) = (Some((Origin::Courier, Some(5))), Some((Origin::Dovecot, Some(6))));
    assert_eq!(taken(Preference::Newer), None);
    write("courierimapuiddb", "1 5 9\n", 100);
    write("dovecot-uidlist", "3 V6 N9\n", 50);
    assert_eq!(taken(Preference::Newer), dovecot);
    assert_eq!(taken(Preference::First(Origin::Courier)), courier);
    write("dovecot-uidlist", "3 V6 N9\n", 200);
    assert_eq!(taken(Preference::Newer), courier);
    assert_eq!(taken(Preference::First(Origin::Dovecot)), dovecot);
    // The one that is wanted cannot be read.
    write("courierimapuiddb", "", 10);
    assert_eq!(taken(Preference::First(Origin::Courier)), dovecot);
    std::fs::remove_file(site.path().join("dovecot-uidlist")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", site.path().join("dovecot-uidlist")).unwrap();
    assert_eq!(taken(Preference::Newer), None);
}

#[test]
fn the_greatest_uidvalidity_of_dovecot() {
    let site = tempfile::tempdir().unwrap();
    assert_eq!(dovecot::greatest_uid_validity(site.path()), 0);
    for (name, text, greatest) in [
        ("dovecot-uidvalidity", "0000000a", 10),
        ("dovecot-uidvalidity.0000000b", "", 11),
        ("dovecot-uidvalidity.xyz", "", 11),
        ("dovecot-uidvalidity.0000000c9", "", 11),
        ("dovecot-uidvalidity.ffffffff", "", 11),
        ("dovecot-uidvalidity", "0000001", 11),
        ("dovecot-uidvalidity", "0000000C\n", 12),
    ] {
        std::fs::write(site.path().join(name), text).unwrap();
        assert_eq!(dovecot::greatest_uid_validity(site.path()), greatest, "{name} {text}");
    }
}

#[test]
fn uidls_by_default_are_not_noted() {
    let list = b"3 V5 N9\n1 P0000000100000005 :1.a\n2 P0000000100000005 :1.b\n";
    let foreign = dovecot::parse_list(list);
    let lines = lines(&foreign, &Keywords::new(), ModSeq(1), &mut Faults::default());
    let uidls: Vec<&Line> = lines.iter().filter(|line| matches!(line, Line::Uidl(..))).collect();
    assert_eq!(uidls, [&Line::Uidl(uid(2), "0000000100000005".into())]);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        survive(&bytes);
    }

    #[test]
    fn bytes_of_the_right_kind_are_survived(text in "([13] V?[0-9]{0,10} N?[0-9]{0,10}\n)?([0-9]{0,3} ([PGW][a-z0-9]{0,3} ){0,2}:?[a-c/.]{0,2}(:2,S)?\n?){0,20}") {
        survive(text.as_bytes());
    }
}

fn survive(bytes: &[u8]) {
    for foreign in [courier::parse_list(bytes), dovecot::parse_list(bytes)] {
        let mut bases: Vec<_> = foreign.messages.values().map(|listed| &listed.base).collect();
        bases.sort();
        bases.dedup();
        assert_eq!(bases.len(), foreign.messages.len(), "no name has two UIDs");
        assert!(bases.iter().all(|base| is_base_name(base)));
        let last = foreign.messages.last_key_value().map(|(uid, _)| *uid);
        assert!(foreign.uid_next.is_none() || foreign.uid_next > last);
    }
    let mut faults = Faults::default();
    courier::parse_keywords(bytes, &mut faults);
    courier::parse_sizes(bytes, &mut faults);
    dovecot::parse_keywords(bytes, &mut faults);
}
