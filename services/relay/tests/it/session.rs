//! Whatever clients say in whatever order, each of them is answered as the protocol promises. The model knows which
//! subscriptions are open and what was stored; it shares nothing with the session.

use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::{Event, Filter, Kind, Seconds, SigningKey, Tags, nip::nip42::RelayUrl};
use nexus_relay::settings::{Limits, Rates, Settings};
use nexus_relay_suite::scenario::Stage;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const URL: &str = "wss://relay.example.com";
const NOW: i64 = crate::stage::NOW / 1_000;
/// Subscriptions that a client may have.
const OPEN: usize = 3;
const CLIENTS: [&str; 2] = ["ada", "bob"];

/// What somebody does.
#[derive(Clone, Debug)]
enum Step {
    /// An event of this author, kind and number, and whether its signature is broken.
    Publish(u8, u16, u8, bool),
    /// A deletion by this author of the event that was published so many steps before.
    Delete(u8, prop::sample::Index),
    Subscribe(u8, Vec<usize>),
    Close(u8),
    Count(usize),
    Prove(u8),
    Nonsense(usize),
}

const FILTERS: [&str; 8] = [
    "{}",
    r#"{"kinds":[1]}"#,
    r#"{"kinds":[0,5050],"limit":2}"#,
    r#"{"limit":0}"#,
    r##"{"#t":["a","b"]}"##,
    r#"{"since":1700000002,"until":1700000004}"#,
    r#"{"kinds":[4]}"#,
    r#"{"kinds":[]}"#,
];

const NONSENSE: [&str; 5] = ["[]", "{", r#"["REQ","s",{"foo":1}]"#, r#"["CLOSE"]"#, r#"["COUNT","n",{"kinds":["1"]}]"#];

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let kind = prop::sample::select(vec![0_u16, 1, 1, 4, 5_050, 20_001, 30_023]);
    let step = prop_oneof![
        6 => (1..4_u8, kind, 0..8_u8, prop::bool::weighted(0.1)).prop_map(|(by, kind, n, bad)| Step::Publish(by, kind, n, bad)),
        1 => (1..4_u8, any::<prop::sample::Index>()).prop_map(|(by, which)| Step::Delete(by, which)),
        4 => (0..5_u8, prop::collection::vec(0..FILTERS.len(), 1..3)).prop_map(|(sub, filters)| Step::Subscribe(sub, filters)),
        2 => (0..5_u8).prop_map(Step::Close),
        1 => (0..FILTERS.len()).prop_map(Step::Count),
        1 => (1..4_u8).prop_map(Step::Prove),
        1 => (0..NONSENSE.len()).prop_map(Step::Nonsense),
    ];
    prop::collection::vec((0..CLIENTS.len(), step), 1..40)
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}

/// Each number stands for one event of an author and kind, always the same.
fn event(by: u8, kind: u16, number: u8) -> Event {
    let at = NOW + i64::from(number % 5);
    let word = ["a", "b", "c"][usize::from(number % 3)];
    let party = key(1 + number % 3).public_key().to_string();
    let tags: [&[&str]; 3] = [&["d", word], &["t", word], &["p", &party]];
    let tags = Tags::new(tags.map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Seconds::new(at), tags, number.to_string())
}

/// What is known of a client.
#[derive(Default)]
struct Client {
    open: BTreeMap<String, Vec<Filter>>,
    keys: BTreeSet<u8>,
}

impl Client {
    fn may_see(&self, event: &Event) -> bool {
        let party = |by: &u8| {
            let own = key(*by).public_key();
            event.pubkey == own || event.tags.values("p").any(|value| value == own.to_string())
        };
        event.kind != Kind::DIRECT_MESSAGE || self.keys.iter().any(party)
    }
}

/// The relay, its clients, and what the model knows of them.
struct Scene {
    stage: TestStage,
    clients: [Client; 2],
    challenges: [String; 2],
    published: Vec<Event>,
}

impl Scene {
    async fn new() -> Self {
        let mut settings = Settings { rates: Rates::off(), ..Settings::default() };
        settings.urls.extend(RelayUrl::parse(URL));
        settings.limits = Limits {
            subscriptions: OPEN,
            authenticated_subscriptions: OPEN,
            protocol_errors: 1_000,
            ..settings.limits
        };
        let mut stage = TestStage::new(settings).await;
        let mut challenges = Vec::new();
        for client in CLIENTS {
            challenges.push(stage.connect(client).await.expect("a challenge"));
        }
        let challenges = challenges.try_into().expect("one each");
        Self { stage, clients: Default::default(), challenges, published: Vec::new() }
    }

