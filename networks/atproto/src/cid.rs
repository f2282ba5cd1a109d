//! Content ids in the one form that the protocol blesses: version 1, DAG-CBOR or raw, SHA-256.
//!
//! 33 bytes instead of a general multihash: comparing, hashing and storing them costs what it must.

use crate::error::{Error, Reason, Result};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// What the bytes behind a [`Cid`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// DAG-CBOR: commits, tree nodes, records.
    DagCbor,
    /// Bytes without structure: blobs.
    Raw,
}

impl Codec {
    const fn code(self) -> u8 {
        match self {
            Self::DagCbor => 0x71,
            Self::Raw => 0x55,
        }
    }
}

/// The id of a block: its codec and the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    codec: Codec,
    digest: [u8; 32],
}

impl Cid {
    /// The length of the binary form.
    pub const LENGTH: usize = 36;

    /// The id of `block`, taken as DAG-CBOR.
    pub fn of_cbor(block: &[u8]) -> Self {
        Self { codec: Codec::DagCbor, digest: Sha256::digest(block).into() }
    }

    /// An id from its parts, as a store keeps them.
    pub const fn from_parts(codec: Codec, digest: [u8; 32]) -> Self {
        Self { codec, digest }
    }

    /// What the bytes behind the id are.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The SHA-256 of the bytes behind the id.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// If `bytes` are not exactly one blessed CID.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let [1, codec, 0x12, 32, digest @ ..] = bytes else { return Err(not_blessed()) };
        let codec = match codec {
            0x71 => Codec::DagCbor,
            0x55 => Codec::Raw,
            _ => return Err(not_blessed()),
        };
        let digest = digest.try_into().map_err(|_| not_blessed())?;
        Ok(Self { codec, digest })
    }

    /// The binary form.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..4].copy_from_slice(&[1, self.codec.code(), 0x12, 32]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }

    /// True if `block` has this id.
    pub fn is_of(&self, block: &[u8]) -> bool {
        self.digest[..] == Sha256::digest(block)[..]
    }
}

fn not_blessed() -> Error {
    Error::new(Reason::Cbor, "not a version 1 SHA-256 CID")
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(59);
        push_text(&self.to_bytes(), &mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::from_bytes(&bytes_of_text(text).ok_or_else(not_blessed)?)
    }
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Appends the text of a binary CID: multibase `b`, base32 in lower case, no padding.
pub(crate) fn push_text(bytes: &[u8], out: &mut String) {
    out.push('b');
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            out.push(char::from(ALPHABET[(bits >> held) as usize & 31]));
        }
    }
    if held > 0 {
        out.push(char::from(ALPHABET[(bits << (5 - held)) as usize & 31]));
    }
}

/// The bytes of multibase `b` text, or `None` if it has other characters or stray bits.
pub(crate) fn bytes_of_text(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix('b')?;
    let mut bytes = Vec::with_capacity(digits.len() * 5 / 8);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'a'..=b'z' => digit - b'a',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    let stray = bits & ((1 << held) - 1);
    (held < 5 && stray == 0).then_some(bytes)
}

/// True if `bytes` are some CID of version 1, blessed or not: records of others may link to such.
pub(crate) fn is_any_v1(bytes: &[u8]) -> bool {
    fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
        let mut value = 0;
        for (at, byte) in bytes.iter().take(9).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return (*byte != 0 || at == 0).then_some((value, &bytes[at + 1..]));
            }
        }
        None
    }
    let length = || {
        let (version, rest) = varint(bytes)?;
        let (_codec, rest) = varint(rest).filter(|_| version == 1)?;
        let (_hash, rest) = varint(rest)?;
        let (length, digest) = varint(rest)?;
        Some(length == digest.len() as u64)
    };
    length().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_blessed_cid_has_three_equal_forms() {
        let cid = Cid::of_cbor(b"\xa0");
        assert_eq!(cid.to_string(), "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua");
        assert_eq!(cid.to_string().parse(), Ok(cid));
        assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
        assert!(cid.is_of(b"\xa0") && !cid.is_of(b"\xa1"));
    }

    #[test]
    fn other_forms_are_refused() {
        let mut bytes = Cid::of_cbor(b"").to_bytes();
        assert!(Cid::from_bytes(&bytes[..35]).is_err());
        bytes[1] = 0x70;
        assert!(Cid::from_bytes(&bytes).is_err() && is_any_v1(&bytes));
        assert!("QmPChd2hVbrJ6bfo3WBcTW4iZnpHm8TEzWkLHmLpXhF68A".parse::<Cid>().is_err());
        assert!(!is_any_v1(b"") && !is_any_v1(&[1, 0x80, 0, 0x12, 0]) && !is_any_v1(&[1, 0x71, 0x12, 32]));
    }

    proptest! {
        #[test]
        fn base32_text_gives_its_bytes_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut text = String::new();
            push_text(&bytes, &mut text);
            prop_assert_eq!(bytes_of_text(&text), Some(bytes));
        }

        #[test]
        fn only_one_text_stands_for_some_bytes(text in "b[a-z2-7]{0,20}") {
            if let Some(bytes) = bytes_of_text(&text) {
                let mut again = String::new();
                push_text(&bytes, &mut again);
                prop_assert_eq!(again, text);
            }
        }
    }
}
