//! What can be wrong with a configuration. Every problem names the key and where it was set.

use std::{fmt, io, path::PathBuf};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this file.
    File(PathBuf),
    /// By this environment variable.
    Environment(String),
    /// By this flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) | Self::Flag(name) => name.fmt(f),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such key.
    #[error("{origin}: unknown key `{key}`{}", nearest.as_ref().map_or_else(String::new, |n| format!(", did you mean `{n}`?")))]
    Unknown {
        /// The key as it was meant.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// The known key that looks most alike, if any does.
        nearest: Option<String>,
    },
    /// The value does not fit.
    #[error("{origin}: `{key}` = {value}: {reason} (wanted: {wanted})")]
    Value {
        /// The key.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// What was set, shortened.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What would fit, with the range.
        wanted: String,
    },
    /// One key has two spellings, and both are used.
    #[error("{origin}: `{first}` and `{second}` are the same key, keep one of them")]
    Twice {
        /// The key.
        first: String,
        /// Its other spelling.
        second: String,
        /// The file.
        origin: Origin,
    },
    /// A rule over several keys is broken.
    #[error("{0}")]
    Conflict(String),
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read. No other is tried in its place.
    #[error("{} can't be read: {cause}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is no TOML.
    #[error("{} is not valid TOML: {cause}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Why, with line and column.
        cause: Box<toml::de::Error>,
    },
    /// Everything else that is wrong, all of it at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}