    /// Everything that came for everybody.
    fn gather(&self) -> [Vec<Value>; 2] {
        CLIENTS.map(|client| {
            let texts = self.stage.gather(client);
            texts.iter().map(|text| serde_json::from_str(text).expect("it is JSON")).collect()
        })
    }

    async fn play(&mut self, who: usize, step: &Step) {
        match step {
            Step::Publish(by, kind, number, is_broken) => {
                let mut event = event(*by, *kind, *number);
                if *is_broken {
                    event.content.push('!');
                }
                self.publish(who, event, *is_broken).await;
            }
            Step::Delete(by, which) => {
                if let Some(target) = (!self.published.is_empty()).then(|| which.get(&self.published)) {
                    let tags = Tags::new([["e", &target.id.to_string()]]);
                    let deletion = key(*by).sign(Kind::DELETION, Seconds::new(NOW), tags, "");
                    self.publish(who, deletion, false).await;
                }
            }
            Step::Subscribe(sub, filters) => self.subscribe(who, &format!("s{sub}"), filters).await,
            Step::Close(sub) => self.close(who, &format!("s{sub}")).await,
            Step::Count(filter) => self.count(who, *filter).await,
            Step::Prove(by) => self.prove(who, *by).await,
            Step::Nonsense(which) => {
                self.stage.send(CLIENTS[who], NONSENSE[*which]).await;
                let came = self.gather();
                assert_eq!((came[who].len(), came[1 - who].len()), (1, 0), "one answer to nonsense: {came:?}");
                assert!(matches!(came[who][0][0].as_str(), Some("NOTICE" | "CLOSED")));
            }
        }
    }

    /// Exactly one OK; and who has a subscription that wants a new event gets it once for each, and nothing else.
    async fn publish(&mut self, who: usize, event: Event, is_broken: bool) {
        self.stage.send(CLIENTS[who], &format!("[\"EVENT\",{}]", event.to_json())).await;
        let came = self.gather();
        let oks: Vec<&Value> = came.iter().flatten().filter(|message| message[0] == "OK").collect();
        assert_eq!(oks.len(), 1, "{came:?}");
        assert!(came[who].contains(oks[0]) && oks[0][1] == json!(event.id));
        let is_new = oks[0][2] == true && oks[0][3] == "";
        assert!(!(is_broken && is_new), "a broken event was taken");
        assert!(oks[0][2] == true || !oks[0][3].as_str().expect("a reason").is_empty());
        for (client, came) in self.clients.iter().zip(&came) {
            let mut expected = BTreeSet::new();
            for (sub, filters) in &client.open {
                if is_new && client.may_see(&event) && filters.iter().any(|filter| filter.matches(&event)) {
                    expected.insert(sub.clone());
                }
            }
            let live: Vec<&Value> = came.iter().filter(|message| message[0] != "OK").collect();
            let told: BTreeSet<String> =
                live.iter().map(|message| message[1].as_str().expect("a name").to_owned()).collect();
            assert_eq!((told, live.len()), (expected.clone(), expected.len()), "{live:?}");
            assert!(live.iter().all(|message| message[0] == "EVENT" && message[2]["id"] == json!(event.id)));
        }
        if is_new {
            self.published.push(event);
        }
    }

