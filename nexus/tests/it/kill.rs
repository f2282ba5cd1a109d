//! Power cuts: `kill -9` during ingestion, again and again. Nothing is lost, nothing is counted twice.

use crate::{
    network::{self, Written},
    program::{Program, run},
};
use nexus_fake_homeserver::FakeHomeserver;
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// Events written between two cuts.
const CHUNK: usize = 600;

/// How often the power is cut: more often when there is time.
fn cuts() -> usize {
    if std::env::var_os("NEXUS_LONG").is_some() { 50 } else { 3 }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_counted_twice() {
    let homeserver = FakeHomeserver::start().await.unwrap();
    let records = network::distinct(2 * CHUNK * (cuts() + 1), 40, 23);
    let records = &records[..CHUNK * (cuts() + 1)];
    let (cut, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut interrupted = 0;
    for (round, chunk) in records.chunks(CHUNK).enumerate() {
        network::write(&homeserver, chunk);
        let program = Program::following(cut.path(), &homeserver.url(), &[]);
        if round < cuts() {
            program.until_events(round * CHUNK + 1 + round * 37 % CHUNK).await;
            interrupted += usize::from(program.events().await.len() < (round + 1) * CHUNK);
            program.kill();
        }
    }
    assert!(interrupted > 0, "every cut came too late to interrupt anything");
    let (cut, whole) = (seen(cut.path(), &homeserver, records).await, seen(whole.path(), &homeserver, records).await);
    assert_eq!(cut.events, network::lines(records));
    assert_eq!(cut.events, whole.events);
    assert_eq!(cut.counts, whole.counts);
    assert_eq!(cut.objects, whole.objects);
}

/// What a client and an operator see when everything has been read.
struct Seen {
    events: Vec<String>,
    counts: Vec<Value>,
    objects: BTreeSet<String>,
}

async fn seen(directory: &Path, homeserver: &FakeHomeserver, records: &[Written]) -> Seen {
    let program = Program::following(directory, &homeserver.url(), &[]);
    program.ready().await;
    program.until_events(records.len()).await;
    let mut counts = Vec::new();
    for user in network::users(records) {
        counts.push(program.json(&format!("/v0/user/{user}/counts")).await);
    }
    let events = program.events().await;
    program.stop();
    Seen { events, counts, objects: objects(directory) }
}

/// Every stored object, without the time at which it was handled.
fn objects(directory: &Path) -> BTreeSet<String> {
    let export = run(directory, ["social", "export", "-"]);
    assert!(export.status.success());
    let lines = String::from_utf8(export.stdout).unwrap();
    let timeless = |line: &str| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        forget_times(&mut object);
        object.to_string()
    };
    lines.lines().map(timeless).collect()
}

fn forget_times(value: &mut Value) {
    if let Value::Object(fields) = value {
        for name in ["indexed_at", "timestamp", "resolved_at"] {
            fields.remove(name);
        }
        fields.values_mut().for_each(forget_times);
    }
}
