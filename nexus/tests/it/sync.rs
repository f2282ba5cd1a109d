//! The sync service in the real binary, on a synthetic network that was signed beforehand.

mod memory;

use crate::program::{Program, command, printed, run};
use futures_util::{SinkExt as _, StreamExt as _};
use nexus_bench_sync::{Network, Server, Size};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

const REPOS: usize = 12;
const RECORDS: usize = 40;
const COMMITS: usize = 120;

/// Accounts with records, and commits that are held back until they are released.
async fn network() -> (Arc<Network>, Server) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let size = Size { repos: REPOS, records: RECORDS, commits: COMMITS, filler: 10, large: 0, seed: 7 };
    let network = Arc::new(Network::build(size).unwrap());
    let server = Server::start(Arc::clone(&network), 0).await.unwrap();
    (network, server)
}

/// The sync service alone, that follows `server`.
fn start(directory: &Path, server: &Server, arguments: &[&str]) -> Program {
    let url = format!("http://{}", server.address());
    let (relay, plc) = (format!("--relay-url={url}"), format!("--plc-url={url}"));
    Program::start(directory, &[&["sync", "run", &relay, &plc], arguments].concat())
}

async fn add(program: &Program, network: &Network) {
    let dids: Vec<&str> = network.dids().collect();
    let added =
        reqwest::Client::new().post(program.url("/repos/add")).json(&json!({"dids": dids})).send().await.unwrap();
    assert_eq!(added.status(), 200);
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn connect(program: &Program) -> Self {
        let url = program.url("/channel").replacen("http", "ws", 1);
        Self { socket: connect_async(url).await.unwrap().0 }
    }

    async fn message(&mut self) -> Option<Message> {
        tokio::time::timeout(Duration::from_secs(30), self.socket.next()).await.unwrap()?.ok()
    }

    async fn event(&mut self) -> Value {
        serde_json::from_str(self.message().await.unwrap().to_text().unwrap()).unwrap()
    }

    async fn acknowledge(&mut self, event: &Value) {
        self.socket.send(Message::text(json!({"type": "ack", "id": event["id"]}).to_string())).await.unwrap();
    }
}

/// What a consumer that keeps everything has seen: the text of each id.
#[derive(Default)]
struct Seen(BTreeMap<u64, String>);

impl Seen {
    /// Notes an event. The same id always means the same.
    fn note(&mut self, event: &Value) {
        let (id, text) = (event["id"].as_u64().unwrap(), event.to_string());
        let before = self.0.insert(id, text.clone());
        assert!(before.is_none_or(|before| before == text), "the id {id} was used twice");
    }

    fn records(&self) -> usize {
        let events = self.0.values().map(|text| serde_json::from_str::<Value>(text).unwrap());
        let paths = events.filter(|event| event["type"] == "record").map(|event| {
            let record = &event["record"];
            format!("{} {} {} {}", record["did"], record["collection"], record["rkey"], record["rev"])
        });
        paths.collect::<BTreeSet<_>>().len()
    }
}

/// Takes and acknowledges some events, and cuts the power.
async fn cut(program: Program, seen: &mut Seen) {
    let mut client = Client::connect(&program).await;
    for _ in 0..60 {
        let event = client.event().await;
        seen.note(&event);
        client.acknowledge(&event).await;
    }
    program.kill();
}

