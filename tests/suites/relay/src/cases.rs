//! The rules as cases: one property of a store each.

use crate::world::{author, made};
use nexus_model::{Seq, Verified};
use nexus_nostr::{Event, Filter, Kind, Seconds, TagCondition, TagName, Tags, nip::nip45::HyperLogLog};
use nexus_relay::{
    market::{self, Counter, Job, JobQuery, JobState, Performance},
    ports::{Entry, Outcome, PreparedEvent, Record, RecordKind, RemovalReason, Scope, StorageAdapter, Viewer},
};
use std::{cmp::Reverse, sync::Arc};

fn event(by: u8, kind: u16, at: i64, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    made(author(by), Kind::new(kind), Seconds::new(at), tags, content)
}

fn prepared(event: &Event) -> PreparedEvent {
    PreparedEvent::new(Verified::by_operator(event.clone()), Seconds::new(1_000), None)
}

async fn store<S: StorageAdapter>(store: &S, event: &Event) -> Outcome {
    store.store_event(prepared(event)).await.expect("the store works")
}

async fn is_stored<S: StorageAdapter>(store: &S, event: &Event) -> bool {
    store.event_exists(&event.id).await.expect("the store works")
}

async fn contents<S: StorageAdapter>(store: &S, filter: Filter) -> Vec<String> {
    let found = store.query_events(&filter).await.expect("the store works");
    found.iter().map(|stored| stored.event().expect("it is an event").content).collect()
}

/// All orders of four versions, two of them of one second, end with the same one.
pub(super) async fn replacing<S: StorageAdapter>(fresh: &impl AsyncFn() -> S) {
    for kind in [0, 10_002, 30_023] {
        let versions = [10, 11, 12, 12]
            .map(|at| at)
            .iter()
            .enumerate()
            .map(|(index, at)| event(0, kind, *at, &[&["d", "x"]], &index.to_string()))
            .collect::<Vec<_>>();
        let newest = versions[2..].iter().min_by_key(|event| event.id).expect("there are two").id;
        for order in permutations(4) {
            let store_ = fresh().await;
            for index in order {
                let outcome = store(&store_, &versions[index]).await;
                assert!(matches!(outcome, Outcome::Stored(_) | Outcome::Superseded));
            }
            let left = store_.query_events(&Filter::new()).await.expect("the store works");
            assert_eq!(left.iter().map(|stored| stored.id).collect::<Vec<_>>(), [newest]);
        }
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |at| insert(order, at))).collect()
}

/// By id or by address, before or after the target, by its author, a stranger or the recipient of a gift wrap.
pub(super) async fn deleting<S: StorageAdapter>(db: &S) {
    let recipient = author(2).to_string();
    let mut at = 100;
    for (kind, by, effective) in [(1, 0, true), (1, 1, false), (1059, 2, true), (1059, 3, false), (5, 0, false)] {
        for first in ["target", "deletion"] {
            at += 1;
            let target = event(0, kind, at, &[&["p", &recipient]], first);
            let deletion = event(by, 5, at - 50, &[&["e", &target.id.to_string()]], first);
            let (one, other) = if first == "target" { (&target, &deletion) } else { (&deletion, &target) };
            store(db, one).await;
            let outcome = store(db, other).await;
            let gone = !is_stored(db, &target).await;
            assert_eq!(gone, effective, "kind {kind} by {by}, {first} first");
            assert_eq!(outcome == Outcome::Deleted, effective && first == "deletion");
            assert!(is_stored(db, &deletion).await);
            assert_eq!(store(db, &target).await, if effective { Outcome::Deleted } else { Outcome::Duplicate });
        }
    }
    deleting_addresses(db).await;
}

