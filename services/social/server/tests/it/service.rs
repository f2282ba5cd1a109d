//! The service as a whole: what it makes of what is stored, and the limits that its settings put on it.

use crate::{
    api::town::{NOW, Reply, Words, hash, key, post_path, town, user},
    failing::Failing,
    world::eventually,
};
use axum::{body::Body, http::Request};
use nexus_config::{Bounded, Size};
use nexus_http::{AdminToken, Readiness, Site, TrustedProxies};
use nexus_model::{Action, Timestamp};
use nexus_runtime::{Clock, Tasks};
use nexus_social::{
    effects::{ChangeRow, Effects, RowChange},
    notification::NotificationBody,
    row::Target,
    store::Store,
};
use nexus_social_server::{
    config::{ApiKey, Bucket, Job, Pkarr, RateLimit, Social, TrustRank},
    jobs::TrustJob,
    service::{Parts, Service},
    shared::About,
};
use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

/// Settings of a service that reads nobody.
fn alone() -> Social {
    let mut config = Social::default();
    config.watcher.homeservers = Vec::new();
    config.watcher.pkarr = Pkarr::Off;
    config
}

async fn service(config: Social, store: Arc<dyn Store>, folder: &Path) -> Service {
    let parts = Parts {
        config,
        schedule: Job::default(),
        trust: TrustJob {
            settings: TrustRank::default(),
            deadline: Duration::from_secs(60),
            reports: folder.join("reports"),
        },
        store,
        text: Arc::new(Words::default()),
        files: folder.join("files"),
        key_file: folder.join("key"),
        about: About { name: "town", homepage: "", repository: "", license: "", version: "1", commit: None },
        admin: AdminToken::new(None::<&str>),
        readiness: Readiness::default(),
        clock: Clock::fixed(Timestamp::from_millis(NOW)),
    };
    Service::build(parts, |_| {}).await.unwrap()
}

/// A service on a port of its own, without the port.
struct Served {
    site: Site,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn over(config: Social, store: Arc<dyn Store>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (router, paths) = service(config, store, folder.path()).await.router();
        let site = Site::new(Readiness::default(), TrustedProxies::default(), &Clock::system());
        Self { site: site.mount("social", paths, router), _folder: folder }
    }

    async fn answer(&self, from: u8, request: Request<Body>) -> axum::response::Response {
        self.site.answer(SocketAddr::from(([192, 0, 2, from], 1)), request).await
    }

