//! The social service's file: the suite, histories, and what only a file can do wrong.

use nexus_model::{Seq, Timestamp};
use nexus_social::{
    effects::{Effects, RowChange},
    input::Input,
    mock::{Network, Size},
    row::Edge,
    store::{Error, Memory, Store, Stored},
    writer::Writer,
};
use nexus_social_suite::{self as suite, Dump, Op, World};
use nexus_sqlite::social::{SCHEMA, SocialStore};
use proptest::prelude::*;
use rusqlite::Connection;
use std::{cell::RefCell, path::Path, path::PathBuf, sync::Arc};
use tempfile::TempDir;

/// Folders that are removed when the test ends.
#[derive(Default)]
struct Folders(RefCell<Vec<TempDir>>);

impl Folders {
    fn file(&self) -> PathBuf {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.db");
        self.0.borrow_mut().push(folder);
        path
    }
}

fn writer() -> Writer {
    Writer::new(Arc::new(World::policy()))
}

/// A history that touches everything.
fn ops() -> Vec<Op> {
    (0..=255_u8)
        .map(|n| Op([n, n.wrapping_mul(7), n.wrapping_mul(3), n.wrapping_mul(11), n.wrapping_mul(29)]))
        .collect()
}

fn play(store: &dyn Store) {
    World::new().run(&writer(), store, &ops(), 9, &mut |_| ()).unwrap();
}

