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
use nexus_model::Timestamp;
use nexus_nostr::{
    EventId, PublicKey, Secp256k1,
    nip::{nip86::Call, nip98},
};
use nexus_relay::{ManageError, Purge, ports::StorageAdapter};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The type of calls and answers.
const RPC: &str = "application/nostr+json+rpc";
/// The largest call.
const BODY: usize = 64 << 10;
/// Events that vouched for a call and are remembered. When they are that many, calls are refused for a while.
const SEEN: usize = 10_000;

/// Events that vouched for a call already: each is good for one.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<EventId, Timestamp>>);

impl Seen {
    /// True if the event has not vouched for anything yet. From now on it has.
    fn is_new(&self, id: EventId, now: Timestamp) -> bool {
        let window = i64::try_from(2_000 * nip98::WINDOW).unwrap_or(i64::MAX);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| *until > now);
        let is_new = seen.len() < SEEN && !seen.contains_key(&id);
        if is_new {
            seen.insert(id, now.plus_millis(window));
        }
        is_new
    }
}

pub(super) async fn answer<S: StorageAdapter + 'static>(hands: &Hands<S>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(RPC.as_bytes())) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("calls are {RPC}")).into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let admin = match authenticate(hands, &parts.headers, &body, parts.uri.path()) {
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
) -> Result<PublicKey, String> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    let request = nip98::Request { method: "POST", path, body };
    let now = hands.clock().now();
    let event = nip98::authenticate(header, request, &hands.settings().urls, now.into(), Secp256k1);
    let event = event.map_err(|error| error.to_string())?;
    if !hands.seen().is_new(event.get().id, now) {
        return Err("the event has vouched for a call before".to_owned());
    }
    Ok(event.get().pubkey)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_good_for_one_call_and_memory_is_bounded() {
        let seen = Seen::default();
        let at = Timestamp::from_millis;
        let id = |number: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            EventId::from_bytes(bytes)
        };
        assert!(seen.is_new(id(0), at(0)));
        assert!(!seen.is_new(id(0), at(119_999)));
        assert!(seen.is_new(id(0), at(120_000)));
        assert!((1..10_000).all(|number| seen.is_new(id(number), at(120_000))));
        assert!(!seen.is_new(id(10_000), at(120_000)));
        assert!(seen.is_new(id(10_000), at(240_000)));
    }
}
