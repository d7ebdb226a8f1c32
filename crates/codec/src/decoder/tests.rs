//! Framing: what is a command, what is a literal, and what limits say.

use super::*;
use crate::limits::Parts;
use proptest::prelude::*;

fn limits() -> Limits {
    Limits {
        line_max: 100,
        literal_max: 20,
        literals_sum_max: 30,
        literals_max: 3,
        nesting_max: 5,
        append_max: 1000,
        parts: Parts::DEFAULT,
    }
}

/// Events as short texts; messages are accepted, or refused when larger than 500 bytes.
fn events(decoder: &mut Decoder, chunks: &[&[u8]]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk);
        loop {
            let mut refuse = None;
            let text = match decoder.next() {
                None => break,
                Some(Ok(Event::Request(request))) => {
                    format!("{} {:?}", request.tag.as_str(), request.command)
                }
                Some(Ok(Event::Long)) => {
                    let parsed = decoder.parse_long();
                    parsed.map_or_else(
                        |error| error.kind.to_string(),
                        |request| format!("{} long", request.tag.as_str()),
                    )
                }
                Some(Ok(Event::Continue)) => "+".to_owned(),
                Some(Ok(Event::Unasked(tag))) => format!("{} unasked", tag.as_str()),
                Some(Ok(Event::Line(line))) => format!("line {}", line.escape_ascii()),
                Some(Ok(Event::Append(Append::Start { tag, mailbox }))) => {
                    format!("{} append to {}", tag.as_str(), mailbox.text().unwrap_or_default())
                }
                Some(Ok(Event::Append(Append::Message(message)))) => {
                    refuse = Some(message.size > 500);
                    format!("message of {}{}", message.size, if message.non_sync { "+" } else { "" })
                }
                Some(Ok(Event::Append(Append::Data(data)))) => {
                    let text = data.escape_ascii().to_string();
                    match all.last_mut().filter(|last| last.starts_with("data ")) {
                        Some(last) => last.push_str(&text),
                        None => all.push(format!("data {text}")),
                    }
                    continue;
                }
                Some(Ok(Event::Append(Append::End))) => "end".to_owned(),
                Some(Ok(Event::Append(Append::Failed(error)))) => format!("failed: {}", error.kind),
                Some(Err(error)) => {
                    let tag = error.tag.as_ref().map_or("*", Tag::as_str);
                    let fatal = if error.kind.is_fatal() { " (fatal)" } else { "" };
                    let big = error.kind.code().map_or(String::new(), |code| format!(" [{code}]"));
                    format!("{tag} error{big}{fatal}: {}", error.kind)
                }
            };
            match refuse {
                Some(true) => decoder.refuse(),
                Some(false) => decoder.accept(),
                None => {}
            }
            all.push(text);
        }
    }
    all
}

fn check(input: &[u8], expected: &[&str]) {
    let whole = events(&mut Decoder::new(limits()), &[input]);
    assert_eq!(whole, expected, "{}", input.escape_ascii());
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(events(&mut Decoder::new(limits()), &bytes), expected, "byte by byte");
}

#[test]
fn commands_and_literals_are_told_apart() {
    check(b"a NOOP\r\nb noop\n", &["a Noop", "b Noop"]);
    check(b"a DELETE {3}\r\nfoo\r\n", &["+", "a Delete(Delete { mailbox: \"foo\" })"]);
    check(b"a DELETE {3+}\r\nfoo\r\nb NOOP\r\n", &["a Delete(Delete { mailbox: \"foo\" })", "b Noop"]);
    check(b"a RENAME {1}\r\nx {1+}\r\ny\r\n", &["+", "a Rename(Rename { from: \"x\", to: \"y\" })"]);
    check(b"a DELETE {0}\r\n\r\n", &["+", "a Delete(Delete { mailbox: \"\" })"]);
    check(b"\r\n", &["* error: Expected a tag, a blank and a command"]);
    check(b"a\r\n", &["* error: Expected a tag, a blank and a command"]);
    check(b"+ NOOP\r\n", &["* error: Expected a tag, a blank and a command"]);
    check(b"a FROBNICATE\r\n", &["a error: Unknown command FROBNICATE"]);
}

