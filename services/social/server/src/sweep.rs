//! Bytes of files that no row names, removed now and then: what was fetched for an event that the rules refused, or
//! whose commit never came.

use crate::{
    blobs::{Blobs, blob_of},
    statics::Catalogue,
};
use nexus_pubky::HashId;
use nexus_runtime::CancellationToken;
use nexus_social::row::FileKey;
use std::{io, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// Between two sweeps, and how old bytes must be: a row that names them is committed long before.
const EVERY: Duration = Duration::from_secs(3600);

/// Sweeps until `stop`. A disk that fails is told of and tried again the next time.
///
/// # Errors
/// Never; the type is that of tasks.
pub(crate) async fn sweep_orphans(
    blobs: Arc<Blobs>,
    catalogue: Arc<dyn Catalogue>,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let (blobs, catalogue) = (Arc::clone(&blobs), Arc::clone(&catalogue));
        let swept =
            tokio::task::spawn_blocking(move || blobs.sweep(EVERY, |key, blob| is_named(&*catalogue, key, blob)));
        match swept.await.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "blobs that no file names were removed"),
            Err(error) => tracing::error!(%error, "blobs that no file names could not be removed"),
        }
    }
}

fn is_named(catalogue: &dyn Catalogue, key: &FileKey, blob: &HashId) -> bool {
    let named = catalogue.file(key).and_then(|row| blob_of(&row.src));
    named.is_some_and(|(_, named)| named == *blob)
}
