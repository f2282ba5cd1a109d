//! Against `tapped`, the client of Tap for Rust: it starts the program under the name `tap`, by environment variables
//! alone, and reads a repo that a real PDS wrote. What its own tests ask for is asked for here, without the network.

use anyhow::{Context, Result, ensure};
use nexus_peers::nexus_binary;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tapped::{Event, RecordAction, RepoState, TapConfig, TapProcess};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was recorded of one account, on a real PDS.
fn recorded(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../networks/atproto/tests/fixtures/recorded/session-a");
    folder.join(name)
}

/// The account: its document, its repo, and what is in it.
struct Alice {
    did: String,
    document: Value,
    car: Vec<u8>,
    records: BTreeMap<String, Value>,
}

impl Alice {
    fn load() -> Result<Self> {
        let json = |name| anyhow::Ok(serde_json::from_slice::<Value>(&std::fs::read(recorded(name))?)?);
        let listed = json("alice-end.records.json")?;
        let records = listed["records"].as_array().context("a list of records")?.iter();
        Ok(Self {
            did: listed["did"].as_str().context("a DID")?.to_owned(),
            document: json("alice-end.did.json")?,
            car: std::fs::read(recorded("alice-end.car"))?,
            records: records.map(|record| (text(&record["path"]), record.clone())).collect(),
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A directory and a PDS on one port, with one account. Gives the base URL.
async fn town(alice: &Alice) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut document = alice.document.clone();
    document["service"][0]["serviceEndpoint"] = Value::from(url.as_str());
    // Nobody owns that domain, so that nobody is asked for the name.
    document["alsoKnownAs"] = serde_json::json!(["at://alice.invalid"]);
    let answers = [
        (format!("GET /{} ", alice.did), document.to_string().into_bytes()),
        (format!("GET /xrpc/com.atproto.sync.getRepo?did={} ", alice.did), alice.car.clone()),
    ];
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { answer(stream, &*answers).await });
        }
    });
    Ok(url)
}

async fn answer(mut stream: TcpStream, answers: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await? > 0 {}
    let found = answers.iter().find(|(start, _)| head.starts_with(start.as_bytes()));
    let (status, body) = found.map_or(("404 Not Found", &[][..]), |(_, body)| ("200 OK", body));
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

/// The program under the name by which `tapped` knows it, and its configuration, in a folder of their own.
struct Deployment {
    folder: TempDir,
    config: tapped::TapConfigBuilder,
}

impl Deployment {
    fn new(network: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::os::unix::fs::symlink(std::fs::canonicalize(nexus_binary())?, folder.path().join("tap"))?;
        // `tapped` has to know the port beforehand.
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = TapConfig::builder()
            .database_url(format!("sqlite://{}", folder.path().join("tap.db").display()))
            .bind(free.to_string())
            .plc_url(network.parse()?)
            .relay_url(network.parse()?)
            .startup_timeout(PATIENCE)
            .shutdown_timeout(PATIENCE);
        Ok(Self { folder, config })
    }

    async fn start(&self) -> Result<TapProcess> {
        Ok(TapProcess::spawn(self.folder.path().join("tap"), self.config.clone().build()).await?)
    }
}

#[tokio::test]
async fn it_starts_answers_and_stops() -> Result<()> {
    let deployment = Deployment::new("http://127.0.0.1:9")?;
    let mut tap = deployment.start().await?;
    ensure!(tap.is_running(), "it doesn't run");
    let client = tap.client()?;
    client.health().await?;
    ensure!(client.repo_count().await? == 0 && client.record_count().await? == 0, "something is there");
    ensure!(client.outbox_buffer().await? == 0 && client.resync_buffer().await? == 0, "something waits");
    ensure!(client.cursors().await?.firehose == Some(0), "a relay was read");
    drop(client.channel().await?);
    tap.shutdown().await?;
    ensure!(!tap.is_running(), "it still runs");
    Ok(())
}

#[tokio::test]
async fn repos_are_added_looked_up_and_removed() -> Result<()> {
    let alice = Alice::load()?;
    let deployment = Deployment::new(&town(&alice).await?)?;
    let mut tap = deployment.start().await?;
    let client = tap.client()?;
    client.add_repos(&[&alice.did]).await.context("adding")?;
    ensure!(client.repo_count().await? == 1, "one was added");
    ensure!(client.repo_info(&alice.did).await.context("asking for a repo")?.did == alice.did, "another's row");
    let document = client.resolve_did(&alice.did).await.context("resolving")?;
    ensure!(document.id == alice.did && document.also_known_as == ["at://alice.invalid"], "another's document");
    ensure!(document.service.len() == 1 && !document.verification_method.is_empty(), "half of a document");
    client.remove_repos(&[&alice.did]).await.context("removing")?;
    ensure!(client.repo_count().await? == 0, "one was removed");
    Ok(tap.shutdown().await?)
}

#[tokio::test]
async fn a_repo_arrives_whole_and_is_settled_by_its_acknowledgements() -> Result<()> {
    let alice = Alice::load()?;
    let mut deployment = Deployment::new(&town(&alice).await?)?;
    deployment.config = deployment.config.collection_filters(vec!["app.bsky.*".to_owned(), "com.*".to_owned()]);
    let mut tap = deployment.start().await?;
    let client = tap.client()?;
    client.add_repos(&[&alice.did]).await?;
    let wanted = |path: &&String| path.starts_with("app.bsky.") || path.starts_with("com.");
    let expected = alice.records.keys().filter(wanted).count();
    ensure!(expected > 0, "nothing was recorded");
    let mut channel = client.channel().await?;
    let (mut seen, mut handle) = (0, None);
    while seen < expected {
        let event = tokio::time::timeout(PATIENCE, channel.recv()).await??;
        match &event.event {
            Event::Identity(identity) => handle = Some(identity.handle.clone()),
            Event::Record(record) => {
                let path = format!("{}/{}", record.collection, record.rkey);
                let known = alice.records.get(&path).with_context(|| format!("{path} was never written"))?;
                ensure!(record.cid.as_deref() == known["cid"].as_str(), "{path} has another CID");
                ensure!(record.deserialize_as::<Value>()? == known["value"], "{path} says something else");
                ensure!(record.action == RecordAction::Create && !record.live, "{path} is no history");
                seen += 1;
            }
            _ => anyhow::bail!("an event that nobody knows"),
        }
    }
    ensure!(handle.as_deref() == Some("handle.invalid"), "the account was introduced as {handle:?}");
    let settled = async {
        while client.outbox_buffer().await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tapped::Result::Ok(())
    };
    tokio::time::timeout(PATIENCE, settled).await??;
    let info = client.repo_info(&alice.did).await?;
    ensure!(info.state == RepoState::Active && info.records == expected as u64, "{info:?}");
    Ok(tap.shutdown().await?)
}
