use futures_util::FutureExt;
use nexus_model::{Seq, Verified};
use nexus_nostr::{Event, Filter, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    market::{Counter, JobQuery},
    ports::{Entry, Outcome, PreparedEvent, Scope, StorageAdapter, StorageError, Viewer},
};
use nexus_relay_suite as suite;
use nexus_sqlite::{
    Durability,
    relay::{Patience, Recent, Settings, SqliteStorage},
};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// A file that needn't survive power loss, in a folder that goes with the test.
fn open(folder: &TempDir) -> SqliteStorage {
    open_at(folder.path(), Recent::default())
}

fn open_at(folder: &Path, recent: Recent) -> SqliteStorage {
    let settings = Settings { recent, ..Settings::new(Durability::Normal) };
    SqliteStorage::open_with(&folder.join("relay.db"), settings).unwrap()
}

#[test]
fn sqlite_passes_the_suite() {
    let folders = RefCell::new(Vec::new());
    let fresh = async || {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        folders.borrow_mut().push(folder);
        store
    };
    now(suite::run(fresh, 12));
}

/// Whatever part of the index is in memory or in files, and whenever the store is closed, the answers are the same.
#[test]
fn answers_dont_depend_on_merging_closing_or_lost_files() {
    for seed in 1..=16 {
        let folder = tempfile::tempdir().unwrap();
        let recent = Recent { flush: 1 + seed % 9, max: 40 };
        let disturb = async |store: SqliteStorage, dice: u64| match dice % 8 {
            0 | 1 => {
                drop(store);
                open_at(folder.path(), recent)
            }
            2 => {
                store.compact().unwrap();
                store
            }
            3 => {
                drop(store);
                lose_a_file(folder.path(), dice);
                open_at(folder.path(), recent)
            }
            _ => store,
        };
        now(suite::history(open_at(folder.path(), recent), 1_000 + seed, disturb));
        assert_eq!(open_at(folder.path(), recent).check().unwrap(), Vec::<String>::new());
    }
}

/// Removes one of the index's files, or all.
fn lose_a_file(folder: &Path, dice: u64) {
    let index = folder.join("relay.db-index");
    if dice.is_multiple_of(3) {
        std::fs::remove_dir_all(index).unwrap();
        return;
    }
    let files: Vec<_> = std::fs::read_dir(&index).unwrap().map(|file| file.unwrap().path()).collect();
    if !files.is_empty() {
        std::fs::remove_file(&files[dice as usize % files.len()]).unwrap();
    }
}

fn event(kind: u16, at: i64, tags: &[&[&str]], content: &str) -> Event {
    event_by(1, kind, at, tags, content)
}

fn event_by(by: u8, kind: u16, at: i64, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    SigningKey::from_bytes([by; 32]).unwrap().sign(Kind::new(kind), Seconds::new(at), tags, content)
}

fn store(storage: &SqliteStorage, event: Event) -> Outcome {
    now(storage.store_event(prepared(&event))).unwrap()
}

#[test]
fn what_was_answered_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = event(5050, 10, &[&["bid", "7"]], "one");
    let storage = open(&folder);
    let outcome = store(&storage, first.clone());
    let last = now(storage.last_seq()).unwrap();
    drop(storage);
    let storage = open(&folder);
    assert_eq!(now(storage.last_seq()).unwrap(), last);
    assert_eq!(outcome, Outcome::Stored(last));
    assert_eq!(store(&storage, first.clone()), Outcome::Duplicate);
    assert_eq!(store(&storage, event(1, 11, &[], "two")), Outcome::Stored(last.next()));
    assert_eq!(now(storage.get_event(&first.id)).unwrap().unwrap().event().unwrap(), first);
    assert_eq!(storage.tally(1, Kind::new(5050), Counter::BidMsat).unwrap(), 7);
    assert_eq!(storage.check().unwrap(), Vec::<String>::new());
}

#[test]
fn deleted_and_vanished_content_leaves_the_file_and_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let note = event(1, 10, &[&["t", "secretTopic"]], "secretWord of mine");
    let other = event(30_023, 10, &[&["d", "secretName"]], "secretText");
    store(&storage, note.clone());
    store(&storage, other);
    assert!(holds(&folder, "secretWord") && holds(&folder, "secretTopic"));
    store(&storage, event(5, 11, &[&["e", &note.id.to_string()]], ""));
    store(&storage, event(62, 12, &[&["relay", "ALL_RELAYS"]], ""));
    storage.compact().unwrap();
    for word in ["secretWord", "secretTopic", "secretName", "secretText", "secretword"] {
        assert!(!holds(&folder, word), "{word}");
    }
    assert_eq!(now(storage.query_events(&Filter::new())).unwrap().len(), 1);
}

