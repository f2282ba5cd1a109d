//! `/channel`, with a client of another make.

use crate::service::{ACKNOWLEDGED, Service};
use futures_util::{SinkExt, StreamExt};
use nexus_delivery::channel::Settlement;
use nexus_sync::event::Kind;
use nexus_sync_server::api::{Health, Password};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn service(settlement: Settlement) -> Service {
    Service::start(Password::new(None, Health::Guarded), settlement).await
}

async fn connect(service: &Service) -> Client {
    connect_async(format!("ws://{}/channel", service.address)).await.unwrap().0
}

async fn next(client: &mut Client) -> Option<Result<Message, Error>> {
    tokio::time::timeout(Duration::from_secs(20), client.next()).await.unwrap()
}

async fn event(client: &mut Client) -> Value {
    let message = next(client).await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

async fn say(client: &mut Client, message: &str) {
    client.send(Message::text(message)).await.unwrap();
}

#[tokio::test]
async fn events_come_in_order_and_wait_for_acknowledgements() {
    let service = service(ACKNOWLEDGED).await;
    let mut client = connect(&service).await;
    service.append("a", Kind::Historical, r#""type":"record","record":{"n":1}}"#);
    service.append("a", Kind::Live, r#""type":"record","record":{"n":2}}"#);
    service.append("b", Kind::Live, r#""type":"record","record":{"n":3}}"#);
    let first = event(&mut client).await;
    assert_eq!(first, json!({"id": 1, "type": "record", "record": {"n": 1}}));
    assert_eq!(event(&mut client).await["id"], 3, "the live event of the same account waits");
    // Kinds that are not known, and ids that were never sent, are harmless.
    for message in
        [r#"{"type":"hello"}"#, r#"{"type":"ack","id":999}"#, r#"{"type":"ack","id":2}"#, r#"{"type":"ack","id":1}"#]
    {
        say(&mut client, message).await;
    }
    assert_eq!(event(&mut client).await["id"], 2);
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_on_the_next_connection() {
    let service = service(ACKNOWLEDGED).await;
    service.append("a", Kind::Live, r#""type":"x"}"#);
    let mut client = connect(&service).await;
    assert_eq!(event(&mut client).await["id"], 1);
    drop(client);
    let mut client = connect(&service).await;
    assert_eq!(event(&mut client).await["id"], 1);
}

#[tokio::test]
async fn at_shutdown_the_line_breaks_without_a_close_frame_and_a_restart_goes_on() {
    let service = service(ACKNOWLEDGED).await;
    service.append("a", Kind::Live, r#""type":"x"}"#);
    service.append("b", Kind::Live, r#""type":"x"}"#);
    let mut client = connect(&service).await;
    assert_eq!([event(&mut client).await["id"].clone(), event(&mut client).await["id"].clone()], [1, 2]);
    say(&mut client, r#"{"type":"ack","id":1}"#).await;
    let acked = async {
        while service.store.channel("main").unwrap().is_none_or(|settled| settled != [1]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), acked).await.unwrap();
    let store = service.stop().await;
    assert!(!matches!(next(&mut client).await, Some(Ok(Message::Close(_)))));
    let again = Service::start_on(store, Password::new(None, Health::Guarded), ACKNOWLEDGED).await;
    let mut client = connect(&again).await;
    assert_eq!(event(&mut client).await["id"], 2);
}

#[tokio::test]
async fn without_acknowledgements_what_is_written_is_settled() {
    let service = service(Settlement::Written).await;
    for _ in 0..50 {
        service.append("a", Kind::Live, r#""type":"x"}"#);
    }
    let mut client = connect(&service).await;
    for id in 1..=50 {
        assert_eq!(event(&mut client).await["id"], id);
    }
}

#[tokio::test]
async fn acknowledgements_hold_that_come_together_and_before_a_message_that_is_none() {
    let service = service(ACKNOWLEDGED).await;
    for name in ["a", "b", "c"] {
        service.append(name, Kind::Live, r#""type":"x"}"#);
    }
    let mut client = connect(&service).await;
    for id in 1..=3 {
        assert_eq!(event(&mut client).await["id"], id);
    }
    for message in [r#"{"type":"ack","id":1}"#, r#"{"type":"ack","ids":[3]}"#, "nonsense"] {
        client.feed(Message::text(message)).await.unwrap();
    }
    client.flush().await.unwrap();
    assert!(!matches!(next(&mut client).await, Some(Ok(Message::Text(_)))));
    let mut client = connect(&service).await;
    assert_eq!(event(&mut client).await["id"], 2);
    assert_eq!(service.channel.stats().await.unwrap().settled, 2);
}

#[tokio::test]
async fn a_message_that_is_no_json_ends_the_connection_and_a_close_is_answered() {
    let service = service(ACKNOWLEDGED).await;
    let mut client = connect(&service).await;
    say(&mut client, "ack 1").await;
    assert!(!matches!(next(&mut client).await, Some(Ok(Message::Text(_) | Message::Close(_)))));
    let mut client = connect(&service).await;
    client.send(Message::Ping("alive?".into())).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap().unwrap(), Message::Pong("alive?".into()));
    client.close(None).await.unwrap();
    assert!(matches!(next(&mut client).await, Some(Ok(Message::Close(_))) | None));
}
