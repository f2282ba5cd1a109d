//! Values with a grammar of their own, as they stand in a configuration.

use nexus_config::Scalar;
use nexus_nostr::{PublicKey, nip::nip42::RelayUrl};
use serde::{Deserialize, Serialize};

/// An address of a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelayAddress(String);

impl RelayAddress {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    ///
    /// # Panics
    /// Never: it was read when it was made.
    pub fn url(&self) -> RelayUrl {
        RelayUrl::parse(&self.0).expect("an address was parsed before")
    }
}

impl TryFrom<String> for RelayAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match RelayUrl::parse(&text) {
            Some(_) => Ok(Self(text)),
            None => Err("not a ws:// or wss:// address"),
        }
    }
}

impl From<RelayAddress> for String {
    fn from(address: RelayAddress) -> Self {
        address.0
    }
}

impl Scalar for RelayAddress {
    fn kind() -> String {
        "address, wss://HOST".to_owned()
    }

    fn example() -> Self {
        Self("wss://relay.example.com".to_owned())
    }
}

/// A public key of Nostr, as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pubkey(pub PublicKey);

impl TryFrom<String> for Pubkey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| "not 64 hexadecimal digits")
    }
}

impl From<Pubkey> for String {
    fn from(key: Pubkey) -> Self {
        key.0.to_string()
    }
}

impl Scalar for Pubkey {
    fn kind() -> String {
        "public key, 64 hexadecimal digits".to_owned()
    }

    fn example() -> Self {
        Self(PublicKey::from_bytes([1; 32]))
    }
}

/// A kind of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindNumber(pub u16);

impl Scalar for KindNumber {
    fn kind() -> String {
        "kind, 0 to 65535".to_owned()
    }

    fn example() -> Self {
        Self(1)
    }
}

/// Kinds from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u16; 2]", into = "[u16; 2]")]
pub struct KindRange {
    from: u16,
    to: u16,
}

impl KindRange {
    /// The kinds.
    pub const fn range(self) -> std::ops::RangeInclusive<u16> {
        self.from..=self.to
    }
}

impl TryFrom<[u16; 2]> for KindRange {
    type Error = &'static str;

    fn try_from([from, to]: [u16; 2]) -> Result<Self, Self::Error> {
        if from <= to { Ok(Self { from, to }) } else { Err("the first kind is above the last") }
    }
}

impl From<KindRange> for [u16; 2] {
    fn from(range: KindRange) -> Self {
        [range.from, range.to]
    }
}

impl Scalar for KindRange {
    fn kind() -> String {
        "two kinds, the first and the last".to_owned()
    }

    fn example() -> Self {
        Self { from: 5000, to: 5999 }
    }
}
