//! The ids of the Pubky world. Each is checked once, when it is made; after that the type is the proof.
//!
//! All are kept as the ASCII text that appears in URIs: their byte order is the order that the API
//! promises, and no id is ever formatted twice.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Why a text is not an id. The message is the one that existing clients know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(String);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $length:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// How many characters the id has.
            pub const LENGTH: usize = $length;

            /// The id as text.
            pub fn as_str(&self) -> &str {
                // Every way to make an id goes through `FromStr` or a constructor that writes ASCII.
                std::str::from_utf8(&self.0).expect("ids are ASCII")
            }

            /// The characters of the id.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(text).map_err(IdError)?;
                let bytes = text.as_bytes().try_into().ok().filter(|_| text.is_ascii());
                bytes.map(Self).ok_or_else(|| IdError(format!("Validation Error: not {} characters", $length)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A user or a homeserver: an ed25519 public key as 52 characters of z-base-32.
    PubkyId, 52, |text| {
        let key = pubky_app_specs::PubkyId::try_from(text)?;
        // 52 characters hold four bits more than a key: only one spelling is the key's own.
        (key.as_ref() == text).then_some(()).ok_or_else(|| "Validation Error: not the key's canonical text".into())
    }
);

text_id!(
    /// The id of a post or a file: 13 characters of Crockford base32, microseconds when made by the book.
    TimestampId, 13, |text| pubky_app_specs::validate_crockford_id(text).map(drop)
);

text_id!(
    /// The id of a tag, a bookmark, a blob or a feed: 26 characters of Crockford base32 over half a BLAKE3 hash.
    HashId, 26, |text| {
        let ok = text.len() == 26 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        ok.then_some(()).ok_or_else(|| "Validation Error: Invalid ID length: must be 26 characters".into())
    }
);

text_id!(
    /// A tagged resource: 32 lower-case hex digits, half the BLAKE3 hash of its normal form.
    ResourceId, 32, |text| {
        let ok = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        ok.then_some(()).ok_or_else(|| format!("resource_id must be 32-char lowercase hex, got: {text}"))
    }
);

impl PubkyId {
    /// Takes characters that this program checked when it stored them. Checks the alphabet, not the curve.
    ///
    /// # Errors
    /// If `text` is not 52 characters of z-base-32.
    pub fn from_stored(text: &str) -> Result<Self, IdError> {
        let known = |b: &u8| b"ybndrfg8ejkmcpqxot1uwisza345h769".contains(b);
        let bytes: Option<[u8; 52]> = text.as_bytes().try_into().ok();
        bytes.filter(|b| b.iter().all(known)).map(Self).ok_or_else(|| IdError(format!("not a public key: {text:?}")))
    }
}

impl PubkyId {
    /// The id of a public key given by its bytes.
    ///
    /// # Errors
    /// If the bytes are not an ed25519 public key.
    pub fn from_key_bytes(key: &[u8; 32]) -> Result<Self, IdError> {
        let mut text = [0; 52];
        base32(key, b"ybndrfg8ejkmcpqxot1uwisza345h769", &mut text);
        std::str::from_utf8(&text).map_err(|error| IdError(error.to_string()))?.parse()
    }
}

impl TimestampId {
    /// The id that a client makes at a time, in microseconds.
    pub fn from_micros(micros: i64) -> Self {
        let mut text = [0; 13];
        base32(&micros.to_be_bytes(), b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", &mut text);
        Self(text)
    }
}

/// Five bits a character, the first ones first, zeros behind the last.
fn base32(bytes: &[u8], alphabet: &[u8; 32], text: &mut [u8]) {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    for (place, character) in text.iter_mut().enumerate() {
        let value = (0..5).fold(0, |value, i| value << 1 | bit(5 * place + i));
        *character = alphabet[usize::from(value)];
    }
}

impl HashId {
    /// The id of content whose BLAKE3 hash is `hash`: its first half.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let text = base32::encode(base32::Alphabet::Crockford, &hash[..16]);
        let mut id = [0; 26];
        id.copy_from_slice(text.as_bytes());
        Self(id)
    }
}

impl ResourceId {
    /// The id of the resource whose normal form is `uri`.
    pub fn of_normal_form(uri: &str) -> Self {
        let hash = blake3::hash(uri.as_bytes());
        let mut text = [0; 32];
        text.copy_from_slice(&hash.to_hex().as_bytes()[..32]);
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo";

    #[test]
    fn ids_are_their_text() {
        assert_eq!(KEY.parse::<PubkyId>().unwrap().as_str(), KEY);
        assert_eq!(PubkyId::from_stored(KEY).unwrap().as_str(), KEY);
        assert_eq!("0034A0X7NJ52A".parse::<TimestampId>().unwrap().to_string(), "0034A0X7NJ52A");
    }

    #[test]
    fn a_key_has_one_spelling() {
        let alias = KEY.strip_suffix('o').map(|head| format!("{head}t")).unwrap();
        assert_eq!(pubky_app_specs::PubkyId::try_from(&alias).unwrap().as_ref(), KEY);
        assert!(alias.parse::<PubkyId>().is_err());
    }

    #[test]
    fn a_blobs_id_is_half_its_hash() {
        use pubky_app_specs::{PubkyAppBlob, traits::HashId as _};
        let hash = *blake3::hash(b"bytes").as_bytes();
        assert_eq!(HashId::of_hash(&hash).as_str(), PubkyAppBlob(b"bytes".to_vec()).create_id());
    }

    #[test]
    fn ids_are_made_as_clients_make_them() {
        use pubky_app_specs::{PubkyAppPost, PubkyAppPostKind, traits::TimestampId as _};
        let theirs = PubkyAppPost::new(String::new(), PubkyAppPostKind::Short, None, None, None).create_id();
        let id: TimestampId = theirs.parse().unwrap();
        let bits = theirs.bytes().fold(0u128, |bits, character| {
            bits << 5 | b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".iter().position(|c| *c == character).unwrap() as u128
        });
        assert_eq!(TimestampId::from_micros((bits >> 1) as i64), id);
        // The base point of the curve is a key.
        let mut base = [0x66; 32];
        base[0] = 0x58;
        assert_eq!(PubkyId::from_key_bytes(&base).unwrap().as_str().len(), 52);
        assert!(PubkyId::from_key_bytes(&[2; 32]).is_err());
    }

    #[test]
    fn errors_are_the_ones_clients_know() {
        let error = "short".parse::<TimestampId>().unwrap_err().to_string();
        assert_eq!(error, "Validation Error: Invalid ID length: must be 13 characters");
        let error = "short".parse::<PubkyId>().unwrap_err().to_string();
        assert_eq!(error, "Validation Error: the string is not 52 utf chars");
        let error = "X".parse::<ResourceId>().unwrap_err().to_string();
        assert_eq!(error, "resource_id must be 32-char lowercase hex, got: X");
    }
}
