//! Columns to values and back. What a value is on disk is written here, never derived from a Rust name.

use crate::{Error, Result};
use nexus_model::{Action, Timestamp};
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::Operation,
    row::{ContentHash, PostKind, UserState},
};
use rusqlite::Row;
use std::str::FromStr;

/// The collections, by the number that the journal writes for each.
pub(super) const COLLECTIONS: [&str; 8] =
    ["profile", "posts", "follows", "mutes", "bookmarks", "tags", "files", "notifications"];

const KINDS: [PostKind; 8] = [
    PostKind::Short,
    PostKind::Long,
    PostKind::Image,
    PostKind::Video,
    PostKind::Link,
    PostKind::File,
    PostKind::Collection,
    PostKind::Unknown,
];
const STATES: [UserState; 3] = [UserState::Stub, UserState::Active, UserState::Deleted];
const ACTIONS: [Action; 3] = [Action::Create, Action::Update, Action::Delete];
const OPERATIONS: [Operation; 2] = [Operation::Put, Operation::Delete];

/// The number of a value in its table.
fn number_in<T: PartialEq>(table: &[T], value: &T) -> i64 {
    table.iter().position(|known| known == value).map_or(-1, |at| at as i64)
}

pub(super) fn collection_number(name: &str) -> i64 {
    number_in(&COLLECTIONS, &name)
}

pub(super) fn kind_number(kind: &PostKind) -> i64 {
    number_in(&KINDS, kind)
}

pub(super) fn state_number(state: UserState) -> i64 {
    number_in(&STATES, &state)
}

pub(super) fn action_number(action: Action) -> i64 {
    number_in(&ACTIONS, &action)
}

pub(super) fn operation_number(operation: Operation) -> i64 {
    number_in(&OPERATIONS, &operation)
}

/// A hash as a parameter.
pub(super) fn hash_bytes(hash: Option<&ContentHash>) -> Option<&[u8]> {
    hash.map(|hash| hash.0.as_slice())
}

/// A row's columns. What can't have been written by this program is damage.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a>(&'a Row<'a>);

fn damaged(column: usize, what: &str) -> Error {
    Error::Damaged(format!("column {column} holds {what:?}"))
}

impl<'a> Cells<'a> {
    pub(super) const fn of(row: &'a Row<'a>) -> Self {
        Self(row)
    }

    pub(super) fn int(self, column: usize) -> Result<i64> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn int_or_null(self, column: usize) -> Result<Option<i64>> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn real(self, column: usize) -> Result<f64> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn flag(self, column: usize) -> Result<bool> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn time(self, column: usize) -> Result<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    /// A number that is never negative.
    pub(super) fn count(self, column: usize) -> Result<u64> {
        let number = self.int(column)?;
        u64::try_from(number).map_err(|_| damaged(column, &number.to_string()))
    }

    pub(super) fn text(self, column: usize) -> Result<String> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn text_or_null(self, column: usize) -> Result<Option<String>> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn str(self, column: usize) -> Result<&'a str> {
        self.0.get_ref(column)?.as_str().map_err(|_| damaged(column, "no text"))
    }

    pub(super) fn str_or_null(self, column: usize) -> Result<Option<&'a str>> {
        self.0.get_ref(column)?.as_str_or_null().map_err(|_| damaged(column, "no text"))
    }

    pub(super) fn user(self, column: usize) -> Result<PubkyId> {
        let text = self.str(column)?;
        PubkyId::from_stored(text).map_err(|_| damaged(column, text))
    }

    /// An id that parses itself.
    pub(super) fn id<T: FromStr>(self, column: usize) -> Result<T> {
        let text = self.str(column)?;
        text.parse().map_err(|_| damaged(column, text))
    }

    pub(super) fn hash(self, column: usize) -> Result<Option<ContentHash>> {
        let bytes = self.0.get_ref(column)?.as_blob_or_null().map_err(|_| damaged(column, "no hash"))?;
        let hash = |bytes: &[u8]| bytes.try_into().map(ContentHash).map_err(|_| damaged(column, "no hash"));
        bytes.map(hash).transpose()
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(self, column: usize) -> Result<Option<T>> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|_| damaged(column, text));
        self.str_or_null(column)?.map(parse).transpose()
    }

    pub(super) fn kind(self, column: usize) -> Result<PostKind> {
        self.of_table(&KINDS, column)
    }

    pub(super) fn state(self, column: usize) -> Result<UserState> {
        self.of_table(&STATES, column)
    }

    pub(super) fn action(self, column: usize) -> Result<Action> {
        self.of_table(&ACTIONS, column)
    }

    pub(super) fn operation(self, column: usize) -> Result<Operation> {
        self.of_table(&OPERATIONS, column)
    }

    pub(super) fn collection(self, column: usize) -> Result<&'static str> {
        self.of_table(&COLLECTIONS, column)
    }

    fn of_table<T: Clone>(self, table: &[T], column: usize) -> Result<T> {
        let number = self.int(column)?;
        let found = usize::try_from(number).ok().and_then(|number| table.get(number)).cloned();
        found.ok_or_else(|| damaged(column, &number.to_string()))
    }
}
