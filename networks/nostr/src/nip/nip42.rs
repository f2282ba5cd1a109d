//! Authentication: how a client proves that it holds a key, and which names a relay goes by.

use crate::{Error, Event, Kind, Result, Seconds};
use url::Url;

/// How far from now the proof may be dated, in seconds.
pub const WINDOW: u64 = 600;

/// An address of a relay. Two addresses are the same relay if the hosts are the same and the ports are, or
/// one of the ports is its scheme's default; path and scheme don't count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUrl {
    host: String,
    /// `None` for the scheme's own.
    port: Option<u16>,
}

impl RelayUrl {
    /// Reads `ws://`, `wss://`, `http://` and `https://` addresses.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
            return None;
        }
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        Some(Self { host, port: url.port() })
    }

    /// True if both name the same relay.
    pub fn is_same(&self, other: &Self) -> bool {
        self.host == other.host && (self.port == other.port || self.port.is_none() || other.port.is_none())
    }

    /// True if `text` is an address of one of `relays`.
    pub fn names_one_of(text: &str, relays: &[Self]) -> bool {
        Self::parse(text).is_some_and(|url| relays.iter().any(|relay| relay.is_same(&url)))
    }
}

/// Checks what a kind 22242 event claims, apart from its signature.
///
/// # Errors
/// [`Error::NotAuthentic`] with what failed.
pub fn check(event: &Event, challenge: &str, relays: &[RelayUrl], now: Seconds) -> Result<()> {
    if event.kind != Kind::AUTH {
        return Err(Error::NotAuthentic("wrong kind"));
    }
    if event.created_at.distance(now) > WINDOW {
        return Err(Error::NotAuthentic("created_at is too far from now"));
    }
    if event.tags.first("challenge").and_then(|tag| tag.value()) != Some(challenge) {
        return Err(Error::NotAuthentic("wrong challenge"));
    }
    let named = event.tags.first("relay").and_then(|tag| tag.value());
    if named.is_some_and(|named| RelayUrl::names_one_of(named, relays)) {
        Ok(())
    } else {
        Err(Error::NotAuthentic("wrong relay"))
    }
}
