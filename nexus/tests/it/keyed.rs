//! The API by key, as the program serves it.

use crate::program::{Program, printed, run};
use pkarr::{Cache as _, InMemoryCache, Keypair, SignedPacket, dns::rdata::SVCB};
use std::{fs, net::TcpListener, num::NonZeroUsize, path::Path, sync::Arc};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(directory: &Path, port: u16) -> Program {
    Program::alone(directory, &["--set", &format!("social.keyed.bind=127.0.0.1:{port}")])
}

fn pair(directory: &Path) -> Keypair {
    Keypair::from_secret_key_file(&directory.join("data/secret")).unwrap()
}

/// Asks the holder of a key, who is at a port of this machine.
async fn ask(pair: &Keypair, port: u16, path: &str) -> reqwest::Result<String> {
    let mut service = SVCB::new(1, ".".try_into().unwrap());
    service.set_port(port);
    let records = SignedPacket::builder().https(".".try_into().unwrap(), service, 3600);
    let packet = records.address(".".try_into().unwrap(), [127, 0, 0, 1].into(), 3600).sign(pair).unwrap();
    let cache = Arc::new(InMemoryCache::new(NonZeroUsize::MIN));
    cache.put(&pair.public_key().into(), &packet);
    let mut builder = pkarr::Client::builder();
    builder.no_dht().relays(&["http://127.0.0.1:9"]).unwrap().cache(cache);
    let client = reqwest::ClientBuilder::from(builder.build().unwrap()).build()?;
    client.get(format!("https://{}{path}", pair.to_z32())).send().await?.text().await
}

#[tokio::test]
async fn the_same_api_is_served_by_key_and_the_key_stays() {
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let program = start(directory.path(), port);
    let own = pair(directory.path());
    assert_eq!(ask(&own, port, "/v0/stream/posts").await.unwrap(), program.get("/v0/stream/posts").await.1);
    let told = run(directory.path(), ["doctor", "--homeserver", "[]", "--set", "social.keyed.bind=127.0.0.1:0"]);
    assert!(printed(&told).contains(&format!("https://{}", own.to_z32())), "{}", printed(&told));
    assert!(ask(&Keypair::random(), port, "/v0/info").await.is_err(), "another key is not this server's");
    program.stop();
    let again = start(directory.path(), port);
    assert!(ask(&own, port, "/v0/info").await.is_ok(), "the key is kept");
    again.stop();
}

#[test]
fn a_file_that_is_no_key_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("data")).unwrap();
    fs::write(directory.path().join("data/secret"), "not a key").unwrap();
    let arguments = ["--bind", "127.0.0.1:0", "--homeserver", "[]", "--set", "social.keyed.bind=127.0.0.1:0"];
    let output = run(directory.path(), arguments);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("64 hexadecimal digits"), "{}", printed(&output));
    let told = run(directory.path(), ["doctor"].iter().chain(&arguments));
    assert_eq!(told.status.code(), Some(1));
    assert!(printed(&told).contains("64 hexadecimal digits"), "{}", printed(&told));
}

#[test]
fn publishing_without_a_listener_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), ["config", "check", "--set", "social.keyed.publish=true"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("`social.keyed.publish` needs `social.keyed.bind`"), "{}", printed(&output));
}