    /// Stored events in order, then exactly one end; or exactly one refusal.
    async fn subscribe(&mut self, who: usize, sub: &str, which: &[usize]) {
        let filters: Vec<&str> = which.iter().map(|filter| FILTERS[*filter]).collect();
        self.stage.send(CLIENTS[who], &format!("[\"REQ\",\"{sub}\",{}]", filters.join(","))).await;
        let [ada, bob] = self.gather();
        let (came, others) = if who == 0 { (ada, bob) } else { (bob, ada) };
        assert!(others.is_empty() && came.iter().all(|message| message[1] == sub), "{came:?}");
        let (end, stored) = came.split_last().expect("an answer");
        self.clients[who].open.remove(sub);
        if end[0] == "CLOSED" {
            let is_full = self.clients[who].open.len() >= OPEN;
            let is_private =
                self.clients[who].keys.is_empty() && which.iter().all(|filter| FILTERS[*filter].contains("[4]"));
            assert!(stored.is_empty() && (is_full || is_private), "{came:?}");
            return;
        }
        assert_eq!(end[0], "EOSE");
        let filters: Vec<Filter> = filters.iter().map(|text| Filter::parse(text).expect("a filter")).collect();
        let mut places = Vec::new();
        for message in stored {
            assert_eq!(message[0], "EVENT");
            let event = Event::parse(&message[2].to_string()).expect("an event");
            assert!(!event.kind.is_ephemeral() && self.clients[who].may_see(&event));
            assert!(filters.iter().any(|filter| filter.matches(&event)));
            places.push((std::cmp::Reverse(event.created_at), event.id));
        }
        assert!(places.is_sorted() && places.windows(2).all(|pair| pair[0] != pair[1]), "in order, without repeats");
        let most: usize =
            filters.iter().map(|filter| filter.limit().unwrap_or(usize::MAX)).fold(0, usize::saturating_add);
        assert!(places.len() <= most);
        self.clients[who].open.insert(sub.to_owned(), filters);
    }

    /// No answer, and nothing of it afterwards: that is what the others check.
    async fn close(&mut self, who: usize, sub: &str) {
        self.stage.send(CLIENTS[who], &format!("[\"CLOSE\",\"{sub}\"]")).await;
        self.clients[who].open.remove(sub);
        assert!(self.gather().iter().all(Vec::is_empty));
    }

    /// One answer: as many as a subscription without limit would find, or a refusal.
    async fn count(&mut self, who: usize, filter: usize) {
        self.stage.send(CLIENTS[who], &format!("[\"COUNT\",\"c\",{}]", FILTERS[filter])).await;
        let came = self.gather();
        assert_eq!((came[who].len(), came[1 - who].len()), (1, 0));
        if came[who][0][0] == "CLOSED" {
            assert!(FILTERS[filter].contains("[4]"));
            return;
        }
        assert_eq!((&came[who][0][0], &came[who][0][1]), (&json!("COUNT"), &json!("c")));
        let counted = came[who][0][2]["count"].as_u64().expect("a number");
        let wanted = Filter::parse(FILTERS[filter]).expect("a filter").with_limit(usize::MAX);
        let all = nexus_relay::ports::StorageAdapter::query_events(self.stage.relay.storage(), &wanted).await;
        let seen = all
            .expect("memory")
            .into_iter()
            .filter(|stored| self.clients[who].may_see(&stored.event().expect("an event")));
        assert_eq!(counted, seen.count() as u64);
    }

