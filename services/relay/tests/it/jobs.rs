use futures_util::FutureExt;
use nexus_model::Verified;
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    market::{Counter, Job, JobState, PROVIDERS, Profile, validate},
    ports::{Outcome, PreparedEvent, StorageAdapter},
    store::MemoryStorage,
};
use proptest::prelude::*;

const NOW: Seconds = Seconds::new(1_000);

fn event(by: u8, kind: u16, at: i64, tags: &[&[&str]]) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    SigningKey::from_bytes([by; 32]).expect("a key").sign(Kind::new(kind), Seconds::new(at), tags, "")
}

fn prepared(event: &Event, received_at: i64, expires_at: Option<i64>) -> PreparedEvent {
    PreparedEvent::new(Verified::by_operator(event.clone()), Seconds::new(received_at), expires_at.map(Seconds::new))
}

fn request() -> Event {
    event(1, 5050, 100, &[&["i", "hello", "text"], &["bid", "1000"]])
}

fn answer(by: u8, kind: u16, at: i64, status: &str) -> Event {
    let (id, customer) = (request().id.to_string(), request().pubkey.to_string());
    event(by, kind, at, &[&["e", &id], &["p", &customer], &["status", status], &["amount", "5"]])
}

/// What can happen to a job: answers of two providers, of each kind, at a few moments.
fn answers() -> impl Strategy<Value = Vec<Event>> {
    let statuses = ["payment-required", "processing", "error", "success", "partial", "odd", "result"];
    let one = (2..4_u8, prop::sample::select(statuses.to_vec()), 100..104_i64).prop_map(|(by, status, at)| {
        let kind = if status == "result" { 6050 } else { 7000 };
        answer(by, kind, at, status)
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_arrival_does_not_matter(answers in answers(), shuffled in any::<prop::sample::Index>()) {
        let mut events: Vec<PreparedEvent> = answers.iter().map(|event| prepared(event, 200, None)).collect();
        events.push(prepared(&request(), 150, Some(900)));
        let follow = |events: &[PreparedEvent]| {
            let mut job = Job::new(request().id);
            events.iter().for_each(|event| { job.apply(event); });
            job
        };
        let straight = follow(&events);
        let middle = shuffled.index(events.len());
        events.rotate_left(middle);
        prop_assert_eq!(&follow(&events), &straight);
        events.reverse();
        prop_assert_eq!(&follow(&events), &straight);
        let text = serde_json::to_string(&straight).unwrap();
        prop_assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), straight);
    }
}

/// Where a job stands after these answers, at a moment before it expires.
fn state(answers: &[Event]) -> JobState {
    let mut job = Job::new(request().id);
    job.apply(&prepared(&request(), 150, Some(900)));
    for event in answers {
        job.apply(&prepared(event, 200, None));
    }
    job.state(Seconds::new(899))
}

#[test]
fn each_state_is_entered_by_its_answer() {
    assert_eq!(state(&[]), JobState::Open);
    for (status, expected) in [
        ("processing", JobState::Claimed),
        ("odd", JobState::Claimed),
        ("payment-required", JobState::PaymentRequired),
        ("partial", JobState::Partial),
        ("error", JobState::Failed),
        ("success", JobState::Succeeded),
    ] {
        assert_eq!(state(&[answer(2, 7000, 101, status)]), expected, "{status}");
    }
    assert_eq!(state(&[answer(2, 6050, 101, "")]), JobState::Succeeded);
}

#[test]
fn a_job_fails_only_if_all_who_answered_failed_and_may_be_claimed_again() {
    let failed = answer(2, 7000, 101, "error");
    assert_eq!(state(&[failed.clone(), answer(3, 7000, 101, "processing")]), JobState::Claimed);
    assert_eq!(state(&[failed.clone(), answer(3, 7000, 101, "error")]), JobState::Failed);
    assert_eq!(state(&[failed.clone(), answer(2, 7000, 102, "processing")]), JobState::Claimed);
    assert_eq!(state(&[failed, answer(2, 7000, 100, "processing")]), JobState::Failed);
}

#[test]
fn time_and_the_customer_end_a_job() {
    let mut job = Job::new(request().id);
    job.apply(&prepared(&request(), 150, Some(900)));
    assert_eq!(job.state(Seconds::new(900)), JobState::Expired);
    job.apply(&prepared(&answer(2, 6050, 101, ""), 200, None));
    assert_eq!(job.state(Seconds::new(900)), JobState::Succeeded);
    job.cancel();
    assert_eq!(job.state(Seconds::new(900)), JobState::Cancelled);
    assert!(job.request.as_ref().is_some_and(|request| request.inputs.is_empty()));
}

