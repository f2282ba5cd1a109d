//! Yes and no, in every spelling that operators bring along.

use crate::node::Scalar;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// `true` or `false`. Where the value is text, as in the environment, also `1`, `t`, `T`, `TRUE`, `True` and the
/// same of `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Switch(bool);

impl Switch {
    /// The switch in this position: for defaults.
    pub const fn of(on: bool) -> Self {
        Self(on)
    }

    /// True if it is on.
    pub const fn is_on(self) -> bool {
        self.0
    }
}

impl Scalar for Switch {
    fn kind() -> String {
        "true or false".to_owned()
    }

    fn example() -> Self {
        Self(true)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YesOrNo)
    }
}

struct YesOrNo;

impl de::Visitor<'_> for YesOrNo {
    type Value = Switch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch, E> {
        Ok(Switch(on))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Switch, E> {
        match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Switch(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Switch(false)),
            _ => Err(E::custom("neither true nor false")),
        }
    }
}
