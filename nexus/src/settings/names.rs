//! The closed tables of other names: short environment names, flags, and keys of other systems.

use super::Settings;
use nexus_config::{Flag, Schema, Short};

/// Names the configuration file. It sets no key.
pub(crate) const CONFIG_VARIABLE: &str = "NEXUS_CONFIG";

const SHORTS: [Short; 3] = [
    Short { name: "NEXUS_BIND", key: "server.bind" },
    Short { name: "NEXUS_DATA_DIR", key: "server.data_dir" },
    Short { name: "NEXUS_LOG_LEVEL", key: "server.log_level" },
];

const FLAGS: [Flag; 6] = [
    Flag { name: "bind", key: "server.bind" },
    Flag { name: "data-dir", key: "server.data_dir" },
    Flag { name: "log-level", key: "server.log_level" },
    Flag { name: "log-format", key: "server.log_format" },
    Flag { name: "open", key: "server.open" },
    Flag { name: "homeserver", key: "social.watcher.homeservers" },
];

/// The shape of the configuration with every other name that keys have.
pub(crate) fn schema() -> Schema {
    Schema::of::<Settings>().shorts(&SHORTS).flags(&FLAGS).reserved(&[CONFIG_VARIABLE])
}
