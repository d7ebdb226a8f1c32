//! Limits, as Maildir++, user sources and settings write them.

use std::fmt;

/// How much a user may keep; `None` is as much as they like. The default is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct QuotaLimits {
    /// Bytes on disk.
    pub bytes: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

/// What may follow a number of bytes, and the factor.
const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("S", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KB", 1 << 10),
    ("M", 1 << 20),
    ("MB", 1 << 20),
    ("G", 1 << 30),
    ("GB", 1 << 30),
    ("T", 1 << 40),
    ("TB", 1 << 40),
];

impl QuotaLimits {
    /// Whether there is no limit at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether so much may be kept.
    pub fn allow(&self, usage: super::QuotaUsage) -> bool {
        self.bytes.is_none_or(|limit| usage.bytes <= limit)
            && self.messages.is_none_or(|limit| usage.messages <= limit)
    }

    /// Reads `10000000S,1000C` as Maildir++ writes it; also sizes with K, M, G or T (of 1024),
    /// and `NOQUOTA`. 0 is no limit. An error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if ["NOQUOTA", "none"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Ok(Self::default());
        }
        let mut limits = Self::default();
        for item in text.split(',').map(str::trim) {
            let expected = || format!("{item:?} is no limit such as 10000000S, 500M or 1000C");
            match item.strip_suffix(['C', 'c']) {
                Some(count) => limits.messages = limit(plain_number(count).ok_or_else(expected)?),
                None => limits.bytes = limit(size(item, 1).ok_or_else(expected)?),
            }
        }
        Ok(limits)
    }

    /// What a user source's fields say: `quota` as [`QuotaLimits::parse`] reads it, and Dovecot's
    /// `quota_rule`, `quota_rule2` and so on (`*:storage=10M:messages=100`). Rules for single
    /// mailboxes are passed over. `None` where nothing is said.
    pub fn of_fields(fields: &[(String, String)]) -> Result<Option<Self>, String> {
        let mut limits = None;
        for (key, value) in fields {
            // Dovecot's `quota` with a colon says how is counted, and not how much.
            if key == "quota" && !value.contains(':') {
                limits = Some(Self::parse(value)?);
            } else if let Some(number) = key.strip_prefix("quota_rule")
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && let Some(rule) = value.strip_prefix("*:")
            {
                limits.get_or_insert_with(Self::default).take_rule(rule)?;
            }
        }
        Ok(limits)
    }

    /// The first line of a `maildirsize`; what is unknown in it is passed over. `None` where
    /// nothing is known.
    pub(super) fn of_header(line: &str) -> Option<Self> {
        let mut limits = None;
        for item in line.split(',').map(str::trim) {
            let Some((at, unit)) = item.char_indices().next_back() else { continue };
            let Some(number) = plain_number(&item[..at]) else { continue };
            let limits = match unit {
                'S' | 's' | 'C' | 'c' => limits.get_or_insert_with(Self::default),
                _ => continue,
            };
            if unit.eq_ignore_ascii_case(&'S') {
                limits.bytes = limit(number);
            } else {
                limits.messages = limit(number);
            }
        }
        limits
    }

    /// A rule of Dovecot's, without its mailbox: `storage` is in units of 1,024 bytes where it
    /// has no other.
    fn take_rule(&mut self, rule: &str) -> Result<(), String> {
        for part in rule.split(':') {
            let wrong = || format!("{part:?} of a quota_rule is not understood");
            match part.split_once('=') {
                Some(("storage", value)) => self.bytes = limit(size(value, 1 << 10).ok_or_else(wrong)?),
                Some(("bytes", value)) => self.bytes = limit(size(value, 1).ok_or_else(wrong)?),
                Some(("messages", value)) => self.messages = limit(plain_number(value).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }
}

/// As Maildir++ writes it; no limit is `0S`, as Dovecot writes it.
impl fmt::Display for QuotaLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.messages) {
            (Some(bytes), Some(messages)) => write!(f, "{bytes}S,{messages}C"),
            (None, Some(messages)) => write!(f, "{messages}C"),
            (bytes, None) => write!(f, "{}S", bytes.unwrap_or(0)),
        }
    }
}

fn limit(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// A number that fits where the file and the protocol have 63 bits.
fn plain_number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten().filter(|number| *number <= i64::MAX as u64)
}

fn size(text: &str, without_unit: u64) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (name, factor) = UNITS.iter().find(|(name, _)| unit.trim().eq_ignore_ascii_case(name))?;
    let factor = if name.is_empty() { without_unit } else { *factor };
    plain_number(number)?.checked_mul(factor).filter(|number| *number <= i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(bytes: u64, messages: u64) -> QuotaLimits {
        QuotaLimits { bytes: limit(bytes), messages: limit(messages) }
    }

    #[test]
    fn limits_are_read_as_sites_write_them() {
        for (text, expected) in [
            ("10000000S,1000C", Some(limits(10_000_000, 1000))),
            ("1000C,10000000S", Some(limits(10_000_000, 1000))),
            ("5M", Some(limits(5 << 20, 0))),
            ("5 mb, 7c", Some(limits(5 << 20, 7))),
            ("52428800", Some(limits(52_428_800, 0))),
            ("0S", Some(limits(0, 0))),
            ("NOQUOTA", Some(limits(0, 0))),
            ("1G,0C", Some(limits(1 << 30, 0))),
            ("", None),
            ("S", None),
            ("-1S", None),
            ("+1S", None),
            ("5X", None),
            ("1S,,1C", None),
            ("9223372036854775808S", None),
            ("9223372036854775807T", None),
        ] {
            assert_eq!(QuotaLimits::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (limits, text) in
            [(limits(0, 0), "0S"), (limits(10, 0), "10S"), (limits(0, 5), "5C"), (limits(10, 5), "10S,5C")]
        {
            assert_eq!(limits.to_string(), text);
            assert_eq!(QuotaLimits::parse(text), Ok(limits));
            assert_eq!(QuotaLimits::of_header(text), Some(limits));
        }
    }

    #[test]
    fn user_sources_say_it_in_maildirs_words_or_dovecots() {
        for (fields, expected) in [
            (&[][..], Ok(None)),
            (&[("quota", "5M,10C")], Ok(Some(limits(5 << 20, 10)))),
            (&[("quota", "maildir:User quota")], Ok(None)),
            (
                &[("quota_rule", "*:storage=10M"), ("quota_rule2", "*:messages=3")],
                Ok(Some(limits(10 << 20, 3))),
            ),
            (&[("quota_rule", "*:storage=10:messages=3")], Ok(Some(limits(10 << 10, 3)))),
            (&[("quota_rule", "*:bytes=10")], Ok(Some(limits(10, 0)))),
            (&[("quota_rule", "*:storage=0")], Ok(Some(limits(0, 0)))),
            (&[("quota_rule", "Trash:storage=+10%")], Ok(None)),
            (&[("quota_rule", "*:storage=+10%")], Err(())),
            (&[("quota_rule", "*:ignore")], Err(())),
            (&[("quota", "much")], Err(())),
            (&[("quota_ruler", "*:x"), ("shell", "/bin/sh")], Ok(None)),
        ] {
            let fields: Vec<(String, String)> =
                fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(QuotaLimits::of_fields(&fields).map_err(drop), expected, "{fields:?}");
        }
    }
}
