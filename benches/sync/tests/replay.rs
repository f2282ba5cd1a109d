//! What the replayer serves is what the protocol demands: whole repos that verify, and commits that follow them.

use futures_util::StreamExt;
use nexus_bench_sync::{Network, Server, Size};
use shrike::{crypto::parse_did_key, repo::Repo};
use std::sync::Arc;

const SIZE: Size = Size { repos: 3, records: 20, commits: 60, filler: 10, large: 50, seed: 1 };

#[tokio::test]
async fn repos_verify_and_the_firehose_waits_for_its_release() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Arc::new(Network::build(SIZE).unwrap());
    let server = Server::start(network.clone(), 0).await.unwrap();
    let origin = format!("http://{}", server.address());
    for did in network.dids() {
        let document: serde_json::Value = reqwest::get(format!("{origin}/{did}")).await.unwrap().json().await.unwrap();
        let key = document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap();
        let key = parse_did_key(&format!("did:key:{key}")).unwrap();
        let url = format!("{origin}/xrpc/com.atproto.sync.getRepo?did={did}");
        let car = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        let repo = Repo::load_car(&car).unwrap();
        repo.head().unwrap().verify(&*key).unwrap();
        assert_eq!(repo.did().to_string(), did);
    }
    let url = format!("ws://{}/xrpc/com.atproto.sync.subscribeRepos?cursor=0", server.address());
    let (mut firehose, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    server.release(10);
    for _ in 0..10 {
        assert!(firehose.next().await.unwrap().unwrap().is_binary());
    }
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), firehose.next()).await;
    assert!(more.is_err(), "only what was released is sent");
    assert_eq!(network.commits(), 60);
}
