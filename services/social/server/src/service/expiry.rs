//! Journal rows are dropped when nobody may resume after them any more.

use nexus_model::Timestamp;
use nexus_runtime::{CancellationToken, Clock};
use nexus_social::store::{self, Store};
use std::{sync::Arc, time::Duration};

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(600);

/// Drops old journal rows.
#[derive(Clone)]
pub(super) struct Expiry {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    /// How long a row is kept, in milliseconds.
    pub(super) keep: u64,
}

impl Expiry {
    /// A round now, and then one every few minutes until `stop`.
    ///
    /// # Errors
    /// If the store's data is damaged. Other failures are told, and the next round tries again.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), store::Error> {
        loop {
            let round = self.clone();
            match tokio::task::spawn_blocking(move || round.round()).await {
                Ok(Err(error @ store::Error::Damaged(_))) => return Err(error),
                Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "the journal can't expire"),
                Err(error) => tracing::error!(%error, "the journal can't expire"),
                Ok(Ok(expired)) => tracing::debug!(expired, "old journal rows were dropped"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }

    fn round(&self) -> store::Result<u64> {
        let keep = i64::try_from(self.keep).unwrap_or(i64::MAX);
        let before = self.clock.now().millis().saturating_sub(keep);
        self.store.expire_changes(Timestamp::from_millis(before))
    }
}