#[test]
fn a_job_knows_its_first_result_and_how_long_it_took() {
    let mut job = Job::new(request().id);
    assert_eq!(job.apply(&prepared(&request(), 150, None)), None);
    assert_eq!(job.apply(&prepared(&answer(2, 7000, 101, "processing"), 160, None)), None);
    let first = answer(3, 6050, 102, "");
    assert_eq!(job.apply(&prepared(&first, 170, None)), Some(20));
    assert_eq!(job.apply(&prepared(&answer(2, 6050, 101, ""), 180, None)), None);
    assert_eq!(job.result(), Some(first.id));
}

/// The reason for which an event is refused, if it is.
fn refusal(event: &Event, job: Option<&Job>, profile: Profile) -> Option<String> {
    validate(event, job, profile, NOW).err().map(|reason| reason.to_string())
}

#[test]
fn validation_follows_the_table() {
    let id = "a".repeat(64);
    let customer = request().pubkey.to_string();
    let (e, p): ([&str; 2], [&str; 2]) = (["e", &id], ["p", &customer]);
    for (event, lenient, strict) in [
        (event(2, 6050, 1, &[&e, &p]), true, true),
        (event(2, 6050, 1, &[&p]), false, false),
        (event(2, 6050, 1, &[&e]), false, false),
        (event(2, 6050, 1, &[&["e", "x"], &p]), false, false),
        (event(2, 7000, 1, &[&e, &p]), false, false),
        (event(2, 7000, 1, &[&e, &p, &["status", "odd"]]), true, false),
        (event(2, 7000, 1, &[&e, &p, &["status", "processing"]]), true, true),
        (event(2, 7000, 1, &[&e, &p, &["status", "payment-required"]]), true, false),
        (event(2, 7000, 1, &[&e, &p, &["status", "payment-required"], &["amount", "5", "lnbc5"]]), true, true),
        (event(2, 7000, 1, &[&e, &p, &["status", "processing"], &["amount", "5", "evil"]]), true, false),
        (event(2, 6050, 1, &[&e, &p, &["amount", "5.0"]]), true, false),
        (event(1, 5050, 1, &[&["bid", "many"]]), true, false),
        (event(1, 5050, 1, &[&["i", "x", "text"]]), true, true),
        (event(1, 5050, 1, &[&["i", "x", "odd"]]), true, false),
        (event(1, 5050, 1, &[&["encrypted"]]), true, false),
        (event(1, 5050, 1, &[&["encrypted"], &p]), true, true),
        (event(2, 31_990, 1, &[&["d", "x"], &["k", "5050"]]), true, true),
        (event(2, 31_990, 1, &[&["d", "x"]]), true, false),
        (event(2, 31_990, 1, &[&["k", "5050"]]), true, false),
        (event(2, 31_990, 1, &[&["d", "x"], &["k", "odd"]]), true, false),
        (event(2, 1, 1, &[]), true, true),
    ] {
        assert_eq!(refusal(&event, None, Profile::Lenient).is_none(), lenient, "lenient: {event:?}");
        assert_eq!(refusal(&event, None, Profile::Strict).is_none(), strict, "strict: {event:?}");
        assert_eq!(refusal(&event, None, Profile::Off), None);
    }
}

#[test]
fn answers_are_held_against_their_request() {
    let mut job = Job::new(request().id);
    job.apply(&prepared(&request(), 150, Some(2_000)));
    let id = request().id.to_string();
    let other = event(2, 6050, 1, &[&["e", &id], &["p", &"b".repeat(64)]]);
    assert_eq!(refusal(&other, Some(&job), Profile::Lenient), None);
    assert_eq!(
        refusal(&other, Some(&job), Profile::Strict).as_deref(),
        Some("invalid: job answer names another customer")
    );
    let wrong = Some("invalid: job result has not the kind of its request");
    assert_eq!(refusal(&answer(2, 6051, 1, ""), Some(&job), Profile::Lenient).as_deref(), wrong);
    job.cancel();
    let late = answer(2, 6050, 1, "");
    assert_eq!(refusal(&late, Some(&job), Profile::Lenient), None);
    assert_eq!(refusal(&late, Some(&job), Profile::Strict).as_deref(), Some("invalid: job is closed"));
}

