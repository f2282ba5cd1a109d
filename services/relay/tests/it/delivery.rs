//! What is passed on, to whom, and in which order; and what the cache knows meanwhile.

use crate::stage::{NOW, TestStage};
use futures_util::FutureExt;
use nexus_model::{Seq, Verified};
use nexus_nostr::{EoseHint, Event, Kind, Seconds, SigningKey, Tags, nip::nip42::RelayUrl};
use nexus_relay::{
    ports::{ConnectionId, PreparedEvent, StorageAdapter},
    session::{Action, Context, News, Pace, Session},
    settings::{Limits, Settings},
};
use nexus_relay_suite::scenario::Stage;
use proptest::prelude::*;
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const URL: &str = "wss://relay.example.com";

/// Runs what can't wait, because memory never does.
fn run<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory never waits")
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}

fn event(by: u8, kind: u16, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Seconds::new(NOW / 1_000), tags, content)
}

fn publication(event: &Event) -> String {
    format!(r#"["EVENT",{}]"#, event.to_json())
}

fn settings() -> Settings {
    Settings { urls: vec![RelayUrl::parse(URL).expect("a URL")], ..Settings::default() }
}

/// A relay with these clients, who asked for everything.
async fn listened_to_by(clients: &[&str]) -> TestStage {
    let mut stage = TestStage::new(settings()).await;
    for client in clients {
        stage.connect(client).await;
        stage.send(client, r#"["REQ","all",{}]"#).await;
        stage.next(client).await.expect("the end of nothing");
    }
    stage
}

/// Stores notes past the relay, which doesn't know of them yet.
async fn flood(stage: &TestStage, count: usize) {
    let note = |number| Verified::by_operator(event(9, 1, &[], &format!("note {number}")));
    let notes = (0..count).map(|number| PreparedEvent::new(note(number), Seconds::new(NOW / 1_000), None));
    stage.relay.storage().store_batch(notes.collect()).await.expect("memory can be written");
}

/// The kinds of the events that a client was sent.
fn kinds(stage: &TestStage, client: &str) -> Vec<u64> {
    let texts = stage.gather(client);
    let parsed = texts.iter().map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    parsed.filter(|message| message[0] == "EVENT").map(|message| message[2]["kind"].as_u64().expect("a kind")).collect()
}

#[test]
fn an_ephemeral_gift_wrap_reaches_its_recipient_and_nobody_else() {
    run(async {
        let mut stage = listened_to_by(&["stranger"]).await;
        for (client, by) in [("recipient", 2), ("other", 3), ("sender", 4)] {
            let challenge = stage.connect(client).await.expect("a challenge");
            let proof = event(by, 22_242, &[&["relay", URL], &["challenge", &challenge]], "");
            stage.send(client, &format!(r#"["AUTH",{}]"#, proof.to_json())).await;
            stage.send(client, r#"["REQ","w",{"kinds":[21059]}]"#).await;
            assert_eq!(stage.gather(client).len(), 2);
        }
        let wrap = event(4, 21_059, &[&["p", &key(2).public_key().to_string()]], "sealed");
        stage.connect("publisher").await;
        stage.send("publisher", &publication(&wrap)).await;
        assert!(stage.next("publisher").await.expect("an answer").contains("true"));
        for (client, expected) in [("stranger", 0), ("recipient", 1), ("other", 0), ("sender", 1)] {
            assert_eq!(kinds(&stage, client), vec![21_059; expected], "{client}");
        }
        stage.send("publisher", r#"["REQ","w",{"kinds":[21059,1059]}]"#).await;
        let refused = stage.next("publisher").await.expect("an answer");
        assert!(refused.starts_with(r#"["CLOSED","w","auth-required:"#), "{refused}");
        assert!(stage.relay.storage().get_event(&wrap.id).await.expect("memory").is_none());
    });
}

/// A deletion that is stored and passed on between an event's own storing and its caching.
#[test]
fn a_deletion_that_overtakes_the_cache_is_a_deletion() {
    run(async {
        let mut stage = listened_to_by(&["ada", "bob"]).await;
        let note = event(1, 1, &[], "regretted");
        let deletion = publication(&event(1, 5, &[&["e", &note.id.to_string()]], ""));
        let (relay, bob) = (stage.relay.clone(), stage.connection("bob"));
        // The first look is for the event itself, whether it is known; the second when it is cached.
        stage.interruption.set(2, move || run(relay.on_message(bob, &deletion)));
        stage.send("ada", &publication(&note)).await;
        assert!(stage.interruption.is_over());
        stage.gather("ada");
        stage.send("ada", &publication(&note)).await;
        let refused = format!(r#"["OK","{}",false,"blocked: deleted by its author"]"#, note.id);
        assert_eq!(stage.gather("ada"), [refused]);
    });
}

/// The deletion was answered, but whoever delivers is still busy with something that came before.
#[test]
fn what_was_deleted_is_no_duplicate_before_the_deletion_was_passed_on() {
    run(async {
        let mut stage = listened_to_by(&[]).await;
        let note = event(1, 1, &[], "regretted");
        for client in ["ada", "bob"] {
            stage.connect(client).await;
        }
        stage.send("ada", &publication(&note)).await;
        let (relay, bob) = (stage.relay.clone(), stage.connection("bob"));
        let texts = [publication(&event(1, 5, &[&["e", &note.id.to_string()]], "")), publication(&note)];
        stage.interruption.set(2, move || texts.iter().for_each(|text| run(relay.on_message(bob, text))));
        stage.send("ada", &publication(&event(1, 1, &[], "another"))).await;
        let answers = stage.gather("bob");
        assert!(answers[0].contains("true") && answers[1].contains("blocked: deleted by its author"), "{answers:?}");
    });
}

#[test]
fn an_older_version_is_no_duplicate_before_the_newer_was_passed_on() {
    run(async {
        let mut stage = listened_to_by(&[]).await;
        for client in ["ada", "bob"] {
            stage.connect(client).await;
        }
        let at = |seconds| key(1).sign(Kind::METADATA, Seconds::new(seconds), Tags::default(), "{}");
        stage.send("ada", &publication(&at(1))).await;
        let (relay, bob) = (stage.relay.clone(), stage.connection("bob"));
        let texts = [publication(&at(2)), publication(&at(1))];
        stage.interruption.set(2, move || texts.iter().for_each(|text| run(relay.on_message(bob, text))));
        stage.send("ada", &publication(&event(1, 1, &[], "another"))).await;
        let answers = stage.gather("bob");
        assert!(answers[1].contains(r#"false,"duplicate: a newer version"#), "{answers:?}");
    });
}

#[test]
fn jobs_and_handlers_go_before_a_flood_that_came_first() {
    run(async {
        for kind in [5_050, 6_050, 7_000, 31_990] {
            let mut stage = listened_to_by(&["reader"]).await;
            stage.connect("provider").await;
            flood(&stage, 1_200).await;
            let (id, customer) = (event(1, 5_050, &[], "").id.to_string(), key(1).public_key().to_string());
            let tags: [&[&str]; 4] = [&["e", &id], &["p", &customer], &["status", "processing"], &["d", "x"]];
            stage.send("provider", &publication(&event(2, kind, &tags, ""))).await;
            assert!(stage.gather("provider").concat().contains("true"));
            let kinds = kinds(&stage, "reader");
            assert_eq!((kinds.len(), kinds[0]), (1_201, u64::from(kind)));
            assert!(kinds[1..].iter().all(|kind| *kind == 1));
        }
    });
}

#[test]
fn a_job_goes_first_while_a_flood_is_passed_on() {
    run(async {
        let mut stage = listened_to_by(&["reader"]).await;
        stage.connect("provider").await;
        flood(&stage, 700).await;
        let (relay, provider) = (stage.relay.clone(), stage.connection("provider"));
        let texts = [1, 5_050, 7].map(|kind| publication(&event(2, kind, &[], "now")));
        // At the hundredth note that is passed on.
        stage.interruption.set(100, move || texts.iter().for_each(|text| run(relay.on_message(provider, text))));
        stage.relay.deliver().await;
        assert!(stage.interruption.is_over());
        let kinds = kinds(&stage, "reader");
        let place = kinds.iter().position(|kind| *kind == 5_050);
        assert_eq!((kinds.len(), place), (703, Some(100)));
        assert_eq!(kinds[701..], [1, 7], "what is no job comes in its turn");
    });
}

/// With somebody else to pass things on, publishing ends with its answers, whatever there is to pass on.
#[test]
fn a_job_that_is_gone_again_is_not_passed_on() {
    run(async {
        let mut stage = listened_to_by(&["ada"]).await;
        stage.connect("bob").await;
        let request = event(1, 5050, &[&["i", "x", "text"]], "");
        let deletion = event(1, 5, &[&["e", &request.id.to_string()]], "");
        let both = [publication(&request), publication(&deletion)];
        stage.relay.on_messages(stage.connection("bob"), &both).await;
        assert!(!stage.relay.storage().event_exists(&request.id).await.expect("memory can be read"));
        assert_eq!(kinds(&stage, "ada"), [5]);
    });
}

#[test]
fn who_publishes_does_not_pass_on_if_somebody_else_does() {
    run(async {
        let wakes = Arc::new(AtomicUsize::new(0));
        let woken = wakes.clone();
        let count = Box::new(move || {
            woken.fetch_add(1, Ordering::SeqCst);
        });
        let mut stage = TestStage::new(settings()).await.change(|relay| relay.with_waker(count));
        for client in ["reader", "writer"] {
            stage.connect(client).await;
        }
        stage.send("reader", r#"["REQ","all",{}]"#).await;
        stage.gather("reader");
        flood(&stage, 50).await;
        stage.send("writer", &publication(&event(1, 1, &[], ""))).await;
        assert!(stage.gather("writer").concat().contains("true"));
        assert_eq!((wakes.load(Ordering::SeqCst), kinds(&stage, "reader").len()), (1, 0));
        stage.relay.deliver().await;
        assert_eq!(kinds(&stage, "reader").len(), 51);
    });
}

const AT: nexus_model::Timestamp = nexus_model::Timestamp::from_millis(NOW);

/// A session that asked for everything, and was sent nothing of it yet.
fn asking(settings: &Settings) -> Session {
    let mut session = Session::new(ConnectionId::new(1), None, String::new(), AT);
    let (buckets, lists) = (Default::default(), Default::default());
    let mut context = Context { settings, lists: &lists, buckets: &buckets, now: AT };
    assert!(matches!(session.receive(r#"["REQ","s",{}]"#, &mut context)[..], [Action::Subscribe(..)]));
    session
}

/// A client whose stored events wait holds no more of what happens meanwhile than it may, in number and in bytes.
#[test]
fn what_waits_for_stored_events_is_bounded() {
    let limits = Limits { live_buffer: 5, outbound_bytes: 1_000, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    for (length, expected) in [(10, 5), (250, 4), (1_000, 1), (1_001, 0)] {
        let mut session = asking(&settings);
        let (note, json): (_, Arc<str>) = (event(1, 1, &[], ""), "x".repeat(length).into());
        let mut kept = 0;
        let ended = loop {
            let news = News { seq: None, event: &note, json: &json };
            let actions = session.live("s", news, Pace::Steady, &settings, AT);
            if !actions.is_empty() {
                break actions;
            }
            kept += 1;
        };
        assert_eq!(kept, expected, "{length}");
        assert!(matches!(&ended[..], [Action::Unsubscribe(_), Action::Send(text)] if text.contains("error: too much")));
    }
}

/// The stored events fill the client's queue by themselves: that is no reason to end the subscription, nor is an
/// event that they already had.
#[test]
fn only_what_would_be_sent_now_ends_a_slow_subscription() {
    let settings = Settings::default();
    let mut session = asking(&settings);
    let (note, json): (_, Arc<str>) = (event(1, 1, &[], ""), "{}".into());
    let happens = |session: &mut Session, seq: u64| {
        let news = News { seq: Some(Seq::new(seq)), event: &note, json: &json };
        session.live("s", news, Pace::Slow, &settings, AT)
    };
    assert!(happens(&mut session, 5).is_empty());
    let stored = session.stored("s", Seq::new(4), EoseHint::Finish, &settings);
    assert!(matches!(&stored[..], [Action::Send(end), Action::Send(event)]
        if end.starts_with("[\"EOSE\"") && event.starts_with("[\"EVENT\"")));
    assert!(happens(&mut session, 4).is_empty());
    let ended = happens(&mut session, 6);
    assert!(matches!(&ended[..], [Action::Unsubscribe(_), Action::Send(text)] if text.contains("slow consumer")));
}

/// What is passed on late, and stands in the page that is being sent, takes no room from what happens after it.
#[test]
fn what_a_page_has_does_not_wait() {
    let limits = Limits { live_buffer: 2, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let mut session = asking(&settings);
    let (note, json): (_, Arc<str>) = (event(1, 1, &[], ""), "{}".into());
    let happens = |session: &mut Session, seq: u64| {
        let news = News { seq: Some(Seq::new(seq)), event: &note, json: &json };
        session.live("s", news, Pace::Steady, &settings, AT)
    };
    assert!([3, 11].iter().all(|seq| happens(&mut session, *seq).is_empty()));
    session.asks_up_to("s", Seq::new(10));
    assert!([4, 5, 10, 12].iter().all(|seq| happens(&mut session, *seq).is_empty()));
    assert_eq!(session.stored("s", Seq::new(10), EoseHint::Finish, &settings).len(), 3, "the end, 11 and 12");
    let mut session = asking(&settings);
    session.asks_up_to("s", Seq::new(10));
    assert!([11, 12].iter().all(|seq| happens(&mut session, *seq).is_empty()));
    assert!(matches!(&happens(&mut session, 13)[..], [Action::Unsubscribe(_), Action::Send(_)]));
}

/// What a history of the journal is made of: stored past the relay, published, or delivered.
#[derive(Clone, Copy, Debug)]
enum Step {
    Flood(usize),
    Publish(u16),
    Delete,
    Subscribe,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..30_usize).prop_map(Step::Flood),
        prop::sample::select(vec![1, 5_050, 6_050, 7_000, 31_990, 0]).prop_map(Step::Publish),
        Just(Step::Delete),
        Just(Step::Subscribe),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever goes first and whatever is deleted: each subscription sees each event at most once, and what stays
    /// exactly once.
    #[test]
    fn nothing_is_passed_on_twice_and_nothing_is_left_out(steps in steps()) {
        run(async {
            let mut stage = listened_to_by(&["first"]).await;
            stage.connect("writer").await;
            let (mut readers, mut published) = (vec!["first".to_owned()], Vec::<Event>::new());
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Step::Flood(count) => {
                        let notes = (0..*count).map(|n| event(8, 1, &[], &format!("{number}/{n}")));
                        let prepared =
                            notes.map(|n| PreparedEvent::new(Verified::by_operator(n), Seconds::new(NOW / 1_000), None));
                        stage.relay.storage().store_batch(prepared.collect()).await.expect("memory");
                    }
                    Step::Publish(kind) => {
                        let text = number.to_string();
                        let (id, customer) = (key(7).public_key().to_string(), key(7).public_key().to_string());
                        let tags: [&[&str]; 4] = [&["e", &id], &["p", &customer], &["status", "error"], &["d", &text]];
                        let event = event(1, *kind, &tags, &text);
                        stage.send("writer", &publication(&event)).await;
                        published.push(event);
                    }
                    Step::Delete => {
                        if let Some(event) = published.pop() {
                            let deletion = super::delivery::event(1, 5, &[&["e", &event.id.to_string()]], "");
                            stage.send("writer", &publication(&deletion)).await;
                        }
                    }
                    Step::Subscribe => {
                        let name = format!("reader {number}");
                        stage.connect(&name).await;
                        stage.send(&name, r#"["REQ","all",{"limit":1000}]"#).await;
                        readers.push(name);
                    }
                }
            }
            stage.relay.deliver().await;
            let stored = stage.relay.storage().query_events(&nexus_nostr::Filter::new()).await.expect("memory");
            for reader in &readers {
                let texts = stage.gather(reader);
                let mut seen: Vec<_> = texts.iter().filter(|text| text.starts_with(r#"["EVENT""#)).collect();
                let count = seen.len();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), count, "{reader} saw something twice");
                for stored in &stored {
                    assert!(seen.iter().any(|text| text.contains(&*stored.json)), "{reader} missed {}", stored.json);
                }
            }
        });
    }
}

/// However little is held at once for a client that reads slowly, it gets the same, in the same order.
#[test]
fn a_page_in_parts_is_the_same_page() {
    let answers = |outbound_bytes: usize| {
        run(async move {
            let limits = Limits { outbound_bytes, default_limit: 200, ..Limits::default() };
            let mut stage = TestStage::new(Settings { limits, ..settings() }).await;
            let note = |number: usize| {
                let (at, words) =
                    (NOW / 1_000 - i64::try_from(number % 90).expect("small"), "word ".repeat(number % 7));
                key(9).sign(Kind::NOTE, Seconds::new(at), Tags::default(), format!("note {number} {words}"))
            };
            let notes = (0..400)
                .map(|number| PreparedEvent::new(Verified::by_operator(note(number)), Seconds::new(NOW / 1_000), None));
            stage.relay.storage().store_batch(notes.collect()).await.expect("memory can be written");
            stage.connect("reader").await;
            let filters = [
                r#"{}"#,
                r#"{"limit":150}"#,
                r#"{"search":"word","limit":100}"#,
                r#"{"until":1699999990,"limit":90},{"since":1699999980,"limit":130}"#,
            ];
            for filters in filters {
                stage.send("reader", &format!(r#"["REQ","s",{filters}]"#)).await;
            }
            stage.gather("reader")
        })
    };
    let whole = answers(1 << 30);
    assert!(whole.len() > 500 && whole.iter().filter(|text| text.starts_with("[\"EOSE\"")).count() == 4);
    for bytes in [0, 300, 20_000] {
        assert_eq!(answers(bytes), whole, "{bytes} bytes");
    }
}
