//! A whole session by bytes, logged in with a mailbox selected, over a Maildir.
#![no_main]

use libfuzzer_sys::fuzz_target;
use session::testing::Site;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    site.account("user");
    let cur = site.maildir("user").join("cur");
    let message = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n";
    std::fs::write(cur.join("1.a:2,S"), message).expect("a message");
    std::fs::write(cur.join("2.b:2,"), "\ntext").expect("a message");
    let mut client = site.select("INBOX");
    let mut lines = bytes.split_inclusive(|b| *b == b'\n');
    lines.by_ref().take(50).for_each(|line| drop(client.send(line)));
    client.send(b"\r\nz NOOP\r\n");
});
