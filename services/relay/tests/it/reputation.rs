use nexus_model::Verified;
use nexus_nostr::{Event, Kind, PublicKey, Seconds, SigningKey, Tags};
use nexus_relay::{
    market::{Job, Labels, Measure, Performance, Standing, labels, marks},
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

/// What these jobs say of a provider.
fn performance(provider: u8, jobs: &[Job]) -> Performance {
    let mut standing = Standing::default();
    for mark in jobs.iter().flat_map(|job| marks(None, Some(job))).filter(|mark| mark.provider == key(provider)) {
        standing.add(mark.measure, mark.amount);
    }
    standing.performance()
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
    let performed = performance(2, &jobs);
    assert_eq!((performed.jobs, performed.succeeded, performed.failed), (5, 3, 1));
    assert_eq!((performed.success_rate, performed.median_latency), (Some(0.75), Some(7)));
    assert_eq!(performed.last_seen, Some(Seconds::new(1_020)));
    assert_eq!(performance(3, &jobs), Performance::default());
}

#[test]
fn measures_keep_their_names() {
    for measure in [Measure::Jobs, Measure::Succeeded, Measure::Failed, Measure::LastSeen, Measure::Latency(77)] {
        assert_eq!(Measure::parse(&measure.name()), Some(measure));
    }
    assert_eq!((Measure::parse("latency_x"), Measure::parse("odd")), (None, None));
}

proptest! {
    /// The median is that of a sorted list, exact below sixteen seconds, above at most an eighth too low.
    #[test]
    fn the_median_is_near(latencies in prop::collection::vec(prop_oneof![0..20_i64, 0..5_000_i64, 0..9_000_000_i64], 1..20)) {
        let jobs: Vec<Job> =
            (1..).zip(&latencies).map(|(number, latency)| job(number, Some(("result", *latency)))).collect();
        let mut sorted = latencies.clone();
        sorted.sort_unstable();
        let exact = u64::try_from(sorted[(sorted.len() - 1) / 2]).expect("not negative");
        let told = performance(2, &jobs).median_latency.expect("there are results");
        prop_assert!(told <= exact && exact - told <= exact / 8, "{told} of {exact}");
        prop_assert!(exact >= 16 || told == exact);
    }

    /// Whatever a job becomes: what is added for each step makes what the last state says.
    #[test]
    fn steps_add_up_to_the_whole(
        steps in prop::collection::vec((2..5_u8, 0..4_usize, 1..9_i64), 0..12), request_at in 0..12_usize,
    ) {
        let request = event(1, 5050, 100, &[]);
        let (id, customer) = (request.id.to_string(), request.pubkey.to_string());
        let mut job = Job::new(request.id);
        let mut standings = [Standing::default(), Standing::default(), Standing::default()];
        for (place, (by, what, at)) in steps.iter().enumerate() {
            let (kind, status) = [(6050, ""), (7000, "error"), (7000, "processing"), (7000, "success")][*what];
            let answer = event(*by, kind, *at, &[tag(&["e", &id]), tag(&["p", &customer]), tag(&["status", status])]);
            let now = 1_000 + 10 * i64::try_from(place).expect("small");
            for said in [Some(answer), (place == request_at).then(|| request.clone())].into_iter().flatten() {
                let before = job.clone();
                job.apply(&PreparedEvent::new(Verified::by_operator(said), Seconds::new(now), None));
                for mark in marks(Some(&before), Some(&job)) {
                    let place = (2..5).position(|by| key(by) == mark.provider).expect("one of three");
                    standings[place].add(mark.measure, mark.amount);
                }
            }
        }
        let jobs = [job];
        for (place, by) in (2..5).enumerate() {
            prop_assert_eq!(standings[place].performance(), performance(by, &jobs));
        }
        // What goes takes all with it but the moment.
        for mark in marks(Some(&jobs[0]), None) {
            prop_assert!(mark.measure != Measure::LastSeen);
            let place = (2..5).position(|by| key(by) == mark.provider).expect("one of three");
            standings[place].add(mark.measure, mark.amount);
        }
        for standing in standings {
            prop_assert_eq!(standing.performance().jobs, 0);
            prop_assert_eq!(standing.performance().median_latency, None);
        }
    }
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