/// Commits clear the log at most once a second; what they leave goes with the next sweep.
#[test]
fn sweeping_clears_the_log_of_what_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    for word in ["firstSecret", "secondSecret"] {
        let note = event(1, 10, &[], word);
        store(&storage, note.clone());
        store(&storage, event(5, 11, &[&["e", &note.id.to_string()]], ""));
    }
    let started = Instant::now();
    while holds(&folder, "firstSecret") || holds(&folder, "secondSecret") {
        assert!(started.elapsed() < Duration::from_secs(60));
        now(storage.sweep_expired(Seconds::new(0), 10)).unwrap();
        std::thread::yield_now();
    }
}

/// What is committed reaches the file while the store is open, and the log is used again instead of growing.
#[test]
fn the_log_is_copied_while_events_come() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let length = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    let started = Instant::now();
    let (mut written, mut longest) = (0, 1 << 40);
    while written < 3 * longest {
        assert!(started.elapsed() < Duration::from_secs(120), "{written} bytes written, the log has {longest}");
        for _ in 0..20 {
            written += 100_000;
            store(&storage, event(1, i64::try_from(written).unwrap(), &[], &"x".repeat(100_000)));
        }
        longest = length("relay.db-wal");
    }
    assert!(length("relay.db") > written / 2);
}

#[test]
fn the_log_is_cleared_though_somebody_copies_it() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            while !is_over.load(Ordering::Relaxed) && started.elapsed() < Duration::from_secs(60) {
                storage.database().checkpoint().unwrap();
            }
        });
        for number in 0..10 {
            let secret = format!("secret{number}");
            let note = event(1, 10, &[], &secret);
            store(&storage, note.clone());
            store(&storage, event(5, 11, &[&["e", &note.id.to_string()]], ""));
            storage.compact().unwrap();
            let is_there = holds(&folder, &secret);
            is_over.store(is_there || number == 9, Ordering::Relaxed);
            assert!(!is_there, "{secret}");
        }
    });
}

/// True if some file of the folder has these bytes.
fn holds(folder: &TempDir, text: &str) -> bool {
    let folders = [folder.path().to_owned(), folder.path().join("relay.db-index")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).unwrap())
        .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

fn prepared(event: &Event) -> PreparedEvent {
    PreparedEvent::new(Verified::by_operator(event.clone()), Seconds::new(86_400), None)
}

/// A head that is replaced all the time is there whenever somebody looks, once and not older than before.
#[test]
fn readers_see_each_commit_whole() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_at(folder.path(), Recent { flush: 16, max: 64 });
    let head = |at: i64| event(10_002, at, &[&["t", "head"]], "");
    store(&storage, head(1));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut newest = Seconds::default();
                    let filter = Filter::parse(r##"{"#t":["head"]}"##).unwrap();
                    let mut looks = 0;
                    while !is_over.load(Ordering::Relaxed) || looks == 0 {
                        let found = now(storage.query_events(&filter)).unwrap();
                        assert_eq!(found.len(), 1);
                        assert!(found[0].created_at >= newest);
                        newest = found[0].created_at;
                        assert_eq!(
                            now(storage.count(std::slice::from_ref(&filter), 9, None, &Scope::operator()))
                                .unwrap()
                                .count,
                            1
                        );
                        looks += 1;
                    }
                })
            })
            .collect();
        for at in 2..300 {
            assert!(matches!(store(&storage, head(at)), Outcome::Stored(_)));
        }
        is_over.store(true, Ordering::Relaxed);
        looking.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Whatever of the events is in memory, and whoever reads them while they are removed: an answer that was asked for
