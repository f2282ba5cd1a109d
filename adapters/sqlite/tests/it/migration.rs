//! Files of the relay's store that earlier versions wrote.

use nexus_relay::ports::StorageAdapter;
use nexus_sqlite::{
    Durability,
    relay::{SCHEMA, Settings, SqliteStorage},
};
use rusqlite::Connection;
use std::path::Path;

/// The scripts of all earlier versions, as they were.
const EARLIER: [&str; 3] = [
    include_str!("schema/relay-1.sql"),
    include_str!("schema/relay-2.sql"),
    include_str!("schema/relay-3.sql"),
];

fn open(path: &Path) -> SqliteStorage {
    SqliteStorage::open_with(path, Settings::new(Durability::Normal)).unwrap()
}

fn tables(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_file_of_an_earlier_version_becomes_like_a_fresh_one() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.db");
    drop(open(&fresh));
    assert_eq!(EARLIER.len() + 1, SCHEMA.version() as usize, "every earlier version has its script here");
    for (at, script) in EARLIER.iter().enumerate() {
        let old = folder.path().join(format!("{at}.db"));
        let connection = Connection::open(&old).unwrap();
        connection.execute_batch(script).unwrap();
        connection.pragma_update(None, "user_version", i64::try_from(at + 1).unwrap()).unwrap();
        connection.pragma_update(None, "application_id", SCHEMA.application_id).unwrap();
        drop(connection);
        let store = open(&old);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let nobody = nexus_nostr::PublicKey::from_bytes([1; 32]);
        assert_eq!(runtime.block_on(store.standing(&nobody)).unwrap(), Default::default());
        drop(store);
        assert_eq!(tables(&old), tables(&fresh));
    }
}
