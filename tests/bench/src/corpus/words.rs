//! Words, names and dates of the mail.

use crate::prng::Prng;

const WORDS: &[&str] = &[
    "the", "of", "and", "to", "in", "is", "that", "for", "with", "as", "on", "by", "not", "letter",
    "postmark", "counter", "sorting", "office", "window", "parcel", "courier", "receipt", "address",
    "delivery", "morning", "stamp", "weight", "customs", "register", "ledger", "bag", "train", "coach",
    "Thursday", "invoice", "meeting", "schedule", "review", "attached", "please", "regards", "question",
    "budget", "quarter", "server", "backup", "update", "version", "release", "station", "harbour", "Straße",
    "café", "über", "naïve", "numéro",
];

const PEOPLE: &[(&str, &str)] = &[
    ("Anna Becker", "anna.becker"),
    ("Bruno Costa", "bruno"),
    ("Chen Wei", "chen.wei"),
    ("Dagny Olsen", "dagny.olsen"),
    ("Emil Novak", "emil"),
    ("Fatima Haddad", "fatima.haddad"),
    ("\"Green, Peter\"", "peter.green"),
    ("Hana Sato", "hana"),
    ("=?utf-8?Q?J=C3=BCrgen_M=C3=BCller?=", "juergen.mueller"),
    ("=?iso-8859-1?Q?Ren=E9e_Lef=E8vre?=", "renee"),
];

const HOSTS: &[&str] =
    &["example.com", "example.org", "example.net", "mail.example.edu", "lists.example.org"];

const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Lines of text, some 70 octets each, of at least so many octets together.
pub(super) fn text(octets: usize, prng: &mut Prng) -> String {
    let mut text = String::with_capacity(octets + 80);
    let mut column = 0;
    while text.len() < octets {
        let word = *prng.pick(WORDS);
        text.push_str(word);
        column += word.len() + 1;
        if column > 64 {
            text.push('\n');
            column = 0;
            if prng.below(9) == 0 {
                text.push('\n');
            }
        } else {
            text.push(' ');
        }
    }
    text.push('\n');
    text
}

/// A line of three to eight words, ASCII only.
pub(super) fn subject(prng: &mut Prng) -> String {
    let words = prng.between(3, 8);
    let ascii: Vec<&str> = (0..words).map(|_| *prng.pick(&WORDS[..40])).collect();
    ascii.join(" ")
}

/// `Name <address>`.
pub(super) fn person(prng: &mut Prng) -> String {
    let (name, local) = *prng.pick(PEOPLE);
    format!("{name} <{local}@{}>", *prng.pick(HOSTS))
}

/// `Thu, 1 Jan 2015 12:00:00 +0000` for seconds since 1970.
pub(super) fn date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[month as usize];
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Year, month from 0, and day from 1 of a number of days since 1970.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 +0000"),
            (1_420_113_600, "Thu, 1 Jan 2015 12:00:00 +0000"),
            (1_609_459_199, "Thu, 31 Dec 2020 23:59:59 +0000"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }
}
