//! Tests of the format.

use super::parse::LINE_MAX;
use super::*;
use proptest::prelude::*;

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn examples() -> Vec<Line<'static>> {
    vec![
        Line::Validity(UidValidity::new(1_700_000_000).unwrap()),
        Line::Next(uid(7), ModSeq(12)),
        Line::Keyword(0, Keyword::new("$Forwarded").unwrap()),
        Line::Message {
            uid: uid(6),
            modseq: ModSeq(11),
            flags: SystemFlags::ALL,
            keywords: vec![0, 3],
            base: b"1.a b%\n\xff,S=3".into(),
        },
        Line::Flags { uid: uid(6), modseq: ModSeq(12), flags: SystemFlags::NONE, keywords: Vec::new() },
        Line::Expunged(uid(6), ModSeq(13)),
        Line::ExpungedRange(uid(2), uid(5), ModSeq(14)),
        Line::ExpungeFloor(ModSeq(9)),
        Line::Recent(uid(7)),
        Line::Reserve(ModSeq(10_013), "0d8ae9c1-5b0f".into()),
        Line::Uidl(uid(7), "UID7-%x".into()),
        Line::Unknown("ZZ of a later program, with  blanks ".into()),
    ]
}

#[test]
fn lines_come_back() {
    let mut bytes = Vec::new();
    examples().iter().for_each(|line| write(&mut bytes, line));
    let parsed = parse(&bytes);
    assert_eq!(parsed.lines, examples());
    assert_eq!((parsed.consumed, parsed.damaged), (bytes.len(), 0));
    assert!(bytes.is_ascii(), "it can be read with less");
}

#[test]
fn a_torn_last_line_is_left_alone() {
    let mut bytes = Vec::new();
    examples().iter().for_each(|line| write(&mut bytes, line));
    let parsed = parse(&bytes[..bytes.len() - 1]);
    assert_eq!(parsed.lines, examples()[..examples().len() - 1]);
}

#[test]
fn security_22_lines_that_cannot_be_are_passed_over() {
    for text in [
        "U 0 1 - - 1.a",
        "U 4294967296 1 - - 1.a",
        "U +5 1 - - 1.a",
        "U 5 9223372036854775808 - - 1.a",
        "U 5 1 Q - 1.a",
        "U 5 1 - 10000 1.a",
        "U 5 1 - - ../../etc/passwd",
        "U 5 1 - - 1%2F2",
        "U 5 1 - - 1%00",
        "U 5 1 - - .a",
        "U 5 1 - -",
        "U 5 1 - - 1.a extra",
        "K 99999 x",
        "K 0 a(b",
        "V 0 1700000000",
        "V 1 0",
        "P 7 ",
        "P 0 x",
        "P 7 a%20b",
        "z",
        "X 5:4 1",
        "X 5: 1",
        "E",
        "",
    ] {
        let mut bytes = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes();
        write(&mut bytes, &Line::Recent(uid(7)));
        let parsed = parse(&bytes);
        assert_eq!((parsed.lines, parsed.damaged), (vec![Line::Recent(uid(7))], 1), "{text}");
    }
}

#[test]
fn a_later_version_is_known() {
    let mut bytes = Vec::new();
    for text in ["V 3 anything", "Q of a later program"] {
        framed(&mut bytes, |out| out.extend_from_slice(text.as_bytes()));
    }
    let parsed = parse(&bytes);
    assert_eq!((parsed.newer, parsed.damaged, parsed.consumed), (Some(3), 0, bytes.len()));
    let mut reader = Reader::default();
    reader.read(&bytes, &mut |_| {});
    assert_eq!((reader.newer, reader.damaged), (Some(3), 0));
    // Damaged, it is no version.
    bytes[12] = b'4';
    assert_eq!((parse(&bytes).newer, parse(&bytes).damaged), (None, 1));
}

proptest! {
    /// And read the same in pieces as at once.
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, cuts: Vec<u8>) {
        let mut list = Vec::new();
        examples().iter().for_each(|line| write(&mut list, line));
        list.extend_from_slice(&bytes);
        let parsed = parse(&list);
        let (mut reader, mut lines) = (Reader::default(), Vec::new());
        let mut rest = &list[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(rest.len().min(cut.into()));
            reader.read(piece, &mut |line| lines.push(format!("{line:?}")));
            rest = after;
        }
        reader.read(rest, &mut |line| lines.push(format!("{line:?}")));
        prop_assert_eq!(lines, parsed.lines.iter().map(|line| format!("{line:?}")).collect::<Vec<_>>());
        prop_assert_eq!((reader.consumed, reader.damaged), (parsed.consumed as u64, parsed.damaged));
        prop_assert_eq!(reader.is_torn(), parsed.consumed < list.len());
    }

    #[test]
    fn a_line_without_end_costs_no_memory(length in LINE_MAX..3 * LINE_MAX) {
        let mut reader = Reader::default();
        let mut lines = 0;
        for _ in 0..3 {
            reader.read(&vec![b'x'; length], &mut |_| lines += 1);
            prop_assert!(reader.rest.capacity() <= 2 * LINE_MAX && reader.is_torn());
        }
        let mut good = b"\n".to_vec();
        write(&mut good, &Line::Recent(uid(7)));
        reader.read(&good, &mut |_| lines += 1);
        prop_assert_eq!((lines, reader.damaged, reader.is_torn()), (1, 1, false));
    }

    #[test]
    fn a_damaged_byte_costs_its_line_at_most(at in 0_usize..1000, byte: u8) {
        let mut bytes = Vec::new();
        examples().iter().for_each(|line| write(&mut bytes, line));
        let at = at % bytes.len();
        bytes[at] = byte;
        let parsed = parse(&bytes);
        // A damaged line end joins two lines.
        prop_assert!(parsed.lines.len() + 2 >= examples().len());
        for line in &parsed.lines {
            prop_assert!(examples().contains(line));
        }
    }
}
