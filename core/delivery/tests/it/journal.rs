//! A journal in memory, changes for it, and filters over them.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use nexus_delivery::{Limits, Presentation, Tail};
use nexus_filter::{Filter, Route, Routed};
use nexus_journal::{Error, Head, HeadWatch, Journal, Page, Result};
use nexus_model::{Action, Change, Seq, Source, Timestamp};
use serde_json::value::RawValue;
use std::sync::{Arc, Mutex};

/// Changes in a vector. Positions may be left out.
pub(crate) struct MemoryJournal {
    kept: Mutex<Kept>,
    head: Head,
}

#[derive(Default)]
struct Kept {
    changes: Vec<Arc<Change>>,
    oldest: Seq,
    fails: bool,
}

impl MemoryJournal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), head: Head::new(Seq::START) })
    }

    /// Appends a change `gap` positions after the newest one, and gives its position.
    pub(crate) fn append(&self, author: &str, collection: &str, gap: u64) -> Seq {
        let seq = Seq::new(self.head.get().get() + gap);
        self.kept.lock().unwrap().changes.push(Arc::new(change(seq, author, collection)));
        self.head.advance(seq);
        seq
    }

    /// Appends `count` posts.
    pub(crate) fn append_many(&self, author: &str, count: usize) {
        for _ in 0..count {
            self.append(author, "posts", 1);
        }
    }

    /// Drops changes up to `seq`.
    pub(crate) fn expire(&self, seq: Seq) {
        let mut kept = self.kept.lock().unwrap();
        kept.oldest = seq;
        kept.changes.retain(|change| change.seq > seq);
    }

    /// From now on reading fails.
    pub(crate) fn break_down(&self) {
        self.kept.lock().unwrap().fails = true;
    }

    fn page(&self, after: Seq, limit: usize) -> Result<Page> {
        let kept = self.kept.lock().unwrap();
        if kept.fails {
            return Err(Error::Backend("no disk".into()));
        }
        if after < kept.oldest {
            return Err(Error::Expired { after, oldest: kept.oldest });
        }
        let changes: Vec<_> = kept.changes.iter().filter(|c| c.seq > after).take(limit).cloned().collect();
        let next = if changes.len() < limit { self.head.get() } else { changes[limit - 1].seq };
        Ok(Page { changes, next })
    }
}

impl Journal for MemoryJournal {
    fn oldest(&self) -> BoxFuture<'_, Result<Seq>> {
        let oldest = self.kept.lock().unwrap().oldest;
        Box::pin(async move { Ok(oldest) })
    }

    fn last(&self) -> BoxFuture<'_, Result<Seq>> {
        Box::pin(async { Ok(self.head.get()) })
    }

    fn read(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move { self.page(after, limit) })
    }

    fn watch(&self) -> HeadWatch {
        self.head.watch()
    }
}

fn change(seq: Seq, author: &str, collection: &str) -> Change {
    let value = RawValue::from_string(format!("{{\"number\":{seq}}}")).unwrap();
    Change {
        seq,
        source: Source::Pubky,
        author: author.into(),
        collection: collection.into(),
        key: seq.to_string().into(),
        action: Action::Create,
        version: None,
        value: Some(value.into()),
        before: None,
        live: true,
        time: Timestamp::default(),
    }
}

/// Shows seq and author.
pub(crate) struct Plain;

impl Presentation for Plain {
    fn render(&self, change: &Change) -> Bytes {
        Bytes::from(format!(r#"{{"seq":{},"author":"{}"}}"#, change.seq, change.author))
    }

    fn routes(&self, change: &Change) -> Vec<Route> {
        vec![Route::new("author", &change.author), Route::new("collection", &change.collection)]
    }
}

/// Wants an author, a collection, both or everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    pub(crate) author: Option<String>,
    pub(crate) collection: Option<String>,
}

impl Wants {
    pub(crate) fn everything() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn author(author: &str) -> Arc<Self> {
        Arc::new(Self { author: Some(author.to_owned()), collection: None })
    }
}

impl Filter<Change> for Wants {
    fn matches(&self, change: &Change) -> bool {
        self.author.as_ref().is_none_or(|a| **a == *change.author)
            && self.collection.as_ref().is_none_or(|c| **c == *change.collection)
    }
}

impl Routed<Change> for Wants {
    fn routes(&self) -> Vec<Route> {
        let route = match (&self.author, &self.collection) {
            (Some(author), _) => Route::new("author", author),
            (None, Some(collection)) => Route::new("collection", collection),
            (None, None) => Route::EVERYTHING,
        };
        vec![route]
    }
}

/// A tail over `journal`.
pub(crate) async fn tail_of(journal: &Arc<MemoryJournal>, limits: Limits) -> Tail {
    Tail::open(journal.clone(), Arc::new(Plain), limits).await.unwrap()
}
