//! Management (NIP-86): calls of administrators, each vouched for by an event (NIP-98).

use crate::hands::Hands;
use axum::{
    Json,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use nexus_nostr::{
    PublicKey,
    nip::{nip86::Call, nip98},
};
use nexus_relay::{ManageError, Purge, ports::StorageAdapter};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The type of calls and answers.
const RPC: &str = "application/nostr+json+rpc";
/// The largest call.
const BODY: usize = 64 << 10;

pub(super) async fn answer<S: StorageAdapter + 'static>(hands: &Hands<S>, ip: IpAddr, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(RPC.as_bytes())) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("calls are {RPC}")).into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let admin = match authenticate(hands, &parts.headers, &body, parts.uri.path(), ip) {
        Ok(key) => key,
        Err(error) => {
            let scheme = [(WWW_AUTHENTICATE, HeaderValue::from_static("Nostr"))];
            return (StatusCode::UNAUTHORIZED, scheme, reply(&json!({ "error": error }))).into_response();
        }
    };
    if !hands.config().admin_pubkeys.iter().any(|key| key.0 == admin) {
        return (StatusCode::FORBIDDEN, reply(&json!({ "error": "not an administrator" }))).into_response();
    }
    carry_out(hands, &admin, &String::from_utf8_lossy(&body)).await
}

/// Whose event vouches for the call.
fn authenticate<S: StorageAdapter + 'static>(
    hands: &Hands<S>,
    headers: &HeaderMap,
    body: &[u8],
    path: &str,
    ip: IpAddr,
) -> Result<PublicKey, String> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    let request = nip98::Request { method: "POST", path, body };
    hands.relay().vouched(header, request, Some(ip)).map_err(|error| error.to_string())
}

async fn carry_out<S: StorageAdapter + 'static>(hands: &Hands<S>, admin: &PublicKey, body: &str) -> Response {
    let call = match Call::parse(body) {
        Ok(call) => call,
        Err(error) => return reply(&json!({ "error": error.to_string() })).into_response(),
    };
    let purge = if hands.config().ban_purge { Purge::Stored } else { Purge::Nothing };
    match hands.relay().manage(admin, &call, body, purge).await {
        Ok(result) => reply(&json!({ "result": result })).into_response(),
        Err(error @ ManageError::Params(_)) => reply(&json!({ "error": error.to_string() })).into_response(),
        Err(ManageError::Storage(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a call of an administrator failed");
            (StatusCode::SERVICE_UNAVAILABLE, reply(&json!({ "error": "the store is not available" }))).into_response()
        }
    }
}

fn reply(value: &Value) -> ([(http::HeaderName, HeaderValue); 1], Json<Value>) {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], Json(value.clone()))
}
