//! How much is kept, of what clients publish.

use crate::{
    client::Client,
    house::{House, config, event, key},
};
use nexus_config::{Bounded, Size};
use nexus_nostr::{Filter, Kind};
use nexus_relay::ports::StorageAdapter;
use nexus_relay_server::config::{KindNumber, Pubkey, Relay, Retention};

/// The stored events of a kind.
async fn stored(house: &House, kind: u16) -> usize {
    let filter = Filter::new().with_kinds([Kind::new(kind)]);
    house.relay.storage().query_events(&filter).await.expect("a store").len()
}

#[tokio::test]
async fn what_is_too_much_goes_and_those_who_are_exempt_stay() {
    let rule = |kind: u16| Retention { kinds: vec![KindNumber(kind)], ..Retention::default() };
    let exempt = vec![Pubkey(key(2).public_key())];
    let retention = vec![
        Retention { max_count: Some(Bounded::of(2)), exempt, ..rule(1) },
        Retention { per_pubkey_count: Some(Bounded::of(1)), ..rule(7) },
        Retention { max_bytes: Some(Size::of(2_000)), ..rule(30) },
    ];
    let house = House::with(Relay { retention: retention.into(), ..config() }).await;
    let (mut client, _) = Client::greeted(&house).await;
    for number in 0..4 {
        for by in 1..=2 {
            for (kind, length) in [(1, 1), (7, 1), (30, 600)] {
                let content = number.to_string().repeat(length);
                assert!(client.told(&event(by, kind, &[], &content)).await.contains("true"));
            }
        }
    }
    let is_bounded = async |house: &House| {
        // Passes begin a minute after one another.
        house.clock.advance(60_000);
        (stored(house, 1).await, stored(house, 7).await, stored(house, 30).await) == (6, 2, 2)
    };
    house.until("what is too much is gone", is_bounded).await;
    let (mut reader, _) = Client::greeted(&house).await;
    reader.send(r#"["REQ","s",{"kinds":[7]}]"#).await;
    for end in ["EVENT", "EVENT", "EOSE"] {
        assert!(reader.read().await.expect("an answer").contains(end));
    }
}
