//! The end: everybody is told, what was begun is finished, and nothing waits for who doesn't listen.

use crate::{
    client::Client,
    house::{House, config, event},
};
use nexus_config::Span;
use nexus_relay_server::config::{Connections, Relay};
use tokio_tungstenite::connect_async;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_are_closed_and_connections_after_them() {
    let house = House::new().await;
    let (mut client, _) = Client::greeted(&house).await;
    for name in ["b", "a"] {
        client.send(format!(r#"["REQ","{name}",{{"limit":0}}]"#)).await;
        client.read().await.expect("the end of stored events");
    }
    house.stop();
    assert_eq!(client.read().await.unwrap(), r#"["CLOSED","a","error: shutting down"]"#);
    assert_eq!(client.read().await.unwrap(), r#"["CLOSED","b","error: shutting down"]"#);
    assert_eq!(client.read().await, None);
    assert_eq!(client.closed.map(|frame| u16::from(frame.code)), Some(1001));
    house.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_a_stop_amid_writing() {
    let house = House::new().await;
    let (mut client, _) = Client::greeted(&house).await;
    let events: Vec<_> = (0..500).map(|number| event(1, 1, &[], &number.to_string())).collect();
    for event in &events {
        client.publish(event).await;
    }
    client.read().await.expect("the first answer");
    house.stop();
    let mut answered = 1;
    while let Some(text) = client.read().await {
        assert!(text.starts_with("[\"OK\"") && text.contains("true"), "{text}");
        answered += 1;
    }
    let relay = house.relay.clone();
    house.ended().await;
    let stored = nexus_relay::ports::StorageAdapter::last_seq(relay.storage()).await.unwrap().get();
    assert!(stored >= answered, "{answered} answers, {stored} events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_waited_for_without_end_and_nobody_is_let_in() {
    let connections = Connections { drain: Span::of(300), ..Connections::default() };
    let house = House::with(Relay { connections, ..config() }).await;
    // This one never answers the close.
    let (silent, _) = Client::greeted(&house).await;
    let address = house.address;
    house.stop();
    house.ended().await;
    assert!(connect_async(format!("ws://{address}/")).await.is_err());
    drop(silent);
}
