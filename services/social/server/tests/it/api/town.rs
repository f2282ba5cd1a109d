//! A small network, and the API over it.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request},
    routing::get,
};
use nexus_http::{AdminToken, Layers, RateLimitConfig, RateLimiter};
use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceUri, TimestampId};
use nexus_runtime::{Clock, groups::Grouping};
use nexus_social::{
    effects::{Effects, RowChange},
    index::Published,
    notification::{NotificationBody, Notified},
    row::{
        Bookmark, ContentHash, Edge, Embed, FileKey, FileRow, HostRow, Label, PostKey, PostKind, PostRow, Profile,
        ResourceRow, Tag, Target, UserEdge, UserRow, UserState,
    },
    search::{ContentHit, ContentQuery, Error, FullText, TextChange},
    store::{Memory, Store as _},
    writer::Writer,
};
use nexus_social_server::{
    api::{self, Assembly, Swagger},
    blobs::Blobs,
    jobs::{Desk, Requests},
    shared::{About, Fixed, Index, Ingest, IngestError, Ingesting, Shared},
    source::Followups,
    writer::{WriterHandle, WriterParts},
};
use nexus_social_suite::model::Model;
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};
use tower::ServiceExt as _;

/// When all requests are sent.
pub(crate) const NOW: i64 = 1_790_000_000_000;

/// The `n`-th user's key, of 16 in their order.
pub(crate) fn user(n: usize) -> PubkyId {
    let letters = "ybndrfg8ejkmcpqxot1uwisza345h769";
    let keys = letters.chars().flat_map(|a| letters.chars().map(move |b| (a, b)));
    let key = |(a, b)| format!("op{a}{b}rr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo").parse().ok();
    let mut valid: Vec<PubkyId> = keys.filter_map(key).take(16).collect();
    valid.sort();
    valid[n]
}

/// The `n`-th id of a post or file.
pub(crate) fn id(n: usize) -> TimestampId {
    format!("0034A0X7NJ{n:02}A").parse().unwrap()
}

/// The `n`-th id of a tag or bookmark.
pub(crate) fn hash(n: usize) -> HashId {
    format!("8Z8CWH8NVYQY39ZEBFGKQWWE{n:02}").parse().unwrap()
}

pub(crate) fn key(author: usize, post: usize) -> PostKey {
    PostKey { author: user(author), id: id(post) }
}

/// The path of a post's view.
pub(crate) fn post_path(author: usize, post: usize) -> String {
    format!("/v0/post/{}/{}", user(author), id(post))
}

pub(crate) fn label(text: &str) -> Label {
    Label::from_valid(text)
}

/// `offset` milliseconds after a minute ago.
pub(crate) fn time(offset: i64) -> Timestamp {
    Timestamp::from_millis(NOW - 60_000 + offset)
}

/// Rows, put together one by one.
#[derive(Default)]
pub(crate) struct World {
    effects: Effects,
    tags: usize,
}

impl World {
    fn put(mut self, row: RowChange) -> Self {
        self.effects.rows.push(row);
        self
    }

    pub(crate) fn user(self, n: usize, name: &str) -> Self {
        let profile = Profile { name: name.into(), bio: None, image: None, links: None, status: None };
        let hash = Some(ContentHash([7; 32]));
        self.put(RowChange::PutUser(UserRow {
            id: user(n),
            state: UserState::Active,
            profile,
            indexed_at: time(0),
            hash,
        }))
    }

    pub(crate) fn host(self, n: usize, homeserver: &str) -> Self {
        let row = HostRow { user: user(n), homeserver: homeserver.into(), resolved_at: time(0), stale: false };
        self.put(RowChange::PutHost(row))
    }

    pub(crate) fn post(self, author: usize, n: usize, at: i64) -> Self {
        self.written(author, n, at, |_| {})
    }

