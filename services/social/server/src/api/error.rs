//! Answers that are no answer: status and text as existing clients know them (spec d.0), for `/v0`, `/v0/live`,
//! `/static` and `/admin` alike.

use crate::shared::IngestError;
use axum::{
    Json,
    extract::{
        rejection::{JsonRejection, PathRejection, QueryRejection},
        ws::rejection::WebSocketUpgradeRejection,
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use nexus_pubky::{PubkyId, ResourceId};
use nexus_runtime::groups::Stopped;
use nexus_social::{row::PostKey, search, store};
use serde::Serialize;
use tokio::task::JoinError;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request can't be understood.
    #[error("Invalid input: {0}")]
    Invalid(String),
    /// The request isn't allowed.
    #[error("Forbidden: {0}")]
    Forbidden(String),
    /// What is asked for isn't known.
    #[error("{0}")]
    Missing(String),
    /// The body is larger than the limit.
    #[error("length limit exceeded")]
    TooLarge,
    /// Something else stands against it, which the status tells.
    #[error("{1}")]
    Refused(StatusCode, String),
    /// Our fault.
    #[error("Internal server error: {0}")]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// What a handler gives.
pub(crate) type Answer<T> = Result<Json<T>, ApiError>;

impl ApiError {
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    pub(crate) fn no_user(id: &PubkyId) -> Self {
        Self::Missing(format!("User not found: {id}"))
    }

    pub(crate) fn no_post(key: &PostKey) -> Self {
        Self::Missing(format!("Post not found: {} {}", key.author, key.id))
    }

    pub(crate) fn no_file() -> Self {
        Self::Missing("File not found.".into())
    }

    pub(crate) fn no_resource(id: &ResourceId) -> Self {
        Self::Missing(format!("Resource not found: {id}"))
    }

    pub(crate) fn no_tag(tagger: &str, id: &str) -> Self {
        Self::Missing(format!("Tag {id} of {tagger} not found"))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(status, _) => *status,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The body of every error.
#[derive(Serialize)]
struct Body {
    error: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, error) = (self.status(), self.to_string());
        match self {
            Self::TooLarge => return (status, error).into_response(),
            Self::Internal(_) => tracing::error!(error, "a request failed"),
            _ => {}
        }
        (status, Json(Body { error })).into_response()
    }
}

/// The answer when a handler panics.
pub(crate) fn panicked() -> Response {
    ApiError::Internal("the request could not be handled".into()).into_response()
}

/// `200` with what was found, else the error.
pub(crate) fn found<T>(value: Option<T>, missing: impl FnOnce() -> ApiError) -> Answer<T> {
    value.map(Json).ok_or_else(missing)
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<WebSocketUpgradeRejection> for ApiError {
    fn from(rejection: WebSocketUpgradeRejection) -> Self {
        Self::Refused(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::TooLarge;
        }
        Self::Invalid(rejection.body_text())
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<search::Error> for ApiError {
    fn from(error: search::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Stopped> for ApiError {
    fn from(error: Stopped) -> Self {
        Self::internal(error)
    }
}

impl From<JoinError> for ApiError {
    fn from(error: JoinError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Blacklisted(_) => Self::Forbidden(error.to_string()),
            IngestError::Failed(cause) => Self::Internal(cause),
        }
    }
}
