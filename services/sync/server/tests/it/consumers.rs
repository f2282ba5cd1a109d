//! Named consumers: each with its own place and collections, none of whom the journal waits for.

use crate::service::{ACKNOWLEDGED, Service};
use futures_util::{SinkExt, StreamExt};
use nexus_atproto::Did;
use nexus_delivery::channel::Config;
use nexus_journal::Head;
use nexus_model::{Seq, Timestamp};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::effects::Effects;
use nexus_sync::event::{Event, Kind};
use nexus_sync::rules::Rules;
use nexus_sync::store::{Memory, Store};
use nexus_sync_server::api::{Health, Password};
use nexus_sync_server::consumers::{ConsumerName, Desk, DeskParts, Wanted};
use nexus_sync_server::expiry::Expiry;
use nexus_sync_server::start;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn service() -> Service {
    Service::start(Password::new(None, Health::Guarded), ACKNOWLEDGED).await
}

fn record(service: &Service, name: &str, collection: &str) {
    let body =
        format!(r#""type":"record","record":{{"live":true,"did":"did:plc:{name}","collection":"{collection}"}}}}"#);
    service.append(name, Kind::Live, &body);
}

async fn connect(service: &Service, query: &str) -> Result<Client, (u16, String)> {
    match connect_async(format!("ws://{}/channel?{query}", service.address)).await {
        Ok((client, _)) => Ok(client),
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            Err((response.status().as_u16(), String::from_utf8(body).unwrap()))
        }
        Err(error) => panic!("{error}"),
    }
}

async fn next(client: &mut Client) -> Option<u64> {
    let message = tokio::time::timeout(Duration::from_secs(20), client.next()).await.unwrap()?.ok()?;
    let event: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
    event["id"].as_u64()
}

async fn acknowledge(client: &mut Client, ids: &[u64]) {
    client.send(Message::text(json!({"type": "ack", "ids": ids}).to_string())).await.unwrap();
}

