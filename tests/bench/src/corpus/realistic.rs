//! Messages as mailboxes have them: mostly alternatives of text and HTML, some with attachments,
//! some with whole messages inside.

use super::{Draft, RARE_WORD, small, words};
use crate::prng::Prng;

/// Octets of a line in base64.
const BASE64_LINE: usize = 76;

pub(super) fn message(draft: &Draft, prng: &mut Prng) -> Vec<u8> {
    let mut text = small::header(draft, prng);
    if prng.below(2) == 0 {
        encoded_fields(&mut text, prng);
    }
    text.push_str("MIME-Version: 1.0\n");
    let rare = if draft.body_rare { RARE_WORD } else { "" };
    match prng.below(100) {
        0..30 => plain(&mut text, rare, prng),
        30..72 => alternative(&mut text, rare, prng),
        72..92 => mixed(&mut text, rare, prng),
        92..97 => forwarded(&mut text, rare, draft, prng),
        _ => report(&mut text, rare, draft, prng),
    }
    text.into_bytes()
}

/// Fields of mailing lists and of filters, as long as they are in practice.
fn encoded_fields(text: &mut String, prng: &mut Prng) {
    let thread = words::subject(prng);
    let encoded = data_encoding::BASE64.encode(format!("Größe und Maß: {thread}").as_bytes());
    text.push_str(&format!("Thread-Topic: =?utf-8?B?{encoded}?=\n"));
    text.push_str("List-Id: <users.lists.example.org>\nList-Unsubscribe: <https://lists.example.org/u>,\n\t<mailto:users-request@lists.example.org?subject=unsubscribe>\n");
    let signature: Vec<u8> = (0..192).map(|_| prng.next() as u8).collect();
    text.push_str("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1;\n\th=from:to:subject:date:message-id; b=");
    for piece in data_encoding::BASE64.encode(&signature).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(piece));
        text.push_str("\n\t ");
    }
    text.push_str("==\n");
    let references: Vec<String> =
        (0..prng.between(1, 12)).map(|_| format!("<{:x}@example.org>", prng.next())).collect();
    text.push_str(&format!("References: {}\n", references.join("\n\t")));
}

fn plain(text: &mut String, rare: &str, prng: &mut Prng) {
    text.push_str(
        "Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n\n",
    );
    let octets = prng.between(500, 9000);
    text.push_str(&words::text(octets, prng));
    text.push_str(rare);
    text.push('\n');
}

fn alternative(text: &mut String, rare: &str, prng: &mut Prng) {
    let boundary = boundary(prng);
    text.push_str(&format!("Content-Type: multipart/alternative;\n\tboundary=\"{boundary}\"\n\n"));
    text.push_str(&format!(
        "--{boundary}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    ));
    let octets = prng.between(500, 5000);
    let words = words::text(octets, prng);
    text.push_str(&words);
    text.push_str(rare);
    text.push_str(&format!("\n--{boundary}\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><body style=3D\"font-family: sans-serif\">\n"));
    for line in words.lines().filter(|line| line.is_ascii()) {
        text.push_str(&format!("<p class=3D\"text\"><span style=3D\"color: #333\">{line}=\n</span></p>\n"));
    }
    text.push_str(&format!("</body></html>\n\n--{boundary}--\n"));
}

fn mixed(text: &mut String, rare: &str, prng: &mut Prng) {
    let boundary = boundary(prng);
    text.push_str(&format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\nThis is a message of several parts.\n--{boundary}\n"));
    alternative(text, rare, prng);
    for _ in 0..prng.between(1, 3) {
        let kind = *prng.pick(&["application/pdf", "image/jpeg", "application/vnd.oasis.opendocument.text"]);
        let number = prng.below(1000);
        text.push_str(&format!("\n--{boundary}\nContent-Type: {kind}; name=\"scan-{number}\"\nContent-Disposition: attachment;\n\tfilename*=utf-8''Pr%C3%BCfung-{number}\nContent-Transfer-Encoding: base64\n\n"));
        // Most are small, some large.
        let octets = prng.between(2000, 20_000) * if prng.below(4) == 0 { prng.between(2, 12) } else { 1 };
        base64(text, octets, prng);
    }
    text.push_str(&format!("--{boundary}--\n"));
}

fn forwarded(text: &mut String, rare: &str, draft: &Draft, prng: &mut Prng) {
    let boundary = boundary(prng);
    text.push_str(&format!("Content-Type: multipart/mixed; boundary={boundary}\n\n--{boundary}\nContent-Type: text/plain\n\nSee below. {rare}\n\n--{boundary}\nContent-Type: message/rfc822\nContent-Disposition: inline\n\n"));
    let inner = Draft { from_rare: false, body_rare: false, ..*draft };
    text.push_str(&small::header(&inner, prng));
    text.push_str("MIME-Version: 1.0\n");
    mixed(text, "", prng);
    text.push_str(&format!("\n--{boundary}--\n"));
}

/// A report of a failed delivery, with the header of the message inside.
fn report(text: &mut String, rare: &str, draft: &Draft, prng: &mut Prng) {
    let boundary = boundary(prng);
    text.push_str(&format!("Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"{boundary}\"\n\n--{boundary}\nContent-Type: text/plain; charset=us-ascii\n\nYour message could not be delivered. {rare}\n\n--{boundary}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\nFinal-Recipient: rfc822; nobody@example.com\nAction: failed\nStatus: 5.1.1\n\n--{boundary}\nContent-Type: text/rfc822-headers\n\n"));
    let inner = Draft { from_rare: false, body_rare: false, ..*draft };
    text.push_str(&small::header(&inner, prng));
    text.push_str(&format!("\n--{boundary}--\n"));
}

fn boundary(prng: &mut Prng) -> String {
    format!("=_{:016x}{:016x}", prng.next(), prng.next())
}

/// So many octets that mean nothing, in lines.
fn base64(text: &mut String, octets: usize, prng: &mut Prng) {
    let octets: Vec<u8> =
        std::iter::repeat_with(|| prng.next().to_le_bytes()).take(octets / 8).flatten().collect();
    for line in data_encoding::BASE64.encode(&octets).as_bytes().chunks(BASE64_LINE) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
}
