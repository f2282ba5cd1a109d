//! `/metrics`. The program installs the recorder and hands in how it is rendered.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use std::sync::Arc;

/// A router with `GET /metrics` in Prometheus' text format, for `server.metrics_bind`.
pub fn metrics_router(render: impl Fn() -> String + Send + Sync + 'static) -> Router {
    let render = Arc::new(render);
    let answer = move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()) };
    Router::new().route("/metrics", get(answer))
}
