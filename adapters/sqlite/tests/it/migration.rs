//! Files of the relay's store that earlier versions wrote.

use nexus_nostr::{EventId, PublicKey};
use nexus_relay::{
    market::{JobQuery, Performance},
    ports::StorageAdapter,
};
use nexus_sqlite::{
    Durability,
    relay::{SCHEMA, Settings, SqliteStorage},
};
use rusqlite::Connection;
use serde_json::json;
use std::{collections::BTreeMap, path::Path};

/// The scripts of all earlier versions, as they were.
const EARLIER: [&str; 3] =
    [include_str!("schema/relay-1.sql"), include_str!("schema/relay-2.sql"), include_str!("schema/relay-3.sql")];

fn open(path: &Path) -> SqliteStorage {
    SqliteStorage::open_with(path, Settings::new(Durability::Normal)).unwrap()
}

fn tables(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A file as an earlier version made it.
fn earlier(path: &Path, version: usize) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(EARLIER[version - 1]).unwrap();
    connection.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
    connection.pragma_update(None, "application_id", SCHEMA.application_id).unwrap();
    connection
}

#[test]
fn a_file_of_an_earlier_version_becomes_like_a_fresh_one() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.db");
    drop(open(&fresh));
    assert_eq!(EARLIER.len() + 1, SCHEMA.version() as usize, "every earlier version has its script here");
    for version in 1..=EARLIER.len() {
        let old = folder.path().join(format!("{version}.db"));
        drop(earlier(&old, version));
        drop(open(&old));
        assert_eq!(tables(&old), tables(&fresh));
    }
}

const CUSTOMER: [u8; 32] = [8; 32];
const PROVIDER: [u8; 32] = [9; 32];

/// Writes a job as all versions did: when it was asked for, if it was, and what its provider said of it 5 s later.
fn put_job(connection: &Connection, id: u8, asked_at: Option<i64>, status: &str) {
    let (id, answer) = ([id; 32], asked_at.unwrap_or_default() + 5);
    let result = (status == "success").then_some(answer);
    let request = asked_at.map(|at| {
        json!({
            "kind": 5050, "customer": hex(&CUSTOMER), "created_at": at, "received_at": at, "expires_at": null,
            "bid_msat": null, "output": null, "inputs": [], "topics": [], "targets": [], "encrypted": false,
        })
    });
    let provider = json!({
        "first_seen": answer, "status": status, "amount_msat": null, "result": result.map(|_| hex(&[7; 32])),
        "result_at": result, "customer_mismatch": false, "named": [], "newest": null, "priced": null,
    });
    let providers = BTreeMap::from([(hex(&PROVIDER), provider)]);
    let job = json!({ "id": hex(&id), "request": request, "cancelled": false, "providers": providers }).to_string();
    let customer = asked_at.map(|_| CUSTOMER);
    connection.execute("INSERT INTO job VALUES (?, ?, ?, ?)", (id, asked_at, customer, job)).unwrap();
    connection.execute("INSERT INTO job_provider VALUES (?, ?)", (PROVIDER, id)).unwrap();
}

fn hex(bytes: &[u8; 32]) -> String {
    EventId::from_bytes(*bytes).to_string()
}

/// Whatever an earlier version knew of a provider, and whether or not it counted, the jobs are what counts.
#[test]
fn jobs_of_an_earlier_version_are_listed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..=EARLIER.len() {
        let path = folder.path().join(format!("{version}.db"));
        let connection = earlier(&path, version);
        put_job(&connection, 1, Some(100), "success");
        put_job(&connection, 2, Some(200), "error");
        put_job(&connection, 3, None, "processing");
        if version > 1 {
            connection.execute("INSERT INTO standing VALUES (?, 'jobs', 40)", (PROVIDER,)).unwrap();
        }
        drop(connection);
        let store = open(&path);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let provider = PublicKey::from_bytes(PROVIDER);
        let expected = Performance {
            jobs: 2,
            succeeded: 1,
            failed: 1,
            success_rate: Some(0.5),
            median_latency: Some(5),
            last_seen: Some(nexus_nostr::Seconds::new(205)),
        };
        assert_eq!(runtime.block_on(store.standing(&provider)).unwrap().performance(), expected, "version {version}");
        let of_customer = JobQuery { customer: Some(PublicKey::from_bytes(CUSTOMER)), ..JobQuery::default() };
        for query in [of_customer, JobQuery { provider: Some(provider), ..JobQuery::default() }] {
            let jobs = runtime.block_on(store.jobs(&JobQuery { limit: 10, ..query })).unwrap();
            let ids: Vec<EventId> = jobs.iter().map(|job| job.id).collect();
            assert_eq!(ids, [2, 1].map(|id| EventId::from_bytes([id; 32])), "version {version}");
        }
    }
}
