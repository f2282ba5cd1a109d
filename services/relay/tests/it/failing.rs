//! A store that fails: each message has its answer nevertheless, nothing half done is left, and what comes after the
//! failure is as if there had been none.

use crate::stage::{NOW, TestStage};
use futures_util::FutureExt;
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    ports::{CacheAdapter, StorageAdapter, StorageError},
    settings::{Limits, Settings},
};
use nexus_relay_suite::{disturbed::Fate, scenario::Stage};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Runs what can't wait, because memory never does.
fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

fn note(number: i64) -> Event {
    let key = SigningKey::from_bytes([1; 32]).expect("a key");
    key.sign(Kind::NOTE, Seconds::new(NOW / 1_000 - number), Tags::default(), format!("note {number}"))
}

fn unavailable() -> StorageError {
    StorageError::Unavailable("the disk is gone".into())
}

async fn stage(limits: Limits) -> TestStage {
    let mut stage = TestStage::new(Settings { limits, ..Settings::default() }).await;
    stage.connect("ada").await;
    stage
}

/// What a client is told for a message.
async fn told(stage: &mut TestStage, text: &str) -> Vec<String> {
    stage.send("ada", text).await;
    stage.gather("ada")
}

#[test]
fn each_message_is_told_why_and_works_once_the_store_does() {
    run(async {
        let mut stage = stage(Limits::default()).await;
        let (text, id) = (format!(r#"["EVENT",{}]"#, note(1).to_json()), note(1).id);
        let cases = [
            (
                "store_batch",
                text.as_str(),
                format!(r#"["OK","{id}",false,"error: WHY"]"#),
                format!(r#"["OK","{id}",true,""]"#),
            ),
            (
                "query_within",
                r#"["REQ","s",{"ids":[]}]"#,
                r#"["CLOSED","s","error: WHY"]"#.to_owned(),
                r#"["EOSE","s",["finish"]]"#.to_owned(),
            ),
            (
                "last_seq",
                r#"["REQ","s",{"ids":[]}]"#,
                r#"["CLOSED","s","error: WHY"]"#.to_owned(),
                r#"["EOSE","s",["finish"]]"#.to_owned(),
            ),
            (
                "count",
                r#"["COUNT","c",{}]"#,
                r#"["CLOSED","c","error: WHY"]"#.to_owned(),
                r#"["COUNT","c",{"count":1}]"#.to_owned(),
            ),
            (
                "ids",
                r#"["NEG-OPEN","n",{"ids":[]},"61"]"#,
                r#"["NEG-ERR","n","error: WHY"]"#.to_owned(),
                r#"["NEG-MSG","n","61"]"#.to_owned(),
            ),
        ];
        for (call, message, refused, answered) in cases {
            for (error, why) in [
                ((|| StorageError::TimedOut) as fn() -> StorageError, "query timed out"),
                (unavailable, "the store is not available"),
            ] {
                stage.relay.storage().fail(call, error);
                assert_eq!(told(&mut stage, message).await, [refused.replace("WHY", why)], "{call}");
                let open = stage.relay.cache().get_all_subscriptions().await.expect("memory");
                assert!(open.is_empty(), "{call} left {open:?}");
                assert_eq!(stage.errors(), [format!("the store failed: {}", error())], "the operator is told, too");
                stage.relay.storage().settle();
            }
            assert_eq!(told(&mut stage, message).await, [answered], "{call}");
            told(&mut stage, r#"["CLOSE","s"]"#).await;
        }
    });
}

/// Of a page that is read in parts, what was sent before the failure stays sent, and its end is none.
#[test]
fn a_page_that_breaks_off_is_closed_and_has_no_end() {
    run(async {
        let limits = Limits { outbound_bytes: note(1).to_json().len(), ..Limits::default() };
        let mut stage = stage(limits).await;
        for number in 0..3 {
            told(&mut stage, &format!(r#"["EVENT",{}]"#, note(number).to_json())).await;
        }
        stage.relay.storage().fail("query", || StorageError::TimedOut);
        let first = format!(r#"["EVENT","s",{}]"#, note(0).to_json());
        let broken = r#"["CLOSED","s","error: query timed out"]"#;
        assert_eq!(told(&mut stage, r#"["REQ","s",{}]"#).await, [first.as_str(), broken]);
        assert_eq!(stage.errors().len(), 1);
        stage.relay.storage().settle();
        assert_eq!(told(&mut stage, r#"["REQ","s",{}]"#).await.len(), 4);
    });
}

/// A client that is gone before its page was sent costs no further look at the store.
#[test]
fn who_is_gone_is_not_read_for() {
    run(async {
        let limits = Limits { outbound_bytes: note(1).to_json().len(), ..Limits::default() };
        let mut stage = stage(limits).await;
        for number in 0..3 {
            told(&mut stage, &format!(r#"["EVENT",{}]"#, note(number).to_json())).await;
        }
        let parts = Arc::new(AtomicUsize::new(0));
        let counted = parts.clone();
        stage.relay.storage().disturb(move |call| {
            counted.fetch_add(usize::from(call == "query"), Ordering::Relaxed);
            Fate::Works
        });
        told(&mut stage, r#"["REQ","s",{}]"#).await;
        assert_eq!(parts.swap(0, Ordering::Relaxed), 1, "the texts that did not fit");
        let conn = stage.connection("ada");
        stage.relay.sockets().0.lock().expect("no panic").remove(&conn);
        stage.send("ada", r#"["REQ","s",{}]"#).await;
        assert_eq!(parts.load(Ordering::Relaxed), 0);
    });
}

/// A journal that can't be read for a moment loses nothing: it is read with the next that is stored.
#[test]
fn what_could_not_be_passed_on_is_passed_on_later() {
    run(async {
        let mut stage = stage(Limits::default()).await;
        stage.connect("bob").await;
        stage.send("bob", r#"["REQ","s",{}]"#).await;
        stage.gather("bob");
        stage.relay.storage().fail("events_after", unavailable);
        assert!(told(&mut stage, &format!(r#"["EVENT",{}]"#, note(1).to_json())).await.concat().contains("true"));
        assert_eq!((stage.gather("bob").len(), stage.errors().len()), (0, 1));
        stage.relay.storage().settle();
        told(&mut stage, &format!(r#"["EVENT",{}]"#, note(2).to_json())).await;
        let expected = [note(1), note(2)].map(|note| format!(r#"["EVENT","s",{}]"#, note.to_json()));
        assert_eq!(stage.gather("bob"), expected);
    });
}

/// What is due and fails is done by the next tick.
#[test]
fn a_tick_that_fails_is_made_good_by_the_next() {
    run(async {
        let mut stage = stage(Limits::default()).await;
        let tags = Tags::new([["expiration", &(NOW / 1_000 + 5).to_string()]]);
        let brief =
            SigningKey::from_bytes([1; 32]).expect("a key").sign(Kind::NOTE, Seconds::new(NOW / 1_000), tags, "");
        told(&mut stage, &format!(r#"["EVENT",{}]"#, brief.to_json())).await;
        stage.wait(10).await;
        let gone = async |stage: &TestStage| !stage.relay.storage().event_exists(&brief.id).await.expect("memory");
        assert!(gone(&stage).await);
        for call in ["sweep_expired", "records", "put_record", "drop_removals"] {
            let mut failures = 0;
            stage.relay.storage().disturb(move |name| {
                failures += usize::from(name == call);
                if name == call && failures == 1 { Fate::Fails(unavailable()) } else { Fate::Works }
            });
            // Every day something is written down and forgotten.
            let mut failed = 0;
            for _ in 0..9 {
                stage.pass(86_400);
                failed += usize::from(stage.relay.tick().await.is_err());
            }
            assert_eq!(failed, 1, "{call}");
            stage.relay.tick().await.expect("memory works");
        }
    });
}