    async fn get(&self, path: &str) -> Reply {
        let response = self.answer(1, Request::get(path).body(Body::empty()).unwrap()).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// The status of an answer, whose body is left alone.
    async fn status(&self, from: u8, request: axum::http::request::Builder, body: &'static str) -> u16 {
        self.answer(from, request.body(Body::from(body)).unwrap()).await.status().as_u16()
    }
}

#[tokio::test]
async fn a_start_on_what_is_stored_answers_as_whoever_lived_through_it() {
    let place = "https://ex.org/";
    let resource = nexus_pubky::ResourceUri::normalize(place).unwrap().id();
    let app = town()
        .notify(0, NotificationBody::Follow { followed_by: user(1) }, 10)
        .resource(place)
        .app_tag(3, Target::Resource(resource), "maps", Some("mapky"))
        .with(|effects| {
            effects.rows.push(RowChange::SetTrust([(user(2), 0.75), (user(3), 0.25)].into()));
            effects.log.push("PUT a".to_owned());
        })
        .start();
    let served = Served::over(alone(), app.store.clone()).await;
    let (ada, post) = (format!("/v0/user/{}", user(0)), post_path(0, 1));
    let (bob, dave) = (user(1), user(3));
    for path in [
        format!("{ada}?viewer_id={bob}"),
        format!("{ada}/details"),
        format!("{ada}/followers"),
        format!("{ada}/following"),
        format!("{ada}/friends"),
        format!("{ada}/tags?viewer_id={bob}"),
        format!("{ada}/taggers/kind"),
        format!("{ada}/notifications"),
        format!("{ada}/path/{dave}"),
        format!("{post}?viewer_id={bob}&include_attachment_metadata=true"),
        format!("{post}/thread"),
        format!("{post}/reposts"),
        format!("{post}/taggers/maps"),
        format!("{post}/bookmark?viewer_id={bob}"),
        "/v0/stream/posts/keys?sorting=total_engagement".to_owned(),
        format!("/v0/stream/posts/keys?viewer_id={}&exclude_muted=true", user(0)),
        "/v0/stream/users/ids?source=most_followed".to_owned(),
        "/v0/stream/users/ids?source=starter_pack&tags=kind,wise".to_owned(),
        "/v0/stream/resources?tags=maps".to_owned(),
        "/v0/tags/hot".to_owned(),
        "/v0/tags/taggers/maps".to_owned(),
        "/v0/search/users/by_name/a".to_owned(),
        "/v0/search/tags/by_prefix/m".to_owned(),
        "/v0/events".to_owned(),
        format!("/v0/bootstrap/{}", user(0)),
    ] {
        let (expected, reply) = (app.get(&path).await, served.get(&path).await);
        assert_eq!((reply.status, &reply.text), (200, &expected.text), "{path}");
    }
}

#[tokio::test]
async fn sizes_and_requests_are_limited_as_the_settings_say() {
    let mut config = alone();
    config.api.max_body_size = Size::of(60);
    config.api.rate_limit = RateLimit {
        enabled: true,
        default_bucket: Bucket { rate: Bounded::of(1), burst: Bounded::of(2) },
        expensive_bucket: Bucket { rate: Bounded::of(1), burst: Bounded::of(3) },
        api_keys: vec![ApiKey {
            name: "an app".to_owned(),
            key: Some("an-open-sesame".into()),
            rate: Bounded::of(1),
            burst: Bounded::of(4),
            ..ApiKey::default()
        }]
        .into(),
        ..RateLimit::default()
    };
    let served = Served::over(config, town().start().store).await;
    let info = || Request::get("/v0/info");
    let with_key = || info().header("x-api-key", "an-open-sesame");
    for n in 0..5 {
        let expected = |burst| if n < burst { 200 } else { 429 };
        assert_eq!(served.status(1, info(), "").await, expected(2), "request {n}");
        assert_eq!(served.status(2, with_key(), "").await, expected(4), "request {n} with the key");
        let hot = Request::get("/v0/tags/hot");
        assert_eq!(served.status(3, hot, "").await, expected(3), "expensive request {n}");
    }
    let by_ids = || Request::post("/v0/stream/users/by_ids").header("content-type", "application/json");
    let (short, long) =
        (r#"{"user_ids":["x"]}"#, r#"{"user_ids":["x","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]}"#);
    assert_ne!(served.status(4, by_ids(), short).await, 413);
    assert_eq!(served.status(4, by_ids(), long).await, 413);
}

#[tokio::test]
async fn labels_that_moderate_and_pages_that_document_are_as_set() {
    let store = || town().start().store;
    let pack = "/v0/stream/users/ids?source=starter_pack&tags=kind";
    let usual = Served::over(alone(), store()).await;
    let mut config = alone();
    (config.moderated_tags, config.api.swagger) = (vec!["Kind".to_owned()], false);
    let turned = Served::over(config, store()).await;
    assert_eq!((usual.get(pack).await.status, turned.get(pack).await.status), (200, 400));
    for (path, without) in [("/swagger-ui/", 404), ("/api-docs/v0/openapi.json", 404), ("/v0/info", 200)] {
        assert_eq!((usual.get(path).await.status, turned.get(path).await.status), (200, without), "{path}");
    }
}

#[tokio::test]
async fn live_sessions_are_as_many_as_the_settings_allow() {
    let mut config = alone();
    (config.live.sessions, config.live.sessions_per_client) = (Bounded::of(3), Bounded::of(2));
    let served = Served::over(config, town().start().store).await;
    let mut open = Vec::new();
    for (from, expected) in [(1, 200), (1, 200), (1, 429), (2, 200), (3, 503)] {
        let session = served.answer(from, Request::get("/v0/live").body(Body::empty()).unwrap()).await;
        assert_eq!(session.status(), expected, "session {} of client {from}", open.len());
        open.push(session);
    }
    open.remove(0);
    assert_eq!(served.status(3, Request::get("/v0/live"), "").await, 200, "a place is free again");
}

#[tokio::test]
async fn what_the_store_can_t_tell_is_500_and_told_the_next_time() {
    let store = Arc::new(Failing::over(town().start().store));
    let served = Served::over(alone(), Arc::<Failing>::clone(&store)).await;
    for path in [
        format!("/v0/user/{}/notifications", user(0)),
        format!("/v0/bootstrap/{}", user(0)),
        format!("/v0/tags/{}/{}", user(1), hash(1)),
        "/v0/events".to_owned(),
    ] {
        store.questions.store(1, SeqCst);
        let failed = served.get(&path).await;
        let error = failed.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(failed.status == 500 && error.starts_with("Internal server error: "), "{path}: {failed:?}");
        assert_eq!(served.get(&path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn changes_are_kept_for_as_long_as_the_settings_say() {
    let mut config = alone();
    config.keep_changes = nexus_config::Span::of(3_600_000);
    let change = |time| ChangeRow {
        author: user(0),
        collection: "posts",
        key: key(0, 1).id.as_str().into(),
        action: Action::Update,
        version: None,
        live: true,
        time: Timestamp::from_millis(time),
    };
    let app = town().start();
    for time in [NOW - 3_600_001, NOW - 3_600_000] {
        let mut group = app.store.begin().unwrap();
        group.apply(&Effects { changes: vec![change(time)], ..Effects::default() }).unwrap();
        group.commit().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let (service, tasks) = (service(config, app.store.clone(), folder.path()).await, Tasks::new());
    service.run(&tasks);
    let kept = || app.store.changes(app.store.oldest().unwrap(), 9).unwrap();
    eventually("the older one is dropped", || kept().len() == 1).await;
    assert_eq!(kept()[0].time.millis(), NOW - 3_600_000);
    tasks.stop();
    tasks.finish().await.unwrap();
}
