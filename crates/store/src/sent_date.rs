//! The date of a message's Date field, in the 8 bytes that the index has for it.

use mail::date::DateTime;

/// When a message was sent, by the first Date field of its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SentDate {
    /// The field was not read yet.
    Unknown,
    /// The message has no Date field, or none that can be read.
    None,
    /// The moment, and the zone that it was written in.
    At(DateTime),
}

impl SentDate {
    /// The lower bits: minutes of the zone, and [`Self::ZONE`] more. No zone makes them 0 or 1.
    const ZONE_BITS: u32 = 12;
    const ZONE: i64 = 2048;
    /// Without a moment.
    const UNKNOWN: u64 = 0;
    const NONE: u64 = 1;

    /// A column's value. 0 stands for unknown, as in other columns.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::Unknown => Self::UNKNOWN,
            Self::None => Self::NONE,
            Self::At(DateTime { unix, offset_minutes }) => {
                ((unix << Self::ZONE_BITS) | (i64::from(offset_minutes) + Self::ZONE)).cast_unsigned()
            }
        }
    }

    /// `None` for what no date has.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            Self::UNKNOWN => return Some(Self::Unknown),
            Self::NONE => return Some(Self::None),
            _ => {}
        }
        let bits = bits.cast_signed();
        let unix = bits >> Self::ZONE_BITS;
        let zone = (bits & ((1 << Self::ZONE_BITS) - 1)) - Self::ZONE;
        let offset_minutes = i16::try_from(zone).ok().filter(|minutes| minutes.abs() < 24 * 60)?;
        Some(Self::At(DateTime { unix, offset_minutes }))
    }
}

impl From<Option<DateTime>> for SentDate {
    fn from(date: Option<DateTime>) -> Self {
        date.map_or(Self::None, Self::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_and_unknown_are_told_apart() {
        for date in [SentDate::Unknown, SentDate::None] {
            assert_eq!(SentDate::from_bits(date.bits()), Some(date));
        }
        assert_eq!(SentDate::Unknown.bits(), 0);
        for bits in [2, 608, 3488, 4095, 4096, u64::MAX] {
            assert_eq!(SentDate::from_bits(bits), None, "{bits}");
        }
    }

    proptest! {
        #[test]
        fn dates_come_back(unix in -62_200_000_000_i64..253_500_000_000, offset in -1439_i16..=1439) {
            let date = SentDate::At(DateTime { unix, offset_minutes: offset });
            prop_assert_eq!(SentDate::from_bits(date.bits()), Some(date));
        }
    }
}
