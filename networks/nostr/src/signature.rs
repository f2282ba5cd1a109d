//! Who signed: the check that turns a raw event into a verified one, over whichever implementation of
//! BIP-340 is built in, and signing for the relay's own events.

use crate::{Error, Event, EventId, PublicKey, Result, Signature};
use nexus_model::Verifier;

/// An implementation of BIP-340.
pub trait SignatureScheme: Send + Sync {
    /// Checks that `sig` is a signature of `key` over `id`.
    ///
    /// # Errors
    /// [`Error::NotAPoint`] or [`Error::BadSignature`].
    fn check(&self, id: &EventId, key: &PublicKey, sig: &Signature) -> Result<()>;
}

/// The rule of what may be believed of an event: its id is its hash, and its author signed the id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed<S>(pub S);

impl<S: SignatureScheme> Verifier<Event> for Signed<S> {
    type Output = Event;
    type Error = Error;

    fn verify(&self, event: Event) -> Result<Event> {
        if event.computed_id() != event.id {
            return Err(Error::IdMismatch);
        }
        self.0.check(&event.id, &event.pubkey, &event.sig)?;
        Ok(event)
    }
}

/// BIP-340 by libsecp256k1.
#[cfg(feature = "secp256k1")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Secp256k1;

#[cfg(feature = "secp256k1")]
impl SignatureScheme for Secp256k1 {
    fn check(&self, id: &EventId, key: &PublicKey, sig: &Signature) -> Result<()> {
        let key = secp256k1::XOnlyPublicKey::from_byte_array(*key.as_bytes()).map_err(|_| Error::NotAPoint)?;
        let sig = secp256k1::schnorr::Signature::from_byte_array(*sig.as_bytes());
        secp256k1::schnorr::verify(&sig, id.as_bytes(), &key).map_err(|_| Error::BadSignature)
    }
}

/// BIP-340 in Rust alone.
#[cfg(feature = "k256")]
#[derive(Clone, Copy, Debug, Default)]
pub struct K256;

#[cfg(feature = "k256")]
impl SignatureScheme for K256 {
    fn check(&self, id: &EventId, key: &PublicKey, sig: &Signature) -> Result<()> {
        let key = k256::schnorr::VerifyingKey::from_bytes(key.as_bytes()).map_err(|_| Error::NotAPoint)?;
        let sig = k256::schnorr::Signature::try_from(sig.as_bytes().as_slice()).map_err(|_| Error::BadSignature)?;
        key.verify_raw(id.as_bytes(), &sig).map_err(|_| Error::BadSignature)
    }
}

/// A secret key, for what the relay signs itself: its `self` key, authentication towards other relays.
#[cfg(feature = "secp256k1")]
#[derive(Clone)]
pub struct SigningKey(secp256k1::Keypair);

#[cfg(feature = "secp256k1")]
impl SigningKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// [`Error::Bad`] if the number is zero or too large for the curve.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self> {
        secp256k1::Keypair::from_secret_bytes(bytes).map(Self).map_err(|_| Error::Bad("secret key"))
    }

    /// Whom this key speaks for.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.x_only_public_key().0.to_byte_array())
    }

    /// Writes and signs an event. The same input gives the same signature.
    pub fn sign(
        &self,
        kind: crate::Kind,
        created_at: crate::Seconds,
        tags: crate::Tags,
        content: impl Into<String>,
    ) -> Event {
        let mut event = Event {
            id: EventId::from_bytes([0; 32]),
            pubkey: self.public_key(),
            created_at,
            kind,
            tags,
            content: content.into(),
            sig: Signature::from_bytes([0; 64]),
        };
        event.id = event.computed_id();
        let sig = secp256k1::schnorr::sign_no_aux_rand(event.id.as_bytes(), &self.0);
        event.sig = Signature::from_bytes(sig.to_byte_array());
        event
    }
}

#[cfg(feature = "secp256k1")]
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.public_key())
    }
}