    async fn prove(&mut self, who: usize, by: u8) {
        let tags = Tags::new([["relay", URL], ["challenge", self.challenges[who].as_str()]]);
        let proof = key(by).sign(Kind::AUTH, self.stage.now(), tags, "");
        self.stage.send(CLIENTS[who], &format!("[\"AUTH\",{}]", proof.to_json())).await;
        self.clients[who].keys.insert(by);
        let came = self.gather();
        assert_eq!((came[who].len(), came[1 - who].len()), (1, 0));
        assert_eq!(came[who][0], json!(["OK", proof.id, true, ""]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_promise_of_the_protocol_is_kept(steps in steps()) {
        let scene = async {
            let mut scene = Scene::new().await;
            for (who, step) in &steps {
                scene.play(*who, step).await;
            }
        };
        scene.now_or_never().expect("memory never waits");
    }
}

/// Runs what can't wait, because memory never does.
fn run<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory never waits")
}

#[test]
fn a_search_of_a_thousand_words_is_refused() {
    run(async {
        let mut stage = TestStage::new(Settings::default()).await;
        stage.connect("ada").await;
        for (words, is_read) in [(32, true), (33, false), (20_000, false)] {
            for word in ["a ", "-a ", "\"a a\" "] {
                let per = if word.starts_with('"') { 2 } else { 1 };
                let search = word.repeat(words / per + (words % per)).replace('"', "\\\"");
                stage.send("ada", &format!(r#"["REQ","s",{{"search":"{search}"}}]"#)).await;
                let answer = stage.gather("ada").pop().expect("an answer");
                assert_eq!(answer.starts_with("[\"EOSE\""), is_read, "{words} {word}: {answer}");
                assert!(is_read || answer.contains("invalid: too many words in a search"), "{answer}");
            }
        }
    });
}

#[test]
fn subscriptions_have_so_many_values_together() {
    run(async {
        let limits = Limits { subscription_values: 1_000, ..Limits::default() };
        let mut stage = TestStage::new(Settings { limits, ..Settings::default() }).await;
        stage.connect("ada").await;
        let words = |count: usize| (0..count).map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",");
        let refused = r#"["CLOSED","d","error: too many values in subscriptions"]"#;
        for (sub, count, answer) in [
            ("a", 600, r#"["EOSE","a",["finish"]]"#),
            ("b", 400, r#"["EOSE","b",["finish"]]"#),
            ("d", 1, refused),
            // In place of another there is room.
            ("a", 599, r#"["EOSE","a",["finish"]]"#),
            ("c", 1, r#"["EOSE","c",["finish"]]"#),
            ("d", 1, refused),
        ] {
            stage.send("ada", &format!(r##"["REQ","{sub}",{{"#t":[{}]}}]"##, words(count))).await;
            assert_eq!(stage.gather("ada"), [answer], "{sub} {count}");
        }
        // A pair of an author and a kind is a value, as each is filed.
        stage.send("ada", r#"["CLOSE","a"]"#).await;
        let keys: Vec<String> = (1..=31).map(|by| key(by).public_key().to_string()).collect();
        let kinds: Vec<String> = (0..31).map(|kind: u8| kind.to_string()).collect();
        let authors = serde_json::to_string(&keys).expect("JSON");
        stage.send("ada", &format!(r#"["REQ","d",{{"authors":{authors},"kinds":[{}]}}]"#, kinds.join(","))).await;
        assert_eq!(stage.gather("ada"), [refused]);
    });
}

/// Names of sessions are echoed no longer than names may be.
#[test]
fn a_long_name_is_not_sent_back() {
    run(async {
        let mut stage = TestStage::new(Settings::default()).await;
        stage.connect("ada").await;
        let long = "n".repeat(100_000);
        for text in [
            format!(r#"["NEG-MSG","{long}","61"]"#),
            format!(r#"["NEG-OPEN","{long}",{{}},"61"]"#),
            format!(r#"["REQ","{long}",{{}}]"#),
            format!(r#"["COUNT","{long}",{{}}]"#),
            format!(r#"["EVENT",{{"id":"{long}"}}]"#),
        ] {
            stage.send("ada", &text).await;
            let answer = stage.gather("ada").pop().expect("an answer");
            assert!(answer.len() < 300, "{} bytes", answer.len());
        }
    });
}

/// A proof for another relay, for another connection, of another time, or a second time.
#[test]
fn a_proof_is_good_for_one_connection_to_this_relay() {
    run(async {
        let mut settings = Settings::default();
        settings.urls.extend(RelayUrl::parse(URL));
        let mut stage = TestStage::new(settings).await;
        let challenge = stage.connect("ada").await.expect("a challenge");
        let other = stage.connect("bob").await.expect("a challenge");
        let proof = |relay: &str, challenge: &str, at: i64, kind: u16| {
            let tags = Tags::new([["relay", relay], ["challenge", challenge]]);
            key(1).sign(Kind::new(kind), Seconds::new(NOW + at), tags, "")
        };
        for (proof, is_good) in [
            (proof("wss://evil.example.com", &challenge, 0, 22_242), false),
            (proof("wss://relay.example.com.evil.example", &challenge, 0, 22_242), false),
            (proof("wss://evil.example/relay.example.com", &challenge, 0, 22_242), false),
            (proof("wss://relay.example.com@evil.example", &challenge, 0, 22_242), false),
            (proof("relay.example.com", &challenge, 0, 22_242), false),
            (proof(URL, &other, 0, 22_242), false),
            (proof(URL, "", 0, 22_242), false),
            (proof(URL, &challenge, 601, 22_242), false),
            (proof(URL, &challenge, -601, 22_242), false),
            (proof(URL, &challenge, 0, 1), false),
            (proof("ws://RELAY.example.com:443/x?y", &challenge, 600, 22_242), true),
            (proof(URL, &challenge, -600, 22_242), true),
            (proof(URL, &challenge, -600, 22_242), true),
        ] {
            stage.send("ada", &format!("[\"AUTH\",{}]", proof.to_json())).await;
            let answer: Value = serde_json::from_str(&stage.gather("ada").pop().expect("an answer")).expect("JSON");
            assert_eq!((&answer[1], answer[2].as_bool()), (&json!(proof.id), Some(is_good)), "{}", proof.to_json());
            assert!(is_good || answer[3].as_str().is_some_and(|why| why.starts_with("auth-required: ")));
        }
        // A proof with a signature of somebody else.
        let mut forged = proof(URL, &challenge, 0, 22_242);
        forged.pubkey = key(2).public_key();
        forged.id = forged.computed_id();
        stage.send("ada", &format!("[\"AUTH\",{}]", forged.to_json())).await;
        assert!(stage.gather("ada").concat().contains("auth-required:"));
    });
}

/// What is dated, sized or nested at the bounds, told by the message that comes back.
#[test]
fn events_at_the_bounds_are_answered() {
    run(async {
        let mut stage = TestStage::new(Settings::default()).await;
        stage.connect("ada").await;
        let signed = |at: i64, tags: Tags, kind: u16| key(1).sign(Kind::new(kind), Seconds::new(at), tags, "");
        let expiring = |end: &str| signed(NOW, Tags::new([["expiration", end]]), 1);
        let many = Tags::new((0..2_001).map(|_| ["x"]));
        for (event, expected) in [
            (signed(NOW + 900, Tags::default(), 1), ""),
            (signed(NOW + 901, Tags::default(), 1), "invalid: created_at is too far in the future"),
            (signed(i64::MAX, Tags::default(), 1), "invalid: created_at is too far in the future"),
            (signed(0, Tags::default(), 1), ""),
            (signed(NOW - 601, Tags::default(), 20_001), "invalid: created_at is too old"),
            (expiring(&NOW.to_string()), "invalid: event has expired"),
            (expiring("9223372036854775807"), ""),
            (expiring("9223372036854775808"), "invalid: bad expiration tag"),
            (expiring(""), "invalid: bad expiration tag"),
            (expiring("-1"), "invalid: bad expiration tag"),
            (expiring("0x10"), "invalid: bad expiration tag"),
            (signed(NOW, many, 1), "invalid: too many tags"),
            (signed(NOW, Tags::default(), 22_242), "invalid: AUTH events must be sent with AUTH"),
            (
                signed(NOW, Tags::new([["relay", "wss://other.example"]]), 62),
                "invalid: vanish request does not name this relay",
            ),
        ] {
            stage.send("ada", &format!("[\"EVENT\",{}]", event.to_json())).await;
            let answer: Value = serde_json::from_str(&stage.gather("ada").pop().expect("an answer")).expect("JSON");
            assert_eq!((&answer[1], answer[3].as_str()), (&json!(event.id), Some(expected)));
        }
    });
}

/// An address or an id of somebody else's, a deletion, a request to vanish: none of them goes by a deletion.
#[test]
fn a_deletion_takes_only_what_is_its_authors() {
    run(async {
        let mut stage = TestStage::new(Settings::default()).await;
        stage.connect("ada").await;
        let victim = event(2, 30_023, 0);
        let address = format!("30023:{}:a", victim.pubkey);
        let own = event(1, 30_023, 0);
        let own_address = format!("30023:{}:a", own.pubkey);
        let deletion = |tags: &[[&str; 2]]| key(1).sign(Kind::DELETION, Seconds::new(NOW + 100), Tags::new(tags), "");
        let first = deletion(&[["a", &address], ["e", &victim.id.to_string()], ["a", "nonsense"], ["a", &own_address]]);
        let second = deletion(&[["e", &first.id.to_string()], ["e", "nonsense"]]);
        for event in [&victim, &own, &first, &second] {
            stage.send("ada", &format!("[\"EVENT\",{}]", event.to_json())).await;
            assert!(stage.gather("ada").concat().contains("true"));
        }
        let ids = [&victim, &own, &first, &second].map(|event| event.id.to_string());
        stage.send("ada", &format!(r#"["REQ","s",{}]"#, json!({ "ids": ids }))).await;
        let came = stage.gather("ada").concat();
        let is_there = [&victim, &own, &first, &second].map(|event| came.contains(&event.to_json()));
        assert_eq!(is_there, [true, false, true, true]);
    });
}