async fn deleting_addresses<S: StorageAdapter>(db: &S) {
    let address = format!("30023:{}:a:b", author(0));
    let version = |at: i64| event(0, 30_023, at, &[&["d", "a:b"]], &at.to_string());
    store(db, &version(200)).await;
    store(db, &event(1, 5, 300, &[&["a", &address]], "a stranger's")).await;
    assert!(is_stored(db, &version(200)).await);
    store(db, &event(0, 5, 199, &[&["a", &address]], "too early")).await;
    assert!(is_stored(db, &version(200)).await);
    store(db, &event(0, 5, 210, &[&["a", &address]], "")).await;
    assert!(!is_stored(db, &version(200)).await);
    assert_eq!(store(db, &version(210)).await, Outcome::Deleted);
    assert!(matches!(store(db, &version(211)).await, Outcome::Stored(_)));
    let removed = journal(db)
        .await
        .into_iter()
        .filter(|entry| matches!(entry, Entry::Removed { reason: RemovalReason::Deleted, .. }));
    assert!(removed.count() >= 3);
}

async fn journal<S: StorageAdapter>(store: &S) -> Vec<Entry> {
    store.events_after(Seq::START, 10_000).await.expect("the store works")
}

/// Everything up to that moment is gone, gift wraps for the author too; what is newer stays.
pub(super) async fn vanishing<S: StorageAdapter>(db: &S) {
    let gone = [
        event(0, 1, 100, &[], "a"),
        event(0, 5, 99, &[], "b"),
        event(0, 62, 50, &[], "c"),
        event(0, 0, 100, &[], "d"),
        event(1, 1059, 90, &[&["p", &author(0).to_string()]], "e"),
    ];
    let kept = [
        event(0, 1, 101, &[], "f"),
        event(1, 1, 90, &[&["p", &author(0).to_string()]], "g"),
        event(1, 1059, 101, &[&["p", &author(0).to_string()]], "h"),
    ];
    for event in gone.iter().chain(&kept) {
        assert!(matches!(store(db, event).await, Outcome::Stored(_)));
    }
    let request = event(0, 62, 100, &[&["relay", "ALL_RELAYS"]], "bye");
    assert!(matches!(store(db, &request).await, Outcome::Stored(_)));
    for event in &gone {
        assert!(!is_stored(db, event).await, "{}", event.content);
        assert_eq!(store(db, event).await, Outcome::Vanished, "{}", event.content);
    }
    for event in kept.iter().chain([&request]) {
        assert!(is_stored(db, event).await, "{}", event.content);
    }
    assert_eq!(store(db, &event(0, 5, 100, &[&["e", &request.id.to_string()]], "")).await, Outcome::Vanished);
    let undo = event(0, 5, 102, &[&["e", &request.id.to_string()]], "");
    assert!(matches!(store(db, &undo).await, Outcome::Stored(_)));
    assert!(is_stored(db, &request).await);
}

/// What has expired isn't seen, even before it is swept.
pub(super) async fn expiring<S: StorageAdapter>(db: &S) {
    let note = event(0, 1, 10, &[], "short");
    let at = |end: i64| {
        PreparedEvent::new(Verified::by_operator(note.clone()), Seconds::new(1_000), Some(Seconds::new(end)))
    };
    assert_eq!(db.store_event(at(1_000)).await.expect("the store works"), Outcome::Expired);
    assert!(matches!(db.store_event(at(1_001)).await.expect("the store works"), Outcome::Stored(_)));
    let scope = |now: i64| Scope { viewer: Viewer::Client(Vec::new()), now: Seconds::new(now), ..Scope::operator() };
    let all = [Filter::new().with_limit(10)];
    for (now, seen) in [(1_000, 1), (1_001, 0)] {
        assert_eq!(db.query(&all, &scope(now)).await.expect("the store works").events.len(), seen);
        assert_eq!(db.count(&all, 10, None, &scope(now)).await.expect("the store works").count, seen as u64);
        assert_eq!(db.ids(&all[0], 10, &scope(now)).await.expect("the store works").len(), seen);
    }
    assert_eq!(db.sweep_expired(Seconds::new(1_000), 10).await.expect("the store works"), 0);
    assert_eq!(db.sweep_expired(Seconds::new(1_001), 10).await.expect("the store works"), 1);
    assert!(!is_stored(db, &note).await);
    assert!(matches!(journal(db).await[..], [Entry::Removed { reason: RemovalReason::Expired, .. }]));
}

