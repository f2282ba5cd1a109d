//! A world for ingestion: homeservers, a directory that tells where they are, a store, and the sources between.

use futures_util::{FutureExt, future::BoxFuture};
use nexus_fake_homeserver::FakeHomeserver;
use nexus_http::Readiness;
use nexus_pubky::{PubkyId, TimestampId};
use nexus_runtime::{Clock, Tasks, groups::Grouping};
use nexus_social::{
    effects::{RetryRow, SourceLog},
    query::Page,
    row::{HostRow, PostKey, PostRow, UserRow},
    rules::{Policy, RetryPolicy},
    store::{Memory, Store, Stored},
    writer::Writer,
};
use nexus_social_server::{
    blobs::Blobs,
    config::{HomeserverAt, Network, Watcher},
    source::{At, Directory, DirectoryError, Followups, Ingestor, Route, Security, SourceParts, Sources},
    writer::{WriterHandle, WriterParts, WriterThread},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key of user or homeserver number `n`.
pub(crate) fn key(n: u8) -> PubkyId {
    pkarr::Keypair::from_secret_key(&[n; 32]).public_key().to_z32().parse().unwrap()
}

/// A post id, later for larger `n`.
pub(crate) fn post_id(n: u8) -> TimestampId {
    format!("0034A0X7NJ5{}{}", char::from(b'A' + n / 10), n % 10).parse().unwrap()
}

pub(crate) fn profile_path() -> String {
    "/pub/pubky.app/profile.json".into()
}

pub(crate) fn post_path(n: u8) -> String {
    format!("/pub/pubky.app/posts/{}", post_id(n))
}

pub(crate) fn post_uri(author: u8, n: u8) -> String {
    format!("pubky://{}{}", key(author), post_path(n))
}

/// Writes as a user would.
pub(crate) trait Writes {
    fn profile(&self, user: u8, name: &str) -> u64;
    fn post(&self, user: u8, n: u8, content: &str) -> u64;
    fn reply(&self, user: u8, n: u8, parent: &str) -> u64;
    fn follow(&self, user: u8, followee: u8) -> u64;
}

impl Writes for FakeHomeserver {
    fn profile(&self, user: u8, name: &str) -> u64 {
        self.put(key(user).as_str(), &profile_path(), format!(r#"{{"name":"{name}"}}"#))
    }

    fn post(&self, user: u8, n: u8, content: &str) -> u64 {
        self.put(key(user).as_str(), &post_path(n), format!(r#"{{"content":"{content}","kind":"short"}}"#))
    }

    fn reply(&self, user: u8, n: u8, parent: &str) -> u64 {
        let body = format!(r#"{{"content":"reply","kind":"short","parent":"{parent}"}}"#);
        self.put(key(user).as_str(), &post_path(n), body)
    }

    fn follow(&self, user: u8, followee: u8) -> u64 {
        let path = format!("/pub/pubky.app/follows/{}", key(followee));
        self.put(key(user).as_str(), &path, r#"{"created_at":1}"#)
    }
}

/// A directory that tests write.
#[derive(Default)]
pub(crate) struct Signposts {
    homes: Mutex<HashMap<PubkyId, PubkyId>>,
    asked: AtomicUsize,
    routes: Mutex<HashMap<PubkyId, SocketAddr>>,
}

impl Signposts {
    pub(crate) fn lives_at(&self, user: u8, homeserver: u8) {
        self.homes.lock().unwrap().insert(key(user), key(homeserver));
    }

    pub(crate) fn lives_nowhere(&self, user: u8) {
        self.homes.lock().unwrap().remove(&key(user));
    }

    /// How often somebody asked where a user lives.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn is_at(&self, homeserver: u8, address: SocketAddr) {
        self.routes.lock().unwrap().insert(key(homeserver), address);
    }
}

impl Directory for Signposts {
    fn homeserver_of<'a>(&'a self, user: &'a PubkyId) -> BoxFuture<'a, Result<Option<PubkyId>, DirectoryError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.homes.lock().unwrap().get(user).copied();
        async move { Ok(found) }.boxed()
    }

    fn route<'a>(&'a self, homeserver: &'a PubkyId) -> BoxFuture<'a, Result<Route, DirectoryError>> {
        let found = self.routes.lock().unwrap().get(homeserver).copied();
        let route = found.map(|at| Route { at: At::Addresses(vec![at]), security: Security::Plain });
        async move { route.ok_or(DirectoryError::Unusable(*homeserver)) }.boxed()
    }
}

/// Settings for tests: everything soon.
pub(crate) fn watcher(homeservers: &[&FakeHomeserver]) -> Watcher {
    let mut watcher: Watcher = Watcher {
        homeservers: homeservers.iter().map(|at| HomeserverAt::Url(at.url())).collect(),
        private_networks: Network::Allow,
        ..Watcher::default()
    };
    watcher.poll_min = nexus_config::Span::of(5);
    watcher.poll_max = nexus_config::Span::of(50);
    watcher.external_interval = nexus_config::Span::of(50);
    watcher.resolver_interval = nexus_config::Span::of(50);
    watcher.initial_backoff = nexus_config::Span::of(100);
    watcher.max_backoff = nexus_config::Span::of(200);
    watcher.request_timeout = nexus_config::Span::of(500);
    watcher.retry.interval = nexus_config::Span::of(50);
    watcher
}

/// What stays when the sources are started anew.
pub(crate) struct Ground {
    pub(crate) store: Arc<Memory>,
    pub(crate) signposts: Arc<Signposts>,
    pub(crate) policy: Policy,
    pub(crate) quota: u64,
    files: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let retry = RetryPolicy { transient_ms: 50, dependency_ms: 600_000, ..RetryPolicy::default() };
        Self {
            store: Arc::new(Memory::new()),
            signposts: Arc::default(),
            policy: Policy { retry, ..Policy::default() },
            quota: 1 << 20,
            files: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn blobs(&self) -> Blobs {
        Blobs::open(self.files.path(), self.quota).unwrap()
    }

    /// Where bytes lie while they arrive.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.files.path().join(".incoming")
    }

    /// Starts reading.
    pub(crate) fn start(&self, watcher: Watcher) -> World {
        self.start_on(Arc::<Memory>::clone(&self.store), watcher)
    }

    /// Starts reading, with another store before the ground's.
    pub(crate) fn start_on(&self, store: Arc<dyn Store>, watcher: Watcher) -> World {
        let (followups, told) = Followups::pair();
        let blobs = Arc::new(self.blobs());
        let parts = WriterParts {
            writer: Writer::new(Arc::new(self.policy.clone())),
            store: Arc::clone(&store),
            blobs: Arc::clone(&blobs),
            clock: Clock::system(),
            publish: Box::new(|_| {}),
            followups: followups.clone(),
        };
        let (writer, thread) = nexus_social_server::writer::start(parts, Grouping { queue: 256, group: 64 }).unwrap();
        let readiness = Readiness::default();
        let sources = Sources::build(SourceParts {
            watcher,
            store,
            writer: writer.clone(),
            blobs,
            directory: Arc::<Signposts>::clone(&self.signposts),
            clock: Clock::system(),
            followups: (followups, told),
            readiness: readiness.clone(),
        });
        let (sources, tasks) = (sources.unwrap(), Tasks::new());
        let ingestor = sources.ingestor();
        sources.run(&tasks);
        World { tasks, writer, thread, readiness, ingestor }
    }

    pub(crate) fn rows(&self) -> Vec<Stored> {
        let mut rows = Vec::new();
        self.store.load(&mut |row| rows.push(row)).unwrap();
        rows
    }

    pub(crate) fn user(&self, user: u8) -> Option<UserRow> {
        let is = |row| if let Stored::User(row) = row { (row.id == key(user)).then_some(row) } else { None };
        self.rows().into_iter().find_map(is)
    }

    pub(crate) fn name(&self, user: u8) -> Option<String> {
        self.user(user).map(|row| row.profile.name)
    }

    pub(crate) fn posts(&self) -> Vec<PostRow> {
        self.rows().into_iter().filter_map(|row| if let Stored::Post(row) = row { Some(row) } else { None }).collect()
    }

    pub(crate) fn has_post(&self, author: u8, n: u8) -> bool {
        let wanted = PostKey { author: key(author), id: post_id(n) };
        self.posts().iter().any(|row| row.key == wanted)
    }

    pub(crate) fn edges(&self) -> usize {
        self.rows().iter().filter(|row| matches!(row, Stored::Edge(_))).count()
    }

    pub(crate) fn host(&self, user: u8) -> Option<HostRow> {
        let is = |row| if let Stored::Host(row) = row { (row.user == key(user)).then_some(row) } else { None };
        self.rows().into_iter().find_map(is)
    }

    pub(crate) fn cursor(&self, at: &FakeHomeserver) -> u64 {
        self.store.cursor(&SourceLog::Homeserver(at.url().into())).unwrap().unwrap_or_default()
    }

    pub(crate) fn user_cursor(&self, homeserver: u8, user: u8) -> u64 {
        let log = SourceLog::User { homeserver: key(homeserver).as_str().into(), user: key(user) };
        self.store.cursor(&log).unwrap().unwrap_or_default()
    }

    pub(crate) fn retries(&self) -> Vec<RetryRow> {
        self.store.retries(Page { skip: 0, limit: 100 }).unwrap()
    }
}

/// Sources and a writer at work.
pub(crate) struct World {
    pub(crate) readiness: Readiness,
    pub(crate) ingestor: Ingestor,
    pub(crate) writer: WriterHandle,
    tasks: Tasks,
    thread: WriterThread,
}

impl World {
    /// Stops in the order of the data, which must neither fail nor take long.
    pub(crate) async fn stop(self) {
        let Self { tasks, writer, thread, ingestor, .. } = self;
        tasks.stop();
        tokio::time::timeout(PATIENCE, tasks.finish()).await.expect("the sources stop").unwrap();
        drop((writer, ingestor));
        tokio::time::timeout(PATIENCE, thread.ended()).await.expect("the writer stops").unwrap();
    }
}

/// Waits for what must become true.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
