//! The machine-readable reasons of `OK`, `CLOSED`, `NOTICE` and `NEG-ERR`: a prefix that programs read and a
//! text that people read.

use crate::Error;
use std::{borrow::Cow, fmt};

/// The words that may stand before the colon. (NIP-01, NIP-42, NIP-43, NIP-77)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Prefix {
    /// The relay has it, or something newer, already.
    Duplicate,
    /// Not enough proof of work.
    Pow,
    /// The relay will not have this event, or not from this author.
    Blocked,
    /// Too much at once.
    RateLimited,
    /// It doesn't follow the protocol.
    Invalid,
    /// Authenticated, but not entitled.
    Restricted,
    /// Nobody was listening to an ephemeral event.
    Mute,
    /// The relay's own fault.
    Error,
    /// Authenticating would help.
    AuthRequired,
    /// The relay doesn't do this.
    Unsupported,
    /// A negentropy session is over.
    Closed,
}

impl Prefix {
    /// The word on the wire, without the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Pow => "pow",
            Self::Blocked => "blocked",
            Self::RateLimited => "rate-limited",
            Self::Invalid => "invalid",
            Self::Restricted => "restricted",
            Self::Mute => "mute",
            Self::Error => "error",
            Self::AuthRequired => "auth-required",
            Self::Unsupported => "unsupported",
            Self::Closed => "closed",
        }
    }
}

/// A prefix and what it means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// For programs.
    pub prefix: Prefix,
    /// For people: a lower-case fragment.
    pub text: Cow<'static, str>,
}

impl Prefix {
    const ALL: [Self; 11] = [
        Self::Duplicate,
        Self::Pow,
        Self::Blocked,
        Self::RateLimited,
        Self::Invalid,
        Self::Restricted,
        Self::Mute,
        Self::Error,
        Self::AuthRequired,
        Self::Unsupported,
        Self::Closed,
    ];

    /// The prefix that is written so.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prefix| prefix.as_str() == word)
    }
}

impl Reason {
    /// Reads `prefix: text`; a text without a known prefix stands under `otherwise`.
    pub fn parse(text: &str, otherwise: Prefix) -> Self {
        let split = text.split_once(':').and_then(|(word, rest)| Some((Prefix::parse(word)?, rest.trim_start())));
        let (prefix, text) = split.unwrap_or((otherwise, text));
        Self::new(prefix, text.to_owned())
    }

    /// The reason `prefix: text`.
    pub fn new(prefix: Prefix, text: impl Into<Cow<'static, str>>) -> Self {
        Self { prefix, text: text.into() }
    }
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        Self::new(error.prefix(), error.to_string())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.prefix.as_str(), self.text)
    }
}
