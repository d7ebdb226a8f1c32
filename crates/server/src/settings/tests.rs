//! Settings: what is allowed, what is said of the rest, and that the files say the same.

use super::*;
use std::path::PathBuf;

fn problems(text: &str) -> Vec<String> {
    match read_text(Path::new("r.toml"), text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// The minimal file with lines put before its tables, or behind them.
fn with(before: &str, behind: &str) -> String {
    format!("{before}\n{}\n{behind}", document::MINIMAL)
}

#[test]
fn the_file_of_a_small_site_is_enough() {
    let configuration = read_text(Path::new("r.toml"), document::MINIMAL).expect("it is right");
    assert_eq!(configuration.session.hostname, "mail.example.com");
    assert!(configuration.passwd_files().eq([&PathBuf::from("/etc/restante/users")]));
    assert_eq!(configuration.session.limits.append_max, 100 << 20);
    assert_eq!(configuration.session.limits.parts, codec::Parts::DEFAULT);
    assert_eq!(configuration.session.idle_timeout_ms, 30 * 60 * 1000);
    assert!(configuration.cleartext_from.is_empty() && configuration.listen.is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_is_allowed() {
    for (text, expected) in [
        (with("hostnam = \"x\"", ""), "r.toml:1:1: no setting hostnam here; did you mean hostname?"),
        (with("", "[limit]\nx = 1"), "r.toml:15:2: no setting limit here; did you mean [limits]?"),
        (
            with("", "[limits]\nliteral = \"1T\""),
            "r.toml:16:11: literal must be a size from 1000 to 1G, such as \"64K\" or \"4M\"",
        ),
        (with("", "[limits]\nnesting = 0"), "r.toml:16:11: nesting must be a number from 1 to 200"),
        (
            with("", "[login]\ntimeout = 3"),
            "r.toml:16:11: timeout must be a time from 1s to 1h, such as \"30s\" or \"5m\"",
        ),
        (
            with("", "[login]\ncleartext-from = [\"x\"]"),
            "r.toml:16:18: cleartext-from must be a list of networks, such as [\"127.0.0.0/8\", \"::1\"]",
        ),
        (
            with("", "[login]\nmechanisms = [\"SCRAM\"]"),
            "r.toml: no mechanism SCRAM in [login]; known are SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, EXTERNAL, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN, CRAM-MD5",
        ),
        (
            with("", "[login]\nmechanisms = [\"XOAUTH2\"]"),
            "r.toml: mechanism XOAUTH2 in [login] wants [oauth]",
        ),
        (
            with("", "[listen]\naddress = \"x\""),
            "r.toml:15:1: listen is a list of tables: write [[listen]] above its settings",
        ),
        (
            with("", "[[listen]]\naddress = \"localhost:143\"\ntls = \"no\""),
            "r.toml:16:11: address must be an address with a port, such as \"127.0.0.1:1143\" or \"[::1]:1143\"",
        ),
        (
            with("", "[[listen]]\naddress = \"127.0.0.1:1\""),
            "r.toml:15:1: [[listen]] wants tls, such as tls = \"starttls\"",
        ),
        (
            with("", "[[listen]]\naddress = \"127.0.0.1:1\"\nprotocol = \"nntp\""),
            "r.toml:17:12: protocol must be \"imap\"",
        ),
        (
            "[mail]\nmaildir = \"/srv/%u\"\nquota = \"much\"\n".to_owned(),
            "r.toml:3:9: quota must be a size, a number of messages with C behind it, or both, such as",
        ),
        (
            "[mail]\nmaildir = \"/srv/%x\"\n".to_owned(),
            "r.toml:2:11: maildir must be an absolute path in quotes, with %u, %n, %d, %h or %% in it",
        ),
        (
            "[mail]\nmaildir = \"/srv/%u\"\n".to_owned(),
            "r.toml: [[users]] wants passwd-file, such as passwd-file = \"/etc/restante/users\"",
        ),
        (
            with("", "").replace("[mail]\n", "[mail]\nname-escape = \".\"\n"),
            "r.toml: name-escape in [mail] cannot be ., which parts levels or begins modified UTF-7",
        ),
        (
            with("", "").replace("[mail]\n", "[mail]\nindex = \"/var/cache/%d\"\n"),
            "r.toml: index in [mail] must differ for each user: it wants %u, %n or %h",
        ),
        ("[mail\n".to_owned(), "r.toml:1:6: not valid TOML: "),
    ] {
        let found = problems(&text);
        assert!(
            found.iter().any(|problem| problem.starts_with(expected)),
            "{text}\n{found:#?}\nexpected {expected}"
        );
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = "a = 1\nb = 2\n[tls]\ncertificate = 7\n[mail]\n[limits]\nc = 3\nline = -1\n";
    let found = problems(text);
    for (place, expected) in [
        ("r.toml: ", "[[users]] wants passwd-file"),
        ("r.toml:1:1: ", "no setting a here"),
        ("r.toml:2:1: ", "no setting b here"),
        ("r.toml:3:1: ", "[tls] wants key"),
        ("r.toml:4:15: ", "certificate must be an absolute path"),
        ("r.toml:5:1: ", "[mail] wants maildir"),
        ("r.toml:7:1: ", "no setting c in [limits]"),
        ("r.toml:8:8: ", "line must be a size"),
    ] {
        let expected = format!("{place}{expected}");
        assert!(found.iter().any(|problem| problem.starts_with(&expected)), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn what_is_right_can_be_looked_at_beside_what_is_wrong() {
    for (text, expected) in [
        (with("hostnam = \"x\"", "[limits]\nline = -1"), true),
        (with("", "[[listen]]\naddress = \"127.0.0.1:1\""), false),
        (String::new(), false),
        ("[mail\n".to_owned(), false),
    ] {
        let (configuration, problems) = parse_what_is_right(Path::new("r.toml"), &text);
        assert!(!problems.is_empty(), "{text}");
        assert_eq!(configuration.is_some(), expected, "{text}");
    }
}

#[test]
fn what_a_reload_leaves_as_it_was_is_named() {
    let configuration = |text: &str| read_text(Path::new("r.toml"), text).expect("it is right");
    let old = configuration(document::MINIMAL);
    let mail = |lines: &str| document::MINIMAL.replace("user = \"vmail\"", lines);
    let listen = "[[listen]]\naddress = \"127.0.0.1:1143\"\ntls = \"starttls\"";
    let expected: [(String, &[&str]); 7] = [
        (with("", "[log]\nformat = \"text\"\nlevel = \"debug\""), &[]),
        (with("", "[log]\nformat = \"json\""), &["format of [log]"]),
        (with("", "[limits]\nfile-jobs = 3\nconnections = 7"), &["file-jobs of [limits]"]),
        (with("", listen), &["[[listen]]"]),
        (with("", "[[users]]\n[users.pam]\n"), &["[users.pam]"]),
        (mail("user = \"mail\"\ncreate = false\nkeywords = 5"), &["user of [mail]", "keywords of [mail]"]),
        (mail(""), &["user of [mail]"]),
    ];
    for (text, expected) in expected {
        assert_eq!(configuration(&text).fixed_at_start(&old), expected, "{text}");
        assert_eq!(old.fixed_at_start(&configuration(&text)), expected, "{text}");
    }
}

#[test]
fn without_tls_and_cleartext_nobody_could_log_in() {
    let text = "[mail]\nmaildir = \"/m/%u\"\n[[users]]\npasswd-file = \"/u\"\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n";
    assert_eq!(problems(text).len(), 1, "{:?}", problems(text));
    assert_eq!(
        problems(&format!("{text}[login]\ncleartext-from = [\"127.0.0.0/8\"]\n")),
        Vec::<String>::new()
    );
}

/// Files that are generated are in the tree, so that they can be read without building; run
/// with `UPDATE=1` to write them.
fn check_generated(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).expect("a generated file");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is not what the table says: run the tests with UPDATE=1", path.display());
}

#[test]
fn the_sample_file_and_the_man_pages_say_what_the_table_says() {
    check_generated("config/restante.toml", &document::sample());
    check_generated("man/restante.toml.5", &document::man_page());
    check_generated("man/restante.1", &crate::cli::man::page());
}

#[test]
fn the_sample_file_is_right_also_with_everything_in_use() {
    assert_eq!(problems(&document::sample()), Vec::<String>::new());
    let uncommented: String = document::sample()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if setting.contains(" = ") && !setting.contains(". ") || setting.starts_with('[') =>
            {
                setting
            }
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let mut found = problems(&uncommented);
    // All sources are in use there, in one table.
    found.retain(|problem| !problem.contains("has more than one source"));
    assert_eq!(found, Vec::<String>::new(), "{uncommented}");
}

#[test]
fn every_default_name_of_a_special_use_is_a_mailbox_of_its_own() {
    let configuration = read_text(Path::new("r.toml"), document::MINIMAL).expect("it is right");
    let mut seen = std::collections::BTreeSet::new();
    for (special_use, count) in configuration.session.special_use_names.iter().zip([18, 37, 27, 36, 17]) {
        // One that could be no mailbox would be left out.
        assert_eq!(special_use.names.len(), count, "{:?}", special_use.special_use);
        for name in &special_use.names {
            assert!(seen.insert(name.clone()), "{name} stands twice");
        }
    }
}
