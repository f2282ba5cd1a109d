use futures_util::FutureExt;
use nexus_model::Verified;
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    market::{Job, JobQuery, Rebuilt, Standing, rebuild},
    ports::{Outcome, PreparedEvent, StorageAdapter},
    store::MemoryStorage,
};
use proptest::prelude::*;

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory never waits")
}

fn sign(by: u8, kind: u16, at: i64, tags: &[&[&str]]) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    SigningKey::from_bytes([by; 32]).expect("a key").sign(Kind::new(kind), Seconds::new(at), tags, "")
}

/// The request of this number, always the same.
fn request(number: u8) -> Event {
    let topic = number.to_string();
    sign(1 + number % 2, 5050, 100 + i64::from(number), &[&["i", "text", "text"], &["t", &topic], &["bid", "7"]])
}

/// What can happen in a market, by numbers: requests, answers, answers to others, deletions of anything by anybody.
fn event(what: u8, by: u8, number: u8, at: i64) -> Event {
    let request = request(number);
    let (id, customer) = (request.id.to_string(), request.pubkey.to_string());
    let to = [&["e", &id] as &[&str], &["p", &customer]];
    let statuses = ["processing", "partial", "payment-required", "error", "success", "odd"];
    match what {
        0 => request,
        1 => sign(by, 6050, at, &to),
        2..=7 => {
            let status = ["status", statuses[usize::from(what) - 2]];
            sign(by, 7000, at, &[to[0], to[1], &status, &["amount", "5"]])
        }
        8 => sign(by, 5, at, &[&["e", &id]]),
        _ => {
            let answer = sign(by, 6050, at, &to).id.to_string();
            sign(by, 5, at, &[&["e", &answer]])
        }
    }
}

/// A history: each event with how long it is kept.
fn history(kinds: std::ops::Range<u8>) -> impl Strategy<Value = Vec<(Event, Option<i64>)>> {
    let one = (kinds, 1..5_u8, 0..4_u8, 110..116_i64, prop::option::weighted(0.3, 1..40_i64));
    let one = one.prop_map(|(what, by, number, at, kept)| (event(what, by, number, at), kept));
    prop::collection::vec(one, 0..40)
}

/// A store with this history, in which time passes by a second for each event.
fn played(history: &[(Event, Option<i64>)]) -> MemoryStorage {
    let store = MemoryStorage::default();
    for (step, (event, kept)) in (0_i64..).zip(history) {
        let at = Seconds::new(200 + step);
        now(store.sweep_expired(at, 100)).expect("memory works");
        let event = Verified::by_operator(event.clone());
        now(store.store_event(PreparedEvent::new(event, at, kept.map(|kept| at.plus(kept))))).expect("memory works");
    }
    store
}

fn rows(store: &MemoryStorage, history: &[(Event, Option<i64>)]) -> Vec<Job> {
    let ids = history.iter().filter_map(|(event, _)| Job::concerned(event));
    let ids: std::collections::BTreeSet<_> = ids.collect();
    ids.iter().filter_map(|id| now(store.job(id)).expect("memory works")).collect()
}

/// How the jobs of everybody went.
fn standings(store: &MemoryStorage) -> Vec<Standing> {
    (1..5).map(|by| now(store.standing(&sign(by, 1, 0, &[]).pubkey)).expect("memory works")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever was deleted and has expired: the rows are as the events say, and stay as they are.
    #[test]
    fn a_rebuild_finds_every_row_right(history in history(0..10)) {
        let store = played(&history);
        let (before, stood) = (rows(&store, &history), standings(&store));
        let rebuilt = now(rebuild(&store)).expect("memory works");
        prop_assert_eq!(rebuilt.changed, 0);
        prop_assert_eq!((rows(&store, &history), standings(&store)), (before, stood));
    }

    /// As long as all events are there, all rows can be made of nothing.
    #[test]
    fn lost_rows_come_back_identical(history in history(0..8)) {
        let kept: Vec<_> = history.into_iter().map(|(event, _)| (event, None)).collect();
        let store = played(&kept);
        let (before, stood) = (rows(&store, &kept), standings(&store));
        now(store.put_jobs(before.iter().map(|job| Job::new(job.id)).collect())).expect("memory works");
        now(store.put_standings(Vec::new())).expect("memory works");
        let rebuilt = now(rebuild(&store)).expect("memory works");
        prop_assert_eq!(rebuilt.changed, before.len() as u64);
        prop_assert_eq!((rows(&store, &kept), standings(&store)), (before, stood));
    }
}

#[test]
fn a_rebuild_takes_more_events_than_it_reads_at_once() {
    let store = MemoryStorage::default();
    let request = request(0);
    let id = request.id.to_string();
    let customer = request.pubkey.to_string();
    let feedback = |at| sign(3, 7000, at, &[&["e", &id], &["p", &customer], &["status", "processing"]]);
    let events = std::iter::once(request.clone()).chain((0..1_500).map(feedback));
    for event in events {
        let prepared = PreparedEvent::new(Verified::by_operator(event), Seconds::new(2_000), None);
        assert!(matches!(now(store.store_event(prepared)), Ok(Outcome::Stored(_))));
    }
    let before = now(store.job(&request.id)).expect("memory works").expect("a job");
    now(store.put_jobs(vec![Job::new(request.id)])).expect("memory works");
    let rebuilt = now(rebuild(&store)).expect("memory works");
    assert_eq!(rebuilt, Rebuilt { events: 1_501, jobs: 2, changed: 2, providers: 1 });
    assert_eq!(now(store.job(&request.id)).expect("memory works"), Some(before));
    let all = now(store.jobs(&JobQuery { limit: 10, ..JobQuery::default() })).expect("memory works");
    assert_eq!(all.len(), 1);
}
