//! What is answered over HTTP: the handshake of WebSockets, the relay's description, a page for people, what any site is
//! asked for, statistics, and management. The market's own routes stand beside these.

mod about;
mod info;
mod manage;
mod page;
mod root;
mod stats;

use crate::hands::Hands;
use axum::{
    Router,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
        CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    },
};
use nexus_http::{Compression, Cors, Layers, Paths};
use nexus_relay::ports::StorageAdapter;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// The paths that are the relay's on a shared port.
pub(crate) const PATHS: &[Paths] = &[
    Paths::Exact("/"),
    Paths::Exact("/ws"),
    Paths::Below("/api"),
    Paths::Exact("/.well-known/nodeinfo"),
    Paths::Exact("/nodeinfo/2.1"),
    Paths::Exact("/robots.txt"),
    Paths::Exact("/favicon.ico"),
];

/// The largest body of a request.
const BODY: usize = 1 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The routes, to be mounted at [`PATHS`]: the relay's own and those of its market.
pub(crate) fn router<S: StorageAdapter + 'static>(hands: Arc<Hands<S>>, market: Router) -> Router {
    let layers = Layers {
        cors: Cors::None,
        compression: Compression::Off,
        body_limit: BODY,
        timeout: PATIENCE,
        panicked: || failure(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong"),
    };
    let routes = Router::new()
        .route("/", any(root::answer::<S>))
        .route("/ws", any(root::answer::<S>))
        .route("/.well-known/nodeinfo", get(about::place::<S>))
        .route("/nodeinfo/2.1", get(about::node::<S>))
        .route("/robots.txt", get(about::robots))
        .route("/favicon.ico", get(about::icon::<S>))
        .fallback(async || failure(StatusCode::NOT_FOUND, "not_found", "there is nothing here"))
        .with_state(hands)
        .merge(market);
    layers.apply(routes).layer(map_response(in_shape)).layer(map_response(open_to_pages))
}

/// What a layer refuses has the shape of other errors.
async fn in_shape(response: Response) -> Response {
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => failure(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too long"),
        _ => response,
    }
}

/// Pages of any origin may read the answers.
async fn open_to_pages(mut response: Response) -> Response {
    let open = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS, POST"),
    ];
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        for (name, value) in open {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// An error as the API shows it.
fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    (status, axum::Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

/// An answer that may be kept for some seconds. A client that has it is told so.
fn kept(asked: &HeaderMap, kind: &'static str, seconds: u32, body: String) -> Response {
    let name = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
    let has_it = asked.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok()).is_some_and(|known| {
        known.split(',').any(|known| matches!(known.trim().trim_start_matches("W/"), "*") || known.contains(&name))
    });
    let head = [(CACHE_CONTROL, format!("public, max-age={seconds}")), (ETAG, name)];
    if has_it {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, [(CONTENT_TYPE, kind)], body).into_response()
    }
}
