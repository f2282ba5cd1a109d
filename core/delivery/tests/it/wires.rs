//! Server-sent events and WebSocket over real sockets.

use crate::journal::{MemoryJournal, Wants, tail_of};
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use futures_util::{SinkExt, StreamExt};
use nexus_delivery::{Limits, Session, Start, Tail, sse, ws};
use nexus_model::Seq;
use nexus_runtime::CancellationToken;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    journal: Arc<MemoryJournal>,
    tail: Tail,
    at: SocketAddr,
    stop: CancellationToken,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let journal = MemoryJournal::new();
        let tail = tail_of(&journal, limits).await;
        let stop = CancellationToken::new();
        tokio::spawn(tail.clone().run(stop.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let routes = Router::new().route("/sse", get(events)).route("/ws", get(socket)).with_state(tail.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { journal, tail, at, stop }
    }

    async fn connect(&self) -> Socket {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", self.at)).await.unwrap();
        socket
    }

    async fn until_nobody_listens(&self) {
        let gone = async {
            while self.tail.sessions() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, gone).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

fn session(tail: &Tail, headers: &HeaderMap) -> Session {
    let start = sse::last_event_id(headers).unwrap().map_or(Start::Now, Start::After);
    tail.subscribe("client", Wants::author("ada"), start).unwrap()
}

async fn events(State(tail): State<Tail>, headers: HeaderMap) -> Response {
    sse::response(session(&tail, &headers))
}

async fn socket(State(tail): State<Tail>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let session = session(&tail, &headers);
    upgrade.on_upgrade(|socket| ws::serve(socket, session))
}

/// Reads from `stream` until `wanted` has come, and gives everything read.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&text).contains(wanted) {
            let read = stream.read_buf(&mut text).await.unwrap();
            assert_ne!(read, 0, "the server hung up before {wanted:?}: {}", String::from_utf8_lossy(&text));
        }
    };
    timeout(PATIENCE, read).await.expect(wanted);
    String::from_utf8(text).unwrap()
}

async fn ask_for_events(server: &Server, header: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream.write_all(format!("GET /sse HTTP/1.1\r\nhost: x\r\n{header}\r\n").as_bytes()).await.unwrap();
    stream
}

async fn text(socket: &mut Socket) -> String {
    loop {
        match timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[tokio::test]
async fn events_come_as_they_happen_and_resume_where_the_client_says() {
    let server = Server::start(Limits::default()).await;
    let mut stream = ask_for_events(&server, "").await;
    let opening = read_until(&mut stream, "id: 0\n\n").await;
    assert!(opening.contains("content-type: text/event-stream\r\n"), "{opening}");
    server.journal.append("bob", "posts", 1);
    server.journal.append("ada", "posts", 1);
    let first = read_until(&mut stream, "\"ada\"}\n\n").await;
    assert!(first.contains("id: 2\nevent: create\ndata: {\"seq\":2,\"author\":\"ada\"}\n\n"), "{first}");
    assert!(!first.contains("bob"));
    drop(stream);

    server.journal.append("ada", "posts", 1);
    server.journal.append("ada", "posts", 1);
    let mut again = ask_for_events(&server, "Last-Event-ID: 3\r\n").await;
    let rest = read_until(&mut again, "\"seq\":4").await;
    assert!(!rest.contains("\"seq\":3"), "{rest}");
}

#[tokio::test]
async fn a_listener_who_hangs_up_leaves_its_place() {
    let server = Server::start(Limits { heartbeat: Duration::from_millis(20), ..Limits::default() }).await;
    let mut stream = ask_for_events(&server, "").await;
    read_until(&mut stream, ": beat\n").await;
    let mut socket = server.connect().await;
    text(&mut socket).await;
    assert_eq!(server.tail.sessions(), 2);
    drop((stream, socket));
    server.until_nobody_listens().await;
}

#[tokio::test]
async fn a_socket_tells_its_cursor_then_changes_and_says_goodbye() {
    let server = Server::start(Limits::default()).await;
    let mut socket = server.connect().await;
    assert_eq!(text(&mut socket).await, r#"{"cursor":0}"#);
    server.journal.append("ada", "posts", 1);
    assert_eq!(text(&mut socket).await, r#"{"seq":1,"author":"ada"}"#);
    socket.send(Message::text("what a client says is not listened to")).await.unwrap();
    server.stop.cancel();
    assert_eq!(text(&mut socket).await, r#"{"end":"stopping"}"#);
    let Message::Close(Some(close)) = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() else {
        panic!("no close")
    };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Away, "stopping"));
}

#[tokio::test]
async fn a_socket_with_an_expired_cursor_is_closed_with_that_reason() {
    let server = Server::start(Limits { ring_changes: 1, ..Limits::default() }).await;
    server.journal.append_many("ada", 5);
    server.journal.expire(Seq::new(3));
    let mut request = TcpStream::connect(server.at).await.unwrap();
    let upgrade = "GET /ws HTTP/1.1\r\nhost: x\r\nlast-event-id: 1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    request.write_all(upgrade.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(PATIENCE, request.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(r#"{"end":"expired","oldest":3}"#), "{text}");
    let code = ws::CLOSE_EXPIRED.to_be_bytes();
    assert!(bytes.windows(9).any(|w| w[..2] == code && &w[2..] == b"expired"), "{text}");
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_cut_off() {
    let server = Server::start(Limits { heartbeat: Duration::from_millis(50), ..Limits::default() }).await;
    // Not read from any more, the client's library answers nothing.
    let mut socket = server.connect().await;
    text(&mut socket).await;
    server.until_nobody_listens().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_costs_nothing_and_is_cut_off_in_the_end() {
    let limits = Limits {
        lag: 1_000,
        progress: 1_000,
        patience: Duration::from_millis(100),
        ring_changes: 100,
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let socket = server.connect().await;
    let gone = async {
        while server.tail.sessions() > 0 || server.tail.position() == Seq::START {
            server.journal.append_many("ada", 2_000);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    drop(socket);
}
