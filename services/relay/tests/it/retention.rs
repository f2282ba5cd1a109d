use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::{Event, Filter, Kind, PublicKey, Seconds, SigningKey, Tags};
use nexus_relay::{
    ports::{RecordKind, StorageAdapter},
    rules::retention::Kept,
    settings::{Retention, Settings, Switch},
};
use nexus_relay_suite::scenario::Stage;
use proptest::{collection::vec, option, prelude::*};

fn key(by: u8) -> SigningKey {
    SigningKey::from_bytes([by; 32]).expect("a key")
}

fn event(by: u8, kind: u16, at: i64) -> Event {
    key(by).sign(Kind::new(kind), Seconds::new(1_600_000_000 + at), Tags::default(), "")
}

async fn publish(stage: &mut TestStage, event: &Event) {
    stage.send("ada", &format!(r#"["EVENT",{}]"#, event.to_json())).await;
    assert!(stage.next("ada").await.expect("an answer").contains("true"));
}

/// When the stored events of a kind were written, the newest first.
async fn moments(stage: &TestStage, kind: u16) -> Vec<i64> {
    let filter = Filter::new().with_kinds([Kind::new(kind)]);
    let found = stage.relay.storage().query_events(&filter).await.expect("memory");
    found.iter().map(|stored| stored.created_at.get() - 1_600_000_000).collect()
}

fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

/// A pass over some rules, and the pause after it.
async fn pass(stage: &mut TestStage) {
    for _ in 0..8 {
        stage.wait(60).await;
    }
}

#[test]
fn the_oldest_go_when_there_are_too_many_and_the_first_rule_counts() {
    run(async {
        let few = Retention { kinds: vec![1..=1], max_count: Some(2), ..Retention::default() };
        let rest = Retention { kinds: vec![0..=u16::MAX], max_count: Some(3), ..Retention::default() };
        let mut stage = TestStage::new(Settings { retention: vec![few, rest], ..Settings::default() }).await;
        stage.connect("ada").await;
        for at in [3, 1, 4, 5, 2] {
            publish(&mut stage, &event(1, 1, at)).await;
            publish(&mut stage, &event(1, 7, at)).await;
        }
        pass(&mut stage).await;
        assert_eq!((moments(&stage, 1).await, moments(&stage, 7).await), (vec![5, 4], vec![5, 4, 3]));
        publish(&mut stage, &event(1, 1, 6)).await;
        pass(&mut stage).await;
        assert_eq!(moments(&stage, 1).await, [6, 5]);
    });
}

#[test]
fn authors_have_their_own_count_and_some_are_exempt() {
    run(async {
        let rule = Retention {
            kinds: vec![1..=1],
            max_age: Some(1_000_000),
            per_pubkey_count: Some(1),
            exempt: vec![key(3).public_key()],
            exempt_members: Switch::On,
            ..Retention::default()
        };
        let mut stage = TestStage::new(Settings { retention: vec![rule], ..Settings::default() }).await;
        stage.connect("ada").await;
        for at in 0..3 {
            for by in 1..=4 {
                publish(&mut stage, &event(by, 1, 10 * i64::from(by) + at)).await;
            }
        }
        let member = key(4).public_key().to_string();
        let storage = stage.relay.storage();
        storage.put_record(RecordKind::AllowedPubkey, &member, Some("")).await.expect("memory");
        stage.relay.reload_lists().await.expect("memory");
        pass(&mut stage).await;
        assert_eq!(moments(&stage, 1).await, [42, 41, 40, 32, 31, 30, 22, 12]);
        publish(&mut stage, &event(4, 1, 49)).await;
        stage.wait(2_000_000).await;
        pass(&mut stage).await;
        assert_eq!(moments(&stage, 1).await, [49, 32, 31, 30], "who is exempt when an event comes has no age either");
    });
}

#[test]
fn more_events_than_one_page_in_one_second_are_looked_at() {
    run(async {
        let rule = Retention { kinds: vec![1..=1], max_count: Some(1_500), ..Retention::default() };
        let mut stage = TestStage::new(Settings { retention: vec![rule], ..Settings::default() }).await;
        let events: Vec<_> = (0..2_300_u32).map(|number| unsigned(number, 7)).collect();
        for chunk in events.chunks(500) {
            let prepared = chunk.iter().map(|event| {
                let event = nexus_model::Verified::by_operator(event.clone());
                nexus_relay::ports::PreparedEvent::new(event, Seconds::new(1), None)
            });
            stage.relay.storage().store_batch(prepared.collect()).await.expect("memory");
        }
        pass(&mut stage).await;
        assert_eq!(moments(&stage, 1).await.len(), 1_500);
    });
}

/// An event that the operator vouches for, with an id of its own.
fn unsigned(number: u32, at: i64) -> Event {
    let mut event = event(1, 1, at);
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    event.id = nexus_nostr::EventId::from_bytes(id);
    event
}

proptest! {
    #[test]
    fn what_is_kept_is_what_a_count_of_all_that_is_newer_says(
        events in vec((1..4_u8, 1..50_u64), 0..40),
        bounds in (option::of(0..20_u64), option::of(0..6_u64), option::of(0..400_u64)),
    ) {
        let (max_count, per_pubkey_count, max_bytes) = bounds;
        let rule = Retention { max_count, per_pubkey_count, max_bytes, ..Retention::default() };
        let author = |by: u8| PublicKey::from_bytes([by; 32]);
        let mut kept = Kept::default();
        let told: Vec<bool> = events.iter().map(|(by, bytes)| kept.keeps(&rule, &author(*by), *bytes)).collect();
        let few = |at: usize| {
            let newer = events[..at].iter().filter(|(by, _)| *by == events[at].0).count() as u64;
            per_pubkey_count.is_none_or(|most| newer < most)
        };
        let candidates: Vec<usize> = (0..events.len()).filter(|at| few(*at)).collect();
        let fits = |upto: usize| {
            let bytes: u64 = candidates[..=upto].iter().map(|at| events[*at].1).sum();
            max_count.is_none_or(|most| upto < usize::try_from(most).expect("it is small"))
                && max_bytes.is_none_or(|most| bytes <= most)
        };
        let expected: Vec<bool> = (0..events.len())
            .map(|at| candidates.iter().position(|candidate| *candidate == at).is_some_and(fits))
            .collect();
        prop_assert_eq!(told, expected);
    }
}
