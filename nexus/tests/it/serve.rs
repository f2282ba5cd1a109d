//! A homeserver's records appear in the API.

use crate::{
    network,
    program::{Program, command, printed, run},
};
use nexus_fake_homeserver::FakeHomeserver;
use serde_json::json;

#[tokio::test]
async fn a_homeservers_records_are_served() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let records = network::distinct(300, 10, 7);
    network::write(&homeserver, &records);
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.ready().await;
    assert_eq!(program.events().await, network::lines(&records));
    for user in network::users(&records) {
        let view = program.json(&format!("/v0/user/{user}")).await;
        assert_eq!(view["details"]["id"], json!(user));
    }
    assert!(!program.json("/v0/stream/posts?limit=5").await.as_array().unwrap().is_empty());
    assert_eq!(program.get("/health").await.0, 200);
}

#[tokio::test]
async fn what_is_written_later_appears_too() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.ready().await;
    let user = "8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo";
    homeserver.put(user, "/pub/pubky.app/profile.json", r#"{"name":"Ada"}"#);
    let view = program.until(&format!("/v0/user/{user}/details"), |status, _| status == 200).await;
    assert!(view.contains("Ada"), "{view}");
}

#[tokio::test]
async fn following_nobody_is_ready_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::alone(directory.path(), &[]);
    assert_eq!(program.get("/ready").await.0, 200);
    assert_eq!(program.get("/v0/nothing").await.0, 404);
    assert!(directory.path().join("data").is_dir());
}

#[tokio::test]
async fn it_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::alone(directory.path(), &[]);
    let info = program.json("/v0/info").await;
    let said = |name: &str| info[name].as_str().unwrap().to_owned();
    assert_eq!((said("name").as_str(), said("version").as_str()), ("nexus", env!("CARGO_PKG_VERSION")));
    assert!(said("homepage").starts_with("https://") && said("repository").starts_with("https://"), "{info}");
    let commit = said("commit_hash");
    let is_hash = commit.len() == 40 && commit.bytes().all(|digit| digit.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown" || std::env::var("NEXUS_COMMIT").is_ok(), "{commit}");
}

#[tokio::test]
async fn a_homeserver_that_is_away_keeps_it_alive_and_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::following(directory.path(), "http://127.0.0.1:9", &[]);
    assert_eq!(program.get("/health").await.0, 200);
    assert_eq!(program.get("/ready").await.0, 503);
}

#[tokio::test]
async fn metrics_are_served_where_they_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::alone(directory.path(), &["--set", &format!("server.metrics_bind=127.0.0.1:{port}")]);
    program.get("/v0/info").await;
    assert_eq!(program.get("/metrics").await.0, 404);
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("http_requests_total"), "{metrics}");
}

#[test]
fn away_from_terminals_logs_are_json_unless_text_is_asked_for() {
    for (format, is_json) in [("auto", true), ("json", true), ("text", false)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut start = command(directory.path());
        start.args(["--bind", "127.0.0.1:0", "--homeserver", "[]", "--set", &format!("server.log_format={format}")]);
        start.stderr(std::fs::File::create(&path).unwrap());
        Program::spawn(start).stop();
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.contains("stopped"), "{log}");
        let parses = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object());
        assert!(log.lines().all(|line| parses(line) == is_json), "{format}: {log}");
    }
}

#[tokio::test]
async fn one_process_uses_a_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::alone(directory.path(), &[]);
    let second = run(directory.path(), ["--bind", "127.0.0.1:0", "--homeserver", "[]"]);
    assert_eq!(second.status.code(), Some(3));
    assert!(printed(&second).contains("uses the data directory"), "{}", printed(&second));
    drop(program);
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(directory.path(), ["--bind", &address, "--homeserver", "[]"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains(&address), "{}", printed(&output));
}
