//! Event ids, public keys and signatures: fixed numbers of bytes, written as lower-case hex.

use crate::{Error, Result, hex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

macro_rules! bytes_as_hex {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The value with these bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Appends the hex digits to `out`.
            pub(crate) fn push_hex(&self, out: &mut String) {
                hex::push(out, &self.0);
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                hex::array(text.as_bytes()).map(Self).ok_or(Error::Bad($what))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::text(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

bytes_as_hex! {
    /// The SHA-256 of an event's canonical form. (NIP-01)
    EventId, 32, "id"
}
bytes_as_hex! {
    /// An author: the x coordinate of a secp256k1 point. Whether there is such a point is known only once a
    /// signature was checked.
    PublicKey, 32, "pubkey"
}
bytes_as_hex! {
    /// A BIP-340 signature over the 32 bytes of an id.
    Signature, 64, "sig"
}
