//! Clients that take nothing of what they are sent.

use crate::{Running, client, tls};
use axum::{Router, body::Body, http::Version, routing::get};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use nexus_http::{ConnectionLimits, Paths, Readiness, Site, TrustedProxies};
use nexus_runtime::Clock;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;

const PATIENCE: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_millis(300);

/// Tells when it is dropped.
struct Held(Arc<Notify>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// An answer that tells when nothing of it is held any more.
struct Page([u8; 3000], #[expect(dead_code, reason = "its drop is what counts")] Held);

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.0
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
    let told = gone.clone();
    let held = move || async move { Bytes::from_owner(Page([b'x'; 3000], Held(told))) };
    let quiet = || async {
        let words = stream::iter([Duration::ZERO, 4 * STALL]).then(|pause| async move {
            sleep(pause).await;
            Ok::<_, Infallible>("word")
        });
        Body::from_stream(words)
    };
    let router = Router::new().route("/endless", get(answer)).route("/page", get(held)).route("/quiet", get(quiet));
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

const DATA: u8 = 0;
const RESET: u8 = 3;

/// A client that writes its frames itself.
struct Framed {
    tls: TlsStream<TcpStream>,
    _port: Running,
}

impl Framed {
    /// Connects, with a window of this many bytes for each answer, and the widest for the connection.
    async fn connect(site: Site, window: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = tls::write(folder.path(), tls::ONE);
        let port = Running::with(site, ConnectionLimits::default(), Some(files)).await;
        let tls = tls::connect(port.address, &[b"h2"]).await;
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        let mut client = Self { tls, _port: port };
        client.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &settings)].concat()).await;
        client.widen(0, i32::MAX - 65_535).await;
        client
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.tls.write_all(bytes).await.unwrap();
    }

    /// Gives an answer, or with 0 the connection, more window.
    async fn widen(&mut self, stream: u8, bytes: i32) {
        self.send(&frame(8, 0, stream, &bytes.to_be_bytes())).await;
    }

    /// The next frame: its kind, its stream, and how many bytes it holds.
    async fn frame(&mut self) -> (u8, u8, usize) {
        let mut head = [0; 9];
        self.tls.read_exact(&mut head).await.expect("a frame");
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        self.tls.read_exact(&mut vec![0; length]).await.expect("its payload");
        (head[3], head[8], length)
    }

    /// How many bytes the next frame of an answer holds, which is not given up.
    async fn data(&mut self, of: u8) -> usize {
        let found = async {
            loop {
                match self.frame().await {
                    (DATA, stream, length) if stream == of => return length,
                    (kind, stream, _) => assert!(kind != RESET || stream != of, "the answer is given up"),
                }
            }
        };
        timeout(PATIENCE, found).await.expect("the frame comes")
    }

    /// The next answer that is given up.
    async fn given_up(&mut self) -> u8 {
        let found = async {
            loop {
                if let (RESET, stream, _) = self.frame().await {
                    return stream;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("an answer is given up")
    }
}

#[tokio::test]
async fn asking_another_service_on_the_same_connection_lends_no_patience() {
    let (site, gone) = endless_site(Some(STALL));
    // As much window as there can be: what stands against the answer is the connection, which nobody reads.
    let mut client = Framed::connect(site, i32::MAX).await;
    client.send(&[asking(1, "/endless"), asking(3, "/health")].concat()).await;
    timeout(PATIENCE, gone.notified()).await.expect("the answer is let go of");
}

#[tokio::test]
async fn an_answer_without_window_is_given_up_and_the_connection_goes_on() {
    for (path, window) in [("/endless", 0), ("/endless", 40_000), ("/page", 0), ("/page", 2_999)] {
        let (site, gone) = endless_site(Some(STALL));
        let mut client = Framed::connect(site, window).await;
        client.send(&asking(1, path)).await;
        timeout(PATIENCE, gone.notified()).await.expect("the answer is let go of");
        assert_eq!(client.given_up().await, 1);
        client.send(&asking(3, "/page")).await;
        client.widen(3, 4_000).await;
        while client.data(3).await > 0 {}
    }
}

#[tokio::test]
async fn of_many_answers_each_is_watched_by_itself() {
    let (site, _) = endless_site(Some(STALL));
    let mut client = Framed::connect(site, 0).await;
    client.send(&[1, 3, 5].map(|stream| asking(stream, "/page")).concat()).await;
    client.widen(3, 4_000).await;
    while client.data(3).await > 0 {}
    let mut given_up = [client.given_up().await, client.given_up().await];
    given_up.sort_unstable();
    assert_eq!(given_up, [1, 5]);
}

#[tokio::test]
async fn an_answer_whose_window_opens_now_and_then_is_served_on() {
    let (site, _) = endless_site(Some(STALL));
    let mut client = Framed::connect(site, 0).await;
    client.send(&asking(1, "/endless")).await;
    for _ in 0..8 {
        sleep(STALL / 2).await;
        client.widen(1, 16 << 10).await;
        assert_eq!(client.data(1).await, 16 << 10);
    }
}

#[tokio::test]
async fn an_answer_that_has_nothing_to_say_is_waited_for() {
    let (site, _) = endless_site(Some(STALL));
    let mut client = Framed::connect(site, 65_535).await;
    client.send(&asking(1, "/quiet")).await;
    assert_eq!((client.data(1).await, client.data(1).await), (4, 4));
    assert_eq!(client.data(1).await, 0, "the end");
}

#[tokio::test]
async fn where_the_service_does_not_mind_an_answer_waits_for_its_window() {
    let (site, gone) = endless_site(None);
    let mut client = Framed::connect(site, 0).await;
    client.send(&asking(1, "/page")).await;
    assert!(timeout(4 * STALL, gone.notified()).await.is_err(), "given up without a limit");
    client.widen(1, 4_000).await;
    assert_eq!(client.data(1).await, 3_000);
}

#[tokio::test]
async fn an_answer_of_many_pieces_is_whole_and_says_how_long_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = "0123456789abcdef".repeat(20_000);
    let router = Router::new().route(
        "/text",
        get({
            let text = text.clone();
            move || async { text }
        }),
    );
    let site = Site::new(Readiness::default(), TrustedProxies::default(), &Clock::system());
    let site = site.mount_impatient("test", &[Paths::Rest], router, STALL);
    let port = Running::with(site, ConnectionLimits::default(), Some(tls::write(folder.path(), tls::ONE))).await;
    let answer = port.get("/text").await;
    assert_eq!((answer.version(), answer.content_length()), (Version::HTTP_2, Some(320_000)));
    assert_eq!(answer.text().await.unwrap(), text);
    let head = client().head(format!("{}/text", port.url)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), &*head.text().await.unwrap()), (200, ""));
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
