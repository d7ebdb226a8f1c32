//! Columns of a row as texts, whatever the database's type for them.

use sqlx::mysql::MySqlRow;
use sqlx::postgres::{PgRow, PgValueFormat};
use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row, TypeInfo, ValueRef};

/// A row of any database.
pub(super) trait Texts: Row {
    /// A column that is not NULL as text; `None`: its type is not one of those known.
    fn text(&self, index: usize, kind: &str) -> Result<Option<String>, sqlx::Error>;
    /// The name of the type of the value there; `None`: NULL.
    fn kind(&self, index: usize) -> Result<Option<String>, sqlx::Error>;
}

/// Names, in lower case, and values of all columns. An error names the column and its type.
pub(super) fn columns<R: Texts>(row: &R) -> Result<Vec<(String, Option<String>)>, String> {
    let one = |column: &<R::Database as sqlx::Database>::Column| {
        let name = column.name().to_lowercase();
        let failed = |error: sqlx::Error| format!("column {name}: {error}");
        let Some(kind) = row.kind(column.ordinal()).map_err(failed)? else { return Ok((name, None)) };
        match row.text(column.ordinal(), &kind).map_err(failed)? {
            // CHAR(n) is filled up with blanks.
            Some(text) if matches!(kind.as_str(), "CHAR" | "BPCHAR") => {
                Ok((name, Some(text.trim_end_matches(' ').to_owned())))
            }
            Some(text) => Ok((name, Some(text))),
            None => Err(format!("column {name} has type {kind}, which is not known here: cast it to a text")),
        }
    };
    let columns: Vec<_> = row.columns().iter().map(one).collect::<Result<_, String>>()?;
    Ok(columns)
}

macro_rules! kind_of_value {
    () => {
        fn kind(&self, index: usize) -> Result<Option<String>, sqlx::Error> {
            let value = self.try_get_raw(index)?;
            Ok((!value.is_null()).then(|| value.type_info().name().to_uppercase()))
        }
    };
}

impl Texts for PgRow {
    fn text(&self, index: usize, kind: &str) -> Result<Option<String>, sqlx::Error> {
        Ok(Some(match kind {
            "TEXT" | "VARCHAR" | "CHAR" | "BPCHAR" | "NAME" | "CITEXT" => self.try_get_unchecked(index)?,
            "BYTEA" => utf8(self.try_get(index)?)?,
            "INT2" => self.try_get::<i16, _>(index)?.to_string(),
            "INT4" => self.try_get::<i32, _>(index)?.to_string(),
            "INT8" => self.try_get::<i64, _>(index)?.to_string(),
            "BOOL" => flag(self.try_get(index)?),
            "NUMERIC" => {
                let value = self.try_get_raw(index)?;
                let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
                match value.format() {
                    PgValueFormat::Text => utf8(bytes.to_vec())?,
                    PgValueFormat::Binary => {
                        numeric(bytes).ok_or_else(|| sqlx::Error::Decode("it is no whole number".into()))?
                    }
                }
            }
            _ => return Ok(None),
        }))
    }

    kind_of_value!();
}

impl Texts for MySqlRow {
    fn text(&self, index: usize, kind: &str) -> Result<Option<String>, sqlx::Error> {
        Ok(Some(match kind {
            "BOOLEAN" => self.try_get_unchecked::<i64, _>(index)?.to_string(),
            "DECIMAL" | "ENUM" | "SET" => self.try_get_unchecked(index)?,
            kind if kind.ends_with("INT UNSIGNED") => self.try_get_unchecked::<u64, _>(index)?.to_string(),
            kind if kind.ends_with("INT") => self.try_get_unchecked::<i64, _>(index)?.to_string(),
            kind if ["CHAR", "TEXT", "BLOB", "BINARY"].iter().any(|end| kind.ends_with(end)) => {
                utf8(self.try_get_unchecked(index)?)?
            }
            _ => return Ok(None),
        }))
    }

    kind_of_value!();
}

impl Texts for SqliteRow {
    fn text(&self, index: usize, kind: &str) -> Result<Option<String>, sqlx::Error> {
        Ok(Some(match kind {
            "TEXT" => self.try_get_unchecked(index)?,
            "BLOB" => utf8(self.try_get_unchecked(index)?)?,
            "INTEGER" | "BOOLEAN" => self.try_get_unchecked::<i64, _>(index)?.to_string(),
            _ => return Ok(None),
        }))
    }

    kind_of_value!();
}

fn utf8(bytes: Vec<u8>) -> Result<String, sqlx::Error> {
    String::from_utf8(bytes).map_err(|_| sqlx::Error::Decode("it is no UTF-8".into()))
}

fn flag(value: bool) -> String {
    if value { "1" } else { "0" }.to_owned()
}

/// PostgreSQL's NUMERIC, if it is a whole number: count of digits, power of the first, sign,
/// digits of the fraction, then digits to the base 10,000, all of 16 bits.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]));
    let (_, power, sign, _) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let digits: Vec<i16> = words.collect();
    let mut number: i128 = 0;
    for place in 0..i32::from(power) + 1 {
        let digit = usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(0);
        number = number.checked_mul(10_000)?.checked_add(i128::from(digit))?;
    }
    let whole = usize::try_from(i32::from(power) + 1).unwrap_or(0);
    let fraction = digits.iter().skip(whole).any(|digit| *digit != 0);
    match sign {
        _ if fraction => None,
        0 => Some(number.to_string()),
        0x4000 => Some((-number).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_are_whole_numbers() {
        let check = |words: &[i16], expected: Option<&str>| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            assert_eq!(numeric(&bytes).as_deref(), expected, "{words:?}");
        };
        check(&[1, 0, 0, 0, 1000], Some("1000"));
        check(&[1, 1, 0, 0, 5], Some("50000"));
        check(&[2, 1, 0x4000, 0, 1, 2], Some("-10002"));
        check(&[0, 0, 0, 0], Some("0"));
        check(&[2, 0, 0, 1, 1, 5000], None);
        check(&[0, 0], None);
    }
}
