use nexus_model::Verified;
use nexus_nostr::{Event, Kind, PublicKey, Seconds, SigningKey, Tags};
use nexus_relay::{
    market::{Job, Labels, Performance, labels},
    ports::PreparedEvent,
};
use proptest::prelude::*;

fn key(number: u8) -> PublicKey {
    SigningKey::from_bytes([number; 32]).expect("a key").public_key()
}

fn event(by: u8, kind: u16, at: i64, tags: &[Vec<String>]) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().map(String::as_str)));
    SigningKey::from_bytes([by; 32]).expect("a key").sign(Kind::new(kind), Seconds::new(at), tags, "")
}

fn tag(elements: &[&str]) -> Vec<String> {
    elements.iter().map(|element| (*element).to_owned()).collect()
}

/// A job that provider 2 answered, or not, so many seconds after the request came.
fn job(number: i64, answer: Option<(&str, i64)>) -> Job {
    let request = event(1, 5050, number, &[]);
    let mut job = Job::new(request.id);
    let (id, customer) = (request.id.to_string(), request.pubkey.to_string());
    let at = |event: Event, at: i64| PreparedEvent::new(Verified::by_operator(event), Seconds::new(at), None);
    job.apply(&at(request, 1_000));
    if let Some((status, after)) = answer {
        let kind = if status == "result" { 6050 } else { 7000 };
        let tags = [tag(&["e", &id]), tag(&["p", &customer]), tag(&["status", status])];
        job.apply(&at(event(2, kind, number, &tags), 1_000 + after));
    }
    job
}

#[test]
fn a_provider_is_known_by_its_jobs() {
    let jobs = [
        job(1, Some(("result", 5))),
        job(2, Some(("result", 9))),
        job(3, Some(("result", 7))),
        job(4, Some(("error", 1))),
        job(5, Some(("processing", 20))),
        job(6, None),
    ];
    let performance = Performance::of(&key(2), &jobs);
    assert_eq!((performance.jobs, performance.succeeded, performance.failed), (5, 3, 1));
    assert_eq!((performance.success_rate, performance.median_latency), (Some(0.75), Some(7)));
    assert_eq!(performance.last_seen, Some(Seconds::new(1_020)));
    assert_eq!(Performance::of(&key(3), &jobs), Performance::default());
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["fast", "slow", "x"]).prop_map(str::to_owned)
}

proptest! {
    /// The model asks for each namespace, label and giver whether some event says so.
    #[test]
    fn labels_count_their_givers(
        given in prop::collection::vec((1..5_u8, prop::sample::select(vec![1_u16, 1985]), 1..4_u8, word(), prop::option::of(word())), 0..12)
    ) {
        let events: Vec<Event> = given
            .iter()
            .map(|(by, kind, about, label, namespace)| {
                let named: Vec<&str> = ["l", label].into_iter().chain(namespace.as_deref()).collect();
                event(*by, *kind, 1, &[tag(&["p", &key(*about).to_string()]), tag(&named)])
            })
            .collect();
        let mut expected = Labels::new();
        for namespace in ["fast", "slow", "x", "ugc"] {
            for label in ["fast", "slow", "x"] {
                let says = |giver: u8| given.iter().any(|(by, kind, about, said, space)| {
                    *by == giver && *kind == 1985 && *about == 1 && said == label && space.as_deref().unwrap_or("ugc") == namespace
                });
                let count = (2..5).filter(|giver| says(*giver)).count() as u64;
                if count > 0 {
                    expected.entry(namespace.to_owned()).or_default().insert(label.to_owned(), count);
                }
            }
        }
        prop_assert_eq!(labels(&key(1), &events), expected);
    }
}
