use crate::stand_in::StandIn;
use futures_util::FutureExt;
use nexus_cloudflare::D1Storage;
use nexus_model::{Seq, Verified};
use nexus_nostr::{Event, Filter, Kind, Seconds, SigningKey, TagCondition, TagName, Tags};
use nexus_relay::{
    market::JobQuery,
    ports::{Outcome, PreparedEvent, RecordKind, StorageAdapter, StorageError},
};
use nexus_relay_suite as suite;
use proptest::prelude::*;

type Store = D1Storage<&'static StandIn>;

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the stand-in never waits")
}

/// A store, and the database under it, which is never freed: it is as long as a test lives.
fn fresh() -> (Store, &'static StandIn) {
    let database: &'static StandIn = Box::leak(Box::new(StandIn::new()));
    (D1Storage::new(database), database)
}

fn event(by: u8, kind: u16, at: i64, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    SigningKey::from_bytes([by; 32]).unwrap().sign(Kind::new(kind), Seconds::new(at), tags, content)
}

fn prepared(event: &Event) -> PreparedEvent {
    PreparedEvent::new(Verified::by_operator(event.clone()), Seconds::new(86_400), None)
}

fn store(storage: &Store, event: &Event) -> Outcome {
    now(storage.store_event(prepared(event))).unwrap()
}

#[test]
fn d1_passes_the_suite() {
    now(suite::run(async || fresh().0, 12));
}

#[test]
fn a_batch_of_events_is_read_and_written_in_one_batch_each() {
    let (storage, database) = fresh();
    let events: Vec<_> = (0..100).map(|at| prepared(&event(1, 1, at, &[&["t", "x"]], "many"))).collect();
    assert_eq!(now(storage.store_batch(events)).unwrap().len(), 100);
    assert_eq!(database.batches(), 2);
}

#[test]
fn long_lists_are_split_over_several_statements() {
    let (storage, _) = fresh();
    let text = "x".repeat(60_000);
    let events: Vec<_> = (0..40).map(|at| prepared(&event(1, 1, at, &[], &text))).collect();
    let outcomes = now(storage.store_batch(events)).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
    assert_eq!(now(storage.query_events(&Filter::new())).unwrap().len(), 40);
    assert_eq!(now(storage.delete_by_filter(&Filter::new())).unwrap(), 40);
}

/// Between reading and writing, another object stored a newer version: the decision is made again.
#[test]
fn who_is_overtaken_decides_again() {
    let (storage, database) = fresh();
    let (old, new) = (event(1, 0, 10, &[], "old"), event(1, 0, 11, &[], "new"));
    let (key, id, json) = (new.pubkey.to_string(), new.id.to_string(), new.to_json());
    database.interfere(move |connection| {
        let sql = "INSERT INTO event VALUES (1, ?, ?, 0, 11, 11, NULL, '', ?)";
        connection.execute(sql, (&id, &key, &json)).unwrap();
        connection.execute("UPDATE journal SET last = 1", ()).unwrap();
    });
    assert_eq!(store(&storage, &old), Outcome::Superseded);
    assert_eq!(database.batches(), 3);
    assert_eq!(now(storage.last_seq()).unwrap(), Seq::new(1));
    assert_eq!(now(storage.query_events(&Filter::new())).unwrap()[0].id, new.id);
}

/// Whatever fails in a batch, nothing of it is there, and the store says that it may be tried again.
#[test]
fn a_batch_that_fails_leaves_nothing() {
    let (storage, database) = fresh();
    database.interfere(|connection| connection.execute_batch("ALTER TABLE tag RENAME TO elsewhere").unwrap());
    let error = now(storage.store_event(prepared(&event(1, 1, 10, &[&["t", "x"]], "")))).unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)) && error.is_retryable());
    let rows: i64 = database.look(|db| db.query_row("SELECT count(*) FROM event", (), |row| row.get(0))).unwrap();
    let last: i64 = database.look(|db| db.query_row("SELECT last FROM journal", (), |row| row.get(0))).unwrap();
    assert_eq!((rows, last), (0, 0));
}