/// after a removal has nothing of it.
#[test]
fn what_was_removed_is_in_no_later_answer() {
    for near in [0, 60_000, 32 << 20] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { near, ..Settings::new(Durability::Normal) };
        let storage = SqliteStorage::open_with(&folder.path().join("relay.db"), settings).unwrap();
        let mut notes: Vec<Event> = (0..150).map(|at| event(1, at, &[], "note")).collect();
        now(storage.store_batch(notes.iter().map(prepared).collect())).unwrap();
        let all = Filter::new().with_limit(1_000);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        now(storage.query_events(&all)).unwrap();
                    }
                });
            }
            while let Some(note) = notes.pop() {
                assert!(now(storage.delete_event(&note.id)).unwrap());
                let found: Vec<_> = now(storage.query_events(&all)).unwrap().iter().map(|found| found.id).collect();
                let expected: Vec<_> = notes.iter().rev().map(|note| note.id).collect();
                assert_eq!(found, expected, "{near}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

/// Callers at the same time share commits; each gets its own answers, and of twins one is the duplicate.
#[test]
fn concurrent_callers_get_their_own_answers() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let notes: Vec<Event> = (0..40).map(|at| event(1, at, &[], "note")).collect();
    let outcomes = now(async {
        let calls = notes.iter().chain(&notes).map(|note| storage.store_event(prepared(note)));
        futures_util::future::join_all(calls).await
    });
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|outcome| outcome.unwrap()).collect();
    let stored: BTreeSet<Seq> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Stored(seq) => Some(*seq),
            _ => None,
        })
        .collect();
    assert_eq!(stored.len(), 40);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Duplicate).count(), 40);
    assert_eq!(now(storage.last_seq()).unwrap(), Seq::new(40));
}

/// What was handed in is written even if nobody waits for the answer any more.
#[test]
fn what_was_handed_in_is_written_before_the_store_closes() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let note = event(1, 1, &[], "left behind");
    {
        let mut call = Box::pin(storage.store_event(prepared(&note)));
        // Usually it isn't done so soon.
        let _ = call.as_mut().now_or_never();
    }
    drop(storage);
    assert!(now(open(&folder).event_exists(&note.id)).unwrap());
}

#[test]
fn a_question_that_takes_too_long_is_refused_unless_the_operator_asks() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience { slice: Duration::ZERO, total: Duration::ZERO };
    let settings = Settings { patience, ..Settings::new(Durability::Normal) };
    let storage = SqliteStorage::open_with(&folder.path().join("relay.db"), settings).unwrap();
    let notes: Vec<PreparedEvent> = (0..200).map(|at| prepared(&event(1, at, &[], "note"))).collect();
    now(storage.store_batch(notes)).unwrap();
    let all = [Filter::new().with_limit(1_000)];
    let stranger = Scope { viewer: Viewer::Client(Vec::new()), ..Scope::operator() };
    assert!(matches!(now(storage.query(&all, &stranger)), Err(StorageError::TimedOut)));
    assert!(matches!(now(storage.count(&all, 1_000, None, &stranger)), Err(StorageError::TimedOut)));
    assert_eq!(now(storage.query(&all, &Scope::operator())).unwrap().events.len(), 200);
}

/// Positions from long ago are read from the file, new ones from memory: both say the same.
#[test]
fn the_journal_is_the_same_from_memory_and_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    for at in 1..50 {
        store(&storage, event(if at % 3 == 0 { 10_002 } else { 1 }, at, &[], "note"));
    }
    let read = |storage: &SqliteStorage, after: u64, max: usize| -> Vec<(Seq, bool)> {
        let entries = now(storage.events_after(Seq::new(after), max)).unwrap();
        entries.iter().map(|entry| (entry.seq(), matches!(entry, Entry::Created { .. }))).collect()
    };
    let fresh: Vec<_> = [(0, 1_000), (0, 7), (20, 5), (60, 9)].map(|(after, max)| read(&storage, after, max)).into();
    drop(storage);
    let storage = open(&folder);
    let again: Vec<_> = [(0, 1_000), (0, 7), (20, 5), (60, 9)].map(|(after, max)| read(&storage, after, max)).into();
    assert_eq!(fresh, again);
    assert_eq!(fresh[1].len(), 7);
}