    /// A post that `change` makes special.
    pub(crate) fn written(self, author: usize, n: usize, at: i64, change: impl FnOnce(&mut PostRow)) -> Self {
        let mut row = PostRow {
            key: key(author, n),
            content: format!("post {n}"),
            kind: PostKind::Short,
            parent: None,
            embed: None,
            attachments: None,
            lock: None,
            indexed_at: time(at),
            deleted: false,
            hash: Some(ContentHash([9; 32])),
        };
        change(&mut row);
        self.put(RowChange::PutPost(row))
    }

    pub(crate) fn reply(self, author: usize, n: usize, at: i64, parent: PostKey) -> Self {
        let written = self.written(author, n, at, |row| row.parent = Some(parent.uri()));
        written.put(RowChange::PutEdge(Edge::Replied { post: key(author, n), parent, time: time(at) }))
    }

    pub(crate) fn repost(self, author: usize, n: usize, at: i64, target: PostKey) -> Self {
        let embed = Embed { kind: PostKind::Short, uri: target.uri() };
        let written = self.written(author, n, at, |row| row.embed = Some(embed));
        written.put(RowChange::PutEdge(Edge::Reposted { post: key(author, n), target, time: time(at) }))
    }

    pub(crate) fn follow(self, from: usize, to: usize) -> Self {
        self.put(RowChange::PutEdge(Edge::Follows(between(from, to))))
    }

    pub(crate) fn mute(self, from: usize, to: usize) -> Self {
        self.put(RowChange::PutEdge(Edge::Mutes(between(from, to))))
    }

    pub(crate) fn bookmark(self, by: usize, post: PostKey, at: i64) -> Self {
        let bookmark = Bookmark { user: user(by), post, id: hash(by), time: time(at), created_at: 1 };
        self.put(RowChange::PutEdge(Edge::Bookmarked(bookmark)))
    }

    pub(crate) fn tag(self, tagger: usize, target: Target, text: &str) -> Self {
        self.app_tag(tagger, target, text, None)
    }

    pub(crate) fn app_tag(mut self, tagger: usize, target: Target, text: &str, app: Option<&str>) -> Self {
        self.tags += 1;
        let tag = Tag {
            tagger: user(tagger),
            app: app.map(Into::into),
            id: hash(self.tags),
            target,
            label: label(text),
            time: time(i64::try_from(self.tags).unwrap()),
            created_at: 1,
        };
        self.put(RowChange::PutEdge(Edge::Tagged(tag)))
    }

    pub(crate) fn file(self, owner: usize, n: usize) -> Self {
        self.put(RowChange::PutFile(FileRow {
            key: FileKey { owner: user(owner), id: id(n) },
            name: "map.png".into(),
            created_at: 5,
            src: format!("pubky://{}/pub/pubky.app/blobs/{}", user(owner), hash(0)),
            content_type: "image/png".into(),
            size: 81_234,
            indexed_at: time(0),
            hash: None,
        }))
    }

    pub(crate) fn resource(self, uri: &str) -> Self {
        let uri = ResourceUri::normalize(uri).unwrap();
        let row = ResourceRow { id: uri.id(), uri: uri.as_str().into(), indexed_at: time(0) };
        self.put(RowChange::PutResource(row))
    }

    pub(crate) fn notify(mut self, receiver: usize, body: NotificationBody, at: i64) -> Self {
        self.effects.notifications.push(Notified { receiver: user(receiver), body, time: time(at) });
        self
    }

    /// Anything else that is committed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Effects)) -> Self {
        change(&mut self.effects);
        self
    }

    pub(crate) fn start(self) -> App {
        self.limited(RateLimitConfig::default())
    }

    pub(crate) fn limited(self, limits: RateLimitConfig) -> App {
        let mut model = Model::default();
        model.apply(&self.effects);
        let published = Published::default();
        published.publish(std::slice::from_ref(&self.effects));
        let store = Arc::new(Memory::new());
        let mut group = store.begin().unwrap();
        group.apply(&self.effects).unwrap();
        group.commit().unwrap();
        App::over(Arc::new(Fixed(model)), Arc::new(published), store, &limits)
    }
}

