//! Export, counts and removals by filter.

use nexus_nostr::{EventId, Filter, Seconds};
use nexus_relay::ports::{Scope, StorageAdapter, StorageError};
use std::io::{self, Write};

/// Events that are looked up together.
const BATCH: usize = 500;

/// In which order events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The lines.
    #[error("the lines can't be written")]
    Write(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Writes all events that match `filter` and have not expired by `now`, one a line, and gives their number. Takes
/// 40 bytes of memory for each.
///
/// # Errors
/// If the lines can't be written or the store fails.
pub async fn export<S: StorageAdapter>(
    store: &S,
    filter: &Filter,
    order: Order,
    now: Seconds,
    to: &mut impl Write,
) -> Result<u64, ExportError> {
    let scope = everything(now);
    let mut ids = store.ids(filter, usize::MAX, &scope).await?;
    if order == Order::Ascending {
        // By id within a second, as everywhere.
        ids.sort_unstable();
    }
    let mut written = 0;
    for ids in ids.chunks(BATCH) {
        written += write(store, ids, order, &scope, to).await?;
    }
    Ok(written)
}

async fn write<S: StorageAdapter>(
    store: &S,
    ids: &[(Seconds, EventId)],
    order: Order,
    scope: &Scope,
    to: &mut impl Write,
) -> Result<u64, ExportError> {
    let filter = Filter::new().with_ids(ids.iter().map(|(_, id)| *id)).with_limit(ids.len());
    let mut events = store.query(&[filter], scope).await?.events;
    if order == Order::Ascending {
        events.sort_unstable_by_key(|event| (event.created_at, event.id));
    }
    for event in &events {
        to.write_all(event.json.as_bytes())?;
        to.write_all(b"\n")?;
    }
    Ok(events.len() as u64)
}

/// How many events match `filter` and have not expired by `now`.
///
/// # Errors
/// The store's.
pub async fn count<S: StorageAdapter>(store: &S, filter: &Filter, now: Seconds) -> Result<u64, StorageError> {
    Ok(store.count(std::slice::from_ref(filter), u64::MAX, None, &everything(now)).await?.count)
}

/// How many events [`remove`] would remove.
///
/// # Errors
/// The store's.
pub async fn would_remove<S: StorageAdapter>(store: &S, filter: &Filter) -> Result<u64, StorageError> {
    Ok(store.ids(filter, usize::MAX, &Scope::operator()).await?.len() as u64)
}

/// Removes all events that match `filter`, a batch at a time, and gives their number.
///
/// # Errors
/// The store's. What was removed until then is gone.
pub async fn remove<S: StorageAdapter>(store: &S, filter: &Filter) -> Result<u64, StorageError> {
    let ids = store.ids(filter, usize::MAX, &Scope::operator()).await?;
    let mut removed = 0;
    for ids in ids.chunks(BATCH) {
        let filter = Filter::new().with_ids(ids.iter().map(|(_, id)| *id));
        removed += store.delete_by_filter(&filter).await?;
    }
    Ok(removed)
}

fn everything(now: Seconds) -> Scope {
    Scope { now, ..Scope::operator() }
}
