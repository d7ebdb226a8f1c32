//! Which settings they are, and what cannot be read.

use super::*;

fn read_path(path: &Path, from: Option<Server>) -> Result<(Draft, String), String> {
    read(&Options { path: path.to_owned(), from }).map_err(|problem| problem.to_string())
}

#[test]
fn the_server_is_known_by_its_settings() {
    for (text, expected) in [
        ("# x\n\nPORT=143\n", Some(Server::Courier)),
        ("##NAME: x\nADDRESS=0", Some(Server::Courier)),
        ("# 2.3.19.1\nprotocols = imap\n", Some(Server::Dovecot)),
        ("namespace inbox {\n}\n", Some(Server::Dovecot)),
        ("[tls]\n", None),
        ("", None),
        ("hello world\n", None),
        ("\u{1}\u{2}=", None),
    ] {
        assert_eq!(server_of_text(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn what_is_given_is_found_or_it_is_said_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let empty = path("empty");
    std::fs::create_dir(&empty).expect("a directory");
    std::fs::create_dir(path("courier")).expect("a directory");
    std::fs::write(path("courier/imapd"), "PORT=143\nADDRESS=\"0\n").expect("a file");
    for (name, text) in [
        ("dovecot", &b"mail_location = maildir:~/m\n"[..]),
        ("open", b"a = 1\nnamespace x {\n"),
        ("nul", b"a = 1\nb = \0\n"),
        ("imapd", b"PORT=143\n"),
        ("other", b"hello\n"),
    ] {
        std::fs::write(path(name), text).expect("a file");
    }
    std::fs::write(path("large"), "a = b\n".repeat(2 << 20)).expect("a file");
    std::fs::write(path("long"), format!("a = 1\nb = {}\n", "x".repeat(1 << 20))).expect("a file");
    assert!(read_path(&path("dovecot"), None).is_ok());
    for (name, from, expected) in [
        ("none", None, "none: cannot be read: "),
        ("empty", None, "empty: neither Courier's imapd and imapd-ssl nor dovecot.conf is in it"),
        ("courier", None, "imapd:2: a quote \" that is never closed"),
        ("open", None, "open:2: the block namespace is never closed"),
        ("nul", None, "nul:2: a NUL"),
        ("long", None, "long:2: a line longer than 65536 bytes"),
        ("large", None, "large: longer than 4194304 bytes"),
        ("imapd", None, "imapd: Courier's settings are several files"),
        ("imapd", Some(Server::Dovecot), "maildir"),
        ("other", None, "other: neither Courier's settings nor the output of `doveconf -n`"),
        ("other", Some(Server::Dovecot), "other:1: neither a setting"),
    ] {
        match read_path(&path(name), from) {
            Ok((draft, _)) => assert!(draft.has("mail", expected), "{name}"),
            Err(said) => assert!(said.contains(expected), "{name}: {said}"),
        }
    }
}
