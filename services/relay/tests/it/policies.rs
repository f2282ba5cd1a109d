use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::{Event, Kind, Prefix, Reason, Seconds, SigningKey, Tags};
use nexus_relay::{
    ports::{Judge, Judgement, Judging, Source, StorageAdapter, Submission},
    rules::{
        lists::Network,
        policies::{Arrival, Condition, Policy, Sender, judge},
    },
    settings::{Settings, WritePolicy},
};
use nexus_relay_suite::scenario::Stage;
use proptest::prelude::*;
use serde_json::Value;
use std::{net::IpAddr, ops::RangeInclusive, sync::Mutex};

const NOW: i64 = 1_000;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn event(by: u8, kind: u16, at: i64, tags: &[(String, String)], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|(name, value)| [name.as_str(), value.as_str()]));
    key(by).sign(Kind::new(kind), Seconds::new(at), tags, content)
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "B", "ab", "xaBx"]).prop_map(str::to_owned)
}

fn any_event() -> impl Strategy<Value = Event> {
    let tags = prop::collection::vec((prop::sample::select(vec!["t", "x"]).prop_map(str::to_owned), word()), 0..3);
    (1..3_u8, 0..4_u16, 990..1_005_i64, tags, word())
        .prop_map(|(by, kind, at, tags, content)| event(by, kind, at, &tags, &content))
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let ranges = prop::collection::vec((0..4_u16, 0..3_u16).prop_map(|(from, len)| from..=from + len), 0..2);
    let authors = prop::collection::vec((1..3_u8).prop_map(|by| key(by).public_key()), 0..2);
    let networks = prop::sample::subsequence(vec!["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1"], 0..2);
    let sender = prop::option::of(prop::sample::select(vec![Sender::Authenticated, Sender::Anonymous]));
    let values = prop::collection::vec(word(), 0..2);
    let tags = prop::collection::vec((prop::sample::select(vec!["t", "x"]).prop_map(str::to_owned), values), 0..2);
    let texts = prop::collection::vec(word(), 0..2);
    let bounds = (prop::option::of(0..5_usize), prop::option::of(0..5_usize));
    let ages = (prop::option::of(-5..10_i64), prop::option::of(-5..10_i64));
    (ranges, authors, networks, sender, tags, texts, bounds.clone(), bounds, ages).prop_map(
        |(kinds, authors, networks, sender, tags, contains, len, count, age)| Condition {
            kinds,
            authors,
            networks: networks.into_iter().map(|text| Network::parse(text).expect("a network")).collect(),
            sender,
            tags,
            contains,
            min_len: len.0,
            max_len: len.1,
            min_tags: count.0,
            max_tags: count.1,
            min_age: age.0,
            max_age: age.1,
            max_work: None,
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let judgements = [
        Judgement::Accept,
        Judgement::Reject(Reason::new(Prefix::Blocked, "one")),
        Judgement::Reject(Reason::new(Prefix::Restricted, "two")),
        Judgement::Shadow,
    ];
    (any_condition(), prop::option::of(any_condition()), prop::sample::select(judgements.to_vec()))
        .prop_map(|(when, unless, judgement)| Policy { when, unless, judgement })
}

/// The meaning of a condition, one member after the other.
fn model(condition: &Condition, event: &Event, named: bool, ip: Option<IpAddr>) -> bool {
    let mut holds = true;
    if !condition.kinds.is_empty() {
        let all: Vec<u16> = condition.kinds.iter().cloned().flat_map(RangeInclusive::into_iter).collect();
        holds &= all.contains(&event.kind.get());
    }
    if !condition.authors.is_empty() {
        holds &= condition.authors.iter().any(|author| author.to_string() == event.pubkey.to_string());
    }
    if !condition.networks.is_empty() {
        holds &= ip.is_some_and(|ip| condition.networks.iter().any(|network| network.contains(ip)));
    }
    match condition.sender {
        Some(Sender::Authenticated) => holds &= named,
        Some(Sender::Anonymous) => holds &= !named,
        None => {}
    }
    for (name, values) in &condition.tags {
        let mut found = false;
        for tag in event.tags.iter() {
            if tag.name() == name {
                found |= values.is_empty();
                for value in values {
                    found |= tag.get(1) == Some(value);
                }
            }
        }
        holds &= found;
    }
    if !condition.contains.is_empty() {
        let mut found = false;
        for text in &condition.contains {
            found |= event.content.to_ascii_lowercase().contains(&text.to_ascii_lowercase());
        }
        holds &= found;
    }
    let (len, tags) = (event.content.len(), event.tags.iter().count());
    let age = NOW - event.created_at.get();
    for (value, min, max) in
        [(len, condition.min_len, condition.max_len), (tags, condition.min_tags, condition.max_tags)]
    {
        holds &= min.unwrap_or(0) <= value && value <= max.unwrap_or(usize::MAX);
    }
    holds && condition.min_age.unwrap_or(i64::MIN) <= age && age <= condition.max_age.unwrap_or(i64::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_first_rule_that_applies_decides(
        policies in prop::collection::vec(any_policy(), 0..5),
        event in any_event(),
        named in any::<bool>(),
        place in prop::option::of(prop::sample::select(vec!["10.0.0.1", "10.1.2.3", "192.0.2.1", "::1"])),
    ) {
        let ip = place.map(|place| place.parse().expect("an address"));
        let mut expected = Judgement::Accept;
        for policy in policies.iter().rev() {
            let excepted = policy.unless.as_ref().is_some_and(|unless| model(unless, &event, named, ip));
            if model(&policy.when, &event, named, ip) && !excepted {
                expected = policy.judgement.clone();
            }
        }
        let keys = if named { vec![key(9).public_key()] } else { Vec::new() };
        let arrival = Arrival { event: &event, keys: &keys, ip, now: Seconds::new(NOW) };
        prop_assert_eq!(judge(&policies, arrival), expected);
    }
}

#[test]
fn work_is_a_condition() {
    let (easy, hard) = (Condition { max_work: Some(0), ..Condition::default() }, Condition::default());
    let found = (0..).map(|at| event(1, 1, at, &[], "")).find(|event| event.id.as_bytes()[0] < 0x80);
    let event = found.expect("every second event has a bit of it");
    let arrival = Arrival { event: &event, keys: &[], ip: None, now: Seconds::new(NOW) };
    assert!(!easy.holds(arrival) && hard.holds(arrival));
}

/// A judge with an opinion about contents, who remembers what it was asked.
#[derive(Debug, Default)]
struct Opinion(Mutex<Vec<Submission>>);

#[derive(Debug)]
struct Shared(std::sync::Arc<Opinion>);

impl Judge for Shared {
    fn judge(&self, submissions: Vec<Submission>) -> Judging<'_> {
        let judgements = submissions.iter().map(|submission| match submission.event.content.as_str() {
            "bad" => Judgement::Reject(Reason::new(Prefix::Blocked, "bad words")),
            "dull" => Judgement::Shadow,
            _ => Judgement::Accept,
        });
        let judgements = judgements.collect();
        self.0.0.lock().expect("no panic").extend(submissions);
        Box::pin(async { judgements })
    }
}

/// What the client is told about each event, all of them sent at once.
async fn publish(stage: &mut TestStage, events: &[Event]) -> Vec<(bool, String)> {
    let texts: Vec<String> = events.iter().map(|event| format!(r#"["EVENT",{}]"#, event.to_json())).collect();
    stage.relay.on_messages(stage.connection("ada"), &texts).await;
    let mut answers = Vec::new();
    while let Some(text) = stage.next("ada").await {
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answers.push((answer[2] == true, answer[3].as_str().expect("a text").to_owned()));
    }
    answers.sort();
    answers
}

fn note(content: &str) -> Event {
    event(1, 1, 1_600_000_000, &[], content)
}

#[test]
fn a_judge_has_the_last_word() {
    let test = async {
        let opinion = std::sync::Arc::new(Opinion::default());
        let mut stage = TestStage::new(Settings::default()).await;
        stage = stage.change(|relay| relay.with_judge(Box::new(Shared(opinion.clone()))));
        stage.connect("ada").await;
        let mut forged = note("forged");
        forged.content.push('!');
        let answers = publish(&mut stage, &[note("good"), note("bad"), note("dull"), forged]).await;
        let refused =
            [(false, "blocked: bad words".to_owned()), (false, "invalid: event id does not match".to_owned())];
        assert_eq!(answers[..2], refused);
        assert_eq!(answers[2..], [(true, String::new()), (true, String::new())]);
        let stored = stage.relay.storage().query_events(&nexus_nostr::Filter::new()).await.expect("memory");
        assert_eq!(stored.iter().map(|stored| stored.id).collect::<Vec<_>>(), [note("good").id]);
        let asked = opinion.0.lock().expect("no panic");
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[0].source, Source::Client(Some([127, 0, 0, 1].into())));
        assert_eq!(asked[0].sender, None);
    };
    test.now_or_never().expect("memory never waits");
}

#[test]
fn the_operators_rules_hold_for_clients() {
    let test = async {
        let contains = |text: &str| Condition { contains: vec![text.to_owned()], ..Condition::default() };
        let policies = vec![
            Policy { when: contains("dear"), unless: None, judgement: Judgement::Accept },
            Policy::reject(contains("casino"), Reason::new(Prefix::Blocked, "no gambling")),
            Policy { when: contains("dull"), unless: None, judgement: Judgement::Shadow },
        ];
        let write = WritePolicy { policies, ..WritePolicy::default() };
        let mut stage = TestStage::new(Settings { write, ..Settings::default() }).await;
        stage.connect("ada").await;
        let answers = publish(&mut stage, &[note("my Casino"), note("dear casino"), note("dull"), note("x")]).await;
        assert_eq!(answers[0], (false, "blocked: no gambling".to_owned()));
        assert_eq!(answers[1..].iter().filter(|answer| answer.0).count(), 3);
        let stored = stage.relay.storage().query_events(&nexus_nostr::Filter::new()).await.expect("memory");
        assert_eq!(stored.len(), 2);
    };
    test.now_or_never().expect("memory never waits");
}
