//! Signing keys of accounts, and what they signed: K-256 by libsecp256k1, P-256 by aws-lc, both the fastest
//! of their kind. Signatures are 64 bytes with the smaller of the two equivalent `s`.

use crate::error::{Error, Reason, Result};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use secp256k1::{Message, ecdsa};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};

/// Half the order of P-256's group: a greater `s` has a smaller twin.
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d,
    0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// The key that signs an account's commits.
#[derive(Clone)]
pub struct PublicKey(Curve);

#[derive(Clone)]
enum Curve {
    K256(secp256k1::PublicKey),
    P256(Arc<ParsedPublicKey>),
}

impl PublicKey {
    /// Reads a `Multikey`: multibase base58 of a two-byte curve prefix and a compressed point.
    ///
    /// # Errors
    /// If the text, the curve or the point is not one the protocol knows.
    pub fn from_multikey(multibase: &str) -> Result<Self> {
        let bytes = base58(multibase)?;
        match bytes.as_slice() {
            [0xe7, 0x01, point @ ..] if point.len() == 33 => Self::k256(point),
            [0x80, 0x24, point @ ..] if point.len() == 33 => Self::p256(point),
            _ => Err(refused("a curve that the protocol doesn't use")),
        }
    }

    /// Reads a `did:key:…`.
    ///
    /// # Errors
    /// As [`Self::from_multikey`].
    pub fn from_did_key(did: &str) -> Result<Self> {
        Self::from_multikey(did.strip_prefix("did:key:").ok_or_else(|| refused("not a did:key"))?)
    }

    /// Reads the key of a verification method of the given `kind` in a DID document. The two older kinds
    /// hold a bare point.
    ///
    /// # Errors
    /// If the kind or the key is not one the protocol knows.
    pub fn from_method(kind: &str, multibase: &str) -> Result<Self> {
        match kind {
            "Multikey" => Self::from_multikey(multibase),
            "EcdsaSecp256k1VerificationKey2019" => Self::k256(&base58(multibase)?),
            "EcdsaSecp256r1VerificationKey2019" => Self::p256(&base58(multibase)?),
            _ => Err(refused("an unknown kind of key")),
        }
    }

    fn k256(point: &[u8]) -> Result<Self> {
        let key = secp256k1::PublicKey::from_slice(point).map_err(|_| refused("not a point of K-256"))?;
        Ok(Self(Curve::K256(key)))
    }

    fn p256(point: &[u8]) -> Result<Self> {
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        Ok(Self(Curve::P256(Arc::new(key.map_err(|_| refused("not a point of P-256"))?))))
    }

    /// Checks that this key signed `message`.
    ///
    /// # Errors
    /// If the signature has another form, a high `s`, or is not by this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        let signature: &[u8; 64] = signature.try_into().map_err(|_| forged("not 64 bytes"))?;
        match &self.0 {
            Curve::K256(key) => {
                let digest = Message::from_digest(Sha256::digest(message).into());
                let signature = ecdsa::Signature::from_compact(signature).map_err(|_| forged("out of range"))?;
                // libsecp256k1 takes low `s` only.
                signature.verify(digest, key).map_err(|_| forged("not by the account's key"))
            }
            Curve::P256(_) if signature[32..] > P256_HALF_ORDER[..] => Err(forged("high s")),
            Curve::P256(key) => key.verify_sig(message, signature).map_err(|_| forged("not by the account's key")),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Curve::K256(_) => "PublicKey(K-256)",
            Curve::P256(_) => "PublicKey(P-256)",
        })
    }
}

fn refused(detail: &'static str) -> Error {
    Error::new(Reason::Identity, detail)
}

fn forged(detail: &'static str) -> Error {
    Error::new(Reason::Signature, detail)
}

/// The bytes of multibase base58btc. Keys are short, so the text is bounded and the plain algorithm does.
fn base58(multibase: &str) -> Result<Vec<u8>> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let digits = multibase.strip_prefix('z').filter(|digits| digits.len() <= 128);
    let digits = digits.ok_or_else(|| refused("not a key in multibase base58"))?;
    let mut bytes: Vec<u8> = Vec::with_capacity(96);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|d| *d == digit).ok_or_else(|| refused("not base58"))?;
        let carry = bytes.iter_mut().fold(value, |carry, byte| {
            let sum = usize::from(*byte) * 58 + carry;
            *byte = sum as u8;
            sum >> 8
        });
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    bytes.extend(digits.bytes().take_while(|d| *d == b'1').map(|_| 0));
    bytes.reverse();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base58_is_the_one_everyone_uses() {
        assert_eq!(base58("zStV1DL6CwTryKyV").as_deref().ok(), Some(&b"hello world"[..]));
        assert_eq!(base58("z11").ok(), Some(vec![0, 0]));
        assert!(base58("StV1DL6CwTryKyV").is_err() && base58("z0").is_err() && base58(&"z1".repeat(200)).is_err());
    }

    #[test]
    fn strange_keys_are_refused() {
        assert!(PublicKey::from_did_key("did:key:z11").is_err());
        assert!(PublicKey::from_method("Ed25519VerificationKey2020", "zStV1DL6CwTryKyV").is_err());
        assert!(PublicKey::from_method("EcdsaSecp256k1VerificationKey2019", "zStV1DL6CwTryKyV").is_err());
    }
}
