//! Negentropy: two sides find out which events one of them lacks, without listing what both have.

use crate::{Error, EventId, Result, Seconds};
use negentropy::{Id, Negentropy, NegentropyStorageVector, Storage};

/// How many bytes a move takes at most by default. In hex it is twice that, and must fit the smallest message
/// limit that relays commonly have.
pub const DEFAULT_FRAME: u64 = 60_000;

/// One side of a session, over a set of events that doesn't change while it lasts.
pub struct Reconciliation(Negentropy<'static, NegentropyStorageVector>);

/// What a move of the other side told the side that began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events that this side has and the other lacks.
    pub have: Vec<EventId>,
    /// Events that the other side has and this one lacks.
    pub need: Vec<EventId>,
    /// The next move; `None` once both know all.
    pub next: Option<Vec<u8>>,
}

impl Reconciliation {
    /// A session over `events`, with moves of at most `frame` bytes.
    ///
    /// # Errors
    /// [`Error::Negentropy`] if `frame` is neither 0 (no limit) nor at least 4096.
    pub fn new(events: impl IntoIterator<Item = (Seconds, EventId)>, frame: u64) -> Result<Self> {
        let mut storage = NegentropyStorageVector::new();
        for (created_at, id) in events {
            storage.insert(created_at.get().unsigned_abs(), Id::from_byte_array(*id.as_bytes())).map_err(fault)?;
        }
        storage.seal().map_err(fault)?;
        Negentropy::new(Storage::Owned(storage), frame).map(Self).map_err(fault)
    }

    /// The relay's answer to a client's move.
    ///
    /// # Errors
    /// [`Error::Negentropy`] if the move isn't one.
    pub fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        self.0.reconcile(message).map_err(fault)
    }

    /// The first move of the side that begins.
    ///
    /// # Errors
    /// [`Error::Negentropy`] if the session has begun already.
    pub fn begin(&mut self) -> Result<Vec<u8>> {
        self.0.initiate().map_err(fault)
    }

    /// Takes the answer of the other side.
    ///
    /// # Errors
    /// [`Error::Negentropy`] if it isn't one.
    pub fn proceed(&mut self, answer: &[u8]) -> Result<Progress> {
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self.0.reconcile_with_ids(answer, &mut have, &mut need).map_err(fault)?;
        let ids = |ids: Vec<Id>| ids.into_iter().map(|id| EventId::from_bytes(id.to_bytes())).collect();
        Ok(Progress { have: ids(have), need: ids(need), next })
    }
}

impl std::fmt::Debug for Reconciliation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reconciliation")
    }
}

fn fault(error: negentropy::Error) -> Error {
    Error::Negentropy(error.to_string())
}
