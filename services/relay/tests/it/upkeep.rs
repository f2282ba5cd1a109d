use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_model::Seq;
use nexus_nostr::{Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    ports::{Entry, StorageAdapter},
    settings::Settings,
};
use nexus_relay_suite::scenario::Stage;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

const DAY: i64 = 86_400;

/// Publishes the next version of a profile, which removes the one before.
async fn replace(stage: &mut TestStage, version: i64) {
    let key = SigningKey::from_bytes([1; 32]).expect("a key");
    let event = key.sign(Kind::METADATA, Seconds::new(1_600_000_000 + version), Tags::default(), "");
    stage.send("ada", &format!(r#"["EVENT",{}]"#, event.to_json())).await;
    assert!(stage.next("ada").await.expect("an answer").contains("true"));
}

async fn removals(stage: &TestStage) -> usize {
    let entries = stage.relay.storage().events_after(Seq::START, 1_000).await.expect("memory");
    entries.iter().filter(|entry| matches!(entry, Entry::Removed { .. })).count()
}

#[test]
fn removals_are_forgotten_after_seven_days() {
    let test = async {
        let mut stage = TestStage::new(Settings::default()).await;
        stage.connect("ada").await;
        replace(&mut stage, 0).await;
        stage.wait(1).await;
        for day in 1..=9 {
            replace(&mut stage, day).await;
            stage.wait(DAY).await;
            let kept = usize::try_from(day.min(7)).expect("a small number");
            assert_eq!(removals(&stage).await, kept, "after {day} days");
        }
        for _ in 0..8 {
            stage.wait(DAY).await;
        }
        assert_eq!(removals(&stage).await, 0);
    };
    test.now_or_never().expect("memory never waits");
}

#[test]
fn whoever_wants_to_know_is_told_how_far_delivery_has_come() {
    let test = async {
        let told = Arc::new(AtomicU64::new(0));
        let notice = told.clone();
        let mut stage = TestStage::new(Settings::default()).await;
        let observer = Box::new(move |seq: Seq| notice.store(seq.get(), Ordering::SeqCst));
        stage = stage.change(|relay| relay.with_observer(observer));
        stage.connect("ada").await;
        replace(&mut stage, 0).await;
        assert_eq!(told.load(Ordering::SeqCst), 1);
        replace(&mut stage, 1).await;
        assert_eq!(told.load(Ordering::SeqCst), 3);
    };
    test.now_or_never().expect("memory never waits");
}
