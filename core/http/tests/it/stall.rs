//! Clients that take nothing of what they are sent.

use crate::Running;
use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures_util::stream;
use nexus_http::{Paths, Readiness, Site, TrustedProxies};
use nexus_runtime::Clock;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_millis(300);

/// Tells when it is dropped.
struct Held(Arc<Notify>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A service whose answer never ends, and what is told when the answer is let go of.
async fn endless(stall: Option<Duration>) -> (Running, Arc<Notify>) {
    let gone = Arc::new(Notify::new());
    let told = gone.clone();
    let answer = move || async move {
        let chunks = stream::unfold(Held(told), |held| async {
            Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; 64 << 10])), held))
        });
        Body::from_stream(chunks)
    };
    let router = Router::new().route("/endless", get(answer));
    let site = Site::new(Readiness::default(), TrustedProxies::default(), &Clock::system());
    let site = match stall {
        Some(stall) => site.mount_impatient("test", &[Paths::Rest], router, stall),
        None => site.mount("test", &[Paths::Rest], router),
    };
    (Running::start(site).await, gone)
}

async fn ask(port: &Running) -> TcpStream {
    let mut client = TcpStream::connect(port.address).await.unwrap();
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    client
}

#[tokio::test]
async fn who_takes_nothing_is_cut_and_what_waited_is_gone() {
    let (port, gone) = endless(Some(STALL)).await;
    let client = ask(&port).await;
    timeout(PATIENCE, gone.notified()).await.expect("the answer is let go of");
    drop(client);
}

#[tokio::test]
async fn who_takes_a_little_now_and_then_is_served_on() {
    let (port, gone) = endless(Some(STALL)).await;
    let mut client = ask(&port).await;
    let mut chunk = vec![0; 8 << 20];
    for _ in 0..8 {
        sleep(STALL / 2).await;
        client.read_exact(&mut chunk).await.expect("served on");
    }
    drop(client);
    timeout(PATIENCE, gone.notified()).await.expect("the answer ends with its client");
}

#[tokio::test]
async fn where_the_service_does_not_mind_nobody_is_cut() {
    let (port, gone) = endless(None).await;
    let client = ask(&port).await;
    assert!(timeout(4 * STALL, gone.notified()).await.is_err(), "cut without a limit");
    drop(client);
}
