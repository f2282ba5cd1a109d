//! A network on loopback that does what a test tells it to: a directory, a server of accounts, hosts of names, and
//! relays.

use super::author::Author;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Path, Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A directory, a server of accounts, and hosts of names, on one port.
#[derive(Clone)]
pub(crate) struct Town {
    pub(crate) url: String,
    facts: Arc<Mutex<Facts>>,
    held: Arc<tokio::sync::RwLock<()>>,
}

/// What is answered, and what was asked.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) documents: HashMap<String, Value>,
    pub(crate) repos: BTreeMap<String, Bytes>,
    /// Answers to `getRepo` that come before the true one.
    pub(crate) answers: HashMap<String, VecDeque<Answer>>,
    /// Handles, and the accounts that their hosts name.
    pub(crate) names: HashMap<String, String>,
    /// Handles whose hosts take the question and say nothing.
    pub(crate) silent: Vec<String>,
    /// Accounts that lists call inactive.
    pub(crate) inactive: Vec<String>,
    /// What the directory answers to everything, if not the truth.
    pub(crate) directory: Option<StatusCode>,
    /// Documents that are answered as they were when they were asked for, once the flag is set.
    pub(crate) late: HashMap<String, watch::Receiver<bool>>,
    /// Paths that were asked for.
    pub(crate) asked: Vec<String>,
}

/// What a server gives instead of a repo.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, a header and a body.
    Status(u16, Option<(&'static str, String)>, String),
    /// These bytes.
    Bytes(Bytes),
    /// The beginning of the repo, and then the line breaks.
    Broken(usize),
    /// The beginning of the repo, and then nothing.
    Silent(usize),
    /// The repo's first bytes, and blocks without end.
    Endless,
    /// The way to another place.
    Redirect(String),
    /// The repo, once the flag is set.
    Held(watch::Receiver<bool>),
}

impl Town {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let town = Self { url, facts: Arc::default(), held: Arc::default() };
        let router = Router::new()
            .route("/{did}", get(document))
            .route("/.well-known/atproto-did", get(name))
            .route("/.well-known/did.json", get(web_document))
            .route("/xrpc/com.atproto.sync.getRepo", get(get_repo))
            .route("/xrpc/com.atproto.sync.listRepos", get(list))
            .route("/xrpc/com.atproto.sync.listReposByCollection", get(list))
            .with_state(town.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        town
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    /// The account lives here, with its repo as it is now.
    pub(crate) fn settle(&self, author: &Author) {
        let mut facts = self.facts();
        facts.documents.insert(author.did.clone(), author.document(&self.url));
        facts.names.insert(author.handle.clone(), author.did.clone());
        facts.repos.insert(author.did.clone(), author.car());
    }

    /// What the server gives next instead of the repo.
    pub(crate) fn answer(&self, author: &Author, answer: Answer) {
        self.facts().answers.entry(author.did.clone()).or_default().push_back(answer);
    }

    /// Keeps the directory from answering, until what is given is dropped.
    pub(crate) fn hold_directory(&self) -> tokio::sync::OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.held).try_write_owned().unwrap()
    }

    /// What the directory has for an account now, and whether that is answered late.
    fn directory(&self, did: &str) -> (Response, Option<watch::Receiver<bool>>) {
        let mut facts = self.facts();
        facts.asked.push(format!("/{did}"));
        let answer = match (facts.directory, facts.documents.get(did)) {
            (Some(status), _) => status.into_response(),
            (None, Some(document)) => Json(document.clone()).into_response(),
            (None, None) => StatusCode::NOT_FOUND.into_response(),
        };
        (answer, facts.late.remove(did))
    }

    /// How often something that contains `part` was asked for.
    pub(crate) fn asked(&self, part: &str) -> usize {
        self.facts().asked.iter().filter(|path| path.contains(part)).count()
    }
}

async fn document(State(town): State<Town>, Path(did): Path<String>) -> Response {
    let _free = town.held.read().await;
    let (answer, late) = town.directory(&did);
    if let Some(mut late) = late {
        let _ = late.wait_for(|released| *released).await;
    }
    answer
}

fn host(headers: &HeaderMap) -> String {
    headers["host"].to_str().unwrap().to_owned()
}

