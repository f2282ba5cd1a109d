//! Keeps full text in step with the journal: builds it from the store at first, then takes in what changes, in
//! commits of about a second. Ingestion never waits for it.

use nexus_journal::{Error as JournalError, Journal};
use nexus_model::{Action, Change, Seq};
use nexus_pubky::PubkyId;
use nexus_runtime::CancellationToken;
use nexus_social::{
    row::{PostKey, PostKind, PostRow},
    search::{Error as EngineError, FullText, TextChange},
    store::{Error as StoreError, Store, Stored},
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// How the reader works.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time between two commits at least.
    pub interval: Duration,
    /// Posts in one commit at most.
    pub batch: usize,
    /// Time between two rewritings of what still holds deleted words.
    pub compaction: Duration,
    /// Pause after a failure; it doubles up to a minute.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            batch: 10_000,
            compaction: Duration::from_secs(600),
            pause: Duration::from_secs(1),
        }
    }
}

/// The longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Reads the journal for a full-text engine.
pub struct TextReader {
    engine: Arc<dyn FullText>,
    store: Arc<dyn Store>,
    journal: Arc<dyn Journal>,
    pace: Pace,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Journal(JournalError),
    #[error(transparent)]
    Store(StoreError),
    #[error("the task on a blocking thread failed")]
    Thread(#[from] tokio::task::JoinError),
    /// The journal no longer has what comes after the cursor: everything must be read again.
    #[error("changes were dropped before they were read")]
    Behind,
}

impl TextReader {
    /// A reader that has not begun.
    pub fn new(engine: Arc<dyn FullText>, store: Arc<dyn Store>, journal: Arc<dyn Journal>, pace: Pace) -> Self {
        Self { engine, store, journal, pace }
    }

    /// Follows the journal until `stop` is cancelled. What fails is tried again after a pause.
    ///
    /// # Errors
    /// If the store's data is damaged.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut pause = self.pace.pause;
        loop {
            let begun = Instant::now();
            let failure = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                failure = self.follow() => failure,
            };
            match failure {
                Failure::Store(error @ (StoreError::Damaged(_) | StoreError::TooNew { .. })) => return Err(error),
                Failure::Behind => self.forget().await,
                error => tracing::error!(error = &error as &dyn std::error::Error, "full text waits"),
            }
            pause = if begun.elapsed() > MAX_PAUSE { self.pace.pause } else { (pause * 2).min(MAX_PAUSE) };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Builds the index if need be, then takes in changes for as long as nothing fails.
    async fn follow(&self) -> Failure {
        let cursor = match self.prepare().await {
            Ok(cursor) => cursor,
            Err(failure) => return failure,
        };
        let mut following = Following {
            reader: self,
            cursor,
            next_commit: Instant::now(),
            next_compaction: Instant::now() + self.pace.compaction,
            stale: true,
        };
        loop {
            if let Err(failure) = following.round().await {
                return failure;
            }
        }
    }

    /// Where to go on reading. An index that is empty, or stands where the journal doesn't reach, is built anew.
    async fn prepare(&self) -> Result<Seq, Failure> {
        let cursor = self.engine(|engine| engine.cursor()).await?;
        let oldest = self.journal.oldest().await.map_err(Failure::Journal)?;
        let last = self.journal.last().await.map_err(Failure::Journal)?;
        if cursor > Seq::START && cursor >= oldest && cursor <= last {
            return Ok(cursor);
        }
        let (engine, store, batch) = (Arc::clone(&self.engine), Arc::clone(&self.store), self.pace.batch);
        tokio::task::spawn_blocking(move || build(&*engine, &*store, batch)).await?
    }

    /// An index that can't catch up starts over at the next try.
    async fn forget(&self) {
        if let Err(error) = self.engine(|engine| engine.clear()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "full text can't be cleared");
        }
    }

    async fn engine<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn FullText) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Failure> {
        let engine = Arc::clone(&self.engine);
        Ok(tokio::task::spawn_blocking(move || work(&*engine)).await??)
    }
}

