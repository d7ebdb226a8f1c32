//! Dovecot's times and sizes.

/// A time such as `2 mins`, as we write it; seconds where there is no unit.
pub(super) fn duration(text: &str) -> Option<String> {
    let (number, unit) = split(text)?;
    let ms = match unit.as_str() {
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    let ms = number.checked_mul(ms)?;
    let whole = |factor: u64| ms > 0 && ms.is_multiple_of(factor);
    Some(match ms {
        ms if whole(3_600_000) => format!("{}h", ms / 3_600_000),
        ms if whole(60_000) => format!("{}m", ms / 60_000),
        ms if whole(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    })
}

/// A size such as `64 k` or `1G`, in bytes; `unit` is what a number without one counts in.
pub(super) fn bytes(text: &str, unit: u64) -> Option<i64> {
    let (number, given) = split(text)?;
    let factor = match given.as_str() {
        "" => unit,
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    i64::try_from(number.checked_mul(factor)?).ok()
}

fn split(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read() {
        for (text, expected) in [
            ("2 mins", Some("2m")),
            ("90", Some("90s")),
            ("120 secs", Some("2m")),
            ("500 msecs", Some("500ms")),
            ("1 hours", Some("1h")),
            ("0", Some("0ms")),
            ("2 moons", None),
            ("x", None),
            ("99999999999999999999", None),
            ("9999999999999999999 days", None),
        ] {
            assert_eq!(duration(text).as_deref(), expected, "{text}");
        }
        for (text, unit, expected) in [
            ("64 k", 1, Some(65_536)),
            ("1G", 1_024, Some(1 << 30)),
            ("1000", 1_024, Some(1_024_000)),
            ("1000B", 1_024, Some(1_000)),
            ("", 1, None),
            ("1 z", 1, None),
            ("18446744073709551615", 1, None),
        ] {
            assert_eq!(bytes(text, unit), expected, "{text}");
        }
    }
}
