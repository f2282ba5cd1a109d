//! Feedback of the relay itself, for jobs that nobody answered.

use crate::{
    client::Client,
    house::{House, NOW, config, event, key},
};
use nexus_relay_server::config::{Market, Relay};
use nexus_relay_server::service::{BuildError, Parts, Service};
use serde_json::{Value, json};
use std::sync::Arc;

/// The relay's own key.
const OWN: u8 = 77;

fn noticing() -> Relay {
    let market = Market { notify_expiry: true, ..Market::default() };
    Relay { market, secret_key: Some(hex::encode([OWN; 32]).as_str().into()), ..config() }
}

#[tokio::test]
async fn a_customer_is_told_of_a_job_that_nobody_answered_and_of_no_other() {
    let house = House::with(noticing()).await;
    let (mut customer, _) = Client::greeted(&house).await;
    customer.send(r#"["REQ","f",{"kinds":[7000]}]"#).await;
    assert!(customer.read().await.expect("an end").starts_with("[\"EOSE\""));
    let end = (NOW / 1_000 + 10).to_string();
    let request = |name: &str| event(1, 5050, &[&["i", name, "text"], &["expiration", &end]], "");
    let (left, taken, cancelled) = (request("left"), request("taken"), request("cancelled"));
    let (mut writer, _) = Client::greeted(&house).await;
    let id = taken.id.to_string();
    let answer = event(2, 6050, &[&["e", &id], &["p", &taken.pubkey.to_string()]], "done");
    let deletion = event(1, 5, &[&["e", &cancelled.id.to_string()]], "");
    // A note that expires is no job.
    let note = event(1, 1, &[&["expiration", &end]], "");
    for event in [&left, &taken, &cancelled, &answer, &deletion, &note] {
        let told = writer.told(event).await;
        assert!(told.contains("true"), "{told}");
    }
    house.clock.advance(11_000);
    let notice: Value = serde_json::from_str(&customer.read().await.expect("a notice")).expect("JSON");
    assert_eq!((&notice[0], &notice[2]["pubkey"]), (&json!("EVENT"), &json!(key(OWN).public_key())));
    let tags = json!([["status", "error", "expired"], ["e", left.id], ["p", left.pubkey]]);
    assert_eq!(notice[2]["tags"], tags);
    customer.gather(&house).await;
    assert!(customer.waiting.is_empty(), "{:?}", customer.waiting);
}

#[tokio::test]
async fn nobody_is_told_unless_the_operator_wants_it() {
    let house = House::new().await;
    let (mut client, _) = Client::greeted(&house).await;
    let end = (NOW / 1_000 + 10).to_string();
    let request = event(1, 5050, &[&["i", "left", "text"], &["expiration", &end]], "");
    assert!(client.told(&request).await.contains("true"));
    client.send(r#"["REQ","f",{"kinds":[7000]}]"#).await;
    house.clock.advance(11_000);
    use nexus_relay::ports::StorageAdapter;
    let is_swept = async |house: &House| !house.relay.storage().event_exists(&request.id).await.expect("a store");
    house.until("the request is gone", is_swept).await;
    client.gather(&house).await;
    assert_eq!(client.waiting.len(), 1, "{:?}", client.waiting);
}

#[tokio::test]
async fn without_a_key_there_is_nothing_to_sign_with() {
    let config = Relay { secret_key: None, ..noticing() };
    let folder = tempfile::tempdir().expect("a folder");
    let settings = nexus_sqlite::relay::Settings::new(nexus_sqlite::Durability::Normal);
    let store = nexus_sqlite::relay::SqliteStorage::open_with(&folder.path().join("relay.sqlite"), settings);
    let clock = nexus_runtime::Clock::fixed(nexus_model::Timestamp::from_millis(NOW));
    let parts = Parts { config, store: Arc::new(store.expect("a store")), clock, judge: None, processors: 1 };
    assert!(matches!(Service::build(parts).await.err(), Some(BuildError::NoKey)));
}
