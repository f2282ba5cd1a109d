//! Fetching repos anew: asked for over HTTP, and by itself when the settings have changed.

use crate::service::{ACKNOWLEDGED, Service};
use nexus_atproto::{Cid, Did};
use nexus_model::Timestamp;
use nexus_runtime::CancellationToken;
use nexus_sync::effects::{Effects, FORGOTTEN, IndexChange, RowChange};
use nexus_sync::repo::{Head, Origin, Repo, State};
use nexus_sync::rules::{Collections, Rules};
use nexus_sync_server::api::{Health, Password};
use nexus_sync_server::refetch::follow_settings;
use serde_json::{Value, json};
use std::sync::Arc;

async fn service() -> Service {
    let service = Service::start(Password::new(None, Health::Guarded), ACKNOWLEDGED).await;
    for (name, origin) in [("a", Origin::Asked), ("b", Origin::Asked), ("found", Origin::Found)] {
        let head = Some(Head { rev: "3jqfcqzm3fo2j".parse().unwrap(), data: Cid::of_cbor(b"tree") });
        let repo = Repo { state: State::Active, head, ..Repo::new(did(name), origin) };
        let records = vec![IndexChange { path: "app.x.post/1".parse().unwrap(), cid: Some(Cid::of_cbor(b"1")) }];
        let effects = Effects { repo: RowChange::Put(Box::new(repo)), records, ..Effects::default() };
        let mut transaction = service.store.begin().unwrap();
        transaction.apply(&did(name), &effects, Timestamp::from_millis(0)).unwrap();
        transaction.commit().unwrap();
    }
    service
}

fn did(name: &str) -> Did {
    format!("did:plc:{name}").parse().unwrap()
}

fn state(service: &Service, name: &str) -> Option<State> {
    service.store.repo(&did(name)).unwrap().map(|repo| repo.state)
}

fn known(service: &Service, name: &str) -> Cid {
    let repo = service.store.repo(&did(name)).unwrap().unwrap();
    service.store.records(repo.id, "app.x.post", "", 10).unwrap()[0].1
}

async fn resync(service: &Service, body: Value) -> (u16, String) {
    let asked = reqwest::Client::new().post(service.url("/repos/resync")).json(&body).send().await.unwrap();
    (asked.status().as_u16(), asked.text().await.unwrap())
}

#[tokio::test]
async fn named_repos_or_all_are_fetched_again() {
    let service = service().await;
    let told = resync(&service, json!({"dids": ["did:plc:a", "did:plc:nobody"]})).await;
    assert_eq!(told, (200, r#"{"repos":1}"#.into()));
    assert_eq!([state(&service, "a"), state(&service, "b")], [Some(State::Desynchronized), Some(State::Active)]);
    assert_eq!(known(&service, "a"), Cid::of_cbor(b"1"));
    assert_eq!(resync(&service, json!({"all": true})).await, (200, r#"{"repos":3}"#.into()));
    assert_eq!(state(&service, "b"), Some(State::Desynchronized));
    assert_eq!(resync(&service, json!({"dids": ["nonsense"]})).await.0, 400);
}

#[tokio::test]
async fn told_again_means_that_nothing_counts_as_known() {
    let service = service().await;
    assert_eq!(resync(&service, json!({"dids": ["did:plc:a"], "reemit": true})).await.0, 200);
    assert_eq!([known(&service, "a"), known(&service, "b")], [FORGOTTEN, Cid::of_cbor(b"1")]);
}

#[tokio::test]
async fn other_filters_fetch_every_repo_again_once() {
    let service = service().await;
    let follow = async |filter: &'static str| {
        let rules = Rules { collections: Collections::new([filter]), ..Rules::default() };
        let (store, writer) = (Arc::clone(&service.store), service.writer.clone());
        follow_settings(store, writer, Arc::new(rules), CancellationToken::new()).await.unwrap();
        let changed = state(&service, "a") == Some(State::Desynchronized);
        // What a resync leaves behind.
        let repo = Repo { state: State::Active, ..service.store.repo(&did("a")).unwrap().unwrap() };
        let mut transaction = service.store.begin().unwrap();
        let effects = Effects { repo: RowChange::Put(Box::new(repo)), ..Effects::default() };
        transaction.apply(&did("a"), &effects, Timestamp::from_millis(0)).unwrap();
        transaction.commit().unwrap();
        changed
    };
    assert!(!follow("app.x.*").await, "the first start has nothing to compare with");
    assert!(!follow("app.x.*").await);
    assert!(follow("app.*").await);
    assert!(!follow("app.*").await);
}

#[tokio::test]
async fn who_is_excluded_is_given_up_unless_somebody_asked() {
    let service = service().await;
    let rules = Rules { excluded: [did("a"), did("found")].into(), ..Rules::default() };
    let (store, writer) = (Arc::clone(&service.store), service.writer.clone());
    follow_settings(store, writer, Arc::new(rules), CancellationToken::new()).await.unwrap();
    assert_eq!([state(&service, "a"), state(&service, "found")], [Some(State::Active), None]);
}
