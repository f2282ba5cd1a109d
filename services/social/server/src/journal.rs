//! The social service's journal as its readers see it: rows of the store up to what the index has published.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use nexus_journal::{Error, Head, HeadWatch, Journal, Page, Result};
use nexus_model::{Change, Seq, Source};
use nexus_social::store::{self, Store, StoredChange};
use serde_json::value::RawValue;
use std::sync::Arc;

/// A journal over a store. Its head is moved by the writer once the index has a change, and nothing beyond the
/// head is ever shown: whoever hears of a change finds it in the API.
pub struct StoreJournal {
    store: Arc<dyn Store>,
    head: Arc<Head>,
}

impl StoreJournal {
    /// Reads `store` up to `head`.
    pub fn new(store: Arc<dyn Store>, head: Arc<Head>) -> Self {
        Self { store, head }
    }

    /// Asks the store on a thread where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || question(&*store)).await.map_err(|error| Error::Backend(error.into()))?
    }
}

impl std::fmt::Debug for StoreJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreJournal").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Journal for StoreJournal {
    fn oldest(&self) -> BoxFuture<'_, Result<Seq>> {
        Box::pin(self.ask(|store| store.oldest().map_err(failed)))
    }

    fn last(&self) -> BoxFuture<'_, Result<Seq>> {
        Box::pin(async { Ok(self.head.get()) })
    }

    fn read(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Page>> {
        let head = self.head.get();
        Box::pin(self.ask(move |store| page(store, after, limit, head)))
    }

    fn watch(&self) -> HeadWatch {
        self.head.watch()
    }
}

fn page(store: &dyn Store, after: Seq, limit: usize, head: Seq) -> Result<Page> {
    let rows = store.changes(after, limit).map_err(failed)?;
    // Asked afterwards: rows that expire between the two questions would be missing without a word.
    let oldest = store.oldest().map_err(failed)?;
    if after < oldest {
        return Err(Error::Expired { after, oldest });
    }
    let is_full = rows.len() == limit;
    let next = rows.last().filter(|_| is_full).map_or(head, |row| row.seq.min(head));
    let published = rows.into_iter().filter(|row| row.seq <= head);
    Ok(Page { changes: published.map(change).collect::<Result<_>>()?, next: next.max(after) })
}

fn change(row: StoredChange) -> Result<Arc<Change>> {
    let value = row.value.map(RawValue::from_string).transpose().map_err(|error| Error::Backend(error.into()))?;
    Ok(Arc::new(Change {
        seq: row.seq,
        source: Source::Pubky,
        author: row.author.as_str().into(),
        collection: row.collection,
        key: row.key,
        action: row.action,
        version: row.version.map(|hash| STANDARD.encode(hash.0).into()),
        value: value.map(Into::into),
        before: None,
        live: row.live,
        time: row.time,
    }))
}

fn failed(error: store::Error) -> Error {
    Error::Backend(Box::new(error))
}
