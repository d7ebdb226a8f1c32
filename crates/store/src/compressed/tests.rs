//! Tests of what is taken for compressed, and of what is made of it.

use super::*;
use crate::message::MessageFile;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use proptest::prelude::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A Maildir with one file in it, opened as a message.
fn opened(name: &str, bytes: &[u8]) -> Result<MessageFile> {
    let maildir = tempfile::tempdir().unwrap();
    for directory in ["cur", "tmp"] {
        std::fs::create_dir(maildir.path().join(directory)).unwrap();
    }
    let path = maildir.path().join("cur").join(name);
    std::fs::write(&path, bytes).unwrap();
    let file = MessageFile::open(&path).map(|file| file.expect("it is there"));
    let left = std::fs::read_dir(maildir.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "nothing is left in tmp/");
    file
}

fn message(lines: usize) -> Vec<u8> {
    let mut text = b"Subject: compressed\nFrom: a@example.org\n\n".to_vec();
    for line in 0..lines {
        text.extend_from_slice(format!("line {line} {}\n", line.wrapping_mul(2_654_435_761)).as_bytes());
    }
    text
}

#[test]
fn gzip_and_zstd_are_read_at_any_place() {
    // In memory, and in a file.
    for lines in [3, 1_000, 90_000] {
        let text = message(lines);
        for (kind, bytes) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
            let file = opened("1.a,S=1:2,S", &bytes).unwrap();
            assert_eq!(file.size(), text.len() as u64, "{kind}");
            assert!(file.read_all().unwrap() == text, "{kind}");
            assert_eq!(file.read_header(1024).unwrap()[..20], text[..20], "{kind}");
            let mut middle = vec![0; 40];
            let at = text.len() - 60;
            assert_eq!(file.read_at(&mut middle, at as u64).unwrap(), 40);
            assert_eq!(middle, text[at..at + 40], "{kind}");
            assert_eq!(file.read_at(&mut middle, text.len() as u64 - 3).unwrap(), 3, "{kind}");
            assert_eq!(file.read_at(&mut middle, text.len() as u64 + 9).unwrap(), 0, "{kind}");
            let mut tail = b"x".to_vec();
            file.append_to(&mut tail, 1_000, text.len() as u64 - 5).unwrap();
            assert_eq!(tail, [b"x", &text[text.len() - 5..]].concat(), "{kind}");
        }
    }
}

#[test]
fn members_and_frames_follow_one_another() {
    let (first, second) = (message(3), message(5));
    let expected = [&first[..], &second].concat();
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for bytes in
        [[gzip(&first), gzip(&second)].concat(), [zstd(&first), skipped.to_vec(), zstd(&second)].concat()]
    {
        assert!(opened("1.a", &bytes).unwrap().read_all().unwrap() == expected);
    }
}

#[test]
fn a_message_that_begins_like_a_compressed_one_is_served_as_it_is() {
    let binary = [&b"\x1f\x8b\x08\x00"[..], &[0; 30], b"Subject: x\n\nx\n"].concat();
    for (name, bytes) in [
        ("1.a,S=35:2,S", &b"\x1f\x8b\x08\x01Subject: 9 begins like gzip\n\nx\n"[..]),
        ("1.a:2,S", b"\x1f\x8b\x08\x01Subject: 9 begins like gzip\n\nx\n"),
        ("1.a", b"\x1f\x8b"),
        ("1.a", b"\x1f\x8b\x08\x00"),
        ("1.a", b"\x28\xb5\x2f\xfdSubject: a\r\n\r\n\xe4\r\n"),
        ("1.a", b"BZh91AY&SY: a field\n\nx\n"),
        ("1.a", b"BZh91AX&SY\x00\x01"),
        ("1.a", b"Dovecot-LZ4: a field\n\n"),
        ("1.a", b"\x1f\x8b\x07\x00\x00\x00"),
        ("1.a", b"\x1f\x8b\x08\xff\x00\x00"),
        ("1.a", b""),
        ("1.a", b"\x1f"),
        // The size in the name is the file's.
        (&format!("1.a,S={}", binary.len()), &binary),
    ] {
        let file = opened(name, bytes).unwrap();
        assert_eq!(file.read_all().unwrap(), bytes, "{}", bytes.escape_ascii());
        assert!(!file.is_compressed());
    }
}

#[test]
fn what_is_not_read_is_refused_with_its_reason() {
    let text = message(2_000);
    let (gzip, zstd) = (gzip(&text), zstd(&text));
    let mut broken = gzip.clone();
    broken[3_000] ^= 0x55;
    let mut wrong_sum = zstd.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    for (bytes, kind, said) in [
        (&b"BZh91AY&SY\x00\x01\x02"[..], ErrorKind::Compressed, "bzip2 is not read"),
        (b"\xfd7zXZ\x00\x00\x04", ErrorKind::Compressed, "xz is not read"),
        (b"Dovecot-LZ4\x0d\x2a\x9b\xc5\x00\x01\x00\x00", ErrorKind::Compressed, "LZ4 is not read"),
        (&gzip[..gzip.len() - 9], ErrorKind::Damaged, "damaged"),
        (&gzip[..200], ErrorKind::Damaged, "damaged"),
        (&broken, ErrorKind::Damaged, "damaged"),
        (&[&gzip[..], b"\x00rubbish"].concat(), ErrorKind::Damaged, "damaged"),
        (&zstd[..zstd.len() - 9], ErrorKind::Damaged, "damaged"),
        (&zstd[..200], ErrorKind::Damaged, "damaged"),
        (&wrong_sum, ErrorKind::Damaged, "checksum"),
        (b"\x28\xb5\x2f\xfd\x00\xff\x00\x00\x00", ErrorKind::Damaged, "damaged"),
    ] {
        let error = opened("1.a,S=1:2,S", bytes).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_few_bytes_do_not_become_gigabytes() {
    let member = 1 << 24;
    let bomb = gzip(&vec![b'0'; member]).repeat(EXPANDED_MAX as usize / member + 1);
    assert!(bomb.len() < 4 << 20);
    assert_eq!(opened("1.a,S=1", &bomb).unwrap_err().kind, ErrorKind::Limit);
    // A window of terabytes.
    let window = b"\x28\xb5\x2f\xfd\x00\xf8\x00\x00\x00\x00";
    assert_eq!(opened("1.a,S=1", window).unwrap_err().kind, ErrorKind::Damaged);
}

proptest! {
    /// Never a panic, and what is not refused can be read to its end.
    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        kind in 0..6_usize,
        at in any::<usize>(),
        bits in 1..=255_u8,
    ) {
        let whole = match kind {
            0 => Some(gzip(&bytes)),
            1 => Some(zstd(&bytes)),
            _ => None,
        };
        match whole {
            Some(mut whole) => {
                let at = at % whole.len();
                whole[at] ^= bits;
                bytes = whole;
            }
            None => {
                let begin: &[u8] = [&b"\x1f\x8b\x08\x00"[..], b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b""][kind - 2];
                bytes.splice(0..0, begin.iter().copied());
            }
        }
        if let Ok(file) = opened("1.a,S=700", &bytes) {
            assert_eq!(file.read_all().unwrap().len() as u64, file.size());
        }
    }
}
