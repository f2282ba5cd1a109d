//! The HTTP interface, as existing clients know it: paths, statuses, bodies and error shapes are the original's.
//!
//! Tracking is asked of the writer, numbers of the store, and events come over `/channel`.

mod auth;
mod channel;
mod repos;
mod resolve;
mod stats;

pub use auth::{Health, Password};

use crate::consumers::Consumers;
use crate::source::{Cursors, Identities};
use crate::{Stopped, WriterHandle, refetch};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use nexus_delivery::channel::Handle;
use nexus_http::Paths;
use nexus_runtime::Clock;
use nexus_sync::store::{self, Store};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;

/// What is answered on a port that is shared with other services; `/health` is everybody's there.
pub const PATHS: &[Paths] = &[
    Paths::Exact("/channel"),
    Paths::Below("/repos"),
    Paths::Exact("/add-repos"),
    Paths::Exact("/remove-repos"),
    Paths::Below("/resolve"),
    Paths::Below("/info"),
    Paths::Below("/stats"),
];

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 << 20;

/// The interface.
#[derive(Clone)]
pub struct Api {
    /// What it stands on.
    pub means: Means,
    /// Who may ask.
    pub password: Password,
    /// Whether events are to be had here.
    pub delivery: Delivery,
}

/// What the interface stands on.
#[derive(Clone)]
pub struct Means {
    /// Where numbers and rows are read.
    pub store: Arc<dyn Store>,
    /// Who tracks and gives up repos.
    pub writer: WriterHandle,
    /// Where events come from.
    pub channel: Handle<Arc<str>>,
    /// Where events of named consumers come from.
    pub consumers: Consumers,
    /// Who accounts are.
    pub identities: Identities,
    /// How far relays and lists were read.
    pub cursors: Cursors,
    /// Told when repos were added: as long as there are none, nobody is followed.
    pub added: Arc<Notify>,
    /// Tells the time.
    pub clock: Clock,
}

/// Which way events go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Over `/channel`, to whoever connects.
    #[default]
    Channel,
    /// By webhook: `/channel` says so.
    Webhook,
}

impl Api {
    /// The routes, and the original's answers for all other paths.
    pub fn router(self) -> Router {
        let password = self.password.clone();
        Router::new()
            .route("/health", get(health))
            .route("/repos/add", post(repos::add))
            .route("/add-repos", post(repos::add))
            .route("/repos/remove", post(repos::remove))
            .route("/remove-repos", post(repos::remove))
            .route("/repos/resync", post(repos::resync))
            .route("/info/{did}", get(repos::info))
            .route("/resolve/{did}", get(resolve::document))
            .route("/stats/repo-count", get(stats::repos))
            .route("/stats/record-count", get(stats::records))
            .route("/stats/outbox-buffer", get(stats::buffer))
            .route("/stats/outbox", get(stats::outbox))
            .route("/stats/resync-buffer", get(stats::buffered))
            .route("/stats/cursors", get(stats::cursors))
            .route("/stats/consumers", get(stats::consumers))
            .route("/channel", get(channel::open).delete(channel::give_up))
            .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "Not Found") })
            .method_not_allowed_fallback(|| async {
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
            })
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(axum::middleware::from_fn_with_state(password, auth::guard))
            .with_state(self)
    }

    /// Asks the store on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.means.store);
        match tokio::task::spawn_blocking(move || read(&*store)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Refusal::internal(&error)),
            Err(error) => Err(Refusal::internal(&error)),
        }
    }
}

async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

/// An answer that is not what was asked for, in the original's shape.
#[derive(Clone, Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// Our own fault: the log says what it was, the client learns that it was.
    fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = nexus_runtime::told(error), "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }
}

macro_rules! refusals {
    ($($rejection:ident),+) => {
        $(impl From<$rejection> for Refusal {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        })+
    };
}

refusals!(BytesRejection, PathRejection, QueryRejection);

impl From<Stopped> for Refusal {
    fn from(stopped: Stopped) -> Self {
        Self::internal(&stopped)
    }
}

impl From<refetch::Error> for Refusal {
    fn from(error: refetch::Error) -> Self {
        Self::internal(&error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(json!({"message": self.message}))).into_response()
    }
}