/// The list of removed events is kept until the index has dropped their entries, and no longer.
#[test]
fn removed_events_are_forgotten_once_the_index_has_dropped_them() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_at(folder.path(), Recent { flush: 4, max: 64 });
    for at in 1..60 {
        store(&storage, event(10_002, at, &[], ""));
    }
    let gone = |storage: &SqliteStorage| {
        let count = |connection: &rusqlite::Connection| {
            Ok::<i64, nexus_sqlite::Error>(connection.query_row("SELECT count(*) FROM gone", [], |row| row.get(0))?)
        };
        storage.database().read(count).unwrap()
    };
    assert_eq!(gone(&storage), 58);
    storage.compact().unwrap();
    now(storage.sweep_expired(Seconds::new(0), 1_000)).unwrap();
    let left = gone(&storage);
    assert!(left < 58, "{left}");
    drop(storage);
    let storage = open_at(folder.path(), Recent { flush: 4, max: 64 });
    assert_eq!(now(storage.count(&[Filter::new()], 9, None, &Scope::operator())).unwrap().count, 1);
    assert_eq!(storage.check().unwrap(), Vec::<String>::new());
}

/// A list of jobs that few match may not keep the threads from other questions, nor take for ever.
#[test]
fn a_list_of_jobs_is_read_in_slices_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let within = |total: Duration| {
        let patience = Patience { slice: Duration::ZERO, total };
        let settings = Settings { patience, ..Settings::new(Durability::Normal) };
        SqliteStorage::open_with(&folder.path().join("relay.db"), settings).unwrap()
    };
    let storage = within(Duration::ZERO);
    let requests: Vec<PreparedEvent> = (0..400).map(|at| prepared(&event(5050, at, &[], "work"))).collect();
    now(storage.store_batch(requests)).unwrap();
    let oldest = JobQuery { until: Some(Seconds::new(5)), limit: 10, ..JobQuery::default() };
    let rare = JobQuery { topic: Some("rare".to_owned()), limit: 10, ..JobQuery::default() };
    let all = JobQuery { limit: 1_000, ..JobQuery::default() };
    assert_eq!(now(storage.jobs(&oldest)).unwrap().len(), 6);
    for query in [&rare, &all] {
        assert!(matches!(now(storage.jobs(query)), Err(StorageError::TimedOut)));
    }
    drop(storage);
    let storage = within(Duration::from_secs(60));
    assert_eq!(now(storage.jobs(&rare)).unwrap(), []);
    assert_eq!(now(storage.jobs(&all)).unwrap().len(), 400);
}

/// Who vanishes leaves no trace as a customer or as a provider, and everybody else's jobs stay.
#[test]
fn who_vanishes_leaves_no_rows_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let rows = || {
        let pairs = |connection: &rusqlite::Connection| {
            let jobs = connection.query_row("SELECT count(*) FROM job", [], |row| row.get::<_, i64>(0))?;
            let pairs = connection.query_row("SELECT count(*) FROM job_provider", [], |row| row.get::<_, i64>(0))?;
            Ok::<_, nexus_sqlite::Error>((jobs, pairs))
        };
        storage.database().read(pairs).unwrap()
    };
    let key = |by: u8| SigningKey::from_bytes([by; 32]).unwrap().public_key().to_string();
    for customer in [1, 2] {
        let request = event_by(customer, 5050, 10, &[], "");
        store(&storage, request.clone());
        for provider in [3, 4] {
            let tags: [&[&str]; 2] = [&["e", &request.id.to_string()], &["p", &key(customer)]];
            store(&storage, event_by(provider, 6050, 11, &tags, ""));
        }
    }
    assert_eq!(rows(), (2, 4));
    store(&storage, event_by(1, 62, 20, &[&["relay", "ALL_RELAYS"]], ""));
    assert_eq!(rows(), (1, 2));
    store(&storage, event_by(3, 62, 20, &[&["relay", "ALL_RELAYS"]], ""));
    assert_eq!(rows(), (1, 1));
}

/// Texts are left out where there is no room for them, and nowhere else; what a limit cuts off gives its room back.
#[test]
fn a_page_has_as_many_texts_as_fit() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let notes: Vec<Event> = (10..20).map(|at| event(1, at, &[], "word")).collect();
    for note in &notes {
        store(&storage, note.clone());
    }
    let length = notes[0].to_json().len();
    for filter in [r#"{"limit":5}"#, r#"{"search":"word","limit":5}"#] {
        let filter = Filter::parse(filter).unwrap();
        for texts in 0..=6 {
            let bytes = texts * length + length / 2;
            let page = now(storage.query_within(std::slice::from_ref(&filter), &Scope::operator(), bytes)).unwrap();
            assert_eq!((page.events.len(), page.rest.len(), page.more), (texts.min(5), 5 - texts.min(5), true));
        }
    }
}
