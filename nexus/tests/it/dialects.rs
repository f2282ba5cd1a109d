//! The names by which the sync service's settings were known before: each of them, as its specification lists them, sets
//! the key that it should, by the environment and by its flag.

use crate::program::{command, printed, run};
use std::collections::{BTreeMap, BTreeSet};

/// What anything fits into, so that no value of it is refused.
const FREE: [&str; 5] =
    ["sync.database", "server.log_level", "sync.collection_filters", "sync.admin_password", "telemetry.environment"];

/// Key; names of the seed; names of Tap; flags of both.
const LISTED: [(&str, &str, &str, &str); 25] = [
    ("sync.database", "NEXUS_DB_PATH NEXUS_DATABASE_URL", "TAP_DATABASE_URL", "db-url database-url"),
    ("sync.readers", "NEXUS_DB_MAX_CONNS", "TAP_MAX_DB_CONNS", "max-db-conn db-max-conns"),
    ("sync.bind", "", "TAP_BIND", ""),
    ("server.bind", "NEXUS_BIND", "", "bind"),
    ("sync.relay_url", "NEXUS_RELAY_URL", "TAP_RELAY_URL", "relay-url"),
    ("sync.plc_url", "", "TAP_PLC_URL ATP_PLC_HOST", "plc-url"),
    ("sync.firehose_parallelism", "NEXUS_FIREHOSE_PARALLELISM", "TAP_FIREHOSE_PARALLELISM", "firehose-parallelism"),
    ("sync.resync_parallelism", "NEXUS_RESYNC_PARALLELISM", "TAP_RESYNC_PARALLELISM", "resync-parallelism"),
    ("sync.outbox_parallelism", "NEXUS_OUTBOX_PARALLELISM", "TAP_OUTBOX_PARALLELISM", "outbox-parallelism"),
    ("sync.cursor_save_interval", "NEXUS_CURSOR_SAVE_INTERVAL", "TAP_CURSOR_SAVE_INTERVAL", "cursor-save-interval"),
    ("sync.no_replay", "", "TAP_NO_REPLAY", "no-replay"),
    ("sync.repo_fetch_timeout", "NEXUS_REPO_FETCH_TIMEOUT", "TAP_REPO_FETCH_TIMEOUT", "repo-fetch-timeout"),
    (
        "sync.ident_cache_size",
        "NEXUS_IDENTITY_CACHE_SIZE",
        "TAP_IDENT_CACHE_SIZE RELAY_IDENT_CACHE_SIZE",
        "ident-cache-size identity-cache-size",
    ),
    ("sync.outbox_capacity", "NEXUS_EVENT_CACHE_SIZE", "TAP_OUTBOX_CAPACITY", "outbox-capacity event-cache-size"),
    ("sync.full_network", "NEXUS_FULL_NETWORK_MODE", "TAP_FULL_NETWORK", "full-network full-network-mode"),
    ("sync.signal_collection", "NEXUS_SIGNAL_COLLECTION", "TAP_SIGNAL_COLLECTION", "signal-collection"),
    ("sync.collection_filters", "NEXUS_COLLECTION_FILTERS", "TAP_COLLECTION_FILTERS", "collection-filters"),
    ("sync.disable_acks", "NEXUS_DISABLE_ACKS", "TAP_DISABLE_ACKS", "disable-acks"),
    ("sync.webhook.url", "NEXUS_WEBHOOK_URL", "TAP_WEBHOOK_URL", "webhook-url"),
    ("sync.outbox_only", "NEXUS_OUTBOX_ONLY", "TAP_OUTBOX_ONLY", "outbox-only"),
    ("sync.admin_password", "", "TAP_ADMIN_PASSWORD", "admin-password"),
    ("sync.retry_timeout", "", "TAP_RETRY_TIMEOUT", "retry-timeout"),
    ("server.log_level", "NEXUS_LOG_LEVEL LOG_LEVEL", "TAP_LOG_LEVEL", "log-level"),
    ("server.metrics_bind", "", "TAP_METRICS_LISTEN", "metrics-listen"),
    ("telemetry.environment", "NEXUS_ENV", "TAP_ENV", "env"),
];

fn table(argument: &str) -> BTreeMap<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let printed = printed(&run(directory.path(), ["config", argument]));
    let pairs = printed.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, key)| (name.trim_start_matches("--").to_owned(), key.trim().to_owned())).collect()
}

#[test]
fn every_listed_name_and_flag_means_its_key() {
    let (names, flags) = (table("--env"), table("--flags"));
    for (key, seed, tap, listed) in LISTED {
        for name in seed.split_whitespace().chain(tap.split_whitespace()) {
            assert_eq!(names.get(name).map(String::as_str), Some(key), "{name}");
        }
        for flag in listed.split_whitespace() {
            assert_eq!(flags.get(flag).map(String::as_str), Some(key), "--{flag}");
        }
    }
    let listed: BTreeSet<&str> = LISTED.iter().flat_map(|(_, _, tap, _)| tap.split_whitespace()).collect();
    let known: BTreeSet<&str> = names.keys().map(String::as_str).filter(|name| name.starts_with("TAP_")).collect();
    assert!(known.is_subset(&listed), "more than the specification lists: {known:?}");
}

#[test]
fn every_listed_name_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut check = command(directory.path());
    check.args(["config", "check"]);
    let strict = LISTED.iter().filter(|(key, ..)| !FREE.contains(key));
    let names: Vec<&str> =
        strict.flat_map(|(_, seed, tap, _)| seed.split_whitespace().chain(tap.split_whitespace())).collect();
    let checked = check.envs(names.iter().map(|name| (name, "?"))).output().unwrap();
    assert_eq!(checked.status.code(), Some(2));
    let told = printed(&checked);
    for name in names {
        assert!(told.contains(name), "{name} was not read:\n{told}");
    }
}

#[test]
fn every_listed_flag_is_read_by_a_run_of_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let strict = LISTED.iter().filter(|(key, ..)| !FREE.contains(key));
    let flags: Vec<&str> = strict.flat_map(|(.., flags)| flags.split_whitespace()).collect();
    let arguments = flags.iter().map(|flag| format!("--{flag}=?"));
    let told = printed(&run(directory.path(), ["sync".to_owned(), "run".to_owned()].into_iter().chain(arguments)));
    for flag in flags {
        assert!(told.contains(&format!("--{flag}")), "--{flag} was not read:\n{told}");
    }
}
