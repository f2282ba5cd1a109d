//! The market over HTTP: jobs, handlers and what was counted, under `/api`, and a bridge for clients that have no
//! WebSocket. Everything is answered as an anonymous client would see it, or as the one that signed the request
//! (NIP-98); no encrypted content is ever read.

mod bridge;
mod caller;
mod follow;
mod jobs;
mod notify;
mod providers;
mod recent;
mod refusal;
mod stats;
mod stream;
mod view;

pub(crate) use notify::Notifier;
pub use stream::JobFeed;

use crate::backend::{Backend, RelayOn};
use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use http::{HeaderValue, header};
use nexus_relay::ports::StorageError;
use recent::Recent;
use refusal::Refusal;
use std::sync::Arc;
use tower_http::cors::{Any, CorsLayer};

/// For how long an answer may be repeated, in seconds.
const FRESH: u64 = 5;
/// How large the body of a query or an event may be, in bytes.
const MAX_BODY: usize = 1 << 20;

/// What the routes stand on.
pub struct Market<B: Backend> {
    relay: Arc<RelayOn<B>>,
    feed: Arc<JobFeed>,
    recent: Arc<Recent>,
}

impl<B: Backend> Clone for Market<B> {
    fn clone(&self) -> Self {
        Self { relay: self.relay.clone(), feed: self.feed.clone(), recent: self.recent.clone() }
    }
}

/// A handler's answer.
type Answer = Result<Response, Refusal>;

/// The routes under `/api`, to which `feed` tells what happens to jobs.
pub fn router<B: Backend>(relay: Arc<RelayOn<B>>, feed: Arc<JobFeed>) -> Router {
    let market = Market::<B> { relay, feed, recent: Arc::default() };
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    Router::new()
        .route("/api/stats", get(stats::stats::<B>))
        .route("/api/v1/stats", get(stats::stats::<B>))
        .route("/api/v1/jobs", get(jobs::list::<B>))
        .route("/api/v1/jobs/stream", get(stream::stream::<B>))
        .route("/api/v1/jobs/{id}", get(jobs::one::<B>))
        .route("/api/v1/handlers", get(providers::list::<B>))
        .route("/api/v1/handlers/{pubkey}", get(providers::one::<B>))
        .route("/api/v1/events", post(bridge::publish::<B>))
        .route("/api/v1/events/{id}", get(bridge::event::<B>))
        .route("/api/v1/query", post(bridge::query::<B>))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(cors)
        .layer(middleware::from_fn(keep_to_the_one_who_asked))
        .with_state(market)
}

/// An answer to somebody who said who they are may hold what nobody else may see: no cache on the way keeps it.
async fn keep_to_the_one_who_asked(request: Request, next: Next) -> Response {
    let is_signed = request.headers().contains_key(header::AUTHORIZATION);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("authorization"));
    if is_signed {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    response
}

impl<B: Backend> Market<B> {
    /// What a client is told when the store fails; the operator is told more.
    fn failed(error: &StorageError) -> Refusal {
        tracing::error!(%error, "the store failed");
        Refusal::unavailable()
    }
}

/// JSON that may be repeated for a few seconds.
fn json(value: &impl serde::Serialize) -> Answer {
    let text = serde_json::to_string(value).map_err(|_| Refusal::unavailable())?;
    Ok(text_answer(text))
}

/// The same for JSON that is text already.
fn text_answer(text: String) -> Response {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let fresh = format!("public, max-age={FRESH}");
    headers.insert(header::CACHE_CONTROL, HeaderValue::try_from(fresh).expect("digits and letters"));
    response
}
