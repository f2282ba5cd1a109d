//! What every handler needs: the index, the store, the full text, ingestion on demand and the clock. Each is a
//! port, so that tests put the slow model and the memory store behind the same routes.

use crate::{
    jobs::Desk,
    source::{Followups, Ingested, Ingestor},
    writer::WriterHandle,
};
use nexus_pubky::PubkyId;
use nexus_runtime::Clock;
use nexus_social::{
    index::Published,
    query::{Page, Position, ScoreRange},
    read::Read,
    row::Label,
    search::{self, ContentHit, ContentQuery, FullText},
    store::{self, Store},
};
use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
};

/// The index, as it is at the moment of a question.
pub trait Index: Send + Sync {
    /// Calls `question` once, with a state that doesn't change meanwhile.
    fn ask(&self, question: &mut dyn FnMut(&dyn Read));
}

/// An index that never changes: for tests and tools.
#[derive(Clone, Debug, Default)]
pub struct Fixed<R>(pub R);

impl<R: Read + Send + Sync> Index for Fixed<R> {
    fn ask(&self, question: &mut dyn FnMut(&dyn Read)) {
        question(&self.0);
    }
}

impl Index for Published {
    fn ask(&self, question: &mut dyn FnMut(&dyn Read)) {
        question(&*self.read());
    }
}

/// What an ingestion gives, some time later.
pub type Ingesting<'a> = Pin<Box<dyn Future<Output = Result<(), IngestError>> + Send + 'a>>;

/// Ingestion of a user on demand.
pub trait Ingest: Send + Sync {
    /// Finds the user's homeserver and begins to follow the user there. Nothing happens to a user that is
    /// known already or has no homeserver.
    fn ingest<'a>(&'a self, user: &'a PubkyId) -> Ingesting<'a>;
}

/// Why a user isn't ingested.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The operator refuses the user's homeserver.
    #[error("Homeserver is blacklisted: {0}")]
    Blacklisted(String),
    /// The homeserver can't be found or the stub can't be stored.
    #[error("{0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Ingest for Ingestor {
    fn ingest<'a>(&'a self, user: &'a PubkyId) -> Ingesting<'a> {
        Box::pin(async move {
            match Self::ingest(self, user).await {
                Ok(Ingested::Blacklisted(homeserver)) => Err(IngestError::Blacklisted(homeserver.to_string())),
                Ok(Ingested::Bound | Ingested::Known | Ingested::NotFound) => Ok(()),
                Err(error) => Err(IngestError::Failed(error.into())),
            }
        })
    }
}

/// What the program says of itself at `/v0/info`.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// Where it is described.
    pub homepage: &'static str,
    /// Where its source is.
    pub repository: &'static str,
    /// Its licence.
    pub license: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The commit it was built from, where that is known.
    pub commit: Option<&'static str>,
}

/// What handlers share.
pub struct Shared {
    /// Answers from memory.
    pub index: Arc<dyn Index>,
    /// Notifications, the event log, tags by id, queues. Its calls block.
    pub store: Arc<dyn Store>,
    /// Words of posts. Its calls block.
    pub text: Arc<dyn FullText>,
    /// Ingestion on demand.
    pub ingest: Arc<dyn Ingest>,
    /// Jobs on demand.
    pub jobs: Desk,
    /// The one writer, for what the operator wants done.
    pub writer: WriterHandle,
    /// Has the retry queue looked at, once something in it became due.
    pub followups: Followups,
    /// Lines of the event log that the index has; those beyond are not shown yet.
    pub logged: Arc<AtomicU64>,
    /// The time.
    pub clock: Clock,
    /// Labels by which a moderator removes things: no interests of a newcomer.
    pub moderated: Vec<Label>,
    /// Newest tags that are looked at for the hot ones around a user.
    pub hot_tags_around: usize,
    /// Where files are kept, as `/v0/info` shows it.
    pub files: PathBuf,
    /// What this program is.
    pub about: About,
}

/// The future of a call to the store.
type Blocking<T> = tokio::task::JoinHandle<T>;

impl Shared {
    /// Asks the index. Several questions in one call see the same state.
    pub fn ask<T>(&self, question: impl FnOnce(&dyn Read) -> T) -> T {
        let (mut question, mut answer) = (Some(question), None);
        self.index.ask(&mut |read| answer = question.take().map(|question| question(read)));
        answer.expect("an index calls the question once")
    }

    /// Calls the store on a thread that may block.
    pub fn stored<T, F>(&self, call: F) -> Blocking<store::Result<T>>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
    {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || call(&*store))
    }

    /// Searches the texts of posts on a thread that may block.
    pub fn search(&self, query: ContentQuery) -> Blocking<Result<Vec<ContentHit>, search::Error>> {
        let text = self.text.clone();
        tokio::task::spawn_blocking(move || text.search(&query))
    }

    /// A receiver's notifications.
    pub fn notifications(
        &self,
        receiver: PubkyId,
        range: ScoreRange,
        after: Option<Position>,
        page: Page,
    ) -> Blocking<store::Result<Vec<nexus_social::notification::Notification>>> {
        self.stored(move |store| store.notifications(&receiver, range, after.as_ref(), page))
    }
}
