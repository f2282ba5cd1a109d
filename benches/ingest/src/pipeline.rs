//! The whole of ingestion as the program runs it: sources, writer, SQLite, index.

use nexus_http::Readiness;
use nexus_runtime::{Clock, Tasks, groups::Grouping};
use nexus_social::{
    index::{Index, Published},
    query::Page,
    read::Read,
    row::PostKey,
    rules::Policy,
    store::{Store, Stored},
    writer::Writer,
};
use nexus_social_server::{
    blobs::Blobs,
    config::{HomeserverAt, Pkarr, Social, Watcher},
    source::{Followups, PkarrDirectory, SourceParts, Sources},
    writer::{WriterHandle, WriterParts, WriterThread},
};
use nexus_sqlite::social::SocialStore;
use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Ingestion at work.
pub(crate) struct Pipeline {
    began: Instant,
    store: Arc<SocialStore>,
    index: Arc<Published>,
    readiness: Readiness,
    tasks: Tasks,
    writer: WriterHandle,
    thread: WriterThread,
}

impl Pipeline {
    /// Starts reading `homeserver` into a store below `data`.
    pub(crate) fn start(data: &Path, homeserver: &str, fetches: u64) -> Result<Self, Box<dyn Error>> {
        let (store, blobs) = (
            Arc::new(SocialStore::open(&data.join("social.sqlite"))?),
            Arc::new(Blobs::open(data.join("files"), 1 << 30)?),
        );
        let (index, _) = Index::load(&*store, &mut |_| {})?;
        let index = Arc::new(Published::new(index));
        let (followups, told) = Followups::pair();
        let (published, social) = (Arc::clone(&index), Social::default());
        let grouping = Grouping { queue: social.queue.count(), group: social.group_limit.count() };
        let parts = WriterParts {
            writer: Writer::new(Arc::new(Policy::default())),
            store: Arc::<SocialStore>::clone(&store),
            blobs: Arc::clone(&blobs),
            clock: Clock::system(),
            publish: Box::new(move |committed| published.publish(&committed.effects)),
            followups: followups.clone(),
        };
        let (writer, thread) = nexus_social_server::writer::start(parts, grouping)?;
        let (watcher, readiness) = (watcher(homeserver, fetches)?, Readiness::default());
        let sources = Sources::build(SourceParts {
            directory: Arc::new(PkarrDirectory::new(&watcher)),
            watcher,
            store: Arc::<SocialStore>::clone(&store),
            writer: writer.clone(),
            blobs,
            clock: Clock::system(),
            followups: (followups, told),
            readiness: readiness.clone(),
        })?;
        let (tasks, began) = (Tasks::new(), Instant::now());
        sources.run(&tasks);
        Ok(Self { began, store, index, readiness, tasks, writer, thread })
    }

    /// Waits until the log is durable and indexed to its head; how long that took since the start.
    pub(crate) async fn caught_up(&self) -> Duration {
        while !self.readiness.is_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.began.elapsed()
    }

    /// True once readers see the post.
    pub(crate) fn sees(&self, post: &PostKey) -> bool {
        self.index.read().post(post).is_some()
    }

    /// Posts that are stored.
    pub(crate) fn posts(&self) -> usize {
        let mut posts = 0;
        let counted = self.store.load(&mut |row| posts += usize::from(matches!(row, Stored::Post(_))));
        counted.map_or(0, |_| posts)
    }

    /// Events that wait for others.
    pub(crate) fn waiting(&self) -> Result<usize, Box<dyn Error>> {
        Ok(self.store.retries(Page { skip: 0, limit: usize::MAX >> 1 })?.len())
    }

    /// Bytes of the database.
    pub(crate) fn size(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.store.size()?)
    }

    /// Stops in the order of the data.
    pub(crate) async fn stop(self) -> Result<(), Box<dyn Error>> {
        self.tasks.stop();
        self.tasks.finish().await?;
        drop(self.writer);
        Ok(self.thread.ended().await?)
    }
}

fn watcher(homeserver: &str, fetches: u64) -> Result<Watcher, Box<dyn Error>> {
    let fetches = serde_json::from_value(fetches.into())?;
    let homeservers = vec![HomeserverAt::Url(homeserver.to_owned())];
    Ok(Watcher { homeservers, fetches, pkarr: Pkarr::Off, ..Watcher::default() })
}
