//! The relay as the program runs it: with the configuration of the first Nexus relay, beside other services, and
//! through sudden ends.

use crate::program::{Program, printed, run};
use futures_util::{SinkExt, StreamExt};
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use std::{collections::HashSet, fs, path::Path, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the relay.
pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn connect(program: &Program) -> Self {
        let url = program.url("/").replacen("http", "ws", 1);
        Self(connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn send(&mut self, text: String) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text, or `None` when the relay is gone.
    pub(crate) async fn read(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Sends a message and gives the answer to it.
    pub(crate) async fn told(&mut self, text: String) -> String {
        self.send(text).await;
        self.read().await.unwrap()
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes([7; 32]).unwrap()
}

/// Events of a kind that is kept for ever, each another.
pub(crate) fn note(number: usize) -> Event {
    key().sign(Kind::new(1), Seconds::new(1_700_000_000 + number as i64), Tags::default(), format!("note {number}"))
}

pub(crate) fn publish(event: &Event) -> String {
    format!(r#"["EVENT",{}]"#, event.to_json())
}

/// The file of the first Nexus relay, letter by letter, but for where it listens and keeps its data.
const SEED: &str = r#"
[server]
bind = "127.0.0.1:0"
relay_url = "wss://nexus.example.com"

[storage]
type = "sqlite"
path = "./data/nexus.db"

[cache]
type = "memory"
max_events = 10000
ttl_secs = 300

[auth]
required = true
"#;

#[tokio::test]
async fn the_file_of_the_first_relay_is_valid_and_means_the_relay_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("relay.toml"), SEED).unwrap();
    let mut command = crate::program::command(directory.path());
    command.args(["--config", "relay.toml"]);
    let program = Program::spawn(command);
    let mut client = Client::connect(&program).await;
    let challenge: Vec<String> = serde_json::from_str(&client.read().await.unwrap()).unwrap();
    assert_eq!(challenge[0], "AUTH");
    let refused = client.told(publish(&note(1))).await;
    assert!(refused.contains("auth-required: "), "{refused}");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let tags = Tags::new([["relay", "wss://nexus.example.com"], ["challenge", &challenge[1]]]);
    let proof = key().sign(Kind::new(22_242), Seconds::new(now as i64), tags, "");
    let answer = client.told(format!(r#"["AUTH",{}]"#, proof.to_json())).await;
    assert_eq!(answer, format!(r#"["OK","{}",true,""]"#, proof.id));
    assert_eq!(client.told(publish(&note(1))).await, format!(r#"["OK","{}",true,""]"#, note(1).id));
    assert_eq!(program.json("/").await["limitation"]["auth_required"], true);
    assert_eq!(program.get("/v0/info").await.0, 404, "no other service runs");
    assert!(directory.path().join("data/nexus.db").exists());
    program.stop();
}

#[tokio::test]
async fn it_shares_a_port_with_other_services_or_has_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::alone(directory.path(), &[]);
    assert_eq!(program.get("/v0/info").await.0, 200);
    assert_eq!(program.json("/").await["name"], "Nexus");
    let mut client = Client::connect(&program).await;
    let answer = client.told(r#"["REQ","all",{}]"#.to_owned()).await;
    assert_eq!(answer, r#"["EOSE","all",["finish"]]"#);
    program.stop();
    assert_eq!(client.read().await.unwrap(), r#"["CLOSED","all","error: shutting down"]"#);
    let own = Program::start(directory.path(), &["relay", "--set", "relay.url=wss://relay.example.com"]);
    assert_eq!(own.get("/v0/info").await.0, 404);
    assert!(own.get("/api/v1/jobs").await.1.contains("\"jobs\""));
    own.stop();
}

#[test]
fn two_spellings_of_one_key_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("nexus.toml"), "[auth]\nrequired = true\n[relay.auth]\nrequired = false\n")
        .unwrap();
    let checked = run(directory.path(), ["config", "check"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(printed(&checked).contains("relay.auth.required"), "{}", printed(&checked));
}

#[tokio::test]
async fn a_running_relay_is_backed_up_and_checked_and_the_copy_serves() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start(directory.path(), &["relay"]);
    let mut client = Client::connect(&program).await;
    for number in 0..20 {
        assert!(client.told(publish(&note(number))).await.contains("true"));
    }
    let copied = run(directory.path(), ["db", "backup", "--service", "relay", "copy"]);
    assert!(copied.status.success(), "{}", printed(&copied));
    program.stop();
    for data in ["data", "copy"] {
        let checked = run(directory.path(), ["db", "check", "--service", "relay", "--data-dir", data]);
        assert!(printed(&checked).contains("\nnothing is wrong with it\n"), "{}", printed(&checked));
    }
    let program = Program::start(directory.path(), &["relay", "--data-dir", "copy"]);
    let mut client = Client::connect(&program).await;
    assert_eq!(client.told(r#"["COUNT","c",{}]"#.to_owned()).await, r#"["COUNT","c",{"count":20}]"#);
    program.stop();
    let cleared = run(directory.path(), ["db", "clear", "--service", "relay", "--yes"]);
    assert!(cleared.status.success(), "{}", printed(&cleared));
    assert!(!directory.path().join("data/relay.sqlite").exists());
    assert!(!directory.path().join("data/relay.sqlite-index").exists());
}

#[tokio::test]
async fn what_it_does_and_has_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let job = key().sign(Kind::new(5_050), Seconds::new(1_700_000_000), Tags::default(), "");
    let program = Program::start(directory.path(), &["relay"]);
    assert!(Client::connect(&program).await.told(publish(&job)).await.contains("true"));
    program.stop();
    let metrics = format!("server.metrics_bind=127.0.0.1:{port}");
    let program = Program::start(directory.path(), &["relay", "--set", &metrics]);
    let mut client = Client::connect(&program).await;
    assert!(client.told(r#"["REQ","jobs",{"kinds":[5050]}]"#.to_owned()).await.contains("EVENT"));
    let wanted = ["nexus_db_bytes ", r#"nexus_jobs{state="open",kind="5050"} 1"#, "nexus_query_rows_scanned_count "];
    let measured =
        async || reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    let mut text = measured().await;
    let since = std::time::Instant::now();
    while !wanted.iter().all(|name| text.contains(name)) {
        assert!(since.elapsed() < PATIENCE, "{wanted:?} in {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        text = measured().await;
    }
    let bytes = text.lines().find_map(|line| line.strip_prefix("nexus_db_bytes ")).unwrap();
    assert!(bytes.parse::<f64>().unwrap() > 4_096.0, "{bytes}");
    program.stop();
}

/// How often the power is cut: more often when there is time.
fn cuts() -> usize {
    if std::env::var_os("NEXUS_LONG").is_some() { 50 } else { 3 }
}

/// Events that may wait for their answers at once.
const IN_FLIGHT: usize = 100;

#[tokio::test]
async fn every_event_that_was_answered_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let (mut sent, mut answered) = (0, HashSet::new());
    for round in 0..cuts() {
        let program = Program::start(directory.path(), &["relay"]);
        let mut client = Client::connect(&program).await;
        let until = answered.len() + 150 + round * 37 % 300;
        for _ in 0..IN_FLIGHT {
            client.send(publish(&note(sent))).await;
            sent += 1;
        }
        while answered.len() < until {
            take(&client.read().await.unwrap(), &mut answered);
            client.send(publish(&note(sent))).await;
            sent += 1;
        }
        program.kill();
        // What was answered before the cut counts, whenever it is read.
        while let Some(answer) = client.read().await {
            take(&answer, &mut answered);
        }
        check(directory.path(), sent, &answered).await;
    }
}

fn take(answer: &str, answered: &mut HashSet<String>) {
    let answer: (String, String, bool, String) = serde_json::from_str(answer).unwrap();
    assert!(answer.2, "{answer:?}");
    answered.insert(answer.1);
}

/// Everything that was answered is found by its id, by its author and by its kind, and nothing else is there.
async fn check(directory: &Path, sent: usize, answered: &HashSet<String>) {
    let checked = run(directory, ["db", "check", "--service", "relay"]);
    assert!(checked.status.success(), "{}", printed(&checked));
    let program = Program::start(directory, &["relay", "--set", "relay.limits.limit=1000000"]);
    let mut client = Client::connect(&program).await;
    let all: HashSet<String> = (0..sent).map(|number| note(number).id.to_string()).collect();
    let author = key().public_key();
    for filter in
        [r#"{"kinds":[1],"limit":1000000}"#.to_owned(), format!(r#"{{"authors":["{author}"],"limit":1000000}}"#)]
    {
        let found = found(&mut client, &filter).await;
        assert!(answered.is_subset(&found), "{} of {} are gone", answered.difference(&found).count(), answered.len());
        assert!(found.is_subset(&all), "something else is there");
    }
    for ids in answered.iter().collect::<Vec<_>>().chunks(500) {
        let found = found(&mut client, &format!(r#"{{"ids":{}}}"#, serde_json::json!(ids))).await;
        assert_eq!(found.len(), ids.len());
    }
    // A client that is there and doesn't answer would be waited for.
    drop(client);
    program.stop();
}

/// The ids of the stored events that match a filter.
async fn found(client: &mut Client, filter: &str) -> HashSet<String> {
    client.send(format!(r#"["REQ","s",{filter}]"#)).await;
    let mut ids = HashSet::new();
    loop {
        let frame: serde_json::Value = serde_json::from_str(&client.read().await.unwrap()).unwrap();
        match frame[0].as_str() {
            Some("EVENT") => assert!(ids.insert(frame[2]["id"].as_str().unwrap().to_owned()), "twice"),
            Some("EOSE") => break,
            _ => panic!("{frame}"),
        }
    }
    client.send(r#"["CLOSE","s"]"#.to_owned()).await;
    ids
}
