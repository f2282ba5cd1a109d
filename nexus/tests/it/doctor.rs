//! `nexus doctor`.

use crate::program::{Program, printed, run};
use nexus_bench_sync::{Network, Server, Size};
use nexus_fake_homeserver::FakeHomeserver;
use std::{fs, path::Path, process::Output, sync::Arc};

/// Runs the doctor for the social service alone.
fn social(directory: &Path, arguments: &[&str]) -> Output {
    run(directory, ["doctor", "--set", "services=['social']"].iter().chain(arguments))
}

/// Runs the doctor for the sync service alone.
fn sync(directory: &Path, relay: &str, plc: &str) -> Output {
    let services = ["doctor", "--set", "services=['sync']", "--bind", "127.0.0.1:0"];
    let settings = ["--homeserver", "[]", "--relay-url", relay, "--plc-url", plc];
    run(directory, services.iter().chain(&settings))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_deployment_is_found_good() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    fs::create_dir(directory.path().join("data")).unwrap();
    let url = homeserver.url();
    let told = social(directory.path(), &["--bind", "127.0.0.1:0", "--homeserver", &url]);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    assert!(printed(&told).contains(&format!("{url} answers")), "{}", printed(&told));
}

#[tokio::test]
async fn what_is_broken_is_told_with_the_way_to_mend_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data"), "a file where the directory should be").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = social(directory.path(), &["--bind", &address, "--homeserver", "http://127.0.0.1:9"]);
    assert_eq!(told.status.code(), Some(1));
    let told = printed(&told);
    assert_eq!(told.matches("broken   ").count(), 3, "{told}");
    assert_eq!(told.matches("to fix: ").count(), 3, "{told}");
    assert!(told.contains(&address) && told.contains("http://127.0.0.1:9"), "{told}");
}

#[tokio::test]
async fn missing_certificates_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let tls = ["--set", "tls.cert=missing.pem", "--set", "tls.key=missing.key", "--homeserver", "[]"];
    let told = social(directory.path(), &[&["--bind", "127.0.0.1:0"], &tls[..]].concat());
    assert_eq!(told.status.code(), Some(1));
    assert!(printed(&told).contains("missing.pem"), "{}", printed(&told));
}

#[tokio::test]
async fn a_running_nexus_is_no_trouble() {
    let directory = tempfile::tempdir().unwrap();
    let _program = Program::alone(directory.path(), &[]);
    let told = social(directory.path(), &["--homeserver", "[]"]);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    assert!(printed(&told).contains("Nexus is running"), "{}", printed(&told));
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_and_the_directory_are_asked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let size = Size { repos: 1, records: 1, commits: 0, filler: 1, large: 0, seed: 1 };
    let server = Server::start(Arc::new(Network::build(size).unwrap()), 0).await.unwrap();
    let (directory, url) = (tempfile::tempdir().unwrap(), format!("http://{}", server.address()));
    let told = sync(directory.path(), &url, &url);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    assert!(printed(&told).contains(&format!("{url} sends its firehose")), "{}", printed(&told));
    assert!(printed(&told).contains(&format!("warning  {url} answers and doesn't know")), "{}", printed(&told));
    let (nobody, other) = ("http://127.0.0.1:9", FakeHomeserver::start().await.unwrap());
    let told = sync(directory.path(), &format!("{url}/any/path,{nobody},{}", other.url()), nobody);
    assert_eq!(told.status.code(), Some(1), "{}", printed(&told));
    let told = printed(&told);
    assert_eq!(told.matches("broken   http").count(), 3, "{told}");
    assert!(told.contains("400 Bad Request where the firehose should be"), "{told}");
    assert!(told.contains("sync.relay_url") && told.contains("sync.plc_url"), "{told}");
}
