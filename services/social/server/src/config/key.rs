//! Public keys and homeservers as they stand in a configuration.

use nexus_config::Scalar;
use nexus_pubky::PubkyId;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A public key in z-base-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub PubkyId);

/// The homeserver that most users of Pubky live on.
const PRODUCTION: &str = "8um71us3fyw6h8wbcxb5ar3rwusy1a6u49956ikzojg3gcwd1dty";

/// The moderator whose labels Pubky's own app honours.
const MODERATOR: &str = "uo7jgkykft4885n8cruizwy6khw71mnu5pq3ay9i8pw1ymcn85ko";

impl Key {
    /// The moderator of Pubky's own app.
    ///
    /// # Panics
    /// Never: the key is written in this file.
    pub fn moderator() -> Self {
        Self(MODERATOR.parse().expect("a valid key"))
    }
}

impl Scalar for Key {
    fn kind() -> String {
        "public key, 52 characters".to_owned()
    }

    fn example() -> Self {
        Self::moderator()
    }
}

/// A homeserver: by its key, found through pkarr, or by a base URL, read as plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HomeserverAt {
    /// Found through pkarr.
    Key(PubkyId),
    /// Reached there, without pkarr and TLS keys. Without a slash at the end.
    Url(String),
}

impl HomeserverAt {
    /// The homeserver that most users of Pubky live on.
    ///
    /// # Panics
    /// Never: the key is written in this file.
    pub fn production() -> Self {
        Self::Key(PRODUCTION.parse().expect("a valid key"))
    }
}

impl FromStr for HomeserverAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match host {
            Some(host) if host.is_empty() || host.starts_with('/') => Err("the URL has no host".to_owned()),
            Some(_) => Ok(Self::Url(text.trim_end_matches('/').to_owned())),
            None => text.parse().map(Self::Key).map_err(|_| "neither a key nor a base URL".to_owned()),
        }
    }
}

impl fmt::Display for HomeserverAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl TryFrom<String> for HomeserverAt {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<HomeserverAt> for String {
    fn from(at: HomeserverAt) -> Self {
        at.to_string()
    }
}

impl Scalar for HomeserverAt {
    fn kind() -> String {
        "public key, or base URL".to_owned()
    }

    fn example() -> Self {
        Self::Url("http://127.0.0.1:6286".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homeserver_is_a_key_or_a_url() {
        let url = HomeserverAt::Url("http://127.0.0.1:6286".to_owned());
        assert_eq!("http://127.0.0.1:6286/".parse(), Ok(url));
        assert!(matches!(PRODUCTION.parse(), Ok(HomeserverAt::Key(_))));
        for text in ["", "http://", "https:///x", "ftp://x", "8um71"] {
            assert!(text.parse::<HomeserverAt>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_keys_written_here_are_valid() {
        assert_eq!(Key::moderator().0.to_string(), MODERATOR);
        assert_eq!(HomeserverAt::production().to_string(), PRODUCTION);
    }
}
