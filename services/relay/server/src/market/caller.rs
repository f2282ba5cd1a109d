//! Who asks: an address, and the key that signed the request if one did. (NIP-98)

use super::{Market, Refusal};
use crate::backend::Backend;
use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::request::Parts,
};
use bytes::Bytes;
use nexus_http::Client;
use nexus_nostr::nip::nip98;
use nexus_relay::Asker;
use serde::de::DeserializeOwned;

/// A request that may be answered: who asks, and with which body.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) asker: Asker,
    pub(super) body: Bytes,
}

impl<B: Backend> FromRequest<Market<B>> for Caller {
    type Rejection = Refusal;

    async fn from_request(request: Request, market: &Market<B>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let ip = parts.extensions.get::<Client>().map(|client| client.0);
        let request = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(request, &()).await.map_err(|error| Refusal::bad(error.to_string()))?;
        let mut asker = Asker { ip, keys: Vec::new() };
        if let Some(header) = parts.headers.get(http::header::AUTHORIZATION) {
            let header = header.to_str().map_err(|_| Refusal::unauthorized("the header can't be read"))?;
            let asked = nip98::Request { method: parts.method.as_str(), path: parts.uri.path(), body: &body };
            let proof = market.relay.vouched(header, asked, ip);
            asker.keys.push(proof.map_err(|error| Refusal::unauthorized(error.to_string()))?);
        }
        market.relay.let_ask(&asker)?;
        Ok(Self { asker, body })
    }
}

/// The parameters of a question. Unknown ones are errors.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(asked)| Self(asked)).map_err(|error| Refusal::bad(error.body_text()))
    }
}
