//! The one password, for every path.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

/// Who may ask: everybody, or who knows the password of `admin`. Only its hash is kept.
#[derive(Clone, Debug)]
pub struct Password {
    hash: Option<blake3::Hash>,
    health: Health,
}

/// Whether `/health` needs the password too, as in the original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It does.
    #[default]
    Guarded,
    /// It doesn't: for those who only want to know whether the service lives.
    Open,
}

impl Password {
    /// Asks for `password`, or for none.
    pub fn new(password: Option<&str>, health: Health) -> Self {
        Self { hash: password.map(|password| blake3::hash(format!("admin:{password}").as_bytes())), health }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = self.hash else { return true };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let basic =
            given.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("basic"));
        let given = basic.and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok());
        // Hashes compare in constant time.
        given.is_some_and(|given| blake3::hash(&given) == expected)
    }
}

/// Lets a request through, or asks for the password.
pub(super) async fn guard(State(password): State<Password>, request: Request, next: Next) -> Response {
    let is_open = password.health == Health::Open && request.uri().path() == "/health";
    if is_open || password.admits(request.headers()) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="admin", charset="UTF-8""#)];
    let body = axum::Json(json!({"error": "Unauthorized", "message": "admin credentials are required"}));
    (StatusCode::UNAUTHORIZED, challenge, body).into_response()
}
