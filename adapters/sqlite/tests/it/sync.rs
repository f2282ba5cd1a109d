//! The sync service's file.

use nexus_atproto::Did;
use nexus_model::{Seq, Timestamp};
use nexus_sqlite::sync::SyncStore;
use nexus_sync::effects::Effects;
use nexus_sync::event::{Event, Kind};
use nexus_sync::store::Store;
use nexus_sync_suite as suite;
use std::cell::RefCell;
use std::path::PathBuf;
use tempfile::TempDir;

/// Folders that are removed when the test ends, the last one in use.
#[derive(Default)]
struct Folders(RefCell<Vec<TempDir>>);

impl Folders {
    fn fresh(&self) -> PathBuf {
        self.0.borrow_mut().push(tempfile::tempdir().unwrap());
        self.last()
    }

    fn last(&self) -> PathBuf {
        self.0.borrow().last().unwrap().path().join("sync.db")
    }
}

#[test]
fn the_file_passes_the_suite() {
    let folders = Folders::default();
    let again = |store: SyncStore| {
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        drop(store);
        SyncStore::open(&folders.last()).unwrap()
    };
    suite::run(|| SyncStore::open(&folders.fresh()).unwrap(), again);
}

/// Looks for bytes in everything that the folder holds.
fn holds(folder: &TempDir, wanted: &str) -> bool {
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes()))
}

#[test]
fn what_expires_leaves_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = SyncStore::open(&folder.path().join("sync.db")).unwrap();
    let did: Did = "did:plc:a".parse().unwrap();
    let event = |body: &str| Event { did: did.clone(), kind: Kind::Live, body: body.into() };
    let events = vec![event("a secret that must go"), event("something that stays")];
    let mut transaction = store.begin().unwrap();
    transaction.apply(&did, &Effects { events, ..Effects::default() }, Timestamp::from_millis(1)).unwrap();
    transaction.commit().unwrap();
    assert!(holds(&folder, "a secret that must go"));
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.expire(Seq::new(1), Timestamp::from_millis(2), 10).unwrap(), 1);
    transaction.commit().unwrap();
    assert!(!holds(&folder, "a secret that must go") && holds(&folder, "something that stays"));
}

#[test]
fn a_damaged_page_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    let did: Did = "did:plc:a".parse().unwrap();
    let store = SyncStore::open(&file).unwrap();
    let events = vec![Event { did: did.clone(), kind: Kind::Live, body: "on the damaged page".into() }];
    let mut transaction = store.begin().unwrap();
    transaction.apply(&did, &Effects { events, ..Effects::default() }, Timestamp::from_millis(1)).unwrap();
    transaction.commit().unwrap();
    drop(store);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(19).position(|window| window == b"on the damaged page").unwrap();
    let page = at - at % 4_096;
    bytes[page..page + 8].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let store = SyncStore::open(&file).unwrap();
    let error = store.events(Seq::START, 10).unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("malformed"), "{error}");
}
