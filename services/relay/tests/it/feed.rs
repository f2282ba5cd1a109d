use crate::stage::{NOW, TestStage};
use futures_util::FutureExt;
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use nexus_relay::settings::{Market, Settings, Switch};
use nexus_relay_suite::scenario::Stage;
use serde_json::{Value, json};

const AT: i64 = 1_700_000_000;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn event(by: u8, kind: u16, tags: &[&[&str]]) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Seconds::new(AT), tags, "")
}

/// A relay where provider 2 handles kind 5050, and three listen: a provider, a stranger, a provider without handlers.
async fn market(target_exclusive: Switch) -> TestStage {
    let market = Market { target_exclusive, ..Market::default() };
    let urls = nexus_nostr::nip::nip42::RelayUrl::parse("wss://relay.example").into_iter().collect();
    let mut stage = TestStage::new(Settings { market, urls, ..Settings::default() }).await;
    stage.connect("customer").await;
    publish(&mut stage, &event(2, 31_990, &[&["d", "x"], &["k", "5050"]])).await;
    for (name, by) in [("provider", Some(2)), ("stranger", None), ("novice", Some(3))] {
        let challenge = stage.connect(name).await.expect("a challenge");
        if let Some(by) = by {
            let proof = event(by, 22_242, &[&["relay", "wss://relay.example"], &["challenge", &challenge]]);
            stage.send(name, &format!(r#"["AUTH",{}]"#, proof.to_json())).await;
            assert!(stage.next(name).await.expect("an answer").contains("true"));
        }
        stage.send(name, r#"["REQ","feed",{"intent":"job_request"}]"#).await;
        assert!(stage.next(name).await.expect("an end").contains("EOSE"));
    }
    stage
}

async fn publish(stage: &mut TestStage, event: &Event) {
    stage.send("customer", &format!(r#"["EVENT",{}]"#, event.to_json())).await;
    let answer = stage.next("customer").await.expect("an answer");
    assert!(answer.contains("true"), "{answer}");
}

/// Who gets a request.
async fn receivers(stage: &mut TestStage, request: &Event) -> Vec<&'static str> {
    publish(stage, request).await;
    let mut receivers = Vec::new();
    for name in ["provider", "stranger", "novice"] {
        while let Some(text) = stage.next(name).await {
            assert!(text.contains(&request.id.to_string()), "{text}");
            receivers.push(name);
        }
    }
    receivers
}

fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

#[test]
fn a_feed_is_narrowed_to_what_its_provider_handles() {
    run(async {
        let mut stage = market(Switch::Off).await;
        assert_eq!(receivers(&mut stage, &event(1, 5050, &[])).await, ["provider", "stranger", "novice"]);
        assert_eq!(receivers(&mut stage, &event(1, 5100, &[])).await, ["stranger", "novice"]);
        let other = key(7).public_key().to_string();
        assert_eq!(receivers(&mut stage, &event(1, 5050, &[&["p", &other]])).await.len(), 3);
    });
}

#[test]
fn a_feed_leaves_out_what_is_for_others_where_the_operator_says_so() {
    run(async {
        let mut stage = market(Switch::On).await;
        let provider = key(2).public_key().to_string();
        assert_eq!(receivers(&mut stage, &event(1, 5050, &[&["p", &provider]])).await, ["provider", "stranger"]);
        assert_eq!(receivers(&mut stage, &event(1, 5050, &[])).await, ["provider", "stranger", "novice"]);
        // What is stored is treated like what happens.
        for (name, expected) in [("provider", 2), ("stranger", 2), ("novice", 1)] {
            stage.send(name, r#"["REQ","again",{"intent":"job_request"}]"#).await;
            let mut events = 0;
            while let Some(text) = stage.next(name).await {
                events += usize::from(text.starts_with(r#"["EVENT""#));
            }
            assert_eq!(events, expected, "{name}");
        }
    });
}

#[test]
fn what_is_for_others_does_not_use_up_a_feeds_limit() {
    run(async {
        let mut stage = market(Switch::On).await;
        let for_all = event(1, 5050, &[]);
        publish(&mut stage, &for_all).await;
        let other = key(7).public_key().to_string();
        for number in 0..5 {
            let (kind, at) = (Kind::new(5050), Seconds::new(NOW / 1_000 + 1));
            let tags = Tags::new([["p", &other]]);
            publish(&mut stage, &key(1).sign(kind, at, tags, number.to_string())).await;
        }
        stage.send("provider", r#"["REQ","again",{"intent":"job_request","limit":1}]"#).await;
        let mut last = None;
        while let Some(text) = stage.next("provider").await {
            if text.starts_with(r#"["EOSE","again""#) {
                break;
            }
            last = Some(text);
        }
        let last = last.expect("a stored job");
        assert!(last.starts_with(r#"["EVENT","again""#) && last.contains(&for_all.id.to_string()), "{last}");
    });
}

#[test]
fn presence_is_being_there_by_name_and_asking_for_the_kind() {
    run(async {
        let mut stage = market(Switch::Off).await;
        let presence = stage.relay.presence().await.expect("memory");
        let online = |by: u8, kind: u16| presence.is_online(&key(by).public_key(), Kind::new(kind));
        assert!(online(2, 5050) && !online(2, 5100) && !online(2, 1));
        assert!(online(3, 5100) && !online(4, 5050));
        stage.leave("provider").await;
        let presence = stage.relay.presence().await.expect("memory");
        assert!(!presence.is_online(&key(2).public_key(), Kind::new(5050)));
    });
}

#[test]
fn presence_may_be_nobodys_business() {
    run(async {
        let market = Market { presence: Switch::Off, ..Market::default() };
        let stage = TestStage::new(Settings { market, ..Settings::default() }).await;
        let presence = stage.relay.presence().await.expect("memory");
        assert!(!presence.is_online(&key(2).public_key(), Kind::new(5050)));
    });
}

#[test]
fn the_second_at_which_the_relay_cuts_is_sent_whole() {
    run(async {
        let mut settings = Settings::default();
        (settings.limits.limit, settings.limits.default_limit, settings.limits.boundary) = (4, 3, 2);
        let mut stage = TestStage::new(settings).await;
        stage.connect("customer").await;
        let at = |seconds: i64, number: i64| {
            key(1).sign(Kind::NOTE, Seconds::new(seconds), Tags::default(), number.to_string())
        };
        for event in [at(30, 0), at(30, 1), at(20, 2), at(20, 3), at(20, 4), at(10, 5)] {
            publish(&mut stage, &event).await;
        }
        // Asked for, and what comes of it: how many, and whether there is more.
        for (filter, count, hint) in [
            (json!({}), 5, "more"),
            (json!({ "since": 20 }), 5, "finish"),
            (json!({ "limit": 2 }), 2, "more"),
            (json!({ "limit": 1 }), 1, "more"),
            (json!({ "limit": 9 }), 5, "more"),
            (json!({ "until": 20, "since": 20 }), 3, "finish"),
        ] {
            stage.send("customer", &json!(["REQ", "s", filter]).to_string()).await;
            let mut events = Vec::new();
            loop {
                let message: Value = serde_json::from_str(&stage.next("customer").await.expect("one")).expect("JSON");
                if message[0] == "EOSE" {
                    assert_eq!(message[2][0], hint, "{filter}");
                    break;
                }
                events.push((message[2]["created_at"].as_i64().map(|at| -at), message[2]["id"].to_string()));
            }
            assert_eq!(events.len(), count, "{filter}");
            assert!(events.is_sorted(), "{events:?}");
        }
    });
}
