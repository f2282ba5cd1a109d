//! What every measurement has: a served network, the service that reads it, and how long to wait for either.

use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite;

/// Whom to talk to.
#[derive(Debug, clap::Args)]
pub(crate) struct Setting {
    /// Where the network is served.
    #[arg(long, default_value = "http://127.0.0.1:2583")]
    pub(crate) network: String,
    /// The sync service, as host:port.
    #[arg(long, default_value = "127.0.0.1:2480")]
    pub(crate) service: String,
    /// Give up when nothing more comes for this long, in seconds.
    #[arg(long, default_value_t = 60)]
    pub(crate) patience: u64,
}

/// Why the measurement ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("an HTTP request failed: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the service can't be reached: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the channel broke: {0}")]
    Broken(#[from] tungstenite::Error),
    #[error("the channel closed after {0} events")]
    Closed(usize),
    #[error("nothing arrived for too long, after {0} events")]
    Silent(usize),
    #[error("nothing became durable for too long, after {0} records")]
    Stuck(u64),
    #[error("an event can't be read: {0}")]
    Event(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Listing {
    cursor: Option<String>,
    repos: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    did: String,
}

impl Setting {
    /// Every repo of the network.
    pub(crate) async fn every_did(&self, http: &reqwest::Client) -> Result<Vec<String>, Failure> {
        let mut dids = Vec::new();
        let mut cursor = String::from("0");
        loop {
            let url = format!("{}/xrpc/com.atproto.sync.listRepos?limit=1000&cursor={cursor}", self.network);
            let page: Listing = http.get(url).send().await?.error_for_status()?.json().await?;
            dids.extend(page.repos.into_iter().map(|repo| repo.did));
            match page.cursor {
                Some(next) => cursor = next,
                None => return Ok(dids),
            }
        }
    }

    /// Has the service track every repo.
    pub(crate) async fn add(&self, http: &reqwest::Client, dids: &[String]) -> Result<(), Failure> {
        for chunk in dids.chunks(1_000) {
            let url = format!("http://{}/repos/add", self.service);
            http.post(url).json(&json!({"dids": chunk})).send().await?.error_for_status()?;
        }
        Ok(())
    }
}
