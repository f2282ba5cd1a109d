//! Noise into a whole relay, through the sessions of its clients. Whatever they send, the relay answers in the
//! protocol, and serves others as before.

use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::{Event, Filter, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    ports::{Record, RecordKind, StorageAdapter},
    rules::lists::{Lists, Network},
    settings::{Rates, Settings},
};
use nexus_relay_suite::scenario::Stage;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a message from the relay may begin with.
const VERBS: [&str; 9] = ["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "COUNT", "NEG-MSG", "NEG-ERR"];

fn settings() -> Settings {
    let mut settings = Settings { rates: Rates::off(), ..Settings::default() };
    settings.urls.extend(nexus_nostr::nip::nip42::RelayUrl::parse("wss://relay.example.com"));
    settings.limits.protocol_errors = u32::MAX;
    settings
}

fn event(by: u8, kind: u16, age: i64, tags: &[&[&str]]) -> Event {
    let key = SigningKey::from_bytes([by; 32]).expect("small numbers are valid keys");
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key.sign(Kind::new(kind), Seconds::new(1_700_000_000 - age), tags, "content")
}

/// What a client may mean to say.
fn messages() -> Vec<String> {
    let note = event(1, 1, 0, &[&["t", "x"]]);
    let deletion = event(1, 5, 0, &[&["e", &note.id.to_string()], &["a", &format!("30023:{}:", note.pubkey)]]);
    let request = event(2, 5050, 0, &[&["i", "hello", "text"]]);
    let result = event(3, 6050, 0, &[&["e", &request.id.to_string()], &["p", &request.pubkey.to_string()]]);
    let vanish = event(3, 62, 0, &[&["relay", "ALL_RELAYS"]]);
    let auth = event(1, 22_242, 0, &[&["relay", "wss://relay.example.com"], &["challenge", "x"]]);
    let events = [
        note,
        deletion,
        request,
        result,
        vanish,
        event(1, 0, 1, &[]),
        event(1, 20_001, 0, &[]),
        event(4, 1059, 9, &[]),
    ];
    let mut messages: Vec<String> = events.iter().map(|event| format!("[\"EVENT\",{}]", event.to_json())).collect();
    messages.push(format!("[\"AUTH\",{}]", auth.to_json()));
    messages.extend(
        [
            r##"["REQ","s",{"kinds":[1,5050],"limit":5},{"#t":["x"]}]"##,
            r#"["REQ","s",{}]"#,
            r#"["REQ","t",{"search":"content","intent":"job_request"}]"#,
            r#"["CLOSE","s"]"#,
            r#"["COUNT","c",{"kinds":[1]},{"kinds":[7]}]"#,
            r#"["NEG-OPEN","n",{"kinds":[1]},"61"]"#,
            r#"["NEG-MSG","n","6100000200"]"#,
            r#"["NEG-CLOSE","n"]"#,
            "ping",
        ]
        .map(str::to_owned),
    );
    messages
}

/// Says all of it, and holds each answer to the protocol.
async fn fuzz_session(said: &[String]) {
    let mut stage = TestStage::new(settings()).await;
    stage.connect("noisy").await;
    stage.connect("other").await;
    for text in said {
        stage.send("noisy", text).await;
        while let Some(answer) = stage.next("noisy").await {
            let parsed: Value = serde_json::from_str(&answer).unwrap_or_else(|_| json!([answer]));
            assert!(parsed[0].as_str().is_some_and(|verb| VERBS.contains(&verb) || verb == "pong"), "{answer}");
        }
    }
    let own = event(9, 1, 3, &[]);
    stage.send("other", &format!("[\"EVENT\",{}]", own.to_json())).await;
    stage.send("other", &format!("[\"REQ\",\"own\",{{\"ids\":[\"{}\"]}}]", own.id)).await;
    let answers: Vec<Option<String>> = [stage.next("other").await, stage.next("other").await].into();
    let accepted = format!("[\"OK\",\"{}\",true,\"\"]", own.id);
    let found = format!("[\"EVENT\",\"own\",{}]", own.to_json());
    assert_eq!(answers, [Some(accepted), Some(found)]);
    assert_sound(&stage).await;
}

/// What is stored is what is allowed to be stored, whoever sent it.
async fn assert_sound(stage: &TestStage) {
    let stored = stage.relay.storage().query_events(&Filter::new()).await.expect("memory can be read");
    for stored in stored {
        let event = stored.event().expect("it is an event");
        assert_eq!(event.computed_id(), event.id);
        assert!(!matches!(event.kind.get(), 20_000..=29_999), "{}", event.kind.get());
    }
}

/// What an operator or another program may have left in the lists.
fn fuzz_lists(text: &str) {
    let record = Record { key: text.to_owned(), value: text.to_owned() };
    for kind in Lists::KINDS {
        Lists::default().read(kind, std::slice::from_ref(&record));
    }
    if let Some(network) = Network::parse(text) {
        let mut lists = Lists::default();
        lists.read(RecordKind::BlockedIp, &[record]);
        let ip = "203.0.113.9".parse().expect("an address");
        assert_eq!(lists.blocks(ip), network.contains(ip));
    }
}

fn now(future: impl Future<Output = ()>) {
    future.now_or_never().expect("memory never waits");
}

fn noise() -> impl Strategy<Value = String> {
    let sample = prop::sample::select(messages());
    let part = prop::sample::select(vec![
        "\"",
        "[",
        "]",
        "{}",
        ",",
        "1e3",
        "-1",
        "\\ud800",
        "\0",
        "x",
        "99999999999999999999",
    ]);
    let damaged =
        (sample.clone(), any::<prop::sample::Index>(), part, 0..3_usize).prop_map(|(text, at, part, skipped)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + skipped);
            bytes.splice(at..end, part.bytes());
            String::from_utf8_lossy(&bytes).into_owned()
        });
    prop_oneof![4 => sample, 3 => damaged, 1 => ".{0,60}"]
}

proptest! {
    #[test]
    fn whatever_a_client_says_the_relay_goes_on(said in prop::collection::vec(noise(), 0..14)) {
        now(fuzz_session(&said));
    }

    #[test]
    fn whatever_stands_in_a_list_it_is_read(text in "[0-9a-f.:/]{0,20}|.{0,20}") {
        fuzz_lists(&text);
    }
}
