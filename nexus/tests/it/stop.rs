//! Stopping: SIGTERM drains, a second one ends at once.

use crate::{network, program::Program};
use nexus_fake_homeserver::FakeHomeserver;
use std::io::{Read as _, Write as _};

#[tokio::test]
async fn a_stop_during_ingestion_loses_nothing() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let records = network::distinct(3_000, 30, 11);
    network::write(&homeserver, &records);
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.until_events(100).await;
    program.stop();
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.ready().await;
    assert_eq!(program.events().await, network::lines(&records));
}

#[tokio::test]
async fn open_live_sessions_are_told_to_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::alone(directory.path(), &[]);
    let mut live = reqwest::get(program.url("/v0/live")).await.unwrap();
    program.terminate();
    let mut told = String::new();
    while let Ok(Some(chunk)) = live.chunk().await {
        told.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(told.contains("stopping"), "{told:?}");
    assert_eq!(program.ended().code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let drain = ["--set", "server.drain=10m", "--set", "server.grace=10m", "--set", "server.header_timeout=10m"];
    let mut program = Program::alone(directory.path(), &drain);
    // A request that never ends keeps the drain waiting.
    let mut open = std::net::TcpStream::connect(program.url("").trim_start_matches("http://")).unwrap();
    open.write_all(b"POST /v0/stream/users/by_ids HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n").unwrap();
    let mut begun = [0; 12];
    open.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100");
    program.terminate();
    // The listener is closed once the first signal has been handled.
    while std::net::TcpStream::connect(program.url("").trim_start_matches("http://")).is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!program.has_ended());
    program.terminate();
    assert_eq!(program.ended().code(), Some(128 + 15));
}
