//! Clients that take slower than they are sent, over real sockets: each loses what the rules say, is told so, and
//! neither holds others back nor fills memory.

use crate::{
    client::Client,
    hostile::is_well,
    house::{House, PATIENCE, config, event},
    raw::{compressed, frame, narrow, next, own_memory, payload, peak_memory},
};
use flate2::{Compress, Compression, FlushCompress};
use nexus_config::Size;
use nexus_model::Verified;
use nexus_nostr::{Event, EventId};
use nexus_relay::ports::{ConnectionId, PreparedEvent, StorageAdapter, WebSocketAdapter};
use nexus_relay_server::config::{Connections, Relay};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// What may wait for a client.
const SOFT: usize = 256 << 10;
/// The content of one event.
const LARGE: usize = 60_000;
/// Events that fill whatever the system holds on the way to one client, and the outbox.
const ENOUGH: usize = 400;

async fn house(hard: usize) -> House {
    let connections =
        Connections { outbound: Size::of(SOFT as u64), outbound_most: Size::of(hard as u64), ..Connections::default() };
    House::with(Relay { connections, ..config() }).await
}

/// A client that asked for all notes and reads no more, and its connection.
async fn silent(house: &House) -> (TcpStream, ConnectionId) {
    let mut stream = narrow(house).await;
    stream.write_all(&frame(r#"["REQ","s",{"kinds":[1]}]"#)).await.expect("it is read");
    for first in [&b"[\"AUTH\""[..], b"[\"EOSE\""] {
        assert!(next(&mut stream).await.expect("a frame").1.starts_with(first));
    }
    let id = house.relay.sockets().connections().into_iter().max().expect("a connection");
    (stream, id)
}

/// Publishes large notes until `is_enough`. Each is taken, and each reaches `reader` at once, whoever else doesn't
/// read.
async fn publish_until(house: &House, reader: &mut Client, is_enough: impl Fn() -> bool) {
    let (mut writer, _) = Client::greeted(house).await;
    for number in 0..ENOUGH {
        if is_enough() {
            return;
        }
        let told = writer.told(&event(1, 1, &[], &format!("{number} {}", "x".repeat(LARGE)))).await;
        assert!(told.contains("true"), "{told}");
        let seen = reader.read().await.expect("the next note");
        assert!(seen.contains(&format!("\"{number} x")), "{}", &seen[..40]);
    }
    panic!("nothing came of {ENOUGH} notes");
}

async fn reader(house: &House) -> Client {
    let (mut reader, _) = Client::greeted(house).await;
    reader.send(r#"["REQ","r",{"kinds":[1]}]"#).await;
    assert!(reader.read().await.expect("an end").starts_with("[\"EOSE\""));
    reader
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_loses_the_subscription_and_nobody_waits() {
    let house = house(1 << 20).await;
    let mut reader = reader(&house).await;
    let (mut stream, id) = silent(&house).await;
    let buffered = || house.relay.sockets().buffered_bytes(id);
    publish_until(&house, &mut reader, || {
        assert!(buffered() < SOFT + 2 * LARGE, "no more waits than may");
        house.relay.cache().subscriptions() == 1
    })
    .await;
    // It reads again: everything up to where the relay gave up, then why. The connection goes on.
    let mut last = Vec::new();
    for number in 0.. {
        let (_, text) = next(&mut stream).await.expect("the connection is open");
        if text.starts_with(b"[\"CLOSED\"") {
            last = text;
            break;
        }
        assert!(String::from_utf8_lossy(&text).contains(&format!("\"content\":\"{number} x")));
    }
    assert_eq!(String::from_utf8_lossy(&last), r#"["CLOSED","s","error: slow consumer"]"#);
    stream.write_all(&frame("ping")).await.expect("the relay listens");
    assert_eq!(next(&mut stream).await.expect("an answer").1, b"pong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_hard_limit_the_connection_is_closed_with_1013() {
    let house = house(SOFT).await;
    let mut reader = reader(&house).await;
    let (mut stream, id) = silent(&house).await;
    let is_closed = || {
        let outbox = house.relay.sockets().buffered_bytes(id);
        assert!(outbox <= SOFT, "{outbox}");
        house.relay.sockets().send(id, "").is_err()
    };
    publish_until(&house, &mut reader, is_closed).await;
    let mut closed = None;
    while let Some((first, text)) = next(&mut stream).await {
        assert!(closed.is_none(), "nothing comes after the close");
        if first == 0x88 {
            closed = Some(text);
        }
    }
    let closed = closed.expect("it is told");
    assert_eq!((&closed[..2], &closed[2..]), (&1013_u16.to_be_bytes()[..], &b"slow consumer"[..]));
    drop(stream);
    let is_gone = async |house: &House| house.relay.cache().subscriptions() == 1;
    house.until("nothing of it is left", is_gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_again_is_cut_off() {
    let house = house(SOFT).await;
    let mut reader = reader(&house).await;
    let (stream, id) = silent(&house).await;
    publish_until(&house, &mut reader, || house.relay.sockets().send(id, "").is_err()).await;
    let is_gone = async |house: &House| !house.relay.sockets().connections().contains(&id);
    house.until("the connection is over", is_gone).await;
    assert_eq!(house.relay.cache().subscriptions(), 1);
    drop(stream);
}

/// Questions whose answers are twenty times as large.
const QUESTION: &str = r##"["COUNT","c",{"#t":["x"]}]"##;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_faster_than_it_reads_is_read_later_and_loses_nothing() {
    let asked = 24_000;
    let house = house(1 << 20).await;
    let stream = narrow(&house).await;
    let is_there = async |house: &House| !house.relay.sockets().connections().is_empty();
    house.until("the relay has the connection", is_there).await;
    let id = house.relay.sockets().connections().into_iter().max().expect("a connection");
    let (mut reads, mut writes) = stream.into_split();
    let asks = tokio::spawn(async move {
        let hundred = frame(QUESTION).repeat(100);
        for _ in 0..asked / 100 {
            writes.write_all(&hundred).await.expect("the relay listens");
        }
        writes
    });
    let is_stuck = async |house: &House| house.relay.sockets().buffered_bytes(id) > SOFT;
    house.until("answers wait", is_stuck).await;
    for _ in 0..50 {
        is_well(&house).await;
        let waiting = house.relay.sockets().buffered_bytes(id);
        assert!(waiting < SOFT + (128 << 10), "{waiting} bytes wait for a client that doesn't read");
    }
    let (mut answers, mut stream) = (0, tokio::io::BufReader::new(&mut reads));
    while answers < asked {
        let text = crate::raw::text(&mut stream).await.expect("the connection is open");
        answers += usize::from(text.starts_with(b"[\"COUNT\",\"c\",{\"count\":0"));
    }
    drop(asks.await.expect("everything was read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_large_once_it_is_decompressed_is_not_held_at_once() {
    let house = House::new().await;
    let mut stream = compressed(&house).await;
    let blank = deflated(&" ".repeat(120_000));
    let before = peak_memory();
    // A hundred and twenty megabytes of nothing, which come in less than 256 KiB.
    let mut bytes: Vec<u8> = payload(0xC1, &blank).repeat(1_000);
    assert!(bytes.len() < 256 << 10, "{} bytes", bytes.len());
    bytes.extend(frame("ping"));
    stream.write_all(&bytes).await.expect("it is read");
    tokio::time::timeout(PATIENCE, async {
        while next(&mut stream).await.expect("the connection is open").1 != b"pong" {}
    })
    .await
    .expect("it is read");
    let grown = peak_memory() - before;
    assert!(grown < 32 << 20, "{grown} bytes");
}

/// A message as it is compressed by itself.
fn deflated(text: &str) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut output = Vec::with_capacity(4_096);
    compress.compress_vec(text.as_bytes(), &mut output, FlushCompress::Sync).expect("memory is enough");
    assert!(output.ends_with(&[0, 0, 0xFF, 0xFF]));
    output.truncate(output.len() - 4);
    output
}

/// Events of one kind that are stored for a question that nobody reads the answer of.
const PAGE: usize = 150;
/// Clients that ask for them and don't read.
const STUCK: usize = 12;

/// A stranger asks for much and doesn't read: little of it is held. What is removed meanwhile it doesn't get.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_nobody_reads_is_not_held() {
    let house = house(1 << 20).await;
    let (mut ids, padding) = (Vec::new(), "x".repeat(LARGE));
    for kind in [1, 7] {
        let template = event(1, kind, &[], &padding);
        let notes: Vec<Event> = (0..PAGE).map(|number| numbered(&template, number)).collect();
        ids.extend(notes.iter().map(|note| note.id));
        let prepared = |note: &Event| PreparedEvent::new(Verified::by_operator(note.clone()), note.created_at, None);
        for part in notes.chunks(20) {
            let part = part.iter().map(prepared).collect();
            house.relay.storage().store_batch(part).await.expect("it is stored");
        }
    }
    house.relay.deliver().await;
    house.settled().await;
    let before = own_memory();
    let mut streams = Vec::new();
    for number in 1..=STUCK {
        let mut stream = narrow(&house).await;
        let question = frame(r#"["REQ","s",{"kinds":[1],"limit":1000},{"kinds":[7],"limit":1000}]"#);
        stream.write_all(&question).await.expect("it is read");
        streams.push(stream);
        let are_stuck = async |house: &House| {
            let sockets = house.relay.sockets();
            let is_stuck = |id: &ConnectionId| sockets.buffered_bytes(*id) > SOFT;
            sockets.connections().iter().filter(|id| is_stuck(id)).count() == number
        };
        house.until("the answer waits", are_stuck).await;
    }
    let held = own_memory().saturating_sub(before);
    assert!(held < STUCK * PAGE * LARGE, "{held} bytes are held for answers of {}", 2 * STUCK * PAGE * LARGE);
    let mut stream = streams.remove(0);
    // All are of one second, so the highest id is the last.
    ids.sort_unstable();
    let removed = ids.pop().expect("an id");
    assert!(house.relay.storage().delete_event(&removed).await.expect("it is removed"));
    assert!(next(&mut stream).await.expect("a challenge").1.starts_with(b"[\"AUTH\""));
    let mut got: Vec<EventId> = Vec::new();
    loop {
        let (_, text) = next(&mut stream).await.expect("the connection is open");
        if text.starts_with(b"[\"EOSE\"") {
            break;
        }
        let text = String::from_utf8(text).expect("text");
        let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        got.push(message[2]["id"].as_str().and_then(|id| id.parse().ok()).expect(&text));
    }
    assert_eq!(got, ids);
}

/// An event as `template`, with an id of its own.
fn numbered(template: &Event, number: usize) -> Event {
    let digest = Sha256::new().chain_update(template.id.as_bytes()).chain_update(number.to_be_bytes()).finalize();
    Event { id: EventId::from_bytes(digest.into()), ..template.clone() }
}