async fn standing(service: &Service, name: &str) -> Value {
    let all: Value = reqwest::get(service.url("/stats/consumers")).await.unwrap().json().await.unwrap();
    all["consumers"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
}

async fn until(service: &Service, name: &str, wanted: impl Fn(&Value) -> bool) {
    for _ in 0..100 {
        if wanted(&standing(service, name).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it stands at {}", standing(service, name).await)
}

#[tokio::test]
async fn each_has_its_own_place_and_collections() {
    let service = service().await;
    for collection in ["app.x.post", "app.x.like", "app.y.post"] {
        record(&service, "a", collection);
        record(&service, "b", collection);
    }
    let mut posts = connect(&service, "consumer=posts&collections=app.x.*").await.unwrap();
    let mut likes = connect(&service, "consumer=likes&collections=app.x.like").await.unwrap();
    let (mut first, mut second) = (next(&mut posts).await.unwrap(), next(&mut posts).await.unwrap());
    assert_eq!([first, second], [1, 2]);
    assert_eq!([next(&mut likes).await, next(&mut likes).await], [Some(3), Some(4)]);
    acknowledge(&mut posts, &[1, 2]).await;
    (first, second) = (next(&mut posts).await.unwrap(), next(&mut posts).await.unwrap());
    assert_eq!([first, second], [3, 4]);
    acknowledge(&mut posts, &[3, 4]).await;
    until(&service, "posts", |at| at["lag"] == 0 && at["seq"] == 6).await;
    let other = standing(&service, "likes").await;
    assert_eq!(
        (&other["collections"], &other["connections"], &other["seq"]),
        (&json!("app.x.like"), &json!(1), &json!(2))
    );
    assert_eq!(service.channel.stats().await.unwrap().unsettled, 6, "the shared outbox is another's");
}

#[tokio::test]
async fn one_goes_on_where_it_was_and_where_it_says() {
    let service = service().await;
    for name in ["a", "b", "c"] {
        record(&service, name, "app.x.post");
    }
    let mut client = connect(&service, "consumer=one").await.unwrap();
    assert_eq!(next(&mut client).await, Some(1));
    acknowledge(&mut client, &[1]).await;
    until(&service, "one", |at| at["seq"] == 1).await;
    assert_eq!(connect(&service, "consumer=one&seq=0").await.unwrap_err().0, 409);
    assert_eq!(connect(&service, "consumer=one&collections=app.y.*").await.unwrap_err().0, 409);
    drop(client);
    until(&service, "one", |at| at["connections"] == 0).await;
    let mut client = connect(&service, "consumer=one").await.unwrap();
    assert_eq!(next(&mut client).await, Some(2));
    drop(client);
    until(&service, "one", |at| at["connections"] == 0).await;
    let mut client = connect(&service, "consumer=one&seq=0").await.unwrap();
    assert_eq!(next(&mut client).await, Some(1));
    let store = service.stop().await;
    let again = Service::start_on(store, Password::new(None, Health::Guarded), ACKNOWLEDGED).await;
    let mut client = connect(&again, "consumer=one").await.unwrap();
    assert_eq!(next(&mut client).await, Some(1));
}

fn expiry(service: &Service, clock: Clock, size: u64) -> Expiry {
    let (store, consumers) = (Arc::clone(&service.store), service.consumers.clone());
    Expiry { store, consumers, clock, age: 1_000, size }
}

/// Acknowledges everything on the shared outbox.
async fn settle(service: &Service, count: u64) {
    let mut shared = connect(service, "").await.unwrap();
    for _ in 0..count {
        let id = next(&mut shared).await.unwrap();
        acknowledge(&mut shared, &[id]).await;
    }
    while service.store.channel("main").unwrap().is_none_or(|settled| settled != [u8::try_from(count).unwrap()]) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The name that the service gives its outbox.
    let settled = service.store.channel("main").unwrap().unwrap();
    let mut transaction = service.store.begin().unwrap();
    transaction.put_channel("outbox", &settled).unwrap();
    transaction.commit().unwrap();
}

#[tokio::test]
async fn one_that_was_away_for_too_long_is_told_and_nothing_waits_for_it() {
    let service = service().await;
    for name in ["a", "b", "c"] {
        record(&service, name, "app.x.post");
    }
    let mut away = connect(&service, "consumer=away").await.unwrap();
    assert_eq!(next(&mut away).await, Some(1));
    acknowledge(&mut away, &[1]).await;
    until(&service, "away", |at| at["seq"] == 1).await;
    // Events are of time 0; they stay while the outbox has not settled them, and while they are young.
    let clock = Clock::fixed(Timestamp::from_millis(5_000));
    assert_eq!(expiry(&service, clock.clone(), 0).round().unwrap(), None);
    settle(&service, 3).await;
    let young = Clock::fixed(Timestamp::from_millis(900));
    assert_eq!(expiry(&service, young.clone(), u64::MAX).round().unwrap(), None);
    assert_eq!(expiry(&service, clock, u64::MAX).round().unwrap(), Some(Seq::new(3)));
    service.consumers.expired(Seq::new(3)).await;
    while next(&mut away).await.is_some() {}
    let (status, told) = connect(&service, "consumer=away").await.unwrap_err();
    assert_eq!(status, 410, "{told}");
    assert!(told.contains("read everything again") && told.contains("seq=3"), "{told}");
    record(&service, "d", "app.x.post");
    let mut back = connect(&service, "consumer=away&seq=3").await.unwrap();
    assert_eq!(next(&mut back).await, Some(4));
    // Too many bytes go before their time.
    assert_eq!(expiry(&service, young, 0).round().unwrap(), None, "the outbox has not settled it");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let service = service().await;
    for (query, status) in
        [("consumer=a%20b", 400), ("collections=app.x.*", 400), ("seq=1", 400), ("consumer=new&seq=7", 400)]
    {
        assert_eq!(connect(&service, query).await.unwrap_err().0, status, "{query}");
    }
    let _held = [connect(&service, "consumer=a").await.unwrap(), connect(&service, "consumer=b").await.unwrap()];
    let (status, told) = connect(&service, "consumer=c").await.unwrap_err();
    assert_eq!((status, told.contains("2 consumers")), (409, true), "{told}");
    let client = reqwest::Client::new();
    let gone = client.delete(service.url("/channel?consumer=a")).send().await.unwrap();
    assert_eq!(gone.status(), 200);
    assert_eq!(standing(&service, "a").await, Value::Null);
    connect(&service, "consumer=c").await.unwrap();
    assert_eq!(client.delete(service.url("/channel")).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_new_one_of_an_old_name_has_no_filter_of_the_old_one() {
    let service = service().await;
    drop(connect(&service, "consumer=a&collections=app.x.like").await.unwrap());
    assert_eq!(standing(&service, "a").await["collections"], "app.x.like");
    let gone = reqwest::Client::new().delete(service.url("/channel?consumer=a")).send().await.unwrap();
    assert_eq!(gone.status(), 200);
    record(&service, "a", "app.x.post");
    let mut client = connect(&service, "consumer=a").await.unwrap();
    assert_eq!(next(&mut client).await, Some(1));
    assert_eq!(standing(&service, "a").await["collections"], "");
}

#[tokio::test(start_paused = true)]
async fn at_a_stop_all_end_side_by_side() {
    const COUNT: u32 = 8;
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let head = Arc::new(Head::new(Seq::START));
    let (writer, _) =
        start(Arc::clone(&store), Arc::new(Rules::default()), Clock::system(), Arc::clone(&head)).unwrap();
    let config = Config { settlement: ACKNOWLEDGED, drain_millis: 3_000, ..Config::default() };
    let (max, clock) = (COUNT as usize, Clock::system());
    let parts =
        DeskParts { store: Arc::clone(&store), writer: writer.clone(), head: Arc::clone(&head), config, max, clock };
    let (desk, consumers) = Desk::new(parts);
    let did: Did = "did:plc:a".parse().unwrap();
    let events = vec![Event { did: did.clone(), kind: Kind::Live, body: "1".into() }];
    let mut transaction = store.begin().unwrap();
    transaction.apply(&did, &Effects { events, ..Effects::default() }, Timestamp::from_millis(0)).unwrap();
    head.advance(transaction.commit().unwrap());
    let stop = CancellationToken::new();
    let desk = tokio::spawn(desk.run(stop.clone()));
    let mut slow = Vec::new();
    for number in 0..COUNT {
        let name = ConsumerName::parse(&number.to_string()).unwrap();
        let channel = consumers.join(Wanted { name, collections: None, after: None }).await.unwrap();
        let mut consumer = channel.join().await.unwrap();
        assert_eq!(consumer.next().await.unwrap().0, Seq::new(1));
        slow.push(consumer);
    }
    let begun = tokio::time::Instant::now();
    stop.cancel();
    desk.await.unwrap().unwrap();
    let waited = begun.elapsed();
    let one = Duration::from_secs(3);
    assert!((one..2 * one).contains(&waited), "{waited:?}");
}
