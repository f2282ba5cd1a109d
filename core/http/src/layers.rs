//! What a service wraps around its routes, from the outside in: CORS, compression, panics, time and size.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, StatusCode, Version};
use std::{any::Any, time::Duration};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, Predicate as _},
    },
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
    /// Wraps the routes that `router` has now, and its fallback. All at once: a router boxes what it wraps, and each
    /// box is copied, with everything within, for every request.
    pub fn apply<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        let Self { panicked, compression, .. } = *self;
        let is_wanted = move |_: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| compression == Compression::On;
        let open = CorsLayer::new().allow_origin(Anything).allow_methods(Anything).allow_headers(Anything);
        let layers = ServiceBuilder::new()
            .option_layer((self.cors == Cors::Open).then(|| open.expose_headers(Anything)))
            .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(is_wanted)))
            .layer(CatchPanicLayer::custom(move |panic| report(panic, panicked)))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, self.timeout))
            .map_response(IntoResponse::into_response)
            .layer(RequestBodyLimitLayer::new(self.body_limit))
            .layer(DefaultBodyLimit::disable());
        router.layer(layers)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn report(panic: Box<dyn Any + Send>, answer: fn() -> Response) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("?"), "a request handler panicked");
    metrics::counter!("http_panics_total").increment(1);
    answer()
}