async fn name(State(town): State<Town>, headers: HeaderMap) -> Response {
    let handle = host(&headers);
    let is_silent = {
        let mut facts = town.facts();
        facts.asked.push(format!("name {handle}"));
        facts.silent.contains(&handle)
    };
    if is_silent {
        std::future::pending::<()>().await;
    }
    match town.facts().names.get(&handle) {
        Some(did) => format!("{did}\n").into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn web_document(State(town): State<Town>, headers: HeaderMap) -> Response {
    let mut facts = town.facts();
    let did = format!("did:web:{}", host(&headers));
    facts.asked.push(did.clone());
    match facts.documents.get(&did) {
        Some(document) => Json(document.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn get_repo(State(town): State<Town>, Query(query): Query<HashMap<String, String>>) -> Response {
    let did = &query["did"];
    let (answer, car) = {
        let mut facts = town.facts();
        facts.asked.push(format!("getRepo {did}"));
        (facts.answers.get_mut(did).and_then(VecDeque::pop_front), facts.repos.get(did).cloned().unwrap_or_default())
    };
    let pieces =
        |bytes: Bytes| bytes.chunks(700).map(Bytes::copy_from_slice).map(Ok::<_, Infallible>).collect::<Vec<_>>();
    match answer {
        None => Body::from_stream(stream::iter(pieces(car))).into_response(),
        Some(Answer::Bytes(bytes)) => Body::from_stream(stream::iter(pieces(bytes))).into_response(),
        Some(Answer::Status(status, header, body)) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Answer::Redirect(to)) => axum::response::Redirect::temporary(&to).into_response(),
        Some(Answer::Broken(most)) => {
            let begun = pieces(car.slice(..most)).into_iter().map(|piece| Ok(piece.unwrap()));
            let broken = begun.chain([Err(std::io::Error::other("cut"))]);
            Body::from_stream(stream::iter(broken)).into_response()
        }
        Some(Answer::Silent(most)) => {
            use futures_util::StreamExt;
            Body::from_stream(stream::iter(pieces(car.slice(..most))).chain(stream::pending())).into_response()
        }
        Some(Answer::Endless) => {
            let block = vec![7_u8; 60_000];
            let cid = nexus_atproto::Cid::of_cbor(&block);
            let mut car = nexus_atproto::car::Encoder::new(cid);
            car.block(&cid, &block);
            let header = Bytes::from(car.into_bytes());
            let section = header.slice(header.len() - block.len() - 36 - 3..);
            let endless =
                stream::iter(std::iter::once(header).chain(std::iter::repeat(section)).map(Ok::<_, Infallible>));
            Body::from_stream(endless).into_response()
        }
        Some(Answer::Held(mut held)) => {
            held.wait_for(|is_free| *is_free).await.unwrap();
            // What was written meanwhile is not in it: the server had begun.
            Body::from_stream(stream::iter(pieces(car))).into_response()
        }
    }
}

async fn list(State(town): State<Town>, Query(query): Query<HashMap<String, String>>) -> Response {
    let mut facts = town.facts();
    let after = query.get("cursor").cloned().unwrap_or_default();
    facts.asked.push(format!("list after={after} {}", query.get("collection").cloned().unwrap_or_default()));
    let limit: usize = query["limit"].parse().unwrap();
    let dids: Vec<_> = facts.repos.keys().filter(|did| **did > after).take(limit).cloned().collect();
    let repos: Vec<_> = dids.iter().map(|did| json!({"did": did, "active": !facts.inactive.contains(did)})).collect();
    let cursor = (dids.len() == limit).then(|| dids.last().cloned()).flatten();
    Json(json!({"cursor": cursor, "repos": repos})).into_response()
}

/// A relay: everything it was given, from behind the cursor on, to everybody who connects.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) url: String,
    messages: Arc<watch::Sender<Vec<Bytes>>>,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    /// What connections are told before anything else. They are closed then.
    greetings: VecDeque<Vec<Message>>,
    /// Cursors that were asked for.
    cursors: Vec<Option<usize>>,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let relay = Self { url, messages: Arc::new(watch::Sender::new(Vec::new())), script: Arc::default() };
        let router =
            Router::new().route("/xrpc/com.atproto.sync.subscribeRepos", get(subscribe)).with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        relay
    }

    /// Sends a message, which is given its position.
    pub(crate) fn send(&self, message: impl FnOnce(u64) -> Bytes) {
        self.messages.send_modify(|messages| {
            let message = message(messages.len() as u64 + 1);
            messages.push(message);
        });
    }

    /// What the next connection is told, and closed then.
    pub(crate) fn greet(&self, messages: Vec<Message>) {
        self.script.lock().unwrap().greetings.push_back(messages);
    }

    /// The position of the newest message.
    pub(crate) fn last(&self) -> i64 {
        self.messages.borrow().len() as i64
    }

    /// The cursors that were asked for.
    pub(crate) fn cursors(&self) -> Vec<Option<usize>> {
        self.script.lock().unwrap().cursors.clone()
    }
}

async fn subscribe(
    State(relay): State<Relay>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let cursor = query.get("cursor").map(|cursor| cursor.parse().unwrap());
    let greeting = {
        let mut script = relay.script.lock().unwrap();
        script.cursors.push(cursor);
        script.greetings.pop_front()
    };
    // Settled before the other side knows that it is connected.
    let next = cursor.unwrap_or_else(|| relay.messages.borrow().len());
    upgrade.on_upgrade(move |socket| serve(socket, relay, next, greeting))
}

async fn serve(mut socket: WebSocket, relay: Relay, mut next: usize, greeting: Option<Vec<Message>>) {
    if let Some(greeting) = greeting {
        for message in greeting {
            let _ = socket.send(message).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        return;
    }
    let mut messages = relay.messages.subscribe();
    loop {
        let waiting: Vec<_> = messages.borrow_and_update().iter().skip(next).cloned().collect();
        next += waiting.len();
        for message in waiting {
            if socket.send(Message::Binary(message)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = messages.changed() => if changed.is_err() { return },
            received = socket.recv() => if !matches!(received, Some(Ok(_))) { return },
        }
    }
}