impl std::fmt::Debug for TextReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextReader").field("pace", &self.pace).finish_non_exhaustive()
    }
}

/// Puts every stored post into an emptied engine. Until the last commit the cursor stays at the start, so that
/// a build that was interrupted begins again.
fn build(engine: &dyn FullText, store: &dyn Store, batch: usize) -> Result<Seq, Failure> {
    engine.clear()?;
    let (mut posts, mut outcome, mut count) = (Vec::new(), Ok(()), 0_u64);
    let seq = store.load(&mut |row| {
        let Stored::Post(post) = row else { return };
        if post.deleted || outcome.is_err() {
            return;
        }
        count += 1;
        posts.push(TextChange::Put(post));
        if posts.len() >= batch {
            outcome = engine.commit(&posts, Seq::START);
            posts.clear();
        }
    });
    let seq = seq.map_err(Failure::Store)?;
    outcome?;
    engine.commit(&posts, seq)?;
    tracing::info!(posts = count, "full text was built");
    Ok(seq)
}

/// A reader that has caught up once.
struct Following<'a> {
    reader: &'a TextReader,
    cursor: Seq,
    next_commit: Instant,
    next_compaction: Instant,
    /// True if files may hold words of posts that are gone.
    stale: bool,
}

impl Following<'_> {
    /// Waits for changes and commits them, or compacts when it is time.
    async fn round(&mut self) -> Result<(), Failure> {
        let mut head = self.reader.journal.watch();
        tokio::select! {
            more = head.after(self.cursor) => match more {
                Some(_) => {
                    sleep_until(self.next_commit).await;
                    self.take_in().await
                }
                None => std::future::pending().await,
            },
            () = sleep_until(self.next_compaction), if self.stale => {
                self.reader.engine(|engine| engine.compact()).await?;
                self.stale = false;
                Ok(())
            }
        }
    }

    async fn take_in(&mut self) -> Result<(), Failure> {
        let pace = &self.reader.pace;
        let (mut changes, mut cursor) = (BTreeMap::new(), self.cursor);
        let head = self.reader.journal.last().await.map_err(Failure::Journal)?;
        while cursor < head && changes.len() < pace.batch {
            let page = self.reader.journal.read(cursor, pace.batch.min(1_000)).await.map_err(|error| match error {
                JournalError::Expired { .. } => Failure::Behind,
                error => Failure::Journal(error),
            })?;
            if page.next <= cursor {
                break;
            }
            cursor = page.next;
            // The last change of a post is the one that counts.
            changes.extend(page.changes.iter().filter_map(|change| text_change(change)));
        }
        if !changes.is_empty() && !self.stale {
            self.stale = true;
            self.next_compaction = Instant::now() + pace.compaction;
        }
        let changes: Vec<_> = changes.into_values().collect();
        self.reader.engine(move |engine| engine.commit(&changes, cursor)).await?;
        self.cursor = cursor;
        self.next_commit = Instant::now() + pace.interval;
        Ok(())
    }
}

/// The parts of a post that full text needs.
#[derive(Deserialize)]
struct Text {
    content: String,
    #[serde(default = "unknown_kind")]
    kind: PostKind,
}

const fn unknown_kind() -> PostKind {
    PostKind::Unknown
}

/// What a change means for full text. Nothing, if it isn't about a post or a newer change has replaced it.
fn text_change(change: &Change) -> Option<(PostKey, TextChange)> {
    if &*change.collection != "posts" {
        return None;
    }
    let key = PostKey { author: PubkyId::from_stored(&change.author).ok()?, id: change.key.parse().ok()? };
    if change.action == Action::Delete {
        return Some((key, TextChange::Remove(key)));
    }
    let text: Text = serde_json::from_str(change.value.as_ref()?.get()).ok()?;
    Some((key, TextChange::Put(PostRow::of_text(key, text.kind, text.content, change.time))))
}
