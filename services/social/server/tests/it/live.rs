//! `GET /v0/live` over real sockets.

use crate::shelf::{ADA, BOB, Shelf, post_key};
use axum::{Extension, body::Body, http::Request};
use futures_util::{SinkExt, StreamExt};
use nexus_delivery::{Limits, Tail};
use nexus_http::Client;
use nexus_model::Seq;
use nexus_runtime::CancellationToken;
use nexus_social::{row::PostKind, store::Store};
use nexus_social_server::live::{self, Social};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    shelf: Shelf,
    tail: Tail,
    at: SocketAddr,
    routes: axum::Router,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::over(Shelf::new(), limits).await
    }

    async fn over(shelf: Shelf, limits: Limits) -> Self {
        let tail = Tail::open(shelf.journal(), Arc::new(Social), limits).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(tail.clone().run(stop.clone()));
        let routes = live::routes(tail.clone()).layer(Extension(Client([127, 0, 0, 1].into())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let served = routes.clone();
        tokio::spawn(async move { axum::serve(listener, served).await });
        Self { shelf, tail, at, routes, stop }
    }

    /// Waits until the tail has everything.
    async fn followed(&self) {
        let followed = async {
            while self.tail.position() < self.shelf.head.get() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, followed).await.unwrap();
    }

    /// Listens by WebSocket; the first message has come.
    async fn listen(&self, query: &str) -> Listener {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/v0/live?{query}", self.at)).await.unwrap();
        let mut listener = Listener(socket);
        assert!(listener.next().await.get("cursor").is_some());
        listener
    }

    async fn refusal(&self, query: &str) -> (u16, Value) {
        let request = Request::get(format!("/v0/live?{query}")).body(Body::empty()).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        assert_ne!(status, 200, "{query}");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

struct Listener(Socket);

impl Listener {
    async fn next(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The positions of all changes until the server says that it has looked as far as `end`.
    async fn positions_up_to(&mut self, end: u64) -> Vec<u64> {
        let (mut positions, mut told) = (Vec::new(), 0);
        while told < end {
            let message = self.next().await;
            positions.extend(message["seq"].as_u64());
            told = message["seq"].as_u64().or(message["cursor"].as_u64()).unwrap();
        }
        positions
    }

    /// The positions of the next changes.
    async fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        for _ in 0..count {
            positions.push(self.next().await["seq"].as_u64().unwrap());
        }
        positions
    }
}

/// Ada's short post, Bob's picture, Ada's tag, Bob's tag, a notification for Ada, and the end of Ada's post.
fn history(shelf: &Shelf) {
    beginnings(shelf);
    shelf.remove_post(post_key(ADA, 1));
}

fn beginnings(shelf: &Shelf) {
    let (mine, theirs) = (post_key(ADA, 1), post_key(BOB, 1));
    shelf.post(mine, PostKind::Short, "hi");
    shelf.post(theirs, PostKind::Image, "look");
    shelf.tag(ADA, 1, theirs, "maps");
    shelf.tag(BOB, 2, mine, "fun");
    shelf.notify(ADA, BOB);
}

#[tokio::test]
async fn a_frame_says_what_happened_to_which_record() {
    let server = Server::start(Limits::default()).await;
    let mut listener = server.listen("").await;
    server.shelf.post(post_key(ADA, 1), PostKind::Short, "hi");
    let frame = listener.next().await;
    let uri = format!("pubky://{ADA}/pub/pubky.app/posts/0000000000001");
    let value = json!({"content": "hi", "kind": "short", "parent": null, "embed": null, "attachments": null});
    let hash = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    let expected = json!({
        "seq": 1, "uri": uri, "action": "create", "collection": "posts", "author": ADA,
        "indexed_at": 1000, "live": true, "content_hash": hash, "value": value,
    });
    assert_eq!(frame, expected);
    server.shelf.remove_post(post_key(ADA, 1));
    let gone = listener.next().await;
    assert_eq!((&gone["seq"], &gone["action"], &gone["value"]), (&json!(2), &json!("delete"), &Value::Null));
}

#[tokio::test]
async fn each_condition_narrows_what_is_heard() {
    for (query, expected) in [
        ("", &[1, 2, 3, 4, 6][..]),
        (&format!("author={ADA}"), &[1, 3, 6]),
        (&format!("author={ADA},%20{BOB}&collection=tags"), &[3, 4]),
        ("kind=image", &[2, 6]),
        ("tag=Maps", &[3]),
        ("kind=short&tag=fun", &[1, 4, 6]),
        (&format!("kind=image&author={ADA}"), &[6]),
        (&format!("notifications_for={ADA}"), &[5]),
        (&format!("notifications_for={ADA}&tag=fun"), &[4, 5]),
        ("collection=posts", &[1, 2, 6]),
    ] {
        let server = Server::start(Limits { heartbeat: Duration::from_millis(50), ..Limits::default() }).await;
        let mut listener = server.listen(query).await;
        beginnings(&server.shelf);
        // Afterwards nothing tells any more what kind of post it was.
        server.followed().await;
        server.shelf.remove_post(post_key(ADA, 1));
        assert_eq!(listener.positions_up_to(6).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn resuming_hears_what_was_missed_and_then_what_comes() {
    let shelf = Shelf::new();
    history(&shelf);
    let server = Server::over(shelf, Limits { page: 2, ring_changes: 1, ..Limits::default() }).await;
    let mut listener = server.listen("cursor=1&collection=posts,tags").await;
    assert_eq!(listener.positions(4).await, [2, 3, 4, 6]);
    server.shelf.post(post_key(BOB, 2), PostKind::Short, "more");
    assert_eq!(listener.positions(1).await, [7]);
}

#[tokio::test]
async fn server_sent_events_carry_the_same_and_the_header_counts_more_than_the_query() {
    let shelf = Shelf::new();
    history(&shelf);
    let server = Server::over(shelf, Limits::default()).await;
    let request = Request::get("/v0/live?cursor=1").header("last-event-id", "5").body(Body::empty()).unwrap();
    let response = server.routes.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains("\"value\":null}\n\n") {
        let chunk = timeout(PATIENCE, body.next()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("id: 5\n\nid: 6\nevent: delete\ndata: {\"seq\":6,"), "{text}");
}

#[tokio::test]
async fn nothing_is_told_before_the_index_has_it() {
    let server = Server::start(Limits { heartbeat: Duration::from_millis(20), ..Limits::default() }).await;
    let early = server.shelf.post_effects(post_key(ADA, 1), PostKind::Short, "hi");
    server.shelf.commit(&early);
    let mut listener = server.listen("cursor=0").await;
    // The head hasn't moved: nothing but the second connection's greeting and pings can come.
    assert!(timeout(Duration::from_millis(100), listener.next()).await.is_err());
    server.shelf.head.advance(Seq::new(1));
    assert_eq!(listener.positions(1).await, [1]);
}

#[tokio::test]
async fn a_cursor_older_than_what_is_kept_is_told_so() {
    let shelf = Shelf::new();
    history(&shelf);
    shelf.store.expire_changes(nexus_model::Timestamp::from_millis(1_003)).unwrap();
    let server = Server::over(shelf, Limits::default()).await;
    let mut listener = server.listen("cursor=1").await;
    assert_eq!(listener.next().await, json!({"end": "expired", "oldest": 3}));
    let mut future = server.listen("cursor=1000").await;
    assert_eq!(future.next().await, json!({"end": "expired", "oldest": 3}));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let server = Server::start(Limits { sessions_per_client: 1, ..Limits::default() }).await;
    for (query, error) in [
        ("author=ada", "Invalid input: author: Validation Error: the string is not 52 utf chars"),
        ("author=,", "Invalid input: author: At least 1 item(s) required"),
        ("notifications_for=x", "Invalid input: notifications_for: Validation Error: the string is not 52 utf chars"),
        (
            "tag=maps,a%20b",
            "Invalid input: tag: Invalid input: Validation Error: Tag 'a b' contains whitespace characters",
        ),
        (
            "collection=likes",
            "Invalid input: collection: unknown value `likes`, expected one of profile, posts, follows, mutes, \
             bookmarks, tags, files",
        ),
        ("cursor=x", "Invalid input: Failed to deserialize query string: cursor: invalid digit found in string"),
    ] {
        assert_eq!(server.refusal(query).await, (400, json!({"error": error})), "{query}");
    }
    let mut listener = server.listen("").await;
    let (status, _) = server.refusal("").await;
    assert_eq!(status, 429);
    listener.0.send(Message::Close(None)).await.unwrap();
}
