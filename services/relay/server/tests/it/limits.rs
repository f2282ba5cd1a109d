//! What a client may, at the limit and beyond it (T7).

use crate::{
    client::Client,
    house::{House, PATIENCE, config, event},
};
use nexus_config::{Bounded, Size};
use nexus_http::TrustedProxies;
use nexus_nostr::Event;
use nexus_relay_server::config::{Connections, KindNumber, Limits, Network, Rate, RateOfKind, Rates, Relay};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest, http::Request},
};

/// A request that a proxy passes on for a stranger.
fn from(house: &House, ip: &str) -> Request<()> {
    let mut request = format!("ws://{}/", house.address).into_client_request().expect("a request");
    request.headers_mut().insert("x-forwarded-for", ip.parse().expect("a header"));
    request
}

/// A house that strangers reach through a proxy on this machine.
async fn for_strangers(config: Relay) -> House {
    House::behind(config, TrustedProxies::new(vec!["127.0.0.0/8".parse().expect("a network")])).await
}

async fn refusal(request: Request<()>) -> Option<u16> {
    match connect_async(request).await {
        Ok(_) => None,
        Err(Error::Http(response)) => Some(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn rate(burst: u64, per_minute: u64) -> Rate {
    Rate { burst: Bounded::of(burst), per_minute: Bounded::of(per_minute) }
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let connections = Connections { per_address: Bounded::of(2), ..Connections::default() };
    let house = for_strangers(Relay { connections, ..config() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(Client::connect_to(from(&house, "203.0.113.1")).await);
    }
    assert_eq!(refusal(from(&house, "203.0.113.1")).await, Some(429));
    assert_eq!(refusal(from(&house, "203.0.113.2")).await, None);
    drop(open);
    let is_let_in = async |house: &House| refusal(from(house, "203.0.113.1")).await.is_none();
    house.until("a place that was left is free", is_let_in).await;
}

#[tokio::test]
async fn an_address_connects_so_often_and_the_house_has_so_many_places() {
    let rates = Rates { connections: rate(2, 60), ..Rates::default() };
    let connections = Connections { max: Bounded::of(3), ..Connections::default() };
    let house = for_strangers(Relay { rates, connections, ..config() }).await;
    for (advance, expected) in [(0, None), (0, None), (0, Some(429)), (1_000, None)] {
        house.clock.advance(advance);
        assert_eq!(refusal(from(&house, "203.0.113.1")).await, expected);
    }
    let is_empty =
        async |house: &House| nexus_relay::ports::WebSocketAdapter::connections(house.relay.sockets()).is_empty();
    house.until("everybody has left", is_empty).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Client::connect(house.address).await);
    }
    assert_eq!(refusal(from(&house, "127.0.0.1")).await, Some(503));
}

#[tokio::test]
async fn events_and_messages_of_a_stranger_are_counted_and_recover() {
    let rates = Rates { events: rate(2, 60), messages: rate(6, 60), ..Rates::default() };
    let house = for_strangers(Relay { rates, ..config() }).await;
    let mut stranger = Client::connect_to(from(&house, "203.0.113.1")).await;
    stranger.read().await.expect("a challenge");
    let told = async |stranger: &mut Client, number: u32| {
        let answer = stranger.told(&event(1, 1, &[], &number.to_string())).await;
        answer.split_once(',').and_then(|(_, rest)| rest.split_once(',')).expect("an OK").1.to_owned()
    };
    assert_eq!(told(&mut stranger, 1).await, r#"true,""]"#);
    assert_eq!(told(&mut stranger, 2).await, r#"true,""]"#);
    assert_eq!(told(&mut stranger, 3).await, r#"false,"rate-limited: slow down"]"#);
    house.clock.advance(1_000);
    assert_eq!(told(&mut stranger, 3).await, r#"true,""]"#);
    for _ in 0..4 {
        stranger.send(r#"["CLOSE","x"]"#).await;
    }
    assert_eq!(stranger.read().await.unwrap(), r#"["NOTICE","rate-limited: slow down"]"#);
    let (mut own, _) = Client::greeted(&house).await;
    assert_eq!(told(&mut own, 4).await, r#"true,""]"#, "another address has its own buckets");
}

#[tokio::test]
async fn a_kind_has_its_own_rate_and_trusted_networks_have_none() {
    let of_notes = RateOfKind { kind: KindNumber(1), burst: Bounded::of(2), per_minute: Bounded::of(60) };
    let trusted_ips = vec![Network::try_from("198.51.100.0/24".to_owned()).expect("a network")];
    let rates = Rates { kinds: vec![of_notes].into(), connections: rate(2, 60), trusted_ips, ..Rates::default() };
    let house = for_strangers(Relay { rates, ..config() }).await;
    let answers = async |ip: &str, by: u8, kind: u16| {
        let mut client = Client::connect_to(from(&house, ip)).await;
        client.read().await.expect("a challenge");
        let mut taken = Vec::new();
        for number in 0..3 {
            taken.push(client.told(&event(by, kind, &[], &format!("{ip} {number}"))).await.contains("true"));
        }
        taken
    };
    assert_eq!(answers("203.0.113.1", 1, 1).await, [true, true, false]);
    assert_eq!(answers("203.0.113.1", 1, 2).await, [true, true, true], "another kind");
    assert_eq!(answers("203.0.113.2", 1, 1).await, [false, false, false], "the author is the same");
    assert_eq!(answers("203.0.113.2", 2, 1).await, [true, true, false]);
    assert_eq!(refusal(from(&house, "203.0.113.2")).await, Some(429));
    for _ in 0..3 {
        assert_eq!(answers("198.51.100.7", 1, 1).await.len(), 3, "an address that is trusted connects as it likes");
    }
    assert_eq!(answers("198.51.100.8", 1, 1).await, [true, true, true]);
    house.clock.advance(1_000);
    assert_eq!(answers("203.0.113.3", 1, 1).await, [true, false, false]);
}

#[tokio::test]
async fn a_stranger_who_sends_too_much_is_read_later() {
    let rates = Rates { bytes: Size::of(2_000), bytes_burst: Size::of(1_024), ..Rates::default() };
    let house = for_strangers(Relay { rates, ..config() }).await;
    let mut stranger = Client::connect_to(from(&house, "203.0.113.1")).await;
    stranger.read().await.expect("a challenge");
    let started = tokio::time::Instant::now();
    stranger.told(&event(1, 1, &[], &"x".repeat(2_000))).await;
    stranger.told(&event(1, 1, &[], "then")).await;
    assert!(started.elapsed().as_millis() >= 500, "two thousand bytes a second are half of what was sent");
}

#[tokio::test]
async fn a_message_may_be_so_large() {
    let limits = Limits { message: Size::of(2_000), ..Limits::default() };
    let house = House::with(Relay { limits, ..config() }).await;
    for (length, is_read) in [(2_000, true), (2_001, false)] {
        let (mut client, _) = Client::greeted(&house).await;
        let text = format!(r#"["CLOSE","{}"]"#, "x".repeat(length - 12));
        assert_eq!(text.len(), length);
        client.send(text).await;
        client.send("ping").await;
        let answer = tokio::time::timeout(PATIENCE, client.read()).await.unwrap().unwrap();
        assert_eq!(answer.contains("too large"), !is_read, "{answer}");
    }
}

#[tokio::test]
async fn one_who_is_blocked_is_sent_away_and_may_come_back() {
    let house = House::new().await;
    let lists = async |list: Option<&str>| {
        use nexus_relay::ports::{RecordKind, StorageAdapter};
        house.relay.storage().put_record(RecordKind::BlockedIp, "127.0.0.0/8", list).await.unwrap();
        house.relay.reload_lists().await.unwrap();
    };
    lists(Some("noise")).await;
    let mut client = Client::connect(house.address).await;
    assert_eq!(client.read().await.as_deref(), Some(r#"["NOTICE","blocked: not from there"]"#));
    assert_eq!(client.read().await, None);
    assert_eq!(client.closed.map(|frame| u16::from(frame.code)), Some(1008));
    lists(None).await;
    Client::greeted(&house).await;
}

/// An event that nobody signed.
fn forged(number: u32) -> Event {
    let mut forged = event(1, 1, &[], &number.to_string());
    forged.sig = event(2, 1, &[], &number.to_string()).sig;
    forged
}

#[tokio::test]
async fn who_sends_what_nobody_signed_is_banned_for_a_while() {
    let house = for_strangers(config()).await;
    let greeted = async |ip: &str| {
        let mut client = Client::connect_to(from(&house, ip)).await;
        client.read().await.map(|first| (client, first))
    };
    let (mut forger, _) = greeted("203.0.113.1").await.unwrap();
    let (mut same_address, _) = greeted("203.0.113.1").await.unwrap();
    let (mut other, _) = greeted("203.0.113.2").await.unwrap();
    for number in 0..20 {
        assert!(forger.told(&forged(number)).await.contains("false,\"invalid: bad signature\""), "{number}");
    }
    for client in [&mut forger, &mut same_address] {
        assert_eq!(client.read().await.as_deref(), Some(r#"["NOTICE","blocked: too many bad signatures"]"#));
        assert_eq!(client.read().await, None);
        assert_eq!(client.closed.take().map(|frame| u16::from(frame.code)), Some(1008));
    }
    let (mut again, first) = greeted("203.0.113.1").await.unwrap();
    assert_eq!(first, r#"["NOTICE","blocked: too many bad signatures"]"#);
    assert_eq!(again.read().await, None);
    let asked = reqwest::Client::new().get(house.url("/api/v1/jobs")).header("x-forwarded-for", "203.0.113.1");
    assert_eq!(asked.send().await.unwrap().status().as_u16(), 403);
    assert!(other.told(&event(1, 1, &[], "another address")).await.contains("true"));
    house.clock.advance(599_000);
    assert!(greeted("203.0.113.1").await.unwrap().1.contains("blocked"));
    house.clock.advance(1_000);
    assert!(greeted("203.0.113.1").await.unwrap().1.contains("AUTH"));
}

#[tokio::test]
async fn clients_on_this_machine_and_slow_forgers_are_not_banned() {
    let house = for_strangers(config()).await;
    let (mut own, _) = Client::greeted(&house).await;
    for number in 0..40 {
        assert!(own.told(&forged(number)).await.contains("bad signature"));
    }
    let mut slow = Client::connect_to(from(&house, "203.0.113.1")).await;
    slow.read().await.expect("a challenge");
    for number in 0..40 {
        assert!(slow.told(&forged(number)).await.contains("bad signature"));
        house.clock.advance(3_200);
    }
    assert!(own.told(&event(1, 1, &[], "x")).await.contains("true"));
    assert!(slow.told(&event(1, 1, &[], "y")).await.contains("true"));
}
