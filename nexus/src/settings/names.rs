//! The closed tables of other names: short environment names, flags, and keys of other systems.

use super::Settings;
use nexus_config::{Alias, Flag, Schema, Short};

/// Names the configuration file. It sets no key.
pub(crate) const CONFIG_VARIABLE: &str = "NEXUS_CONFIG";

/// Where two that are set mean one key, the later one wins: names of Tap over those of the service that it was.
const SHORTS: [Short; 48] = [
    Short { name: "LOG_LEVEL", key: "server.log_level" },
    Short { name: "NEXUS_BIND", key: "server.bind" },
    Short { name: "NEXUS_DATA_DIR", key: "server.data_dir" },
    Short { name: "NEXUS_LOG_LEVEL", key: "server.log_level" },
    Short { name: "NEXUS_ENV", key: "telemetry.environment" },
    Short { name: "NEXUS_DB_PATH", key: "sync.database" },
    Short { name: "NEXUS_DATABASE_URL", key: "sync.database" },
    Short { name: "NEXUS_DB_MAX_CONNS", key: "sync.readers" },
    Short { name: "NEXUS_RELAY_URL", key: "sync.relay_url" },
    Short { name: "NEXUS_FIREHOSE_PARALLELISM", key: "sync.firehose_parallelism" },
    Short { name: "NEXUS_RESYNC_PARALLELISM", key: "sync.resync_parallelism" },
    Short { name: "NEXUS_OUTBOX_PARALLELISM", key: "sync.outbox_parallelism" },
    Short { name: "NEXUS_CURSOR_SAVE_INTERVAL", key: "sync.cursor_save_interval" },
    Short { name: "NEXUS_REPO_FETCH_TIMEOUT", key: "sync.repo_fetch_timeout" },
    Short { name: "NEXUS_IDENTITY_CACHE_SIZE", key: "sync.ident_cache_size" },
    Short { name: "NEXUS_EVENT_CACHE_SIZE", key: "sync.outbox_capacity" },
    Short { name: "NEXUS_FULL_NETWORK_MODE", key: "sync.full_network" },
    Short { name: "NEXUS_SIGNAL_COLLECTION", key: "sync.signal_collection" },
    Short { name: "NEXUS_COLLECTION_FILTERS", key: "sync.collection_filters" },
    Short { name: "NEXUS_DISABLE_ACKS", key: "sync.disable_acks" },
    Short { name: "NEXUS_WEBHOOK_URL", key: "sync.webhook.url" },
    Short { name: "NEXUS_OUTBOX_ONLY", key: "sync.outbox_only" },
    Short { name: "ATP_PLC_HOST", key: "sync.plc_url" },
    Short { name: "RELAY_IDENT_CACHE_SIZE", key: "sync.ident_cache_size" },
    Short { name: "TAP_LOG_LEVEL", key: "server.log_level" },
    Short { name: "TAP_METRICS_LISTEN", key: "server.metrics_bind" },
    Short { name: "TAP_ENV", key: "telemetry.environment" },
    Short { name: "TAP_DATABASE_URL", key: "sync.database" },
    Short { name: "TAP_MAX_DB_CONNS", key: "sync.readers" },
    Short { name: "TAP_BIND", key: "sync.bind" },
    Short { name: "TAP_RELAY_URL", key: "sync.relay_url" },
    Short { name: "TAP_PLC_URL", key: "sync.plc_url" },
    Short { name: "TAP_FIREHOSE_PARALLELISM", key: "sync.firehose_parallelism" },
    Short { name: "TAP_RESYNC_PARALLELISM", key: "sync.resync_parallelism" },
    Short { name: "TAP_OUTBOX_PARALLELISM", key: "sync.outbox_parallelism" },
    Short { name: "TAP_CURSOR_SAVE_INTERVAL", key: "sync.cursor_save_interval" },
    Short { name: "TAP_NO_REPLAY", key: "sync.no_replay" },
    Short { name: "TAP_REPO_FETCH_TIMEOUT", key: "sync.repo_fetch_timeout" },
    Short { name: "TAP_IDENT_CACHE_SIZE", key: "sync.ident_cache_size" },
    Short { name: "TAP_OUTBOX_CAPACITY", key: "sync.outbox_capacity" },
    Short { name: "TAP_FULL_NETWORK", key: "sync.full_network" },
    Short { name: "TAP_SIGNAL_COLLECTION", key: "sync.signal_collection" },
    Short { name: "TAP_COLLECTION_FILTERS", key: "sync.collection_filters" },
    Short { name: "TAP_DISABLE_ACKS", key: "sync.disable_acks" },
    Short { name: "TAP_WEBHOOK_URL", key: "sync.webhook.url" },
    Short { name: "TAP_OUTBOX_ONLY", key: "sync.outbox_only" },
    Short { name: "TAP_ADMIN_PASSWORD", key: "sync.admin_password" },
    Short { name: "TAP_RETRY_TIMEOUT", key: "sync.retry_timeout" },
];