/// A version that has expired and was swept still stands before older ones; newer ones take the address.
pub(super) async fn outlasting<S: StorageAdapter>(db: &S) {
    for kind in [0, 30_023] {
        let version = |at: i64| event(0, kind, at, &[&["d", "a\"b"]], "a version");
        store(db, &version(10)).await;
        let last =
            PreparedEvent::new(Verified::by_operator(version(20)), Seconds::new(1_000), Some(Seconds::new(1_001)));
        assert!(matches!(db.store_event(last).await.expect("the store works"), Outcome::Stored(_)));
        assert_eq!(db.sweep_expired(Seconds::new(1_001), 10).await.expect("the store works"), 1);
        for at in [10, 19, 20] {
            assert_eq!(store(db, &version(at)).await, Outcome::Superseded, "kind {kind} of {at}");
        }
        assert!(matches!(store(db, &event(1, kind, 10, &[&["d", "a\"b"]], "another's")).await, Outcome::Stored(_)));
        assert!(matches!(store(db, &version(21)).await, Outcome::Stored(_)));
    }
}

/// Only parties see events of restricted kinds; for others they don't use up the limit.
pub(super) async fn restricted<S: StorageAdapter>(db: &S) {
    for at in 0..5 {
        store(db, &event(0, 4, 100 + at, &[&["p", &author(1).to_string()]], "secret")).await;
    }
    store(db, &event(0, 1, 10, &[], "public")).await;
    let scope = |keys: &[u8]| Scope {
        viewer: Viewer::Client(keys.iter().map(|key| author(*key)).collect()),
        restricted_kinds: Arc::from([Kind::DIRECT_MESSAGE]),
        ..Scope::operator()
    };
    for (keys, limit, seen) in [(&[][..], 3, 1), (&[2], 3, 1), (&[1], 3, 3), (&[2, 0], 10, 6)] {
        let page = db.query(&[Filter::new().with_limit(limit)], &scope(keys)).await.expect("the store works");
        assert_eq!(page.events.len(), seen, "{keys:?}");
        assert_eq!(page.more, keys == [1], "{keys:?}");
    }
    assert_eq!(db.count(&[Filter::new()], 10, None, &scope(&[2])).await.expect("the store works").count, 1);
}

/// Requests for others aren't seen in a job feed and don't use up its limit; everything else is.
pub(super) async fn feeds<S: StorageAdapter>(db: &S) {
    let [own, other] = [1, 2].map(|key| author(key).to_string());
    for at in 0..5 {
        store(db, &event(0, 5050, 100 + at, &[&["p", &other]], "for another")).await;
    }
    for (kind, at, tags) in [
        (5050, 10, &[][..]),
        (5050, 11, &[&["p", "nobody"][..]]),
        (5050, 12, &[&["p", &other], &["p", &own]]),
        (6050, 13, &[&["p", &other]]),
    ] {
        store(db, &event(0, kind, at, tags, "seen")).await;
    }
    let scope = Scope { viewer: Viewer::Client(Vec::new()), jobs_of: Some(vec![author(1)]), ..Scope::operator() };
    for (limit, more) in [(3, true), (4, false), (10, false)] {
        let page = db.query(&[Filter::new().with_limit(limit)], &scope).await.expect("the store works");
        let moments: Vec<i64> = page.events.iter().map(|stored| stored.created_at.get()).collect();
        assert_eq!((moments.as_slice(), page.more), (&[13, 12, 11, 10][..limit.min(4)], more));
    }
    assert_eq!(db.count(&[Filter::new()], 10, None, &scope).await.expect("the store works").count, 4);
    assert_eq!(db.ids(&Filter::new(), 10, &scope).await.expect("the store works").len(), 4);
}

