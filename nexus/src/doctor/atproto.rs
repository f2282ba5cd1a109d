//! What the sync service needs of the AT Protocol's network: relays whose firehose can be read, and the directory of
//! `did:plc`. Servers of accounts are nobody's configuration, and not asked.

use super::{Finding, PATIENCE};
use crate::settings::{Service, Settings};
use reqwest::{
    Client, StatusCode, Url,
    header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};

/// An account that the public directory knows: the protocol's own.
const KNOWN: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

/// Where relays send what happens.
const FIREHOSE: &str = "/xrpc/com.atproto.sync.subscribeRepos";

/// Asks each configured relay for its firehose, and the directory for a document.
pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let sync = &settings.sync;
    if !settings.services.contains(&Service::Sync) || sync.outbox_only.is_on() {
        return Vec::new();
    }
    // A WebSocket begins as HTTP/1.1.
    let client = match Client::builder().timeout(PATIENCE).http1_only().build() {
        Ok(client) => client,
        Err(error) => return vec![broken("TLS", &nexus_runtime::told(&error), "check the system's certificates")],
    };
    let mut findings = Vec::new();
    for relay in sync.relay_url.all() {
        findings.push(match firehose(&client, relay.as_str()).await {
            Ok(()) => Finding::Fine(format!("{relay} sends its firehose")),
            Err(why) => broken(relay.as_str(), &why, "check `sync.relay_url` and the network"),
        });
    }
    let plc = sync.plc_url.as_str();
    findings.push(match document(&client, plc).await {
        Ok(true) => Finding::Fine(format!("{plc} knows {KNOWN}")),
        Ok(false) => Finding::Doubtful(format!("{plc} answers and doesn't know {KNOWN}: is it a network of its own?")),
        Err(why) => broken(plc, &why, "check `sync.plc_url` and the network"),
    });
    findings
}

fn broken(what: &str, why: &str, fix: &str) -> Finding {
    let fix = format!("{fix}; who doesn't want the AT Protocol leaves `sync` out of `services`");
    Finding::Broken { what: format!("{what} can't be read: {why}"), fix }
}

/// Opens the firehose, and closes it with the connection.
async fn firehose(client: &Client, relay: &str) -> Result<(), String> {
    // Whatever path the relay was given with, as when it is followed.
    let url = Url::parse(relay).and_then(|relay| relay.join(FIREHOSE)).map_err(|error| error.to_string())?;
    let request = client
        .get(url)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        // The example of RFC 6455: nothing is read from this connection.
        .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
    match request.send().await.map_err(|error| nexus_runtime::told(&error))?.status() {
        StatusCode::SWITCHING_PROTOCOLS => Ok(()),
        status => Err(format!("it answers {status} where the firehose should be")),
    }
}

/// Whether the directory knows an account that every copy of the public one knows.
async fn document(client: &Client, plc: &str) -> Result<bool, String> {
    let answer = client.get(format!("{plc}/{KNOWN}")).send().await.map_err(|error| nexus_runtime::told(&error))?;
    match answer.status() {
        StatusCode::OK => {
            let text = answer.text().await.map_err(|error| nexus_runtime::told(&error))?;
            if text.contains(KNOWN) { Ok(true) } else { Err("what it answers is no DID document".to_owned()) }
        }
        StatusCode::NOT_FOUND => Ok(false),
        status => Err(format!("it answers {status}")),
    }
}