fn between(from: usize, to: usize) -> UserEdge {
    UserEdge { from: user(from), to: user(to), time: time(i64::try_from(to).unwrap()), created_at: 1 }
}

/// A network in which most things happen.
///
/// Ada (0) and Bob (1) are friends, Bob follows Carol (2), Carol follows Dave (3); Ada mutes Carol. Ada's post 1
/// has a file, three tags, a reply (Bob's 3), a repost (Carol's 4) and a bookmark (Bob's).
pub(crate) fn town() -> World {
    let first = key(0, 1);
    World::default()
        .user(0, "Ada")
        .user(1, "Bob")
        .user(2, "Carol")
        .user(3, "Dave")
        .host(0, "home")
        .follow(0, 1)
        .follow(1, 0)
        .follow(1, 2)
        .follow(2, 3)
        .mute(0, 2)
        .file(0, 50)
        .written(0, 1, 1000, |post| {
            post.content = "about maps".into();
            post.attachments = Some(vec![format!("pubky://{}/pub/pubky.app/files/{}", user(0), id(50))]);
        })
        .written(0, 2, 2000, |post| post.kind = PostKind::Long)
        .reply(1, 3, 3000, first)
        .repost(2, 4, 3000, first)
        .post(3, 5, 3000)
        .tag(1, Target::Post(first), "maps")
        .tag(2, Target::Post(first), "maps")
        .tag(3, Target::Post(first), "art")
        .tag(1, Target::User(user(0)), "kind")
        .tag(3, Target::User(user(0)), "wise")
        .tag(2, Target::User(user(3)), "kind")
        .bookmark(1, first, 4000)
}

/// The API over a world, twice: with the slow model behind it and with the index that production has. Whatever
/// is asked is asked of both, and their answers must be the same.
pub(crate) struct App {
    modelled: Router,
    indexed: Router,
    pub(crate) store: Arc<Memory>,
    pub(crate) clock: Clock,
    pub(crate) searched: Arc<Mutex<Vec<ContentQuery>>>,
    /// Lines of the event log that are shown.
    pub(crate) logged: Arc<AtomicU64>,
    /// Jobs that were asked for, which nobody does.
    pub(crate) asked: Requests,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl App {
    fn over(model: Arc<dyn Index>, index: Arc<dyn Index>, store: Arc<Memory>, limits: &RateLimitConfig) -> Self {
        let clock = Clock::fixed(Timestamp::from_millis(NOW));
        let searched = Arc::new(Mutex::new(Vec::new()));
        let (jobs, asked) = Desk::open(Some("0 0 4 * * *".into()), Duration::from_secs(60), clock.clone());
        let logged = Arc::new(AtomicU64::new(store.log_length().unwrap()));
        let followups = Followups::pair().0;
        let writer = writer(Arc::clone(&store), &followups, &clock);
        let router = |index, searched| {
            let shared = Shared {
                index,
                store: store.clone(),
                text: Arc::new(Words(searched)),
                ingest: Arc::new(Gate),
                jobs: jobs.clone(),
                writer: writer.clone(),
                followups: followups.clone(),
                logged: Arc::clone(&logged),
                clock: clock.clone(),
                moderated: vec![label("violence")],
                hot_tags_around: usize::MAX,
                files: "/files".into(),
                about: About {
                    name: "town",
                    homepage: "https://town.example/",
                    repository: "https://town.example/source",
                    license: "MIT",
                    version: "1.2.3",
                    commit: None,
                },
            };
            api::router(Assembly {
                shared: Arc::new(shared),
                layers: Layers::default(),
                limiter: Arc::new(RateLimiter::new(limits, clock.clone()).unwrap()),
                admin: AdminToken::new(Some("token")),
                live: Router::new().route("/v0/live", get(|| async { "live" })),
                statics: Router::new().route("/static/files", get(|| async { "bytes" })),
                swagger: Swagger::Shown,
            })
        };
        let (modelled, indexed) = (router(model, Arc::default()), router(index, searched.clone()));
        Self { modelled, indexed, store, clock, searched, logged, asked }
    }

    async fn send(router: &Router, request: Request<Body>) -> Reply {
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let request = || {
            let request = Request::builder().method(&method).uri(path);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.body(Body::from(body.to_owned())).unwrap()
        };
        let reply = Self::send(&self.indexed, request()).await;
        // What the operator does is done once.
        if !path.starts_with("/admin") {
            let expected = Self::send(&self.modelled, request()).await;
            assert_eq!((reply.status, &reply.text), (expected.status, &expected.text), "{path}");
        }
        reply
    }

    /// The routes over the index.
    pub(crate) fn router(&self) -> Router {
        self.indexed.clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], "").await
    }

    /// The JSON of a path that answers 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.json()
    }

    /// The rows of a list, page after page as `x-next-cursor` leads on.
    pub(crate) async fn pages(&self, path: &str) -> Value {
        let mut rows = Vec::new();
        let mut reply = self.get(path).await;
        loop {
            rows.extend(reply.json().as_array().unwrap_or_else(|| panic!("{path}: {reply:?}")).clone());
            let Some(next) = reply.headers.get("x-next-cursor") else { return rows.into() };
            reply = self.get(&format!("{path}&cursor={}", next.to_str().unwrap())).await;
        }
    }

    /// The rows in a member of an object, page after page as its `next_cursor` leads on.
    pub(crate) async fn pages_in(&self, member: &str, path: &str) -> Value {
        let mut rows = Vec::new();
        let mut page = self.json(path).await;
        loop {
            rows.extend(page[member].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone());
            let Some(next) = page.get("next_cursor").and_then(Value::as_str) else { return rows.into() };
            page = self.json(&format!("{path}&cursor={next}")).await;
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask(Method::POST, path, &[("content-type", "application/json")], &body.to_string()).await
    }

    /// Checks the status and the text of an error.
    pub(crate) async fn refuses(&self, path: &str, status: u16, error: &str) {
        let reply = self.get(path).await;
        assert_eq!((reply.status, reply.json()), (status, serde_json::json!({"error": error})), "{path}");
    }
}

