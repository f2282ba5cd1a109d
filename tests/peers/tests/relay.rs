//! Against clients that speak Nostr in other languages: nostr-tools in JavaScript, nostr-sdk in Python. Each does
//! in one process what an app does, step by step, over the real program.

use anyhow::{Result, ensure};
use nexus_peers::{
    Nexus,
    packages::{self, Missing},
};
use std::{path::Path, time::Duration};
use tokio::process::Command;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A relay as most people run it.
const OPEN: &str = "services = [\"relay\"]\n[relay]\nurl = \"ws://127.0.0.1\"\n";
/// The file of the first Nexus relay, by its own keys, for a relay that asks everybody who they are.
const PRIVATE: &str = "[server]\nbind = \"127.0.0.1:0\"\nrelay_url = \"ws://127.0.0.1\"\n\
    [storage]\ntype = \"sqlite\"\npath = \"PATH\"\n\
    [cache]\ntype = \"memory\"\nmax_events = 10000\nttl_secs = 300\n\
    [auth]\nrequired = true\n";

/// Starts the program with a configuration file, in a folder of its own.
fn start(folder: &Path, config: &str) -> Result<Nexus> {
    let file = folder.join("nexus.toml");
    std::fs::write(&file, config.replace("PATH", &folder.join("events.db").to_string_lossy()))?;
    Ok(Nexus::start(&folder.join("data"), &["--config".to_owned(), file.to_string_lossy().into_owned()])?)
}

/// Lets a client do its steps, one after the other, against a relay.
async fn play(client: &Client, nexus: &Nexus, steps: &[&str]) -> Result<()> {
    let url = nexus.url("/").replace("http://", "ws://");
    for step in steps {
        let mut command = client.command();
        let output = tokio::time::timeout(PATIENCE, command.args([&url, *step]).kill_on_drop(true).output()).await??;
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(said.trim() == format!("passed {step}"), "{} {step}:\n{said}{complained}", client.name);
        println!("{}: {}", client.name, said.trim());
    }
    Ok(())
}

/// A client that can be run.
struct Client {
    name: &'static str,
    program: &'static str,
    script: std::path::PathBuf,
    modules: std::path::PathBuf,
}

impl Client {
    async fn nostr_tools() -> Result<Self, Missing> {
        let modules = packages::npm(&["nostr-tools@2.25.2", "ws@8"]).await?;
        // A script of Node finds packages beside itself.
        let script = modules.join("nostr-tools.mjs");
        std::fs::copy(source("nostr-tools.mjs"), &script).map_err(|error| Missing(error.to_string()))?;
        Ok(Self { name: "nostr-tools", program: "node", script, modules })
    }

    async fn nostr_sdk() -> Result<Self, Missing> {
        let modules = packages::pip(&["nostr-sdk==0.45.0"]).await?;
        Ok(Self { name: "nostr-sdk", program: "python3", script: source("rust-nostr.py"), modules })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.arg(&self.script).env("PYTHONPATH", &self.modules);
        command
    }
}

fn source(script: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("relay").join(script)
}

/// The client, or `None` after it was said aloud why there is none.
fn or_skip(client: Result<Client, Missing>, name: &str) -> Option<Client> {
    client.inspect_err(|Missing(reason)| println!("\nSKIPPED tests/peers/relay, {name}: {reason}")).ok()
}

#[tokio::test]
async fn nostr_tools_finds_a_relay() -> Result<()> {
    let Some(client) = or_skip(Client::nostr_tools().await, "nostr-tools") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let steps = ["information", "publish", "subscribe", "replaceable", "deletion", "count", "auth", "sync", "job"];
    play(&client, &start(folder.path(), OPEN)?, &steps).await?;
    let folder = tempfile::tempdir()?;
    play(&client, &start(folder.path(), PRIVATE)?, &["private"]).await
}

#[tokio::test]
async fn nostr_sdk_finds_a_relay() -> Result<()> {
    let Some(client) = or_skip(Client::nostr_sdk().await, "nostr-sdk") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let steps = ["publish", "subscribe", "replaceable", "deletion", "auth", "sync", "job"];
    play(&client, &start(folder.path(), OPEN)?, &steps).await?;
    let folder = tempfile::tempdir()?;
    play(&client, &start(folder.path(), PRIVATE)?, &["private"]).await
}
