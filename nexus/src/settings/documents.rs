//! The documents that are made from the settings: `nexus.toml` and the handbook's page. A test compares them
//! with the repository's.

use super::schema;

/// What stands at the head of `nexus.toml`.
const TITLE: &str = "\
Nexus: every key with its default. Nothing here needs to be set: remove the `# ` before a key to change it.
Later wins: defaults, this file, the environment (NEXUS__SECTION__KEY), flags.
Printed by `nexus config`; `nexus config check` reads it.
";

/// What stands at the head of the handbook's page.
const PAGE: &str = "\
# Configuration

Nexus runs without any. Later wins: defaults, `nexus.toml` (`--config FILE`, else `NEXUS_CONFIG`, else the one in
the working directory), the environment, flags. An unknown key is an error that names the nearest known one, and so
is a value out of its range. `nexus config` prints a commented file, `nexus config check` reads yours.

This page is printed by `nexus config --reference`.

With SIGHUP a running Nexus reads all of it again. The keys under `relay` hold at once, and no connection is lost for
it: limits, rates, policies, lists, the plugin, streams, the description. `relay.bind`, `relay.secret_key`,
`relay.storage`, `relay.cache` and everything outside of `relay` hold after a restart; the log names those that were
changed. A configuration with anything wrong in it is refused whole, and the log says what. Files of TLS need no signal:
they are looked at every `tls.reload`.
";

/// What is said about the environment.
const ENVIRONMENT: &str = "\
## Environment

`NEXUS__SECTION__KEY` sets any key; lists are written as TOML or with commas. These short names are understood too,
and any other `NEXUS_X` is worth a warning:
";

/// What is said about flags.
const FLAGS: &str = "\
## Flags

`--set KEY=VALUE` sets any key. These have flags of their own:
";

/// The commented `nexus.toml`.
pub(crate) fn commented() -> String {
    nexus_config::commented(&schema(), TITLE)
}

/// The handbook's page.
pub(crate) fn handbook() -> String {
    let schema = schema();
    let (names, flags) = (nexus_config::environment(&schema), nexus_config::flags(&schema));
    let keys = nexus_config::reference(&schema);
    format!("{PAGE}\n{ENVIRONMENT}\n```text\n{names}```\n\n{FLAGS}\n```text\n{flags}```\n\n## Keys\n\n{keys}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn in_repository(path: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        std::fs::read_to_string(path).expect("a file of the repository")
    }

    #[test]
    fn the_repositorys_file_is_what_is_printed() {
        assert!(in_repository("nexus.toml") == commented(), "run `just generate`");
    }

    #[test]
    fn the_handbooks_page_is_what_is_printed() {
        assert!(in_repository("docs/configuration.md") == handbook(), "run `just generate`");
    }

    #[test]
    fn the_printed_file_is_the_defaults() {
        let layer = nexus_config::Layer::toml(&schema(), Path::new("nexus.toml"), &commented()).expect("valid TOML");
        let settings = super::super::join(vec![layer]).expect("a valid configuration").settings;
        assert_eq!(settings, super::super::Settings::default());
    }
}
