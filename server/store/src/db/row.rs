//! Between Rust values and the texts and numbers of a row.

use std::{fmt::Display, str::FromStr};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};

use crate::{Result, StoreError};

/// The time as the database holds it: always three decimals, so that texts order as times do.
pub(crate) fn time_text(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A column whose text is read by the type's own parser.
pub(crate) fn parsed<T>(row: &SqliteRow, column: &'static str) -> sqlx::Result<T>
where
    T: FromStr<Err: Display>,
{
    row.try_get::<String, _>(column)?.parse().map_err(|fault: T::Err| decode_error(column, fault.to_string()))
}

/// The same for a column that may be empty.
pub(crate) fn parsed_option<T>(row: &SqliteRow, column: &'static str) -> sqlx::Result<Option<T>>
where
    T: FromStr<Err: Display>,
{
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|fault: T::Err| decode_error(column, fault.to_string()))).transpose()
}

/// A column that holds the bare JSON word of an enum, such as `train`.
pub(crate) fn word<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> sqlx::Result<T> {
    let text: String = row.try_get(column)?;
    from_word(&text).map_err(|fault| decode_error(column, fault))
}

/// A column that holds JSON.
pub(crate) fn decoded<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> sqlx::Result<T> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|e| decode_error(column, e.to_string()))
}

/// The enum that a bare JSON word names.
pub(crate) fn from_word<T: DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|e| e.to_string())
}

/// The bare JSON word of an enum without fields.
pub(crate) fn to_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The pattern of `LIKE` for texts that contain this one, with `\` as its escape.
pub(crate) fn containing(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// A count that cannot be negative.
pub(crate) fn count<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> sqlx::Result<T> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| decode_error(column, format!("{value} is out of range")))
}

/// A count for the database; no count of ours comes near its limit.
pub(crate) fn stored<T: TryInto<i64>>(value: T) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// JSON text of a value.
///
/// # Errors
/// When JSON cannot hold it, as a path that is no text.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::NoJson { fault: e.to_string() })
}

/// A value from the JSON in the database.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { what: what(), fault: e.to_string() })
}

fn decode_error(column: &'static str, fault: String) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.into(), source: fault.into() }
}