#[tokio::test]
async fn sudden_ends_lose_nothing_and_no_id_is_used_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (network, server) = network().await;
    let mut seen = Seen::default();
    let program = start(directory.path(), &server, &[]);
    add(&program, &network).await;
    cut(program, &mut seen).await;
    cut(start(directory.path(), &server, &[]), &mut seen).await;
    // Repos are served as they were before the commits: those wait until no repo is fetched any more.
    let program = start(directory.path(), &server, &[]);
    for did in network.dids() {
        program.until(&format!("/info/{did}"), |_, text| text.contains(r#""state":"active""#)).await;
    }
    cut(program, &mut seen).await;
    for _ in 0..3 {
        let program = start(directory.path(), &server, &[]);
        // A relay that was never read is followed from its newest message on.
        program.ready().await;
        server.release(COMMITS / 4);
        program.until("/stats/cursors", |_, text| !text.contains(r#""firehose":0"#)).await;
        cut(program, &mut seen).await;
    }
    server.release(COMMITS);
    let program = start(directory.path(), &server, &[]);
    let mut client = Client::connect(&program).await;
    while seen.records() < REPOS * RECORDS + COMMITS {
        let event = client.event().await;
        seen.note(&event);
        client.acknowledge(&event).await;
    }
    program.until("/stats/outbox-buffer", |_, text| text == r#"{"outbox_buffer":0}"#).await;
    program.stop();
}

#[tokio::test]
async fn what_was_acknowledged_a_second_ago_never_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let (network, server) = network().await;
    let program = start(directory.path(), &server, &[]);
    add(&program, &network).await;
    let mut client = Client::connect(&program).await;
    let mut acknowledged = BTreeSet::new();
    for _ in 0..50 {
        let event = client.event().await;
        client.acknowledge(&event).await;
        acknowledged.insert(event["id"].as_u64().unwrap());
    }
    // The promise itself is about time.
    tokio::time::sleep(Duration::from_secs(1)).await;
    program.kill();
    let program = start(directory.path(), &server, &[]);
    let mut client = Client::connect(&program).await;
    for _ in 0..100 {
        let event = client.event().await;
        assert!(!acknowledged.contains(&event["id"].as_u64().unwrap()), "{event} came again");
        client.acknowledge(&event).await;
    }
    program.kill();
}

#[tokio::test]
async fn a_stop_breaks_the_line_without_a_goodbye() {
    let directory = tempfile::tempdir().unwrap();
    let (network, server) = network().await;
    let program = start(directory.path(), &server, &[]);
    add(&program, &network).await;
    let mut client = Client::connect(&program).await;
    client.event().await;
    program.stop();
    while let Some(message) = client.message().await {
        assert!(!matches!(message, Message::Close(_)), "a Close frame ends the official client for good");
    }
}

/// The program under the name of the service that it stands in for.
fn tap(directory: &Path) -> std::process::Command {
    let name = directory.join("tap");
    if !name.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nexus"), &name).unwrap();
    }
    let known = command(directory);
    let mut command = std::process::Command::new(name);
    command.current_dir(directory).env_clear().envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[tokio::test]
async fn it_runs_as_tap_by_environment_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = tap(directory.path());
    command.arg("run").env("TAP_BIND", "127.0.0.1:0").env("TAP_DATABASE_URL", "sqlite://./own/tap.db");
    let program = Program::spawn(command);
    assert_eq!(program.get("/health").await, (200, r#"{"status":"ok"}"#.into()));
    assert_eq!(program.get("/nowhere").await, (404, r#"{"message":"Not Found"}"#.into()));
    assert_eq!(program.get("/stats/cursors").await, (200, r#"{"firehose":0,"list_repos":""}"#.into()));
    assert_eq!(program.get("/resolve/nobody").await, (400, r#"{"message":"improperly formatted DID"}"#.into()));
    assert_eq!(program.get("/ready").await.0, 200, "no relay is followed for nobody");
    program.stop();
    assert!(directory.path().join("own/tap.db").exists() && !directory.path().join("data").exists());
}

#[tokio::test]
async fn a_file_of_variables_is_read_and_gives_way_to_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), "TAP_ADMIN_PASSWORD=x\nTAP_BIND=127.0.0.1:1\n").unwrap();
    let mut command = tap(directory.path());
    command.env("TAP_BIND", "127.0.0.1:0");
    let program = Program::spawn(command);
    assert_eq!(program.get("/health").await.0, 401);
    program.stop();
}

#[test]
fn what_tap_refuses_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (vec!["sync", "--bind", ":0"], "sync.admin_password"),
        (vec!["sync", "--full-network", "--no-replay=true"], "exclude each other"),
        (vec!["sync", "--db-url", "postgres://localhost/tap"], "PostgreSQL is not supported"),
        (vec!["sync", "--relay-url", "relay.example"], "http:// or https://"),
        (vec!["sync", "--disable-acks=perhaps"], "true or false"),
    ] {
        let refused = run(directory.path(), &arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(printed(&refused).contains(told), "{}", printed(&refused));
    }
}

#[tokio::test]
async fn a_database_of_tap_is_taken_over_and_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("tap.db");
    let tap = rusqlite::Connection::open(&old).unwrap();
    tap.execute_batch(include_str!("../data/tap.sql")).unwrap();
    drop(tap);
    let refused = run(directory.path(), ["sync", "--db-url", "sqlite://./tap.db", "--bind", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(printed(&refused).contains("import-tap"), "{}", printed(&refused));
    let taken = run(directory.path(), ["sync", "import-tap", "tap.db"]);
    assert_eq!(printed(&taken).trim(), "2 repos, 3 records and 2 events were taken over, 1 rows were left out");
    let program = Program::start(directory.path(), &["sync", "run", "--outbox-only"]);
    let info = program.json("/info/did:plc:ewvi7nxzyoun6zhxrhs64oiz").await;
    assert_eq!(
        (&info["state"], &info["handle"], &info["records"]),
        (&json!("active"), &json!("atproto.com"), &json!(3))
    );
    assert_eq!(program.json("/info/did:plc:z72i7hdynmk6r22z27h6tvur").await["state"], "desynchronized");
    let mut client = Client::connect(&program).await;
    let (first, second) = (client.event().await, client.event().await);
    assert_eq!((&first["id"], &first["record"]["rkey"]), (&json!(1), &json!("a")));
    assert_eq!((&second["id"], &second["type"]), (&json!(2), &json!("identity")));
    program.stop();
}
