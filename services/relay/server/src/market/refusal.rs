//! Why a question has no answer, as `{"error":{"code":…,"message":…}}`.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use nexus_nostr::{Prefix, Reason};
use serde_json::json;

/// A refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid", message: message.into() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message: format!("no such {what}") }
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "auth-required", message: message.into() }
    }

    pub(super) fn unavailable() -> Self {
        let message = "the store is not available".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "error", message }
    }
}

/// What the rules of the protocol say, as HTTP says it.
impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let status = match reason.prefix {
            Prefix::AuthRequired => StatusCode::UNAUTHORIZED,
            Prefix::Restricted | Prefix::Blocked => StatusCode::FORBIDDEN,
            Prefix::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Prefix::Error => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, code: reason.prefix.as_str(), message: reason.text.into_owned() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Nostr"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
