//! PLC directory, PDS and relay on one loopback port. The firehose sends a frame once it is released.

use crate::{Error, Network};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::SinkExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A network that is being served. Dropping it ends the server.
pub struct Server {
    address: SocketAddr,
    released: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `network` on loopback; port 0 takes a free one.
    ///
    /// # Errors
    /// If the port can't be opened.
    pub async fn start(network: Arc<Network>, port: u16) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let released = watch::Sender::new(0);
        let router = routes(Shared { network, released: released.clone(), origin: format!("http://{address}").into() });
        let task = tokio::spawn(async move {
            // The listener lives as long as the task; accept errors are retried by axum itself.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, released, task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the firehose send `more` further frames.
    pub fn release(&self, more: usize) {
        self.released.send_modify(|released| *released += more);
    }

    /// Serves until the process is told to end.
    pub async fn finish(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    network: Arc<Network>,
    released: watch::Sender<usize>,
    origin: Arc<str>,
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/{did}", get(document))
        .route("/_health", get(|| async { Json(json!({"version": "replayer"})) }))
        .route("/bench/release", post(release))
        .route("/xrpc/com.atproto.sync.getRepo", get(get_repo))
        .route("/xrpc/com.atproto.sync.getRepoStatus", get(get_repo_status))
        .route("/xrpc/com.atproto.sync.getLatestCommit", get(get_latest_commit))
        .route("/xrpc/com.atproto.sync.listRepos", get(list_repos))
        .route("/xrpc/com.atproto.sync.listReposByCollection", get(list_repos))
        .route("/xrpc/com.atproto.identity.resolveHandle", get(resolve_handle))
        .route("/xrpc/com.atproto.sync.subscribeRepos", get(subscribe))
        .with_state(shared)
}

#[derive(Deserialize)]
struct OfRepo {
    did: String,
}

#[derive(Deserialize)]
struct Listing {
    cursor: Option<usize>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct Since {
    cursor: Option<usize>,
}

#[derive(Deserialize)]
struct Release {
    /// How many further frames; all of them when it is left out.
    frames: Option<usize>,
}

#[derive(Deserialize)]
struct OfHandle {
    handle: String,
}

fn not_found(message: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "RepoNotFound", "message": message}))).into_response()
}

/// A DID document in the form of plc.directory.
async fn document(State(shared): State<Shared>, Path(did): Path<String>) -> Response {
    let Some(account) = shared.network.by_did.get(&did).map(|n| &shared.network.accounts[*n]) else {
        return not_found("DID not registered");
    };
    let multibase = account.did_key.trim_start_matches("did:key:");
    Json(json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "alsoKnownAs": [format!("at://{}", account.handle)],
        "verificationMethod": [{
            "id": format!("{did}#atproto"), "type": "Multikey", "controller": did, "publicKeyMultibase": multibase,
        }],
        "service": [{
            "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": *shared.origin,
        }],
    }))
    .into_response()
}

async fn get_repo(State(shared): State<Shared>, Query(OfRepo { did }): Query<OfRepo>) -> Response {
    match shared.network.by_did.get(&did) {
        Some(n) => {
            let car = shared.network.accounts[*n].car.clone();
            ([("content-type", "application/vnd.ipld.car")], car).into_response()
        }
        None => not_found("Could not find repo"),
    }
}

async fn get_repo_status(State(shared): State<Shared>, Query(OfRepo { did }): Query<OfRepo>) -> Response {
    match shared.network.by_did.get(&did) {
        Some(n) => Json(json!({"did": did, "active": true, "rev": shared.network.accounts[*n].head.0})).into_response(),
        None => not_found("Could not find repo"),
    }
}

async fn get_latest_commit(State(shared): State<Shared>, Query(OfRepo { did }): Query<OfRepo>) -> Response {
    match shared.network.by_did.get(&did) {
        Some(n) => {
            let (rev, cid) = &shared.network.accounts[*n].head;
            Json(json!({"rev": rev, "cid": cid})).into_response()
        }
        None => not_found("Could not find repo"),
    }
}

async fn list_repos(State(shared): State<Shared>, Query(listing): Query<Listing>) -> Json<Value> {
    let start = listing.cursor.unwrap_or(0);
    let limit = listing.limit.unwrap_or(500).min(1_000);
    let accounts = shared.network.accounts.iter().skip(start).take(limit);
    let repos: Vec<_> = accounts
        .map(|account| json!({"did": account.did, "head": account.head.1, "rev": account.head.0, "active": true}))
        .collect();
    let next = start + repos.len();
    let more = next < shared.network.accounts.len();
    Json(if more { json!({"cursor": next.to_string(), "repos": repos}) } else { json!({"repos": repos}) })
}

async fn resolve_handle(State(shared): State<Shared>, Query(OfHandle { handle }): Query<OfHandle>) -> Response {
    match shared.network.accounts.iter().find(|account| account.handle == handle) {
        Some(account) => Json(json!({"did": account.did})).into_response(),
        None => not_found("Unable to resolve handle"),
    }
}

async fn release(State(shared): State<Shared>, Query(Release { frames }): Query<Release>) {
    let more = frames.unwrap_or(shared.network.frames.len());
    shared.released.send_modify(|released| *released += more);
}

async fn subscribe(
    State(shared): State<Shared>,
    Query(Since { cursor }): Query<Since>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| replay(socket, shared, cursor))
}

/// Frames that are written together.
const TOGETHER: usize = 64;

/// Sends what is released, from behind the cursor on; without one, from the newest frame on.
async fn replay(mut socket: WebSocket, shared: Shared, cursor: Option<usize>) {
    let frames = &shared.network.frames;
    let mut released = shared.released.subscribe();
    let mut next = cursor.unwrap_or_else(|| *released.borrow()).min(frames.len());
    loop {
        let end = (*released.borrow_and_update()).min(frames.len());
        while next < end {
            let together = &frames[next..end.min(next + TOGETHER)];
            if send_together(&mut socket, together).await.is_err() {
                return;
            }
            next += together.len();
        }
        tokio::select! {
            changed = released.changed() => if changed.is_err() { return },
            received = socket.recv() => if !matches!(received, Some(Ok(_))) { return },
        }
    }
}

/// So that the replayer takes little of the machine from what it is measuring.
async fn send_together(socket: &mut WebSocket, frames: &[Bytes]) -> Result<(), axum::Error> {
    for frame in frames {
        socket.feed(Message::Binary(frame.clone())).await?;
    }
    socket.flush().await
}
