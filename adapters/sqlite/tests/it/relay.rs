use nexus_model::Verified;
use nexus_nostr::{Event, Filter, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    market::Counter,
    ports::{Outcome, PreparedEvent, StorageAdapter},
    suite,
};
use nexus_sqlite::{
    Durability,
    relay::{Recent, Settings, SqliteStorage},
};
use std::{cell::RefCell, path::Path};
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
    for seed in 1..=40 {
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
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    SigningKey::from_bytes([1; 32]).unwrap().sign(Kind::new(kind), Seconds::new(at), tags, content)
}

fn store(storage: &SqliteStorage, event: Event) -> Outcome {
    now(storage.store_event(PreparedEvent::new(Verified::by_operator(event), Seconds::new(86_400), None))).unwrap()
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
    assert_eq!(storage.database().check().unwrap(), Vec::<String>::new());
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

/// True if some file of the folder has these bytes.
fn holds(folder: &TempDir, text: &str) -> bool {
    let folders = [folder.path().to_owned(), folder.path().join("relay.db-index")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).unwrap())
        .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}
