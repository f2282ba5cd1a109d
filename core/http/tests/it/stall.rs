//! Clients that take nothing of what they are sent.

use crate::{Running, tls};
use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures_util::stream;
use nexus_http::{ConnectionLimits, Paths, Readiness, Site, TrustedProxies};
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
    let (site, gone) = endless_site(stall);
    (Running::start(site).await, gone)
}

fn endless_site(stall: Option<Duration>) -> (Site, Arc<Notify>) {
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
    (site, gone)
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

/// One frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The frame that asks for a path: `GET` and `https` by their index (RFC 7541, appendix A), two texts as they are.
fn asking(stream: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    let block = [&[0x82, 0x87, 0x01, 1, b'x', 0x04, length], path.as_bytes()].concat();
    frame(1, 0b101, stream, &block)
}

#[tokio::test]
async fn asking_another_service_on_the_same_connection_lends_no_patience() {
    let folder = tempfile::tempdir().unwrap();
    let (site, gone) = endless_site(Some(STALL));
    let files = tls::write(folder.path(), tls::ONE);
    let port = Running::with(site, ConnectionLimits::default(), Some(files)).await;
    let mut client = tls::connect(port.address, &[b"h2"]).await;
    // As much window as there can be: what stands against the answer is the connection, which nobody reads.
    let widest = [&[0, 4][..], &i32::MAX.to_be_bytes()].concat();
    let more = (i32::MAX - 65_535).to_be_bytes();
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &widest), frame(8, 0, 0, &more)];
    client.write_all(&[hello.concat(), asking(1, "/endless"), asking(3, "/health")].concat()).await.unwrap();
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
