//! Stored events, then live ones: without a gap and without a repeat, while others write (T5).

use crate::{
    client::Client,
    house::{House, event},
};
use nexus_nostr::EventId;
use std::collections::HashSet;

const WRITERS: u8 = 3;
const EVENTS: usize = 150;
const READERS: usize = 40;

/// The ids in the frames of `client` until it has seen `count` of them.
async fn seen(mut client: Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let text = client.read().await.expect("the relay goes on");
        let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        match frame[0].as_str() {
            Some("EVENT") => ids.push(frame[2]["id"].as_str().expect("an id").to_owned()),
            Some("EOSE") => {}
            _ => panic!("{text}"),
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_or_repeats_an_event_while_others_write() {
    let house = House::new().await;
    let writers = (1..=WRITERS).map(|by| {
        let address = house.address;
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            client.read().await.expect("a challenge");
            for number in 0..EVENTS {
                let told = client.told(&event(by, 1, &[], &number.to_string())).await;
                assert!(told.contains("true"), "{told}");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let all = EVENTS * usize::from(WRITERS);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let (mut client, _) = Client::greeted(&house).await;
        client.send(r#"["REQ","all",{"kinds":[1],"limit":1000}]"#).await;
        readers.push(tokio::spawn(seen(client, all)));
    }
    for writer in writers {
        writer.await.expect("every event is answered");
    }
    let expected: HashSet<String> = (1..=WRITERS)
        .flat_map(|by| (0..EVENTS).map(move |number| event(by, 1, &[], &number.to_string()).id))
        .map(|id: EventId| id.to_string())
        .collect();
    for reader in readers {
        let ids = reader.await.expect("a reader sees every event");
        assert_eq!(ids.iter().cloned().collect::<HashSet<_>>(), expected);
        assert_eq!(ids.len(), expected.len(), "once each");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_subscription_of_the_same_name_takes_over_between_two_events() {
    let house = House::new().await;
    let (mut writer, _) = Client::greeted(&house).await;
    let (mut reader, _) = Client::greeted(&house).await;
    for round in 0..20 {
        reader.send(format!(r#"["REQ","s",{{"kinds":[{}],"limit":0}}]"#, 100 + round % 2)).await;
        reader.gather(&house).await;
        let frames: Vec<_> = reader.waiting.drain(..).collect();
        assert!(frames.len() == 1 && frames[0].starts_with(r#"["EOSE","s""#), "{frames:?}");
        for kind in [100, 101] {
            let told = writer.told(&event(1, kind, &[], &round.to_string())).await;
            assert!(told.contains("true"), "{told}");
        }
        reader.gather(&house).await;
        let frames: Vec<_> = reader.waiting.drain(..).collect();
        let wanted = format!(r#""kind":{},"#, 100 + round % 2);
        assert!(frames.len() == 1 && frames[0].contains(&wanted), "{frames:?}");
    }
}
