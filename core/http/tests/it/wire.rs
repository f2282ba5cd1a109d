//! What stands on the wire: requests that no client library would send, and connections that stay open.

use crate::{Running, builder, site};
use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use nexus_http::{ConnectionLimits, Layers, TrustedProxies};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
}

async fn start() -> Running {
    Running::start(site(Layers { body_limit: 10, ..Layers::default() }.apply(routes()))).await
}

/// Sends bytes as they are, and reads until the server closes.
async fn say(port: &Running, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn status(port: &Running, request: &str) -> String {
    say(port, request.as_bytes()).await.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Reads one answer of a known end from a connection that stays open.
async fn one_answer(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    let read = async {
        while !answer.ends_with(end) {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.unwrap();
            assert!(length > 0, "closed after {answer:?}");
            answer.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
    };
    timeout(PATIENCE, read).await.expect("an answer");
    answer
}

#[tokio::test]
async fn what_is_no_http_is_400_and_the_server_goes_on() {
    let port = start().await;
    for request in [
        "\0\0\0\0\r\n\r\n",
        "HELLO\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        assert_eq!(status(&port, request).await, "400", "{request:?}");
    }
    assert_eq!(port.get("/").await.text().await.unwrap(), "hello");
}

/// Two lengths are how requests are smuggled past a proxy: refused, not guessed at.
#[tokio::test]
async fn a_body_of_two_lengths_is_refused() {
    let port = start().await;
    let two =
        "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab";
    assert_eq!(status(&port, two).await, "400");
    let wrong = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: -1\r\n\r\nab";
    assert_eq!(status(&port, wrong).await, "400");
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_too() {
    let port = start().await;
    let chunked = |body: &str| {
        let head = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    assert!(say(&port, chunked("0123456789").as_bytes()).await.ends_with("\r\n\r\n10"));
    assert_eq!(status(&port, &chunked("0123456789a")).await, "413");
}

#[tokio::test]
async fn one_connection_carries_request_after_request() {
    let port = start().await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(one_answer(&mut stream, "hello").await.starts_with("HTTP/1.1 200 "));
    }
    let both = b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(both).await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest.matches("hello").count(), 2, "{rest}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_a_stop() {
    let port =
        Running::with(site(routes()), ConnectionLimits { drain_secs: 60, ..ConnectionLimits::default() }, None).await;
    let mut used = TcpStream::connect(port.address).await.unwrap();
    used.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    one_answer(&mut used, "hello").await;
    port.stop.cancel();
    timeout(PATIENCE, port.ended).await.expect("the stop does not wait for idle connections").unwrap().unwrap();
    assert_eq!(used.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_cut() {
    let limits = ConnectionLimits { header_timeout_secs: 1, ..ConnectionLimits::default() };
    let port = Running::with(site(routes()), limits, None).await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    one_answer(&mut stream, "hello").await;
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.expect("closed").unwrap_or(0), 0);
}

#[tokio::test]
async fn a_proxy_has_as_many_connections_as_it_likes() {
    let limits = ConnectionLimits { max_connections_per_client: 1, ..ConnectionLimits::default() };
    let proxies = TrustedProxies::new(vec!["127.0.0.1".parse().unwrap()]);
    let port = Running::with(crate::site_behind(routes(), proxies), limits, None).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        one_answer(&mut stream, "hello").await;
        open.push(stream);
    }
    assert_eq!(open.len(), 5);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_harms_nobody() {
    let router = routes().route("/large", get(|| async { "x".repeat(4 << 20) }));
    let port = Running::start(site(router)).await;
    let mut deaf = TcpStream::connect(port.address).await.unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut rude = TcpStream::connect(port.address).await.unwrap();
    rude.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(rude);
    assert_eq!(port.get("/").await.text().await.unwrap(), "hello");
    let whole = builder().no_gzip().build().unwrap().get(format!("{}/large", port.url)).send().await.unwrap();
    assert_eq!(whole.bytes().await.unwrap().len(), 4 << 20);
}
