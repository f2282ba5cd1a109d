//! What directories, crawlers and browsers ask of any site: NodeInfo 2.1, `robots.txt` and an icon.

use super::{info, kept};
use crate::hands::Hands;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header::HOST};
use nexus_relay::ports::StorageAdapter;
use serde_json::json;
use std::sync::Arc;

/// How long an answer may be kept, in seconds.
const KEPT: u32 = 3_600;

const SCHEMA: &str = "http://nodeinfo.diaspora.software/ns/schema/2.1";
/// The page and the description may be read; the market's lists are made for whoever asks.
const ROBOTS: &str = "User-agent: *\nDisallow: /api/\n";

/// `/.well-known/nodeinfo`: where the description is, at the relay's configured address or at the one that was asked.
pub(super) async fn place<S: StorageAdapter + 'static>(
    State(hands): State<Arc<Hands<S>>>,
    asked: HeaderMap,
) -> Response {
    // `ws` and `wss` begin what `http` and `https` are.
    let configured = hands.config().url.as_ref().and_then(|url| url.as_str().strip_prefix("ws").map(str::to_owned));
    let host = || asked.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("://{host}"));
    let Some(base) = configured.or_else(host) else { return StatusCode::BAD_REQUEST.into_response() };
    let href = format!("http{}/nodeinfo/2.1", base.trim_end_matches('/'));
    kept(&asked, "application/json", KEPT, json!({ "links": [{ "rel": SCHEMA, "href": href }] }).to_string())
}

/// `/nodeinfo/2.1`: what runs here.
pub(super) async fn node<S: StorageAdapter + 'static>(
    State(hands): State<Arc<Hands<S>>>,
    asked: HeaderMap,
) -> Response {
    let features: Vec<_> = info::nips(&hands).iter().map(|nip| format!("nip_{nip}")).collect();
    let node = json!({
        "version": "2.1",
        "software": { "name": "nexus", "version": env!("CARGO_PKG_VERSION"), "repository": info::SOFTWARE },
        "protocols": ["nostr"],
        "services": { "inbound": [], "outbound": [] },
        "openRegistrations": false,
        "usage": { "users": {} },
        "metadata": { "features": features },
    });
    kept(&asked, "application/json", KEPT, node.to_string())
}

/// `/robots.txt`
pub(super) async fn robots() -> &'static str {
    ROBOTS
}

/// `/favicon.ico`: the relay's icon, if it has one.
pub(super) async fn icon<S: StorageAdapter + 'static>(State(hands): State<Arc<Hands<S>>>) -> Response {
    match &hands.config().info.icon {
        Some(icon) => Redirect::temporary(icon).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
