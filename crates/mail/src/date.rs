//! Dates: seconds since 1970, IMAP's `date-time` and `date`, and the Date field.

/// A day in the proleptic Gregorian calendar, without zone; ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day {
    /// Year, such as 1996.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31, valid in its month.
    pub day: u8,
}

/// A moment with the zone it was written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTime {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix: i64,
    /// Offset from UTC in minutes, east positive, −1439 to 1439.
    pub offset_minutes: i16,
}

impl Day {
    /// `None` for days that do not exist.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let _ = (year, month, day);
        todo!()
    }

    /// The day of a moment in UTC.
    pub fn of_unix(unix: i64) -> Self {
        let _ = unix;
        todo!()
    }

    /// `1-Feb-1994`, with or without leading zero (RFC 3501, `date-text`).
    pub fn parse_imap(text: &[u8]) -> Option<Self> {
        let _ = text;
        todo!()
    }
}

impl DateTime {
    /// ` 1-Feb-1994 21:52:25 -0800` without its quotes (RFC 3501, `date-time`).
    pub fn parse_imap(text: &[u8]) -> Option<Self> {
        let _ = text;
        todo!()
    }

    /// As RFC 3501's `date-time`, without quotes: `17-Jul-1996 02:44:25 -0700`. 26 bytes for
    /// the years 0 to 9999; others are clamped.
    pub fn to_imap(self) -> String {
        todo!()
    }

    /// The value of a Date field, obsolete zones and two-digit years included (RFC 5322
    /// sections 3.3 and 4.3). `None` when no date can be read.
    pub fn parse_header(value: &[u8]) -> Option<Self> {
        let _ = value;
        todo!()
    }

    /// The day as written, without regard to the zone: what SENTBEFORE, SENTON and SENTSINCE
    /// compare (RFC 3501 section 6.4.4).
    pub fn local_day(self) -> Day {
        todo!()
    }
}