#[test]
fn the_market_counts_by_day_and_kind() {
    let store = MemoryStorage::default();
    let deletion = event(1, 5, 130, &[&["e", &request().id.to_string()]]);
    let events =
        [request(), answer(2, 7000, 101, "processing"), answer(2, 6050, 102, ""), answer(3, 6050, 103, ""), deletion];
    let batch = events.iter().enumerate().map(|(index, event)| prepared(event, 86_400 + 10 * index as i64, None));
    store.store_batch(batch.collect()).now_or_never().expect("memory never waits").expect("memory works");
    let count = |day, counter| store.tally(day, Kind::new(5050), counter);
    assert_eq!((count(1, Counter::Requests), count(1, Counter::BidMsat), count(1, Counter::Results)), (1, 1_000, 2));
    assert_eq!(
        (count(1, Counter::AmountMsat), count(1, Counter::LatencyCount), count(1, Counter::LatencySeconds)),
        (10, 1, 20)
    );
    assert_eq!(count(1, Counter::Feedback(nexus_nostr::nip::nip90::Status::Processing)), 1);
    assert_eq!((count(0, Counter::Cancelled), count(1, Counter::Cancelled)), (0, 1), "nobody chooses the day");
}

fn stored(store: &MemoryStorage, prepared: PreparedEvent) -> Outcome {
    store.store_event(prepared).now_or_never().expect("memory never waits").expect("memory works")
}

fn job(store: &MemoryStorage) -> Job {
    store.job(&request().id).now_or_never().expect("memory never waits").expect("memory works").expect("a job")
}

/// Anybody can send a request again that has gone. That opens no job again, and is not counted twice.
#[test]
fn a_request_that_is_sent_again_opens_nothing() {
    let store = MemoryStorage::default();
    assert!(matches!(stored(&store, prepared(&request(), 1_000, Some(1_100))), Outcome::Stored(_)));
    store.sweep_expired(Seconds::new(1_100), 10).now_or_never().expect("memory never waits").expect("memory works");
    assert_eq!(stored(&store, prepared(&request(), 1_200, Some(1_300))), Outcome::Expired);
    assert_eq!(job(&store).state(Seconds::new(1_200)), JobState::Expired);
    assert_eq!(store.tally(0, Kind::new(5050), Counter::Requests), 1);
    let mut job = job(&store);
    let before = job.clone();
    job.apply(&prepared(&request(), 1_200, None));
    assert_eq!(job, before, "what came first stays");
}

/// A row stays small, however many answer and whomever they name.
#[test]
fn a_job_keeps_so_many_providers_and_of_each_so_much() {
    let mut job = Job::new(request().id);
    job.apply(&prepared(&request(), 150, None));
    let id = request().id.to_string();
    for number in 1..=200_u8 {
        let named = SigningKey::from_bytes([number; 32]).expect("a key").public_key().to_string();
        job.apply(&prepared(&event(2, 6050, 100, &[&["e", &id], &["p", &named]]), 200, None));
    }
    let provider = &job.providers[&event(2, 1, 0, &[]).pubkey];
    assert!(provider.customer_mismatch);
    assert!(serde_json::to_string(&job).expect("JSON").len() < 2_000);
    for number in 0..=PROVIDERS as u64 {
        let mut answer = answer(3, 7000, 100, "processing");
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        answer.pubkey = nexus_nostr::PublicKey::from_bytes(bytes);
        job.apply(&prepared(&answer, 200, None));
    }
    assert_eq!(job.providers.len(), PROVIDERS);
    assert!(job.providers.contains_key(&event(2, 1, 0, &[]).pubkey), "who came first stays");
}

#[test]
fn a_counter_is_known_by_its_name() {
    let registers = (0..=u8::MAX).flat_map(|register| [Counter::Customers(register), Counter::Providers(register)]);
    let sums = ["requests", "results", "cancelled", "expired", "bid_msat", "latency_count", "feedback_error"];
    let sums = sums.map(|name| Counter::parse(name).expect("a counter"));
    assert!(sums.iter().all(|counter| counter.register().is_none()));
    for counter in registers.chain(sums) {
        assert_eq!(Counter::parse(&counter.name()), Some(counter));
    }
    for name in ["customers", "customers_", "customers_256", "providers_x", "customers7", ""] {
        assert_eq!(Counter::parse(name), None, "{name}");
    }
    assert_eq!((Counter::Customers(3).joined(7, 5), Counter::Requests.joined(7, 5)), (7, 12));
}
