//! `/`: whatever a client wants there. A WebSocket, the relay's description, the page, or management.

use super::{failure, info, manage, page};
use crate::{
    connection::Connection,
    door::Refused,
    hands::Hands,
    wire::{Compression, handshake},
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ALLOW},
};
use hyper_util::rt::TokioIo;
use nexus_http::Client;
use nexus_relay::ports::StorageAdapter;
use std::{net::IpAddr, sync::Arc};

/// Answers by what the request asks for.
pub(super) async fn answer<S: StorageAdapter + 'static>(
    State(hands): State<Arc<Hands<S>>>,
    Client(ip): Client,
    request: Request,
) -> Response {
    match *request.method() {
        Method::GET if handshake::is_asked(request.headers()) => upgrade(&hands, ip, request),
        Method::GET | Method::HEAD if accepts(request.headers(), "application/nostr+json") => {
            info::answer(&hands, request.headers()).await
        }
        Method::GET | Method::HEAD if accepts(request.headers(), "text/html") => {
            page::answer(&hands, request.headers()).await
        }
        Method::GET | Method::HEAD => info::answer(&hands, request.headers()).await,
        Method::POST => manage::answer(&hands, ip, request).await,
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => {
            let allowed = [(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS, POST"))];
            (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response()
        }
    }
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
}

/// Lets a client in, if there is a place for it.
fn upgrade<S: StorageAdapter + 'static>(hands: &Arc<Hands<S>>, ip: IpAddr, mut request: Request) -> Response {
    let offered = if hands.config().connections.compression { Compression::On } else { Compression::Off };
    let (response, agreed) = handshake::answer(request.headers(), offered);
    let Some(compression) = agreed else { return response };
    let seat = match hands.enter(ip) {
        Ok(seat) => seat,
        Err(refused) => return refuse(refused),
    };
    let upgrading = hyper::upgrade::on(&mut request);
    let own = hands.clone();
    hands.spawn(async move {
        match upgrading.await {
            Ok(io) => Connection::open(own, compression, seat, ip).serve(TokioIo::new(io)).await,
            Err(error) => tracing::debug!(%ip, %error, "a handshake was not finished"),
        }
    });
    response
}

fn refuse(refused: Refused) -> Response {
    match refused {
        Refused::Full => failure(StatusCode::SERVICE_UNAVAILABLE, "full", "no more connections are taken now"),
        Refused::TooMany => failure(StatusCode::TOO_MANY_REQUESTS, "too_many", "too many connections from one address"),
        Refused::TooFast => failure(StatusCode::TOO_MANY_REQUESTS, "too_fast", "connecting too often"),
    }
}
