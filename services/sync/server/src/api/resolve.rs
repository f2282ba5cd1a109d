//! Who an account is.

use super::{Api, Refusal};
use crate::source::Unresolved;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use nexus_atproto::Did;

/// The document of an account.
pub(super) async fn document(
    State(api): State<Api>,
    did: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(did) = did?;
    let malformed = |_| Refusal::new(StatusCode::BAD_REQUEST, "improperly formatted DID");
    let did: Did = did.parse().map_err(malformed)?;
    match api.means.identities.resolve(&did).await {
        Ok(document) => Ok(Json(&*document).into_response()),
        Err(Unresolved::Nothing) => Err(Refusal::new(StatusCode::NOT_FOUND, "DID not found")),
        Err(reason) => {
            tracing::warn!(%did, %reason, "a DID can't be resolved");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to resolve DID"))
        }
    }
}
