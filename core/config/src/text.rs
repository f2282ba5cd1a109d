//! Text that is not to be shown.

use crate::node::Scalar;
use serde::{Deserialize, Serialize};
use std::fmt;

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

    /// Whoever sets an empty one, as an environment does whose variable has no value, means none at all or
    /// believes to have one.
    fn fits(&self) -> Result<(), String> {
        if self.0.is_empty() { Err("it is empty: leave it out, or set it".to_owned()) } else { Ok(()) }
    }
}
