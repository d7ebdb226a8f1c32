//! Dates: IMAP's and those of header fields.

/// A calendar day (RFC 3501, `date`): days since 1970-01-01, which may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(pub i32);

/// A moment with the zone it was written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTime {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix: i64,
    /// Offset from UTC in minutes, east positive, −1439 to 1439.
    pub offset_minutes: i16,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const SECONDS_A_DAY: i64 = 86_400;

impl Day {
    /// `None` for days that do not exist.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let valid = (0..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
        if !valid || day > days_in_month(year, month) {
            return None;
        }
        // Years begin in March, so that the leap day is the last (the civil calendar's
        // well-known arithmetic, in eras of 400 years).
        let (month, day) = (i32::from(month), i32::from(day));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// The day of a moment in UTC.
    pub fn of_unix(unix: i64) -> Self {
        let days = unix.div_euclid(SECONDS_A_DAY);
        Self(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// `1-Feb-1994`, with or without leading zero (RFC 3501, `date-text`).
    pub fn parse_imap(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parts = text.splitn(3, '-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        if !(1..=2).contains(&day.len()) || year.len() != 4 {
            return None;
        }
        Self::new(number(year)?, month_number(month)?, u8::try_from(number(day)?).ok()?)
    }

    /// Year, month, day.
    fn civil(self) -> (i32, u8, u8) {
        let days = i64::from(self.0) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let narrow = |value: i64| u8::try_from(value).unwrap_or(1);
        (i32::try_from(year).unwrap_or(0), narrow(month), narrow(day))
    }
}

impl DateTime {
    /// ` 1-Feb-1994 21:52:25 -0800` without its quotes (RFC 3501, `date-time`).
    pub fn parse_imap(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.trim_start_matches(' ').split(' ');
        let (day, time, zone) = (words.next()?, words.next()?, words.next()?);
        let (hour, minute, second) = clock(time)?;
        let sign = zone.starts_with(['+', '-']);
        if words.next().is_some() || time.len() != 8 || !sign {
            return None;
        }
        Self::from_parts(Day::parse_imap(day.as_bytes())?, hour, minute, second, offset(zone)?)
    }

    /// As RFC 3501's `date-time`, without quotes: `17-Jul-1996 02:44:25 -0700`. 26 bytes for
    /// the years 0 to 9999; others are clamped.
    pub fn to_imap(self) -> String {
        const FIRST: i64 = -62_167_219_200;
        const LAST: i64 = 253_402_300_799;
        let local = (self.unix + i64::from(self.offset_minutes) * 60).clamp(FIRST, LAST);
        let (year, month, day) = Day::of_unix(local).civil();
        let second = local.rem_euclid(SECONDS_A_DAY);
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let offset = self.offset_minutes.unsigned_abs();
        format!(
            "{day:02}-{}-{year:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
            MONTHS[usize::from(month - 1)],
            second / 3600,
            second / 60 % 60,
            second % 60,
            offset / 60,
            offset % 60
        )
    }

    /// The value of a Date field, obsolete zones and two-digit years included (RFC 5322
    /// sections 3.3 and 4.3). `None` when no date can be read.
    pub fn parse_header(value: &[u8]) -> Option<Self> {
        let text = without_comments(value);
        let mut words = text
            .split(|c: char| c.is_ascii_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .peekable();
        // A weekday, whatever it is called.
        if words.peek()?.starts_with(|c: char| c.is_ascii_alphabetic()) {
            words.next();
        }
        let mut day = words.next()?;
        let mut rest: Vec<&str> = words.collect();
        // `7-Feb-1994`, as some mailers write.
        let parts: Vec<&str> = day.split('-').collect();
        if let [first, month, year] = parts[..] {
            day = first;
            rest.splice(0..0, [month, year]);
        }
        let [month, year, time, zone @ ..] = &rest[..] else { return None };
        let day = Day::new(full_year(year)?, month_number(month)?, u8::try_from(number(day)?).ok()?)?;
        let (hour, minute, second) = clock(time)?;
        let offset = zone.first().and_then(|zone| offset(zone)).unwrap_or(0);
        Self::from_parts(day, hour, minute, second, offset)
    }

    /// The day as written, without regard to the zone: what SENTBEFORE, SENTON and SENTSINCE
    /// compare (RFC 3501 section 6.4.4).
    pub fn local_day(self) -> Day {
        Day::of_unix(self.unix + i64::from(self.offset_minutes) * 60)
    }

    fn from_parts(day: Day, hour: u8, minute: u8, second: u8, offset_minutes: i16) -> Option<Self> {
        // 60 is a leap second.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let in_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let unix = i64::from(day.0) * SECONDS_A_DAY + in_day - i64::from(offset_minutes) * 60;
        Some(Self { unix, offset_minutes })
    }
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn number(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// By its first three letters, any case.
fn month_number(text: &str) -> Option<u8> {
    let start = text.get(..3)?;
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(start))?;
    u8::try_from(at + 1).ok()
}

/// Two- and three-digit years as RFC 5322 section 4.3 says.
fn full_year(text: &str) -> Option<i32> {
    let year = number(text)?;
    Some(match (text.len(), year) {
        (2, 0..=49) => year + 2000,
        (2 | 3, _) => year + 1900,
        _ => year,
    })
}

/// `h:mm[:ss]`.
fn clock(text: &str) -> Option<(u8, u8, u8)> {
    let mut parts = text.split(':').map(|part| u8::try_from(number(part)?).ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    parts.next().is_none().then_some((hour, minute, second))
}

/// `+hhmm`, or a name of RFC 822; unknown names are UTC (RFC 5322 section 4.3).
fn offset(text: &str) -> Option<i16> {
    let digits = text.strip_prefix(['+', '-']).filter(|digits| digits.len() == 4);
    if let Some(value) = digits.and_then(number) {
        let minutes = i16::try_from(value / 100 * 60 + value % 100).ok()?;
        let valid = value / 100 <= 23 && value % 100 <= 59;
        return valid.then_some(if text.starts_with('-') { -minutes } else { minutes });
    }
    let hours = match text.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        name if name.starts_with(|c: char| c.is_ascii_alphabetic()) => 0,
        _ => return None,
    };
    Some(hours * 60)
}

/// Comments become blanks; what is no ASCII cannot be part of a date.
fn without_comments(value: &[u8]) -> String {
    let mut depth = 0_usize;
    let mut escaped = false;
    let mut text = String::with_capacity(value.len().min(256));
    for &byte in value.iter().take(1000) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if depth > 0 => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                text.push(' ');
            }
            _ if depth > 0 => {}
            byte => text.push(if byte.is_ascii() { char::from(byte) } else { '?' }),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_of_imap() {
        for (text, day) in [
            ("1-Jan-1970", Some(0)),
            ("01-feb-1994", Some(8797)),
            ("29-Feb-2000", Some(11016)),
            ("29-Feb-1900", None),
            ("31-Apr-2000", None),
            ("0-Jan-2000", None),
            ("1-Foo-2000", None),
            ("1-Jan-20000", None),
            ("1-Jan-+200", None),
            ("", None),
        ] {
            assert_eq!(Day::parse_imap(text.as_bytes()).map(|day| day.0), day, "{text}");
        }
    }

    #[test]
    fn date_times_of_imap() {
        for (text, unix, again) in [
            ("17-Jul-1996 02:44:25 -0700", 837_596_665, "17-Jul-1996 02:44:25 -0700"),
            (" 7-Feb-1994 21:52:25 -0800", 760_686_745, "07-Feb-1994 21:52:25 -0800"),
            ("01-Jan-1970 00:00:00 +0000", 0, "01-Jan-1970 00:00:00 +0000"),
        ] {
            let parsed = DateTime::parse_imap(text.as_bytes()).unwrap();
            assert_eq!((parsed.unix, parsed.to_imap().as_str()), (unix, again));
        }
        for text in
            ["17-Jul-1996 2:44:25 -0700", "17-Jul-1996 02:44:25", "17-Jul-1996 24:00:00 +0000", "x", ""]
        {
            assert_eq!(DateTime::parse_imap(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn dates_of_header_fields() {
        for (text, unix, offset) in [
            ("Mon, 7 Feb 1994 21:52:25 -0800 (PST)", 760_686_745, -480),
            ("7 Feb 94 21:52:25 PST", 760_686_745, -480),
            ("Mon, 7 Feb 1994 21:52 -0800", 760_686_720, -480),
            ("Mon(a \\) b), 7 (c (d)) Feb 1994 21:52:25 -0800", 760_686_745, -480),
            ("Tue,8 Feb 1994 05:52:25 GMT", 760_686_745, 0),
            ("8-Feb-1994 05:52:25 UT", 760_686_745, 0),
            ("8 Feb 1994 05:52:25", 760_686_745, 0),
            ("8 February 1994 05:52:25 +0000", 760_686_745, 0),
        ] {
            let parsed = DateTime::parse_header(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((parsed.unix, parsed.offset_minutes), (unix, offset), "{text}");
        }
        for text in ["", "yesterday", "32 Feb 1994 00:00:00 +0000", "7 Feb", "Mon, 7 Feb 1994"] {
            assert_eq!(DateTime::parse_header(text.as_bytes()), None, "{text}");
        }
        let late = DateTime::parse_header(b"1 Jan 2024 00:30:00 +0200").unwrap();
        assert_eq!(late.local_day(), Day::parse_imap(b"1-Jan-2024").unwrap());
    }

    proptest! {
        #[test]
        fn moments_come_back(unix in -62_000_000_000_i64..253_000_000_000, offset in -1439_i16..=1439) {
            let moment = DateTime { unix, offset_minutes: offset };
            let text = moment.to_imap();
            prop_assert_eq!(text.len(), 26);
            prop_assert_eq!(DateTime::parse_imap(text.as_bytes()), Some(moment));
        }

        #[test]
        fn days_are_in_a_row(day in -719_000_i32..2_900_000) {
            let (year, month, of_month) = Day(day).civil();
            prop_assert_eq!(Day::new(year, month, of_month), Some(Day(day)));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (Day::parse_imap(&bytes), DateTime::parse_imap(&bytes), DateTime::parse_header(&bytes));
        }
    }
}