/// A writer that tells no index. It ends with the routes.
fn writer(store: Arc<Memory>, followups: &Followups, clock: &Clock) -> WriterHandle {
    let files = tempfile::tempdir().unwrap();
    let parts = WriterParts {
        writer: Writer::new(Arc::default()),
        store,
        blobs: Arc::new(Blobs::open(files.path(), 0).unwrap()),
        clock: clock.clone(),
        publish: Box::new(|_| {}),
        followups: followups.clone(),
    };
    nexus_social_server::writer::start(parts, Grouping { queue: 8, group: 8 }).unwrap().0
}

/// A full text that finds Ada's post 1 and writes down what it was asked.
#[derive(Default)]
pub(crate) struct Words(Arc<Mutex<Vec<ContentQuery>>>);

impl FullText for Words {
    fn search(&self, query: &ContentQuery) -> Result<Vec<ContentHit>, Error> {
        self.0.lock().unwrap().push(query.clone());
        Ok(vec![ContentHit { post: key(0, 1), score: 1.5 }])
    }

    fn cursor(&self) -> Result<nexus_model::Seq, Error> {
        Ok(nexus_model::Seq::START)
    }

    fn commit(&self, _: &[TextChange], _: nexus_model::Seq) -> Result<(), Error> {
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Ingestion that refuses users 1 and 7 and fails for users 2 and 8.
struct Gate;

impl Ingest for Gate {
    fn ingest<'a>(&'a self, who: &'a PubkyId) -> Ingesting<'a> {
        let answer = match *who {
            who if [1, 7].map(user).contains(&who) => Err(IngestError::Blacklisted("bad-home".into())),
            who if [2, 8].map(user).contains(&who) => Err(IngestError::Failed("no route".into())),
            _ => Ok(()),
        };
        Box::pin(async { answer })
    }
}