#[test]
fn an_append_is_streamed() {
    check(
        b"a APPEND x {5}\r\nhello\r\nb NOOP\r\n",
        &["a append to x", "message of 5", "data hello", "end", "b Noop"],
    );
    check(
        b"a APPEND {1}\r\nx (\\Seen) {2+}\r\nhi\r\n",
        &["+", "a append to x", "message of 2+", "data hi", "end"],
    );
    check(b"a APPEND x {0}\r\n\r\n", &["a append to x", "message of 0", "end"]);
    check(
        b"a APPEND x {2}\r\nhi junk\r\nb NOOP\r\n",
        &[
            "a append to x",
            "message of 2",
            "data hi",
            "failed: Expected the end of the line after the message",
            "b Noop",
        ],
    );
    check(b"a APPEND x (\\Nope) {2}\r\nb NOOP\r\n", &["a error: No system flag is called \\Nope", "b Noop"]);
    check(
        b"a APPEND x\r\n",
        &["a error: Expected flags in parentheses, a date in quotes, and the message as a literal"],
    );
}

#[test]
fn security_08_bytes_of_a_refused_literal_are_no_commands() {
    let evil = "x LOGOUT\r\n".repeat(60);
    let append = format!("a APPEND x {{{}+}}\r\n{evil}\r\nb NOOP\r\n", evil.len());
    check(append.as_bytes(), &["a append to x", "message of 600+", "b Noop"]);
    // A synchronizing one does not come when it is refused.
    check(b"a APPEND x {600}\r\nb NOOP\r\n", &["a append to x", "message of 600", "b Noop"]);
    let large = format!("a LOGIN u {{{}+}}\r\n{evil} {{3+}}\r\nabc\r\nb NOOP\r\n", evil.len());
    check(large.as_bytes(), &["a error [TOOBIG]: Literal too large: at most 20 bytes", "b Noop"]);
    check(
        b"a LOGIN u {21}\r\nb NOOP\r\n",
        &["a error [TOOBIG]: Literal too large: at most 20 bytes", "b Noop"],
    );
    check(b"a BAD( {3+}\r\nx y\r\nb NOOP\r\n", &["a error: Unknown command BAD", "b Noop"]);
    check(
        b"a APPEND x (\\Nope) {10+}\r\nx LOGOUT\r\n\r\nb NOOP\r\n",
        &["a error: No system flag is called \\Nope", "b Noop"],
    );
    check(
        b"a LOGIN u {99999999999999999999+}\r\n",
        &["a error [TOOBIG] (fatal): Literal too large: at most 20 bytes"],
    );
}

#[test]
fn security_07_literals_are_counted_and_summed() {
    let too_many = b"a ID ({1+}\r\nx {1+}\r\ny {1+}\r\nz {1+}\r\nw)\r\nb NOOP\r\n";
    check(too_many, &["a error [TOOBIG]: Too many literals in one command: at most 3", "b Noop"]);
    let too_much =
        [b"a ID ({20+}\r\n".as_slice(), &[b'x'; 20], b" {11+}\r\n01234567890)\r\nb NOOP\r\n"].concat();
    check(&too_much, &["a error [TOOBIG]: Literals too large together: at most 30 bytes", "b Noop"]);
}

#[test]
fn security_06_long_lines_are_passed_over_in_bounded_memory() {
    let long = [b"a LOGIN ".as_slice(), &[b'x'; 1000], b"\r\nb NOOP\r\n"].concat();
    check(&long, &["a error: Command line too long", "b Noop"]);
    let with_literal =
        [b"a LOGIN ".as_slice(), &[b'x'; 1000], b" {10+}\r\nx LOGOUT\r\n\r\nb NOOP\r\n"].concat();
    check(&with_literal, &["a error: Command line too long", "b Noop"]);
    let mut decoder = Decoder::new(limits());
    for _ in 0..10_000 {
        decoder.feed(&[b'x'; 1000]);
        while decoder.next().is_some() {}
        assert!(decoder.held() <= 1100);
    }
}

#[test]
fn a_line_that_is_asked_for_is_no_command() {
    let mut decoder = Decoder::new(limits());
    decoder.expect_line();
    assert_eq!(events(&mut decoder, &[b"DO", b"NE\r\na NOOP\r\n"]), ["line DONE", "a Noop"]);
    decoder.expect_line();
    assert_eq!(events(&mut decoder, &[&[b'x'; 200]]), ["* error (fatal): Line too long"]);
}

#[test]
fn security_01_discard_forgets_what_was_read() {
    let mut decoder = Decoder::new(limits());
    decoder.feed(b"a STARTTLS\r\nb LOGOUT\r\nc LOG");
    assert!(matches!(decoder.next(), Some(Ok(Event::Request(_)))));
    decoder.discard();
    assert_eq!(decoder.held(), 0);
    assert_eq!(events(&mut decoder, &[b"d NOOP\r\n"]), ["d Noop"]);
}

