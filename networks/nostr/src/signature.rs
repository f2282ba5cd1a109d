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
        check_by(&point(key)?, id, sig)
    }
}

#[cfg(feature = "secp256k1")]
fn point(key: &PublicKey) -> Result<secp256k1::XOnlyPublicKey> {
    secp256k1::XOnlyPublicKey::from_byte_array(*key.as_bytes()).map_err(|_| Error::NotAPoint)
}

#[cfg(feature = "secp256k1")]
fn check_by(key: &secp256k1::XOnlyPublicKey, id: &EventId, sig: &Signature) -> Result<()> {
    let sig = secp256k1::schnorr::Signature::from_byte_array(*sig.as_bytes());
    secp256k1::schnorr::verify(&sig, id.as_bytes(), key).map_err(|_| Error::BadSignature)
}

/// BIP-340 by libsecp256k1 that remembers the points of authors: most events are by somebody whose events were checked
/// before, and to find the point of an x coordinate is a square root, a tenth of the whole check.
#[cfg(feature = "secp256k1")]
#[derive(Debug)]
pub struct KnownPoints(std::sync::Mutex<Places>);

/// Where authors and their points are remembered.
#[cfg(feature = "secp256k1")]
type Places = Box<[Option<(PublicKey, secp256k1::XOnlyPublicKey)>]>;

#[cfg(feature = "secp256k1")]
impl KnownPoints {
    /// Room for `capacity` authors, about 100 bytes each. One takes the place of another whose key ends alike.
    pub fn new(capacity: std::num::NonZeroUsize) -> Self {
        Self(std::sync::Mutex::new(vec![None; capacity.get()].into()))
    }

    fn point(&self, key: &PublicKey) -> Result<secp256k1::XOnlyPublicKey> {
        let [.., a, b, c, d] = *key.as_bytes();
        let place = |points: &[_]| u32::from_le_bytes([a, b, c, d]) as usize % points.len();
        {
            let points = self.points();
            if let Some((_, point)) = points[place(&points)].filter(|(known, _)| known == key) {
                return Ok(point);
            }
        }
        let point = point(key)?;
        let mut points = self.points();
        let place = place(&points);
        points[place] = Some((*key, point));
        Ok(point)
    }

    fn points(&self) -> std::sync::MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(feature = "secp256k1")]
impl SignatureScheme for &KnownPoints {
    fn check(&self, id: &EventId, key: &PublicKey, sig: &Signature) -> Result<()> {
        check_by(&self.point(key)?, id, sig)
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
