//! The journal's far end: events that the outbox has settled are dropped once they are old, or once there are too
//! many bytes of them. Named consumers who had not come so far are told.

use crate::SyncOutbox;
use crate::consumers::Consumers;
use nexus_model::{Seq, Timestamp};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::store::{self, Store};
use std::sync::Arc;
use std::time::Duration;

/// The name under which the shared outbox keeps what is settled.
pub(crate) const OUTBOX: &str = "outbox";

/// Events that are dropped in one transaction, so that the writer never waits for long.
const PORTION: usize = 2_000;

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(10);

/// Drops events that are no longer kept.
#[derive(Clone)]
pub struct Expiry {
    /// What they are dropped from.
    pub store: Arc<dyn Store>,
    /// Who is told.
    pub consumers: Consumers,
    /// Tells the time.
    pub clock: Clock,
    /// How long they are kept, in milliseconds.
    pub age: u64,
    /// How many bytes of them are kept.
    pub size: u64,
}

impl Expiry {
    /// A round now, and then one every few seconds until `stop`.
    ///
    /// # Errors
    /// If the store's data is damaged. Other failures are told, and the next round tries again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), store::Error> {
        loop {
            let store = self.clone();
            match tokio::task::spawn_blocking(move || store.round()).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(oldest))) => self.consumers.expired(oldest).await,
                Ok(Err(error @ store::Error::Damaged { .. })) => return Err(error),
                Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "events can't expire"),
                Err(error) => tracing::error!(%error, "events can't expire"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Drops what may go, and gives where events begin now if any went.
    ///
    /// # Errors
    /// If the store fails.
    pub fn round(&self) -> store::Result<Option<Seq>> {
        let floor = SyncOutbox::settled(&*self.store, OUTBOX)?.floor();
        let age = i64::try_from(self.age).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(self.clock.now().millis().saturating_sub(age));
        let mut dropped = 0;
        loop {
            let is_too_much = self.store.counts()?.event_bytes > self.size;
            let before = if is_too_much { Timestamp::from_millis(i64::MAX) } else { before };
            let gone = self.drop_some(floor, before)?;
            dropped += gone;
            if gone == 0 {
                break;
            }
        }
        if dropped == 0 { Ok(None) } else { self.store.oldest().map(Some) }
    }

    fn drop_some(&self, floor: Seq, before: Timestamp) -> store::Result<usize> {
        let mut transaction = self.store.begin()?;
        let gone = transaction.expire(floor, before, PORTION)?;
        transaction.commit()?;
        Ok(gone)
    }
}
