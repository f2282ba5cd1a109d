//! Connections: slow ones, many ones, and those that are open when the server stops.

use crate::{Running, client, site};
use axum::{Router, routing::get};
use nexus_http::{ConnectionLimits, Server};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("the server closes the connection");
    text
}

#[tokio::test]
async fn who_never_finishes_a_request_head_is_cut() {
    let limits = ConnectionLimits { header_timeout_secs: 1, ..ConnectionLimits::default() };
    let port = Running::with(site(hello()), limits, None).await;
    let silent = TcpStream::connect(port.address).await.unwrap();
    let mut slow = TcpStream::connect(port.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    assert_eq!(rest(silent).await, "");
    assert!(!rest(slow).await.contains("hello"));
    assert_eq!(port.get("/").await.text().await.unwrap(), "hello", "others are served");
}

#[tokio::test]
async fn heads_beyond_the_limit_are_refused() {
    let limits = ConnectionLimits { max_header_bytes: 8192, ..ConnectionLimits::default() };
    let port = Running::with(site(hello()), limits, None).await;
    let request = client().get(&port.url).header("x-long", "x".repeat(10_000));
    assert_eq!(request.send().await.unwrap().status(), 431);
}

#[tokio::test]
async fn one_client_has_only_so_many_connections() {
    let limits = ConnectionLimits { max_connections_per_client: 1, ..ConnectionLimits::default() };
    let port = Running::with(site(hello()), limits, None).await;
    let mut first = TcpStream::connect(port.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    assert_eq!(rest(TcpStream::connect(port.address).await.unwrap()).await, "", "a second one is closed at once");
    drop(first);
    let served = async {
        while client().get(&port.url).send().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, served).await.expect("the place is free again");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let limits = ConnectionLimits { max_connections: 1, header_timeout_secs: 1, ..ConnectionLimits::default() };
    let port = Running::with(site(hello()), limits, None).await;
    let _silent = TcpStream::connect(port.address).await.unwrap();
    assert_eq!(port.get("/").await.text().await.unwrap(), "hello", "served once the silent one was cut");
}

#[tokio::test]
async fn a_stop_finishes_open_requests_and_takes_no_more() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = Router::new().route("/", {
        let (arrived, go) = (arrived.clone(), go.clone());
        get(move || async move {
            arrived.notify_one();
            go.notified().await;
            "finished"
        })
    });
    let port = Running::start(site(router)).await;
    let request = tokio::spawn(client().get(&port.url).send());
    arrived.notified().await;
    port.stop.cancel();
    let refused = async {
        while TcpStream::connect(port.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the port is closed");
    go.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "finished");
    timeout(PATIENCE, port.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_ends_even_if_a_request_does_not() {
    let arrived = Arc::new(Notify::new());
    let router = Router::new().route("/", {
        let arrived = arrived.clone();
        get(move || async move {
            arrived.notify_one();
            std::future::pending::<()>().await;
        })
    });
    let limits = ConnectionLimits { drain_secs: 0, ..ConnectionLimits::default() };
    let port = Running::with(site(router), limits, None).await;
    let request = tokio::spawn(client().get(&port.url).send());
    arrived.notified().await;
    port.stop.cancel();
    timeout(PATIENCE, port.ended).await.unwrap().unwrap().unwrap();
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let port = Running::start(site(hello())).await;
    let error = Server::bind(port.address, ConnectionLimits::default(), None).await.err().unwrap();
    assert_eq!(error.to_string(), format!("can't listen on {}", port.address));
}
