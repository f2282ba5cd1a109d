//! The guard of administrative routes: one bearer token, the operator's.

use crate::keys::{SecretHash, bearer};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

/// The operator's token, by its hash; without one, nobody is let in.
#[derive(Clone)]
pub struct AdminToken(Option<SecretHash>);

impl AdminToken {
    /// Takes the token from the configuration. An empty one is none.
    pub fn new(token: Option<&str>) -> Self {
        Self(token.filter(|token| !token.is_empty()).map(SecretHash::of))
    }

    /// Lets a request in that shows the token.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let expected = self.0.as_ref().ok_or(Denied::NotConfigured)?;
        let shown = bearer(headers).map(SecretHash::of);
        if shown.as_ref() == Some(expected) { Ok(()) } else { Err(Denied::WrongToken) }
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "AdminToken(set)" } else { "AdminToken(none)" })
    }
}

/// Why an administrative request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The operator set no token: 403.
    #[error("no admin token is configured, set server.admin_token")]
    NotConfigured,
    /// The request shows none, or another: 401.
    #[error("the admin token is missing or wrong")]
    WrongToken,
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let body = format!("{{\"error\":\"{self}\"}}");
        let json = [("content-type", "application/json")];
        match self {
            Self::NotConfigured => (StatusCode::FORBIDDEN, json, body).into_response(),
            Self::WrongToken => {
                let mut response = (StatusCode::UNAUTHORIZED, json, body).into_response();
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
        }
    }
}

/// Middleware that lets the operator through: `axum::middleware::from_fn_with_state(token, guard_admin)`.
pub async fn guard_admin(State(token): State<AdminToken>, request: Request, next: Next) -> Response {
    match token.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denied) => denied.into_response(),
    }
}
