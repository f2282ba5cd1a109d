//! Several services on one port: each request goes to the service that owns its path, and to no other, so a
//! service's errors, fallbacks and methods stay its own. `/health` and `/ready` belong to everyone.

use crate::{
    Client, Readiness, TrustedProxies,
    pieces::{Pieces, Untaken},
    stall::StallLimit,
};
use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, StatusCode, request::Parts};
use metrics::{Counter, Histogram};
use nexus_runtime::Clock;
use serde::Serialize;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tower::ServiceExt as _;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which paths a service owns. The longest match wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// This path.
    Exact(&'static str),
    /// This path and everything below it.
    Below(&'static str),
    /// Everything that nobody else owns.
    Rest,
}

impl Paths {
    /// How well the path is matched, if it is.
    fn rank(self, path: &str) -> Option<usize> {
        match self {
            Self::Exact(own) => (path == own).then_some(usize::MAX),
            Self::Below(own) => {
                let rest = path.strip_prefix(own)?;
                (rest.is_empty() || rest.starts_with('/')).then_some(own.len())
            }
            Self::Rest => Some(0),
        }
    }
}

#[derive(Clone)]
struct Mount {
    paths: Paths,
    router: Router,
    meters: Arc<Meters>,
    stall: Option<Duration>,
}

/// What is counted of a service's requests. Looked up once: finding a metric by its name costs more than counting.
struct Meters {
    /// Answers by the first digit of their status, 1 to 5.
    answers: [Counter; 5],
    seconds: Histogram,
}

impl Meters {
    fn of(service: &'static str) -> Self {
        let answers = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let counter = |class| metrics::counter!("http_requests_total", "service" => service, "status" => class);
        let seconds = metrics::histogram!("http_request_seconds", "service" => service);
        Self { answers: answers.map(counter), seconds }
    }

    fn count(&self, status: StatusCode, started: Instant) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        self.answers[class - 1].increment(1);
        self.seconds.record(started.elapsed().as_secs_f64());
    }
}

/// Everything that one port serves.
#[derive(Clone)]
pub struct Site {
    mounts: Arc<Vec<Mount>>,
    proxies: TrustedProxies,
    ids: Arc<RequestIds>,
}

/// Request ids: when this program started, and a number.
struct RequestIds {
    started: i64,
    next: AtomicU64,
}

impl Site {
    /// A site with `/health` and `/ready` only. A service mounted at one of these paths replaces it.
    pub fn new(readiness: Readiness, proxies: TrustedProxies, clock: &Clock) -> Self {
        let common = Router::new().route("/health", get(health)).route("/ready", get(ready)).with_state(readiness);
        let ids = RequestIds { started: clock.now().millis(), next: AtomicU64::new(1) };
        let site = Self { mounts: Arc::default(), proxies, ids: Arc::new(ids) };
        site.mount("common", &[Paths::Exact("/health"), Paths::Exact("/ready")], common)
    }

    /// Gives paths to a service. What was mounted last wins where two match equally well. Its requests are counted
    /// by the recorder that is installed by now.
    #[must_use]
    pub fn mount(self, service: &'static str, paths: &[Paths], router: Router) -> Self {
        self.mounted(service, paths, router, None)
    }

    /// Like [`mount`](Self::mount), for a service whose clients are cut when they take nothing of an answer for as
    /// long as `stall`: neither memory nor deleted content waits longer for them. On one connection, the last such
    /// service that was asked says how long. Over HTTP/2, who reads the connection and gives an answer no window
    /// loses that answer alone.
    #[must_use]
    pub fn mount_impatient(self, service: &'static str, paths: &[Paths], router: Router, stall: Duration) -> Self {
        self.mounted(service, paths, router, Some(stall))
    }

    fn mounted(self, service: &'static str, paths: &[Paths], router: Router, stall: Option<Duration>) -> Self {
        let mut mounts = Arc::unwrap_or_clone(self.mounts);
        let meters = Arc::new(Meters::of(service));
        let mount = |&paths| Mount { paths, router: router.clone(), meters: meters.clone(), stall };
        mounts.extend(paths.iter().map(mount));
        Self { mounts: Arc::new(mounts), ..self }
    }

    /// True if a service owns `path`.
    pub fn serves(&self, path: &str) -> bool {
        self.owner(path).is_some()
    }

    pub(crate) const fn proxies(&self) -> &TrustedProxies {
        &self.proxies
    }

    /// Answers one request.
    pub async fn answer(&self, peer: SocketAddr, request: http::Request<Body>) -> Response {
        let (mut parts, body) = request.into_parts();
        let id = self.identify(&mut parts, peer);
        let Some(mount) = self.owner(parts.uri.path()) else {
            return with_id(StatusCode::NOT_FOUND.into_response(), id);
        };
        if let (Some(limit), Some(stall)) = (parts.extensions.get::<StallLimit>(), mount.stall) {
            limit.set(stall);
        }
        let untaken = parts.extensions.remove::<Untaken>();
        let span = tracing::debug_span!("request", id = ?id, method = %parts.method, path = parts.uri.path());
        let started = Instant::now();
        let Ok(response) = mount.router.clone().oneshot(Request::from_parts(parts, body)).instrument(span).await;
        mount.meters.count(response.status(), started);
        let response = match (untaken, mount.stall) {
            (Some(untaken), Some(stall)) => response.map(|body| Body::new(Pieces::new(body, untaken, stall))),
            _ => response,
        };
        with_id(response, id)
    }

    fn owner(&self, path: &str) -> Option<&Mount> {
        let ranked = self.mounts.iter().filter_map(|mount| Some((mount.paths.rank(path)?, mount)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, mount)| mount)
    }

    /// Writes down who asks, and under which id.
    fn identify(&self, parts: &mut Parts, peer: SocketAddr) -> HeaderValue {
        let id = parts.headers.get(&REQUEST_ID).filter(|id| is_tame(id)).cloned().unwrap_or_else(|| self.ids.next());
        parts.headers.insert(REQUEST_ID, id.clone());
        parts.extensions.insert(self.proxies.client(peer.ip(), &parts.headers));
        parts.extensions.insert(ConnectInfo(peer));
        id
    }
}

impl RequestIds {
    fn next(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("{:x}-{number:x}", self.started)).expect("hexadecimal digits are header text")
    }
}

/// A client's own id is kept when it is short and can't break a log line.
fn is_tame(id: &HeaderValue) -> bool {
    let known = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(known)
}

fn with_id(mut response: Response, id: HeaderValue) -> Response {
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    waiting_for: Vec<String>,
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, Json<Ready>) {
    let waiting_for: Vec<_> = readiness.missing().iter().map(ToString::to_string).collect();
    let status = if waiting_for.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready: waiting_for.is_empty(), waiting_for }))
}

/// The address that a request is counted under, as a handler's argument.
impl<S: Sync> axum::extract::FromRequestParts<S> for Client {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().copied().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