/// A position is given once; what comes later isn't seen up to an earlier one.
pub(super) async fn positions<S: StorageAdapter>(db: &S) {
    let first = store(db, &event(0, 1, 10, &[], "first")).await;
    let Outcome::Stored(seq) = first else { panic!("{first:?}") };
    assert_eq!(db.last_seq().await.expect("the store works"), seq);
    let batch = vec![
        prepared(&event(0, 1, 5, &[], "second")),
        prepared(&event(0, 1, 10, &[], "first")),
        prepared(&event(0, 1, 20, &[], "third")),
    ];
    let outcomes = db.store_batch(batch).await.expect("the store works");
    assert!(matches!(outcomes[..], [Outcome::Stored(a), Outcome::Duplicate, Outcome::Stored(b)] if seq < a && a < b));
    let scope = Scope { max_seq: Some(seq), ..Scope::operator() };
    let page = db.query(&[Filter::new().with_limit(10)], &scope).await.expect("the store works");
    assert_eq!(page.events.len(), 1);
    let new = db.events_after(seq, 1).await.expect("the store works");
    assert!(matches!(&new[..], [Entry::Created { event, .. }] if event.content == "second"));
    assert_eq!(contents(db, Filter::new()).await, ["third", "first", "second"]);
    assert_eq!(db.store_batch(Vec::new()).await.expect("the store works"), []);
}