#[test]
fn what_is_not_what_was_written_is_damage() {
    let (storage, database) = fresh();
    let note = event(1, 1, 10, &[], "");
    store(&storage, &note);
    database.look(|db| db.execute("UPDATE event SET json = '{}'", ())).unwrap();
    assert!(matches!(now(storage.get_event(&note.id)), Err(StorageError::Damaged(_))));
    assert!(matches!(now(storage.store_event(prepared(&note))), Err(StorageError::Damaged(_))));
}

#[test]
fn moments_are_exact_beyond_floating_point() {
    let (storage, _) = fresh();
    let late = i64::MAX - 2;
    let notes = [late, late + 1, late + 2].map(|at| event(1, 1, at, &[], ""));
    notes.iter().for_each(|note| assert!(matches!(store(&storage, note), Outcome::Stored(_))));
    let exactly = Filter::new().with_since(Seconds::new(late + 1)).with_until(Seconds::new(late + 1));
    let found = now(storage.ids(&exactly, 10, &nexus_relay::ports::Scope::operator())).unwrap();
    assert_eq!(found, [(Seconds::new(late + 1), notes[1].id)]);
}

#[test]
fn the_next_expiry_is_the_first() {
    let (storage, _) = fresh();
    assert_eq!(now(storage.next_expiry()).unwrap(), None);
    for (at, end) in [(1, 90_002), (2, 90_001), (3, 90_003)] {
        let expiring = Verified::by_operator(event(1, 1, at, &[], ""));
        let expiring = PreparedEvent::new(expiring, Seconds::new(86_400), Some(Seconds::new(end)));
        now(storage.store_event(expiring)).unwrap();
    }
    assert_eq!(now(storage.next_expiry()).unwrap(), Some(Seconds::new(90_001)));
    assert_eq!(now(storage.sweep_expired(Seconds::new(90_001), 10)).unwrap(), 1);
    assert_eq!(now(storage.next_expiry()).unwrap(), Some(Seconds::new(90_002)));
}

/// A page of jobs is read in the order of an index, and never sorted.
#[test]
fn pages_of_jobs_are_not_sorted() {
    let (storage, database) = fresh();
    let someone = Some(SigningKey::from_bytes([1; 32]).unwrap().public_key());
    for (customer, provider, index) in [
        (None, None, "INDEX job_time (created_at>? AND created_at<?)"),
        (someone, None, "INDEX job_customer (customer=? AND created_at>? AND created_at<?)"),
        (None, someone, "INDEX job_provider_time (pubkey=? AND created_at>? AND created_at<?)"),
        (someone, someone, "INDEX job_provider_time (pubkey=? AND created_at>? AND created_at<?)"),
    ] {
        assert_eq!(now(storage.jobs(&JobQuery { customer, provider, limit: 10, ..JobQuery::default() })).unwrap(), []);
        let plan = database.plan();
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

fn odd_text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec!["\0", "\"", "\\", "'", "\\u0000", "\u{1f}", "é", "\u{fdd1}", "a", "$"]);
    prop::collection::vec(odd, 0..5).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a text holds, it is found by itself and by nothing else: as a tag, as `d` and as a record.
    #[test]
    fn any_text_is_kept_exactly(texts in prop::collection::hash_set(odd_text(), 1..5)) {
        let (storage, _) = fresh();
        for (at, text) in texts.iter().enumerate() {
            let note = event(1, 30_023, i64::try_from(at).unwrap(), &[&["d", text], &["t", text]], "");
            prop_assert!(matches!(store(&storage, &note), Outcome::Stored(_)));
            now(storage.put_record(RecordKind::Info, text, Some(text))).unwrap();
        }
        let name = TagName::from_name("t").unwrap();
        for text in &texts {
            let filter = Filter::new().with_tag(TagCondition::new(name, [text.as_str()]));
            let found = now(storage.query_events(&filter)).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].event().unwrap().d().to_owned(), text.clone());
            let count = now(storage.count(&[filter], 10, None, &nexus_relay::ports::Scope::operator())).unwrap();
            prop_assert_eq!(count.count, 1);
        }
        let mut expected: Vec<&String> = texts.iter().collect();
        expected.sort();
        let records = now(storage.records(RecordKind::Info)).unwrap();
        prop_assert!(records.iter().all(|record| record.key == record.value));
        prop_assert_eq!(records.iter().map(|record| &record.key).collect::<Vec<_>>(), expected);
    }
}
