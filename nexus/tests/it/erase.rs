//! What a source deletes leaves every file of the data directory.

use crate::{damage::write_much, program::Program};
use nexus_fake_homeserver::FakeHomeserver;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub(crate) const USER: &str = "8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo";
const POST: &str = "/pub/pubky.app/posts/0034A0X7NJ52A";
const FILE: &str = "/pub/pubky.app/files/0034A0X7Q1B20";

/// Words that stand nowhere else.
pub(crate) const WORD: &str = "quizzaciously";
pub(crate) const BYTES: &str = "flapdoodle in a file";
const BIO: &str = "gobbledygook of a person";

#[tokio::test]
async fn deleted_content_leaves_every_file() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let blob = write_everything(&homeserver);
    let often = ["--set", "social.search.compaction=1s", "--set", "social.scrub=1s"];
    let program = Program::following(directory.path(), &homeserver.url(), &often);
    program.until(&format!("/static/files/{USER}/0034A0X7Q1B20/main"), |_, text| text.contains(BYTES)).await;
    program.until(&format!("/v0/search/posts/by_content?q={WORD}"), |_, text| text.contains("0034A0X7NJ52A")).await;
    for text in [WORD, BYTES, BIO] {
        assert!(!files_with(directory.path(), text).is_empty(), "{text} is nowhere to begin with");
    }
    for path in [POST, FILE, blob.as_str(), "/pub/pubky.app/profile.json"] {
        homeserver.delete(USER, path);
    }
    program.until(&format!("/v0/post/{USER}/0034A0X7NJ52A"), |status, _| status == 404).await;
    program.until(&format!("/v0/search/posts/by_content?q={WORD}"), |_, text| text == "[]").await;
    let began = Instant::now();
    let mut left = vec![directory.path().to_owned()];
    while !left.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = [WORD, BYTES, BIO].iter().flat_map(|text| files_with(directory.path(), text)).collect();
    }
}

#[tokio::test]
async fn a_live_client_that_takes_nothing_keeps_nothing_from_being_erased() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let lines = write_much(&homeserver);
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.until_events(lines.len()).await;
    program.stop();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metrics = format!("server.metrics_bind=127.0.0.1:{port}");
    let program = Program::alone(directory.path(), &["--set", "social.api.stall=1s", "--set", &metrics]);
    // Everything lies behind the ring of a program that has just started: pages of the journal are read.
    let mut client = std::net::TcpStream::connect(program.url("").trim_start_matches("http://")).unwrap();
    client.write_all(b"GET /v0/live?cursor=0 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let told = |name: &'static str| async move {
        let text = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        value.unwrap_or_default()
    };
    let began = Instant::now();
    while told("http_stalled_total ").await == 0 || told("nexus_live_sessions ").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is still served");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(client);
    program.stop();
}

/// A profile, a post, and a file with its blob. Gives the blob's path.
pub(crate) fn write_everything(homeserver: &FakeHomeserver) -> String {
    use pubky_app_specs::{PubkyAppBlob, traits::HashId as _};
    let id = PubkyAppBlob(BYTES.into()).create_id();
    let blob = format!("/pub/pubky.app/blobs/{id}");
    let file = serde_json::json!({
        "name": "note.txt",
        "created_at": 1_790_000_000_000_000_i64,
        "src": format!("pubky://{USER}{blob}"),
        "content_type": "text/plain",
        "size": BYTES.len(),
    });
    homeserver.put(USER, "/pub/pubky.app/profile.json", format!(r#"{{"name":"Ada","bio":"{BIO}"}}"#));
    homeserver.put(USER, &blob, BYTES);
    homeserver.put(USER, FILE, file.to_string());
    homeserver.put(USER, POST, format!(r#"{{"content":"so {WORD}","kind":"short"}}"#));
    blob
}

/// Files below `directory` that hold `text`.
fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_with(&path, text) } else { holds(path, text) }).collect()
}

fn holds(path: PathBuf, text: &str) -> Vec<PathBuf> {
    let bytes = fs::read(&path).unwrap_or_default();
    let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
    found.then_some(path).into_iter().collect()
}
