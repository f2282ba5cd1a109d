//! What a service wraps around its routes, from the outside in: CORS, compression, panics, time and size.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use std::{any::Any, time::Duration};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{Any as Anything, CorsLayer},
    limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer,
};

/// Whether browsers may read answers from pages of any origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// `*` for origins, methods and headers, on errors too; no credentials.
    Open,
    /// No CORS headers.
    None,
}

/// Whether answers are compressed as `accept-encoding` asks: zstd, brotli, gzip or deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// All but images, event streams and tiny answers.
    On,
    /// Nothing.
    Off,
}

/// Limits and shapes that all routes of a service share.
#[derive(Clone, Copy, Debug)]
pub struct Layers {
    /// Who may read answers.
    pub cors: Cors,
    /// How answers travel.
    pub compression: Compression,
    /// Bytes of a request's body; more is 413.
    pub body_limit: usize,
    /// Time until the head of the answer; more is 408 without a body. Streams may go on afterwards.
    pub timeout: Duration,
    /// The answer when a handler panics.
    pub panicked: fn() -> Response,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            cors: Cors::Open,
            compression: Compression::On,
            body_limit: 1024 * 1024,
            timeout: Duration::from_secs(30),
            panicked: || StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl Layers {
    /// Wraps the routes that `router` has now, and its fallback.
    pub fn apply<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        let Self { panicked, .. } = *self;
        let mut router = router
            .layer(DefaultBodyLimit::disable())
            .layer(RequestBodyLimitLayer::new(self.body_limit))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, self.timeout))
            .layer(CatchPanicLayer::custom(move |panic| report(panic, panicked)));
        if self.compression == Compression::On {
            router = router.layer(CompressionLayer::new());
        }
        if self.cors == Cors::Open {
            let open = CorsLayer::new().allow_origin(Anything).allow_methods(Anything).allow_headers(Anything);
            router = router.layer(open.expose_headers(Anything));
        }
        router
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn report(panic: Box<dyn Any + Send>, answer: fn() -> Response) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("?"), "a request handler panicked");
    metrics::counter!("http_panics_total").increment(1);
    answer()
}