/// The flag that belongs to a run alone: other commands have one of that name.
pub(crate) const OF_A_RUN: &str = "env";

const FLAGS: [Flag; 37] = [
    Flag { name: OF_A_RUN, key: "telemetry.environment" },
    Flag { name: "metrics-listen", key: "server.metrics_bind" },
    Flag { name: "relay-url", key: "sync.relay_url" },
    Flag { name: "plc-url", key: "sync.plc_url" },
    Flag { name: "db-url", key: "sync.database" },
    Flag { name: "db-path", key: "sync.database" },
    Flag { name: "database-url", key: "sync.database" },
    Flag { name: "max-db-conn", key: "sync.readers" },
    Flag { name: "db-max-conns", key: "sync.readers" },
    Flag { name: "firehose-parallelism", key: "sync.firehose_parallelism" },
    Flag { name: "resync-parallelism", key: "sync.resync_parallelism" },
    Flag { name: "outbox-parallelism", key: "sync.outbox_parallelism" },
    Flag { name: "cursor-save-interval", key: "sync.cursor_save_interval" },
    Flag { name: "no-replay", key: "sync.no_replay" },
    Flag { name: "repo-fetch-timeout", key: "sync.repo_fetch_timeout" },
    Flag { name: "ident-cache-size", key: "sync.ident_cache_size" },
    Flag { name: "identity-cache-size", key: "sync.ident_cache_size" },
    Flag { name: "outbox-capacity", key: "sync.outbox_capacity" },
    Flag { name: "event-cache-size", key: "sync.outbox_capacity" },
    Flag { name: "full-network", key: "sync.full_network" },
    Flag { name: "full-network-mode", key: "sync.full_network" },
    Flag { name: "signal-collection", key: "sync.signal_collection" },
    Flag { name: "collection-filters", key: "sync.collection_filters" },
    Flag { name: "disable-acks", key: "sync.disable_acks" },
    Flag { name: "webhook-url", key: "sync.webhook.url" },
    Flag { name: "webhook-secret", key: "sync.webhook.secret" },
    Flag { name: "outbox-only", key: "sync.outbox_only" },
    Flag { name: "admin-password", key: "sync.admin_password" },
    Flag { name: "open-health", key: "sync.open_health" },
    Flag { name: "retry-timeout", key: "sync.retry_timeout" },
    Flag { name: "sync-dialect", key: "sync.dialect" },
    Flag { name: "bind", key: "server.bind" },
    Flag { name: "data-dir", key: "server.data_dir" },
    Flag { name: "log-level", key: "server.log_level" },
    Flag { name: "log-format", key: "server.log_format" },
    Flag { name: "open", key: "server.open" },
    Flag { name: "homeserver", key: "social.watcher.homeservers" },
];

/// Names of the first Nexus relay. A file that uses one of them means the relay alone, unless it says otherwise.
const ALIASES: [Alias; 4] = [
    relays("server.relay_url", "relay.url"),
    relays("storage", "relay.storage"),
    relays("cache", "relay.cache"),
    relays("auth", "relay.auth"),
];

const fn relays(from: &'static str, to: &'static str) -> Alias {
    Alias { from, to, implies: Some(("services", "['relay']")) }
}

/// The shape of the configuration with every other name that keys have.
pub(crate) fn schema() -> Schema {
    Schema::of::<Settings>().aliases(&ALIASES).shorts(&SHORTS).flags(&FLAGS).reserved(&[CONFIG_VARIABLE])
}
