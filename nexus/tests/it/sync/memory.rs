//! Memory of the real program while nobody takes what it has: whoever is away costs disk. In the end all of it arrives.

use super::{Client, add, start};
use crate::program::Program;
use axum::{Router, extract::State, http::StatusCode, routing::post};
use futures_util::{SinkExt as _, StreamExt as _};
use nexus_bench_sync::{Network, Server, Size};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_tungstenite::tungstenite::Message;

const RECORDS: usize = 2_000;

/// Bytes that the text of one event takes at least.
const TEXT: u64 = 850;

/// What the program may use at most.
const BOUND: u64 = 200 << 20;

/// What it may use more in the end than when half of the records were there: less than the texts that came since.
const GROWTH: u64 = 20 << 20;

/// Some 70 MB of events, or 340.
fn repos() -> usize {
    if std::env::var_os("NEXUS_LONG").is_some() { 200 } else { 40 }
}

/// Each account is introduced before its records.
fn events() -> usize {
    repos() * (RECORDS + 1)
}

/// What a channel may hold; the rest is for everything else that the program does.
const SMALL: &str = "sync.outbox_memory=1MiB";

fn begin(directory: &Path, server: &Server, more: &[&str]) -> Program {
    let names = format!("sync.name_hosts=[\".test=http://{}\"]", server.address());
    start(directory, server, &[&["--set", SMALL, "--set", &names], more].concat())
}

/// The most that the program used until `done` held.
async fn most_until(program: &Program, mut done: impl AsyncFnMut() -> bool) -> u64 {
    let mut most = program.anonymous_memory();
    while !done().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(program.anonymous_memory());
    }
    most.max(program.anonymous_memory())
}

/// A consumer that takes what it is given and says nothing.
async fn silent(program: &Program) -> tokio::task::JoinHandle<()> {
    let mut client = Client::connect(program).await;
    tokio::spawn(async move { while let Some(Ok(_)) = client.socket.next().await {} })
}

/// A place for a webhook, out of order: it counts who comes and sends everybody away.
async fn out_of_order() -> (String, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let answer = async |State(refused): State<Arc<AtomicUsize>>| {
        refused.fetch_add(1, Ordering::Relaxed);
        StatusCode::SERVICE_UNAVAILABLE
    };
    let router = Router::new().route("/hook", post(answer)).with_state(Arc::clone(&refused));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, refused)
}

fn id_of(event: &str) -> u64 {
    let number = event.strip_prefix("{\"id\":").and_then(|rest| rest.split_once(',')).unwrap().0;
    number.parse().unwrap()
}

/// Takes everything, and acknowledges four events at a time.
async fn take_all(program: &Program) -> BTreeSet<u64> {
    let (mut sink, mut stream) = Client::connect(program).await.socket.split();
    let (mut seen, mut settled) = (BTreeSet::new(), Vec::new());
    while seen.len() < events() {
        let message = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap().unwrap().unwrap();
        let id = id_of(message.to_text().unwrap());
        seen.insert(id);
        settled.push(id);
        if settled.len() == 4 {
            sink.send(Message::text(format!(r#"{{"type":"ack","ids":{settled:?}}}"#))).await.unwrap();
            settled.clear();
        }
    }
    sink.send(Message::text(format!(r#"{{"type":"ack","ids":{settled:?}}}"#))).await.unwrap();
    program.until("/stats/outbox-buffer", |_, text| text == r#"{"outbox_buffer":0}"#).await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_are_away_cost_no_memory_and_get_all_when_they_come() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let size = Size { repos: repos(), records: RECORDS, commits: 0, filler: 500, large: 0, seed: 11 };
    let network = Arc::new(tokio::task::spawn_blocking(move || Network::build(size).unwrap()).await.unwrap());
    let server = Server::start(Arc::clone(&network), 0).await.unwrap();
    let directory = tempfile::tempdir().unwrap();

    // One consumer that never acknowledges, while all of it arrives.
    let program = begin(directory.path(), &server, &[]);
    let silent = silent(&program).await;
    add(&program, &network).await;
    let durable = async || program.json("/stats/record-count").await["record_count"].as_u64().unwrap() as usize;
    let half = most_until(&program, async || durable().await >= repos() * RECORDS / 2).await;
    let most = most_until(&program, async || durable().await == repos() * RECORDS).await;
    assert!(most < BOUND.min(half + GROWTH), "with a silent consumer it took {} MiB, then {}", half >> 20, most >> 20);
    silent.abort();
    program.stop();
    let bytes = |name: &str| std::fs::metadata(directory.path().join("data").join(name)).map_or(0, |file| file.len());
    let stored = bytes("nexus.db") + bytes("nexus.db-wal");
    assert!(stored > events() as u64 * TEXT, "{stored} bytes prove nothing");

    // A webhook that takes nothing: all that may be under way is tried, and tried again.
    let (url, refused) = out_of_order().await;
    let program = begin(directory.path(), &server, &["--webhook-url", &url]);
    let most = most_until(&program, async || refused.load(Ordering::Relaxed) > 700).await;
    assert!(most < BOUND, "with a webhook that is out of order it took {} MiB", most >> 20);
    program.stop();

    // Nobody at all, and then somebody who takes everything.
    let program = begin(directory.path(), &server, &[]);
    program.until("/stats/outbox-buffer", |_, text| text == format!(r#"{{"outbox_buffer":{}}}"#, events())).await;
    let most = program.anonymous_memory();
    assert!(most < BOUND, "with nobody there it took {} MiB", most >> 20);
    let seen = take_all(&program).await;
    assert_eq!((seen.first().copied(), seen.last().copied()), (Some(1), Some(events() as u64)));
    program.stop();
}