#[test]
fn the_file_passes_the_suite() {
    let folders = Folders::default();
    suite::run(|| SocialStore::open(&folders.file()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_file_holds_row_for_row_what_memory_holds(
        ops in prop::collection::vec(any::<[u8; 5]>().prop_map(Op), 0..150),
        size in 1_usize..30,
    ) {
        let folders = Folders::default();
        let (memory, file) = (Memory::new(), SocialStore::open(&folders.file()).unwrap());
        for store in [&memory as &dyn Store, &file] {
            World::new().run(&writer(), store, &ops, size, &mut |_| ()).unwrap();
        }
        prop_assert_eq!(Dump::of(&file), Dump::of(&memory));
        prop_assert_eq!(file.check().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn what_was_committed_is_there_after_reopening_and_an_open_group_is_not() {
    let (folders, memory) = (Folders::default(), Memory::new());
    let path = folders.file();
    play(&memory);
    let store = SocialStore::open(&path).unwrap();
    play(&store);
    let mut open = store.begin().unwrap();
    let id = suite::key(99);
    open.apply(&Effects { rows: vec![RowChange::RemoveHost(id)], log: vec!["PUT x".into()], ..Effects::default() })
        .unwrap();
    // What a kill leaves: the files as they are now.
    let killed = folders.file();
    for end in ["", "-wal"] {
        let beside = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        std::fs::copy(beside(&path), beside(&killed)).unwrap();
    }
    drop(open);
    drop(store);
    for path in [path, killed] {
        let store = SocialStore::open(&path).unwrap();
        assert_eq!(Dump::of(&store), Dump::of(&memory));
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
    }
}

fn holds(folder: &Path, what: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    let has = |bytes: Vec<u8>| bytes.windows(what.len()).any(|window| window == what.as_bytes());
    files.into_iter().any(|file| has(std::fs::read(file.unwrap().path()).unwrap()))
}

#[test]
fn deleted_and_edited_content_leaves_every_file() {
    let folders = Folders::default();
    let path = folders.file();
    let folder = path.parent().unwrap();
    let store = SocialStore::open(&path).unwrap();
    let mut world = World::new();
    let mut send = |op: [u8; 5]| {
        let input = world.happen(Op(op));
        writer().run(&store, &[input], Timestamp::from_millis(1), |_| ()).unwrap();
    };
    send([0, 0, 0, 0, 1]);
    send([3, 0, 1, 0, 133]);
    send([3, 0, 2, 0, 134]);
    assert!(holds(folder, "text 133") && holds(folder, "text 134"));
    send([3, 0, 1, 0, 139]);
    send([3, 0, 2, 0, 135]);
    store.expire_changes(Timestamp::from_millis(0)).unwrap();
    assert!(!holds(folder, "text 133") && !holds(folder, "text 134"));
    assert!(holds(folder, "text 139"));
}

#[test]
fn a_backup_is_a_whole_copy_that_goes_on_by_itself() {
    let folders = Folders::default();
    let (path, copy) = (folders.file(), folders.file());
    let store = SocialStore::open(&path).unwrap();
    play(&store);
    std::fs::write(&copy, "an older backup").unwrap();
    let before = Dump::of(&store);
    let group = store.begin().unwrap();
    store.backup(&copy).unwrap();
    drop(group);
    let copied = SocialStore::open(&copy).unwrap();
    assert_eq!(Dump::of(&copied), before);
    play(&copied);
    assert_eq!(Dump::of(&store), before);
    assert!(copied.size().unwrap() >= store.size().unwrap() / 4);
    assert_eq!(
        std::fs::read_dir(copy.parent().unwrap())
            .unwrap()
            .filter(|f| { f.as_ref().unwrap().path().extension().is_some_and(|end| end == "partial") })
            .count(),
        0
    );
}

#[test]
fn a_check_names_what_does_not_fit() {
    let folders = Folders::default();
    let path = folders.file();
    let store = SocialStore::open(&path).unwrap();
    play(&store);
    let has_tags = suite::rows(&store).iter().any(|row| matches!(row, Stored::Edge(Edge::Tagged(_))));
    assert!(has_tags && store.check().unwrap().is_empty());
    let vandal = Connection::open(&path).unwrap();
    vandal.execute_batch("DELETE FROM users; DELETE FROM changes WHERE seq = 5").unwrap();
    let found = store.check().unwrap();
    assert!(found.iter().any(|line| line.ends_with("posts by unknown users")), "{found:?}");
    assert!(found.iter().any(|line| line == "1 gaps in the journal"), "{found:?}");
}

#[test]
fn damage_is_told_and_never_passed_over() {
    let folders = Folders::default();
    let path = folders.file();
    let store = SocialStore::open(&path).unwrap();
    play(&store);
    Connection::open(&path).unwrap().execute_batch("UPDATE users SET state = 9").unwrap();
    assert!(matches!(store.load(&mut |_| ()), Err(Error::Damaged(_))));
}

#[test]
fn a_newer_file_and_anothers_file_are_refused() {
    let folders = Folders::default();
    let path = folders.file();
    drop(SocialStore::open(&path).unwrap());
    let set = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    set("PRAGMA user_version = 99");
    let error = SocialStore::open(&path).unwrap_err();
    assert_eq!(error.to_string(), "the file has schema version 99, this program knows 1: use a newer program");
    set("PRAGMA user_version = 1; PRAGMA application_id = 5");
    assert!(matches!(SocialStore::open(&path), Err(nexus_sqlite::Error::OtherApplication { found: 5, .. })));
}

/// The scripts of all released versions, as they were.
const RELEASED: [&str; 1] = [include_str!("schema/social-1.sql")];

fn tables(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_migrated_file_is_like_a_fresh_one() {
    let folders = Folders::default();
    let fresh = folders.file();
    drop(SocialStore::open(&fresh).unwrap());
    assert_eq!(RELEASED.len(), SCHEMA.version() as usize, "every version has its script here");
    for (at, script) in RELEASED.iter().enumerate() {
        let old = folders.file();
        let connection = Connection::open(&old).unwrap();
        connection.execute_batch(script).unwrap();
        connection.pragma_update(None, "user_version", i64::try_from(at + 1).unwrap()).unwrap();
        connection.pragma_update(None, "application_id", SCHEMA.application_id).unwrap();
        drop(connection);
        let store = SocialStore::open(&old).unwrap();
        play(&store);
        assert_eq!((tables(&old), store.check().unwrap()), (tables(&fresh), Vec::<String>::new()));
    }
}

#[test]
fn groups_of_two_threads_take_turns_and_readers_do_not_wait() {
    let folders = Folders::default();
    let store = SocialStore::open(&folders.file()).unwrap();
    let revive = || Input::Revive(None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    writer().run(&store, &[revive()], Timestamp::from_millis(1), |_| ()).unwrap();
                    store.last().unwrap();
                }
            });
        }
        let open = store.begin().unwrap();
        assert_eq!(store.last().unwrap(), Seq::START);
        drop(open);
    });
}

/// A store with more rows than wait between the two threads of a load, and how many they are.
fn crowded(folders: &Folders) -> (SocialStore, usize) {
    let store = SocialStore::open(&folders.file()).unwrap();
    let size = Size { users: 20_000, posts: 0, follows: 1000, tags: 0, bookmarks: 0, mutes: 0 };
    let network = Network::new(size, 1, Timestamp::from_millis(1_790_000_000_000));
    let rows: Vec<RowChange> = network.rows().collect();
    let count = rows.len();
    let mut group = store.begin().unwrap();
    group.apply(&Effects { rows, ..Effects::default() }).unwrap();
    group.commit().unwrap();
    (store, count)
}

#[test]
fn a_load_hands_over_every_row_and_ends_with_whoever_takes_them() {
    let folders = Folders::default();
    let (store, count) = crowded(&folders);
    let mut taken = 0;
    store.load(&mut |_| taken += 1).unwrap();
    assert_eq!(taken, count);
    let gives_up = std::panic::AssertUnwindSafe(|| store.load(&mut |_| panic!("no more")));
    assert_eq!(std::panic::catch_unwind(gives_up).unwrap_err().downcast_ref::<&str>(), Some(&"no more"));
    assert_eq!(store.load(&mut |_| ()).unwrap(), store.last().unwrap());
}
