//! Readers of the journal for the market: each begins where the journal stands, and what can be tried again is.

use nexus_journal::HeadWatch;
use nexus_model::Seq;
use nexus_relay::ports::StorageError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Entries of the journal that are read at once.
pub(super) const BATCH: usize = 512;
/// How long to wait where the journal can't be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Something that wants to know what the journal says.
pub(super) trait Follower: Send {
    /// Reads what comes after a position, and gives up to where it has read.
    fn read(&mut self, after: Seq) -> impl Future<Output = Result<Seq, StorageError>> + Send;
}

/// Has `follower` read whenever there is more, until `stop`.
///
/// # Errors
/// The store's, when it is damaged.
pub(super) async fn follow(
    mut follower: impl Follower,
    mut head: HeadWatch,
    stop: CancellationToken,
) -> Result<(), StorageError> {
    let mut cursor = head.get();
    loop {
        let moved = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            moved = head.after(cursor) => moved,
        };
        if moved.is_none() {
            return Ok(());
        }
        match follower.read(cursor).await {
            Ok(read) => cursor = read,
            Err(error) if error.is_retryable() => {
                tracing::error!(%error, "the journal can't be read");
                stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