#[test]
fn memory_is_given_back() {
    let mut decoder = Decoder::new(Limits { line_max: 1 << 20, ..limits() });
    decoder.feed(&[b"a ".as_slice(), &vec![b'x'; 1 << 19], b"\r\n"].concat());
    assert!(matches!(decoder.next(), Some(Ok(Event::Long))) && decoder.parse_long().is_err());
    assert!(decoder.next().is_none());
    decoder.feed(b"");
    assert_eq!((decoder.held(), decoder.bytes.capacity()), (0, 0));
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "a NOOP",
        "b LOGIN u p",
        "\r\n",
        "\n",
        "{3}",
        "{3+}",
        "{600+}",
        "{30}",
        "abc",
        "c APPEND x ",
        " ",
        "(",
        ")",
        "\"",
        "\\",
        "NOT ",
        "a SEARCH ",
        "\0",
        "\r\nd FETCH 1 FLAGS\r\n",
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        any::<Vec<u8>>()
    ]
}

/// Whoever drives the decoder parses it where nobody waits.
#[test]
fn security_31_a_long_command_is_parsed_when_it_is_asked_for() {
    let limits =
        Limits { line_max: 1 << 20, literal_max: 100 << 10, literals_sum_max: 200 << 10, ..limits() };
    let mut decoder = Decoder::new(limits);
    let set = "1,".repeat(LONG / 2);
    let (long, literal) = (format!("a FETCH {set}1 FLAGS\r\n"), format!("b SEARCH TEXT {{{LONG}+}}\r\n"));
    let literal = format!("{literal}{}\r\n", "x".repeat(LONG));
    decoder.feed(format!("{long}{literal}c NOOP\r\n").as_bytes());
    for tag in ["a", "b"] {
        assert!(matches!(decoder.next(), Some(Ok(Event::Long))), "{tag}");
        assert!(decoder.next().is_none(), "nothing comes before it is parsed");
        assert_eq!(decoder.parse_long().expect("a command").tag.as_str(), tag);
    }
    assert!(decoder.held() <= "c NOOP\r\n".len(), "what was parsed is given back");
    assert!(matches!(decoder.next(), Some(Ok(Event::Request(_)))));
    assert!(decoder.parse_long().is_err(), "there is none");
    let bytes = format!("{}\r\nd NOOP\r\n", "a FETCH 1,".to_owned() + &"1,".repeat(LONG));
    assert_eq!(
        events(&mut Decoder::new(limits), &[bytes.as_bytes()]),
        ["Expected a set such as 1,3:5 or 7:*", "d Noop"]
    );
}

proptest! {
    #[test]
    fn any_bytes_in_any_chunks_give_the_same(tokens in prop::collection::vec(token(), 0..20), size in 1_usize..50) {
        let stream = tokens.concat();
        let whole = events(&mut Decoder::new(limits()), &[&stream]);
        let chunks: Vec<&[u8]> = stream.chunks(size).collect();
        prop_assert_eq!(events(&mut Decoder::new(limits()), &chunks), whole, "{}", stream.escape_ascii());
    }
}

#[test]
fn literals_of_closed_commands_are_not_asked_for_and_never_run() {
    for (input, expected) in [
        (&b"a LOGIN {4}\r\nb NOOP\r\n"[..], &["a unasked", "b Noop"][..]),
        (b"a login anna {4}\r\nb NOOP\r\n", &["a unasked", "b Noop"]),
        (b"a LOGIN {4+}\r\nanna {8+}\r\nx LOGOUT\r\nb NOOP\r\n", &["a unasked", "b Noop"]),
        (b"a AUTHENTICATE PLAIN {9999}\r\nb NOOP\r\n", &["a unasked", "b Noop"]),
        (
            b"a STATUS {4+}\r\nWork (MESSAGES)\r\n",
            &["a Status(Status { mailbox: \"Work\", items: [Messages] })"],
        ),
        (b"a LOGINS {4}\r\nanna\r\n", &["+", "a error: Unknown command LOGINS"]),
    ] {
        let mut decoder = Decoder::new(limits());
        decoder.refuse_literals_of(&["LOGIN", "AUTHENTICATE"]);
        assert_eq!(events(&mut decoder, &[input]), expected, "{}", input.escape_ascii());
    }
}
