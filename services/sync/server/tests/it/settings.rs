//! The defaults of both dialects, as the specification of the sync service lists them side by side.

use nexus_config::{Layer, Schema, load};
use nexus_sync_server::config::{Dialect, Sync};

fn spoken(dialect: Dialect) -> toml::Table {
    let (schema, mut layer) = (Schema::of::<Sync>(), Layer::default());
    for (key, value) in [("dialect", dialect.as_str())].iter().chain(dialect.defaults()) {
        layer.flag(&schema, "the dialect", key, value);
    }
    toml::Table::try_from(load::<Sync>(vec![layer]).unwrap().settings).unwrap()
}

/// Key, default of the seed, default of Tap.
const LISTED: [(&str, &str, &str); 14] = [
    ("relay_url", "\"https://relay1.us-east.bsky.network\"", "\"https://relay1.us-east.bsky.network\""),
    ("plc_url", "\"https://plc.directory\"", "\"https://plc.directory\""),
    ("firehose_parallelism", "10", "10"),
    ("resync_parallelism", "5", "5"),
    ("outbox_parallelism", "5", "1"),
    ("cursor_save_interval", "\"5s\"", "\"1s\""),
    ("no_replay", "false", "false"),
    ("repo_fetch_timeout", "\"3m\"", "\"5m\""),
    ("ident_cache_size", "2000000", "2000000"),
    ("outbox_capacity", "1000000", "100000"),
    ("full_network", "false", "false"),
    ("disable_acks", "false", "false"),
    ("outbox_only", "false", "false"),
    ("retry_timeout", "\"10s\"", "\"1m\""),
];

#[test]
fn defaults_are_as_listed() {
    let (seed, tap) = (spoken(Dialect::Nexus), spoken(Dialect::Tap));
    for (key, of_seed, of_tap) in LISTED {
        assert_eq!((seed[key].to_string().as_str(), tap[key].to_string().as_str()), (of_seed, of_tap), "{key}");
    }
    assert_eq!((Dialect::Nexus.port(), Dialect::Tap.port()), (8080, 2480));
    assert_eq!((Dialect::Nexus.database(), Dialect::Tap.database()), ("nexus.db", "tap.db"));
}

#[test]
fn what_is_listed_without_a_default_has_none() {
    for settings in [spoken(Dialect::Nexus), spoken(Dialect::Tap)] {
        for key in ["bind", "signal_collection", "admin_password"] {
            assert!(!settings.contains_key(key), "{key}");
        }
        assert!(settings["collection_filters"].as_array().unwrap().is_empty());
        assert!(!settings["webhook"].as_table().unwrap().contains_key("url"));
    }
}

#[test]
fn the_two_differ_in_what_is_listed_and_in_nothing_else() {
    let (seed, tap) = (spoken(Dialect::Nexus), spoken(Dialect::Tap));
    let differing: Vec<&str> = seed.keys().filter(|key| seed.get(*key) != tap.get(*key)).map(String::as_str).collect();
    let mut listed: Vec<&str> =
        LISTED.iter().filter(|(_, seed, tap)| seed != tap).map(|(key, ..)| *key).chain(["dialect"]).collect();
    listed.sort_unstable();
    let mut differing = differing;
    differing.sort_unstable();
    assert_eq!(differing, listed);
}
