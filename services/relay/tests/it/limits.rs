//! Limits that the operator turns, each at its edge and with what the client is told beyond it.

use crate::stage::{NOW, TestStage};
use futures_util::FutureExt;
use nexus_model::Timestamp;
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags, nip::nip42::RelayUrl};
use nexus_relay::{
    ports::ConnectionId,
    rules::{lists::Lists, rates::Buckets},
    session::{Action, Context, Session},
    settings::{Limits, Rate, Rates, ReadPolicy, Settings, Switch, WritePolicy},
};
use nexus_relay_suite::scenario::Stage;

const URL: &str = "wss://relay.example.com";

/// Runs what can't wait, because memory never does.
fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}

fn event(by: u8, kind: u16, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Seconds::new(NOW / 1_000), tags, content)
}

fn known(limits: Limits) -> Settings {
    Settings { limits, urls: vec![RelayUrl::parse(URL).expect("an address")], ..Settings::default() }
}

/// What a client is told for a message: the last of it.
async fn told(stage: &mut TestStage, client: &str, text: &str) -> String {
    stage.send(client, text).await;
    stage.gather(client).pop().unwrap_or_default()
}

async fn published(stage: &mut TestStage, client: &str, event: &Event) -> String {
    let told = told(stage, client, &format!(r#"["EVENT",{}]"#, event.to_json())).await;
    let answer: (String, String, bool, String) = serde_json::from_str(&told).expect("an OK");
    if answer.2 { "taken".to_owned() } else { answer.3 }
}

/// Proves that a client holds a key, and gives the answer.
async fn prove(stage: &mut TestStage, client: &str, challenge: &str, by: u8) -> String {
    let proof = event(by, 22_242, &[&["relay", URL], &["challenge", challenge]], "");
    told(stage, client, &format!(r#"["AUTH",{}]"#, proof.to_json())).await
}

#[test]
fn a_message_has_so_many_bytes() {
    run(async {
        let limits = Limits { message_bytes: 100, ..Limits::default() };
        let mut stage = TestStage::new(known(limits)).await;
        stage.connect("ada").await;
        let of = |length: usize| format!(r#"["COUNT","{}",{{}}]"#, "c".repeat(length - r#"["COUNT","",{}]"#.len()));
        assert!(told(&mut stage, "ada", &of(64)).await.starts_with("[\"COUNT\""));
        let padded =
            |length: usize| format!(r#"["COUNT","c",{{}}]{}"#, " ".repeat(length - r#"["COUNT","c",{}]"#.len()));
        assert_eq!(told(&mut stage, "ada", &padded(100)).await, r#"["COUNT","c",{"count":0}]"#);
        assert_eq!(told(&mut stage, "ada", &padded(101)).await, r#"["NOTICE","invalid: message is too large"]"#);
    });
}

#[test]
fn what_is_switched_off_is_refused_by_name() {
    run(async {
        let read = ReadPolicy { search: Switch::Off, allowed_kinds: vec![1..=1], ..ReadPolicy::default() };
        let write = WritePolicy { bare_seals: Switch::Off, ..WritePolicy::default() };
        let limits = Limits { filter_values: 3, ..Limits::default() };
        let mut stage = TestStage::new(Settings { read, write, limits, ..Settings::default() }).await;
        stage.connect("ada").await;
        for (filter, answer) in [
            (r#"{"kinds":[1],"search":"x"}"#, r#"["CLOSED","s","unsupported: search is not enabled"]"#),
            (r#"{"kinds":[1,2]}"#, r#"["CLOSED","s","restricted: these kinds can't be asked for here"]"#),
            ("{}", r#"["CLOSED","s","restricted: these kinds can't be asked for here"]"#),
            (r##"{"kinds":[1],"#t":["a","b","c"]}"##, r#"["CLOSED","s","invalid: too many values in a filter"]"#),
            (r##"{"kinds":[1],"#t":["a","b"]}"##, r#"["EOSE","s",["finish"]]"#),
        ] {
            assert_eq!(told(&mut stage, "ada", &format!(r#"["REQ","s",{filter}]"#)).await, answer, "{filter}");
        }
        assert_eq!(published(&mut stage, "ada", &event(1, 13, &[], "")).await, "invalid: seals belong into gift wraps");
        let proof = event(1, 22_242, &[&["relay", URL], &["challenge", "x"]], "");
        let refused = format!(r#"["OK","{}",false,"error: this relay has no address to authenticate to"]"#, proof.id);
        assert_eq!(told(&mut stage, "ada", &format!(r#"["AUTH",{}]"#, proof.to_json())).await, refused);
    });
}

#[test]
fn a_connection_proves_so_many_keys() {
    run(async {
        let mut stage = TestStage::new(known(Limits { keys: 2, ..Limits::default() })).await;
        let challenge = stage.connect("ada").await.expect("a challenge");
        for (by, is_taken) in [(1, true), (2, true), (3, false), (1, true)] {
            let told = prove(&mut stage, "ada", &challenge, by).await;
            assert_eq!(told.contains("true"), is_taken, "{by}: {told}");
            assert!(is_taken || told.contains("restricted: too many keys on one connection"), "{told}");
        }
    });
}

/// A limit that is lowered holds for clients that have more already.
#[test]
fn a_client_with_more_keys_than_it_may_gets_no_further_ones() {
    let (many, few) = (known(Limits::default()), known(Limits { keys: 1, ..Limits::default() }));
    let mut session = Session::new(ConnectionId::new(1), None, String::new(), Timestamp::from_millis(NOW));
    let id = event(1, 1, &[], "").id;
    for by in 1..=3 {
        session.authenticated(&id, Ok(key(by).public_key()), &many);
    }
    let answer = session.authenticated(&id, Ok(key(4).public_key()), &few);
    assert!(matches!(&answer[..], [Action::Send(text)] if text.contains("too many keys")), "{answer:?}");
    assert_eq!(session.keys().len(), 3);
}

#[test]
fn who_has_authenticated_may_have_more_subscriptions() {
    run(async {
        let limits = Limits { subscriptions: 1, authenticated_subscriptions: 2, ..Limits::default() };
        let mut stage = TestStage::new(known(limits)).await;
        let challenge = stage.connect("ada").await.expect("a challenge");
        let refused = |sub: &str| format!(r#"["CLOSED","{sub}","error: too many subscriptions"]"#);
        assert!(told(&mut stage, "ada", r#"["REQ","a",{}]"#).await.starts_with("[\"EOSE\""));
        assert_eq!(told(&mut stage, "ada", r#"["REQ","b",{}]"#).await, refused("b"));
        prove(&mut stage, "ada", &challenge, 1).await;
        assert!(told(&mut stage, "ada", r#"["REQ","b",{}]"#).await.starts_with("[\"EOSE\""));
        assert_eq!(told(&mut stage, "ada", r#"["REQ","c",{}]"#).await, refused("c"));
        // A negotiation is as good as a subscription.
        let negotiation = r#"["NEG-OPEN","n",{},"61"]"#;
        assert!(told(&mut stage, "ada", negotiation).await.contains("too many subscriptions"));
        told(&mut stage, "ada", r#"["CLOSE","a"]"#).await;
        assert!(told(&mut stage, "ada", negotiation).await.starts_with("[\"NEG-MSG\""));
        assert_eq!(told(&mut stage, "ada", r#"["REQ","a",{}]"#).await, refused("a"));
    });
}

#[test]
fn an_idle_negotiation_ends_and_one_that_moves_does_not() {
    run(async {
        let mut stage = TestStage::new(known(Limits { negentropy_idle: 10, ..Limits::default() })).await;
        stage.connect("ada").await;
        assert!(told(&mut stage, "ada", r#"["NEG-OPEN","n",{},"61"]"#).await.starts_with("[\"NEG-MSG\""));
        stage.wait(9).await;
        assert!(told(&mut stage, "ada", r#"["NEG-MSG","n","61"]"#).await.starts_with("[\"NEG-MSG\""));
        stage.wait(9).await;
        assert_eq!(stage.gather("ada"), Vec::<String>::new());
        stage.wait(1).await;
        assert_eq!(stage.gather("ada"), [r#"["NEG-ERR","n","closed: idle"]"#]);
        let gone = r#"["NEG-ERR","n","closed: no such session"]"#;
        assert_eq!(told(&mut stage, "ada", r#"["NEG-MSG","n","61"]"#).await, gone);
    });
}

/// A stage for strangers, with these rates and no others.
async fn strangers(rates: Rates) -> TestStage {
    let mut stage = TestStage::new(Settings { rates, ..known(Limits::default()) }).await;
    stage.ip = [192, 0, 2, 1].into();
    stage
}

const SLOW: Rate = Rate { burst: 2, per_minute: 60 };
const TOO_FAST: &str = "rate-limited: slow down";

#[test]
fn an_author_publishes_so_often_from_wherever() {
    run(async {
        let mut stage = strangers(Rates { author_events: SLOW, ..Rates::off() }).await;
        stage.connect("ada").await;
        stage.ip = [192, 0, 2, 2].into();
        stage.connect("bob").await;
        for (client, by, number, answer) in
            [("ada", 1, 1, "taken"), ("bob", 1, 2, "taken"), ("ada", 1, 3, TOO_FAST), ("ada", 2, 4, "taken")]
        {
            let note = event(by, 1, &[], &number.to_string());
            assert_eq!(published(&mut stage, client, &note).await, answer, "{client} {number}");
        }
        stage.wait(1).await;
        assert_eq!(published(&mut stage, "bob", &event(1, 1, &[], "5")).await, "taken");
        assert_eq!(published(&mut stage, "bob", &event(1, 1, &[], "6")).await, TOO_FAST);
    });
}

#[test]
fn a_recipient_is_sent_so_many_gift_wraps_whoever_sends_them() {
    run(async {
        let mut stage = strangers(Rates { gift_wraps: SLOW, ..Rates::off() }).await;
        stage.connect("ada").await;
        let (recipient, other) = (key(9).public_key().to_string(), key(8).public_key().to_string());
        let wrap = |by: u8, to: &str| event(by, 1_059, &[&["p", to]], "sealed");
        for (by, to, answer) in
            [(1, &recipient, "taken"), (2, &recipient, "taken"), (3, &recipient, TOO_FAST), (3, &other, "taken")]
        {
            assert_eq!(published(&mut stage, "ada", &wrap(by, to)).await, answer, "{by}");
        }
    });
}

#[test]
fn who_has_authenticated_may_ask_more_often() {
    let rates = Rates { queries: SLOW, authenticated_factor: 3, ..Rates::off() };
    let settings = Settings { rates, ..known(Limits::default()) };
    let answered = |keys: u8| {
        let (buckets, lists) = (Buckets::default(), Lists::default());
        let now = Timestamp::from_millis(NOW);
        let mut session = Session::new(ConnectionId::new(1), Some([192, 0, 2, 1].into()), String::new(), now);
        for by in 1..=keys {
            session.authenticated(&event(1, 1, &[], "").id, Ok(key(by).public_key()), &settings);
        }
        let mut context = Context { settings: &settings, lists: &lists, buckets: &buckets, now };
        let asked = (0..20).map(|_| session.receive(r#"["COUNT","c",{}]"#, &mut context));
        asked.filter(|actions| matches!(&actions[..], [Action::Count(..)])).count()
    };
    assert_eq!([0, 1, 2].map(answered), [2, 6, 6]);
}
