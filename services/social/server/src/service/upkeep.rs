//! What has to be done once in a while: old journal rows are dropped, and bytes that no file names are swept.

use crate::blobs::{Blobs, blob_of};
use nexus_config::Span;
use nexus_model::Timestamp;
use nexus_pubky::HashId;
use nexus_runtime::{CancellationToken, Clock};
use nexus_social::{
    index::Published,
    row::FileKey,
    store::{self, Store},
};
use std::{sync::Arc, time::Duration};

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(600);

/// Bytes younger than this may belong to a row that is being committed.
const SETTLED: Duration = Duration::from_secs(3600);

/// The janitor.
#[derive(Clone)]
pub(super) struct Upkeep {
    pub(super) store: Arc<dyn Store>,
    pub(super) index: Arc<Published>,
    pub(super) blobs: Arc<Blobs>,
    pub(super) clock: Clock,
    pub(super) keep: Span<60_000, 31_536_000_000>,
}

impl Upkeep {
    /// A round now, and then one every few minutes until `stop`.
    ///
    /// # Errors
    /// If the store's data is damaged. Other failures are told, and the next round tries again.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), store::Error> {
        loop {
            let round = self.clone();
            match tokio::task::spawn_blocking(move || round.round()).await {
                Ok(Err(error @ store::Error::Damaged(_))) => return Err(error),
                Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "upkeep failed"),
                Err(error) => tracing::error!(%error, "upkeep failed"),
                Ok(Ok(())) => {}
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }

    fn round(&self) -> store::Result<()> {
        let keep = i64::try_from(self.keep.get()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(self.clock.now().millis().saturating_sub(keep));
        let expired = self.store.expire_changes(before)?;
        let swept = self.blobs.sweep(SETTLED, |key, blob| self.is_named(key, blob));
        let swept = swept.map_err(|error| store::Error::Backend(error.into()))?;
        tracing::debug!(expired, swept, "upkeep");
        Ok(())
    }

    fn is_named(&self, key: &FileKey, blob: &HashId) -> bool {
        let index = self.index.read();
        index.file_row(key).and_then(|row| blob_of(&row.src)).is_some_and(|(_, named)| named == *blob)
    }
}