/// Words are found in every searchable text, by those who may see it, the best first.
pub(super) async fn searching<S: StorageAdapter>(db: &S) {
    store(db, &event(0, 1, 10, &[], "fox fox fox")).await;
    store(db, &event(0, 1, 20, &[], "a long text about many things, among which there is one fox")).await;
    store(db, &event(0, 1, 30, &[], "nothing")).await;
    store(db, &event(0, 1059, 30, &[], "fox")).await;
    store(db, &event(0, 0, 30, &[], r#"{"name":"Fox","picture":"nothing"}"#)).await;
    let search = |text: &str| Filter::parse(&format!(r#"{{"search":"{text}","limit":10}}"#)).expect("a filter");
    assert_eq!(
        contents(db, search("fox").with_kinds([Kind::NOTE])).await.first().map(String::as_str),
        Some("fox fox fox")
    );
    assert_eq!(contents(db, search("FOX")).await.len(), 3);
    assert_eq!(contents(db, search("nothing")).await, ["nothing"]);
    assert_eq!(contents(db, search("fox -many")).await.len(), 2);
    assert_eq!(contents(db, search("\\\"one fox\\\"")).await.len(), 1);
    assert_eq!(contents(db, search("fox OR * ^ ( NEAR")).await.len(), 0);
}

/// Small records are kept by kind and key.
pub(super) async fn records<S: StorageAdapter>(db: &S) {
    for (key, value) in [("b", Some("1")), ("a", Some("2")), ("b", Some("3")), ("c", Some("4")), ("c", None)] {
        db.put_record(RecordKind::BannedPubkey, key, value).await.expect("the store works");
    }
    let record = |key: &str, value: &str| Record { key: key.to_owned(), value: value.to_owned() };
    assert_eq!(
        db.records(RecordKind::BannedPubkey).await.expect("the store works"),
        [record("a", "2"), record("b", "3")]
    );
    assert_eq!(db.records(RecordKind::AllowedPubkey).await.expect("the store works"), []);
}

/// Jobs follow their events, whichever comes first, and go with those who vanish.
pub(super) async fn jobs<S: StorageAdapter>(db: &S) {
    let request = event(0, 5050, 100, &[&["i", "hello", "text"], &["t", "x"]], "");
    let id = request.id.to_string();
    let customer = author(0).to_string();
    let result = event(1, 6050, 110, &[&["e", &id], &["p", &customer]], "done");
    store(db, &result).await;
    assert!(db.job(&request.id).await.expect("the store works").expect("it is known").request.is_none());
    store(db, &request).await;
    store(db, &event(2, 5050, 120, &[], "another's")).await;
    let query = JobQuery { limit: 10, now: Seconds::new(1_000), ..JobQuery::default() };
    let ids = async |query: JobQuery| -> Vec<i64> {
        let jobs = db.jobs(&query).await.expect("the store works");
        jobs.iter().map(|job| job.request.as_ref().expect("it came").created_at.get()).collect()
    };
    assert_eq!(ids(query.clone()).await, [120, 100]);
    assert_eq!(ids(JobQuery { state: Some(JobState::Succeeded), ..query.clone() }).await, [100]);
    assert_eq!(ids(JobQuery { topic: Some("x".to_owned()), ..query.clone() }).await, [100]);
    assert_eq!(ids(JobQuery { customer: Some(author(2)), ..query.clone() }).await, [120]);
    assert_eq!(ids(JobQuery { provider: Some(author(1)), ..query.clone() }).await, [100]);
    let newest = db.jobs(&JobQuery { limit: 1, ..query.clone() }).await.expect("the store works");
    assert_eq!(ids(JobQuery { after: Some((Seconds::new(120), newest[0].id)), ..query.clone() }).await, [100]);
    store(db, &event(0, 5, 130, &[&["e", &id]], "")).await;
    assert_eq!(ids(JobQuery { state: Some(JobState::Cancelled), ..query.clone() }).await, [100]);
    store(db, &event(0, 62, 200, &[&["relay", "ALL_RELAYS"]], "")).await;
    assert_eq!(ids(query).await, [120]);
}

/// Jobs beyond what a store reads at once are found and left out as few are, page by page too.
pub(super) async fn many_jobs<S: StorageAdapter>(db: &S) {
    let at = |number: i64| 100 + number / 3;
    let topic = |number: i64| if number % 50 == 0 { "rare" } else { "usual" };
    let request = |number: i64| {
        let tags: [&[&str]; 1] = [&["t", topic(number)]];
        event((number % 2) as u8, 5050 + (number % 4) as u16, at(number), &tags, &number.to_string())
    };
    let requests: Vec<Event> = (0..300).map(request).collect();
    for request in &requests {
        store(db, request).await;
    }
    for request in requests.iter().step_by(35) {
        let (id, customer) = (request.id.to_string(), request.pubkey.to_string());
        store(db, &event(2, request.kind.get() + 1000, 250, &[&["e", &id], &["p", &customer]], "done")).await;
    }
    let all = JobQuery { limit: 1_000, now: Seconds::new(1_000), ..JobQuery::default() };
    let mut jobs = Vec::new();
    for request in &requests {
        jobs.extend(db.job(&request.id).await.expect("the store works"));
    }
    jobs.sort_by_key(|job| (Reverse(job.request.as_ref().expect("it came").created_at), job.id));
    for query in [
        all.clone(),
        JobQuery { limit: 7, ..all.clone() },
        JobQuery { kind: Some(Kind::new(5053)), ..all.clone() },
        JobQuery { topic: Some("rare".to_owned()), limit: 3, ..all.clone() },
        JobQuery { state: Some(JobState::Succeeded), ..all.clone() },
        JobQuery { customer: Some(author(1)), ..all.clone() },
        JobQuery { provider: Some(author(2)), ..all.clone() },
        JobQuery { customer: Some(author(1)), provider: Some(author(2)), ..all.clone() },
        JobQuery { since: Some(Seconds::new(120)), until: Some(Seconds::new(180)), ..all.clone() },
    ] {
        let expected: Vec<&Job> = jobs.iter().filter(|job| query.matches(job)).take(query.limit).collect();
        let found = db.jobs(&query).await.expect("the store works");
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query:?}");
        assert!(!found.is_empty(), "{query:?}");
        // The same, a few at a time.
        let (mut paged, mut part) = (Vec::new(), JobQuery { limit: 2, ..query.clone() });
        while paged.len() < found.len() {
            paged.extend(db.jobs(&part).await.expect("the store works"));
            part.after = paged.last().map(|job| (job.request.as_ref().expect("it came").created_at, job.id));
        }
        paged.truncate(query.limit);
        assert_eq!(paged, found, "{query:?}");
    }
}

/// How a provider's jobs went is counted as they go, whichever comes first, and goes with those who vanish.
pub(super) async fn standing<S: StorageAdapter>(db: &S) {
    let performed = async |by: u8| db.standing(&author(by)).await.expect("the store works").performance();
    let requests = [event(0, 5050, 100, &[], "one"), event(2, 5050, 120, &[], "another's")];
    for request in &requests {
        let (id, customer) = (request.id.to_string(), request.pubkey.to_string());
        let to = [&["e", &id] as &[&str], &["p", &customer]];
        store(db, &event(1, 7000, 125, &[to[0], to[1], &["status", "error"]], "")).await;
        assert_eq!(performed(1).await.jobs, u64::from(request.pubkey == author(2)), "nobody asked yet");
        store(db, request).await;
        store(db, &event(3, 7000, 126, &[to[0], to[1], &["status", "processing"]], "")).await;
    }
    assert_eq!((performed(1).await.jobs, performed(1).await.failed, performed(3).await.failed), (2, 2, 0));
    let id = requests[1].id.to_string();
    store(db, &event(1, 6050, 130, &[&["e", &id], &["p", &author(2).to_string()]], "done")).await;
    assert_eq!((performed(1).await.jobs, performed(1).await.succeeded, performed(1).await.failed), (2, 1, 1));
    assert_eq!((performed(1).await.median_latency, performed(1).await.last_seen), (Some(0), Some(Seconds::new(1_000))));
    store(db, &event(0, 62, 200, &[&["relay", "ALL_RELAYS"]], "")).await;
    assert_eq!((performed(1).await.jobs, performed(3).await.jobs), (1, 1), "the jobs of the customer are gone");
    store(db, &event(3, 62, 200, &[&["relay", "ALL_RELAYS"]], "")).await;
    assert_eq!((performed(1).await.jobs, performed(3).await), (1, Performance::default()));
    let kept = db.standing(&author(1)).await.expect("the store works");
    db.put_standings(kept.marks(author(2)).collect()).await.expect("the store works");
    assert_eq!((performed(1).await, performed(2).await), (Performance::default(), kept.performance()));
}

/// What the market counts for a day: jobs that end without a result, and how many asked and answered, each once.
pub(super) async fn counting<S: StorageAdapter>(db: &S) {
    let request = |by: u8, at: i64| event(by, 5050, at, &[], "a job");
    for (by, at) in [(0, 100), (0, 101), (0, 102), (2, 103)] {
        let event = Verified::by_operator(request(by, at));
        let prepared = PreparedEvent::new(event, Seconds::new(1_000), Some(Seconds::new(2_000)));
        db.store_event(prepared).await.expect("the store works");
    }
    let answer = |by: u8, kind: u16, at: i64, to: &Event, status: &str| {
        let (id, customer) = (to.id.to_string(), to.pubkey.to_string());
        event(by, kind, at, &[&["e", &id], &["p", &customer], &["status", status]], "")
    };
    store(db, &answer(3, 6050, 110, &request(0, 100), "")).await;
    store(db, &answer(3, 7000, 111, &request(0, 101), "error")).await;
    store(db, &answer(1, 7000, 112, &request(0, 101), "processing")).await;
    store(db, &event(0, 5, 120, &[&["e", &request(0, 102).id.to_string()]], "")).await;
    let counted = async || {
        let tallies = db.tallies(0).await.expect("the store works");
        let registers = |of: &dyn Fn(Counter) -> bool| tallies.iter().filter(|tally| of(tally.counter)).count();
        let expired = tallies.iter().find(|tally| tally.counter == Counter::Expired).map(|tally| tally.amount);
        let customers = registers(&|counter| matches!(counter, Counter::Customers(_)));
        (expired, customers, registers(&|counter| matches!(counter, Counter::Providers(_))))
    };
    assert_eq!(counted().await, (None, 2, 2));
    let ranks = db.tallies(0).await.expect("the store works");
    let mut ranks = ranks.iter().filter(|tally| matches!(tally.counter, Counter::Customers(_)));
    assert!(ranks.all(|tally| tally.amount <= 8), "the same customer is one, however often they ask");
    assert_eq!(db.sweep_expired(Seconds::new(2_000), 10).await.expect("the store works"), 3);
    assert_eq!(counted().await, (Some(2), 2, 2));
}

/// Operators remove what they want, and count authors.
pub(super) async fn operators<S: StorageAdapter>(db: &S) {
    let tagged = |by: u8, at: i64| event(by, 7, at, &[&["t", "x"]], "+");
    for (by, at) in [(0, 1), (0, 2), (1, 3), (2, 4)] {
        store(db, &tagged(by, at)).await;
    }
    let filter = Filter::new().with_tag(TagCondition::new(TagName::from_name("t").expect("a letter"), ["x"]));
    let registers = HyperLogLog::for_count(std::slice::from_ref(&filter));
    let count =
        db.count(std::slice::from_ref(&filter), 10, registers, &Scope::operator()).await.expect("the store works");
    assert_eq!(count.count, 4);
    assert_eq!(count.registers.expect("a tag is asked for").registers().iter().filter(|value| **value > 0).count(), 3);
    assert!(db.delete_event(&tagged(2, 4).id).await.expect("the store works"));
    assert!(!db.delete_event(&tagged(2, 4).id).await.expect("the store works"));
    assert_eq!(db.delete_by_filter(&filter.with_authors([author(0)])).await.expect("the store works"), 2);
    assert_eq!(contents(db, Filter::new()).await.len(), 1);
}

/// What jobs are made of can be read again, and tells the rows nothing new; rows that were lost come back.
pub(super) async fn rebuilding<S: StorageAdapter>(db: &S) {
    let request = event(0, 5050, 100, &[&["i", "hello", "text"], &["bid", "9"]], "");
    let id = request.id.to_string();
    let customer = author(0).to_string();
    store(db, &request).await;
    store(db, &event(1, 1, 101, &[], "not of the market")).await;
    store(db, &event(1, 7000, 105, &[&["e", &id], &["p", &customer], &["status", "processing"]], "")).await;
    store(db, &event(1, 6050, 110, &[&["e", &id], &["p", &customer]], "done")).await;
    let events = db.market_events(Seq::START, 2).await.expect("the store works");
    assert_eq!(events.iter().map(|(_, prepared)| prepared.event().kind.get()).collect::<Vec<_>>(), [5050, 7000]);
    let (last, _) = events.last().expect("there are two");
    let rest = db.market_events(*last, 2).await.expect("the store works");
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].1.received_at(), Seconds::new(1_000));
    let before = db.job(&request.id).await.expect("the store works");
    assert_eq!(market::rebuild(db).await.expect("the store works").changed, 0);
    db.put_jobs(vec![Job::new(request.id)]).await.expect("the store works");
    assert_eq!(db.job(&request.id).await.expect("the store works"), Some(Job::new(request.id)));
    assert_eq!(market::rebuild(db).await.expect("the store works").changed, 1);
    assert_eq!(db.job(&request.id).await.expect("the store works"), before);
    let tallies = db.tallies(0).await.expect("the store works");
    let bids = tallies.iter().find(|tally| tally.counter == Counter::BidMsat).expect("a bid was counted");
    assert_eq!((bids.day, bids.kind.get(), bids.amount), (0, 5050, 9));
    assert_eq!(db.tallies(1).await.expect("the store works"), []);
}

/// Removals are forgotten up to a position; positions go on from where they were.
pub(super) async fn forgetting<S: StorageAdapter>(db: &S) {
    for at in 1..=3 {
        store(db, &event(0, 0, at, &[], "a version")).await;
    }
    let removed = async || {
        let entries = db.events_after(Seq::START, 100).await.expect("the store works");
        entries.iter().filter(|entry| matches!(entry, Entry::Removed { .. })).map(Entry::seq).collect::<Vec<_>>()
    };
    let both = removed().await;
    let last = db.last_seq().await.expect("the store works");
    assert_eq!(both.len(), 2);
    assert_eq!(db.drop_removals(both[0], 100).await.expect("the store works"), 1);
    assert_eq!(removed().await, both[1..]);
    assert_eq!(db.drop_removals(last, 0).await.expect("the store works"), 0);
    assert_eq!(db.drop_removals(last, 5).await.expect("the store works"), 1);
    assert_eq!(removed().await, []);
    assert_eq!(db.last_seq().await.expect("the store works"), last);
}
