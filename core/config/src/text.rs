//! Text that is not to be shown, and text that is checked when it is read.

use crate::node::Scalar;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A password or token: never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for comparing and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Scalar for Secret {
    fn kind() -> String {
        "text, kept secret".to_owned()
    }

    fn example() -> Self {
        Self("…".to_owned())
    }
}

/// A value that is written as text and means something: a key, a URL, a pattern. `T` says what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quoted<T>(pub T);

impl<T: fmt::Display> Serialize for Quoted<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Quoted<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}
