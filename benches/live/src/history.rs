//! A journal that is only a vector, and the simplest way to show and filter its changes: no store is measured.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use nexus_delivery::Presentation;
use nexus_filter::{Filter, Route, Routed};
use nexus_journal::{Head, HeadWatch, Journal, Page, Result};
use nexus_model::{Action, Change, Seq, Source, Timestamp};
use serde_json::value::RawValue;
use std::sync::{Arc, PoisonError, RwLock};

/// The journal. Positions are 1, 2, 3 and so on.
pub(crate) struct History {
    changes: RwLock<Vec<Arc<Change>>>,
    head: Head,
}

impl Default for History {
    fn default() -> Self {
        Self { changes: RwLock::default(), head: Head::new(Seq::START) }
    }
}

impl History {
    /// Appends a post by `author`.
    pub(crate) fn append(&self, author: &str) -> Seq {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        let seq = Seq::new(changes.len() as u64 + 1);
        changes.push(Arc::new(post(seq, author)));
        drop(changes);
        self.head.advance(seq);
        seq
    }
}

impl Journal for History {
    fn oldest(&self) -> BoxFuture<'_, Result<Seq>> {
        Box::pin(async { Ok(Seq::START) })
    }

    fn last(&self) -> BoxFuture<'_, Result<Seq>> {
        Box::pin(async { Ok(self.head.get()) })
    }

    fn read(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Page>> {
        let kept = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(after.get()).unwrap_or(usize::MAX).min(kept.len());
        let changes: Vec<_> = kept[from..].iter().take(limit).cloned().collect();
        let next = changes.last().map_or(after, |change| change.seq);
        Box::pin(async move { Ok(Page { changes, next }) })
    }

    fn watch(&self) -> HeadWatch {
        self.head.watch()
    }
}

fn post(seq: Seq, author: &str) -> Change {
    let value = format!(r#"{{"content":"{}","kind":"short"}}"#, "words ".repeat(25));
    Change {
        seq,
        source: Source::Pubky,
        author: author.into(),
        collection: "posts".into(),
        key: seq.to_string().into(),
        action: Action::Create,
        version: None,
        value: RawValue::from_string(value).ok().map(Into::into),
        before: None,
        live: true,
        time: Timestamp::default(),
    }
}

/// Shows position, author and value.
pub(crate) struct Shown;

impl Presentation for Shown {
    fn render(&self, change: &Change) -> Bytes {
        let value = change.value.as_deref().map_or("null", RawValue::get);
        format!(r#"{{"seq":{},"author":"{}","value":{value}}}"#, change.seq, change.author).into()
    }

    fn routes(&self, change: &Change) -> Vec<Route> {
        vec![Route::new("author", &change.author), Route::new("collection", &change.collection)]
    }
}

/// Wants one author's changes.
#[derive(Debug)]
pub(crate) struct By(pub(crate) String);

impl Filter<Change> for By {
    fn matches(&self, change: &Change) -> bool {
        *change.author == *self.0
    }
}

impl Routed<Change> for By {
    fn routes(&self) -> Vec<Route> {
        vec![Route::new("author", &self.0)]
    }
}
