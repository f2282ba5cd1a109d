//! The database as far as this crate asks it: batches of statements, each batch one transaction.
//!
//! D1 binds at most 100 parameters and hands numbers over as floating point. So every statement has exactly one
//! parameter, `?1`, a JSON text: lists are read from it by `json_each`, and integers in it are exact.

use nexus_relay::ports::{MaybeSend, MaybeSync, StorageError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{borrow::Cow, future::Future};

/// How long a parameter may become before a list is split over several statements, in bytes. D1 takes 2 MB.
pub const MAX_PARAMETER: usize = 1_000_000;

/// A statement with its one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text, which asks for `?1` and nothing else.
    pub sql: Cow<'static, str>,
    /// The parameter, a JSON text.
    pub parameter: String,
}

impl Statement {
    /// A statement over `parameter`.
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>, parameter: &Value) -> Self {
        Self { sql: sql.into(), parameter: parameter.to_string() }
    }

    /// Statements over the elements of a list, as many as needed for none of them to be too long.
    pub(crate) fn over<T: Serialize>(
        sql: &'static str,
        list: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Self>, StorageError> {
        let mut statements = Vec::new();
        let mut parameter = String::new();
        for element in list {
            let text = serde_json::to_string(&element).map_err(|_| StorageError::Damaged("a row is no JSON"))?;
            if !parameter.is_empty() && parameter.len() + text.len() > MAX_PARAMETER {
                statements.push(std::mem::take(&mut parameter));
            }
            parameter.push(if parameter.is_empty() { '[' } else { ',' });
            parameter.push_str(&text);
        }
        if !parameter.is_empty() {
            statements.push(parameter);
        }
        let whole = |list| Self { sql: sql.into(), parameter: format!("{list}]") };
        Ok(statements.into_iter().map(whole).collect())
    }
}

/// The binding of a D1 database.
pub trait D1: MaybeSend + MaybeSync {
    /// Runs statements in order in one transaction, and gives the rows of each. If one fails, none has happened.
    fn batch(&self, statements: &[Statement]) -> impl Future<Output = Result<Vec<Vec<Row>>, D1Error>> + MaybeSend;
}

/// Why a batch failed, in D1's words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("D1 failed: {0}")]
pub struct D1Error(String);

impl D1Error {
    /// The error that D1 describes by `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// True if another writer was there since the position was read. The same call may be tried on what is there now.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.0.contains("NOT NULL constraint failed: journal.last")
    }
}

impl From<D1Error> for StorageError {
    fn from(error: D1Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// A row: columns by name, as D1 gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// The row of these columns.
    pub const fn new(columns: Map<String, Value>) -> Self {
        Self(columns)
    }

    pub(crate) fn text(&self, column: &str) -> Result<&str, StorageError> {
        self.0.get(column).and_then(Value::as_str).ok_or(StorageError::Damaged("a column isn't text"))
    }

    /// An integer that was given as a number, or as text because it may be longer than floating point is exact.
    pub(crate) fn integer(&self, column: &str) -> Result<i64, StorageError> {
        self.optional_integer(column)?.ok_or(StorageError::Damaged("a column is empty"))
    }

    /// The same, where the column may be empty.
    pub(crate) fn optional_integer(&self, column: &str) -> Result<Option<i64>, StorageError> {
        const BROKEN: StorageError = StorageError::Damaged("a column isn't an integer");
        match self.0.get(column) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| BROKEN),
            Some(Value::Number(number)) => whole(number).map(Some).ok_or(BROKEN),
            Some(_) => Err(BROKEN),
        }
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&self, column: &str) -> Result<T, StorageError> {
        self.text(column)?.parse().map_err(|_| StorageError::Damaged("a column can't be what was written"))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StorageError> {
        serde_json::from_str(self.text(column)?).map_err(|_| StorageError::Damaged("a column isn't the JSON it was"))
    }
}

/// JavaScript has no integers: `7` may come as `7.0`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        number.as_f64().filter(|real| real.fract() == 0.0).and_then(|real| format!("{real:.0}").parse().ok())
    })
}

/// A stranger's text as it is stored: as inside a JSON string. SQLite's JSON would end it at a NUL.
pub(crate) fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The text again.
pub(crate) fn unescaped(text: &str) -> Result<String, StorageError> {
    serde_json::from_str(&format!("\"{text}\"")).map_err(|_| StorageError::Damaged("a text isn't what was written"))
}
