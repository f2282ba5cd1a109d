//! Extractors: axum's own, with our answer when they refuse. A handler may take several of them from one
//! query string; each ignores what it doesn't know.

use super::error::ApiError;
use axum::{
    extract::{FromRequest, FromRequestParts},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};

/// Parameters of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct At<T>(pub(crate) T);

/// Parameters of the query. A refusal names the parameter.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(crate) struct Body<T>(pub(crate) T);

/// Parameters that are a part of many queries, such as `skip` and `limit`. As upstream reads them, a refusal
/// doesn't name the parameter (spec d.0).
pub(crate) struct Part<T>(pub(crate) T);

#[derive(Deserialize)]
struct Whole<T> {
    #[serde(flatten)]
    part: T,
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Part<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let whole: axum::extract::Query<Whole<T>> = axum::extract::Query::try_from_uri(&parts.uri)?;
        Ok(Self(whole.0.part))
    }
}
