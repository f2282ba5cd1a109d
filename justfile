# The ways in: `just` alone before a commit, `just ci` is what CI runs.

# Formats, lints, and runs the quick tests.
default: format lint quick

# Formats everything.
format:
    cargo fmt --all

# Lints everything.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Unit and integration tests of this workspace.
quick:
    cargo nextest run --workspace

# Writes the generated documents again: after a change of a setting.
generate:
    cargo run --quiet -p nexus -- config > nexus.toml.new && mv nexus.toml.new nexus.toml
    cargo run --quiet -p nexus -- config --reference > docs/configuration.md.new && mv docs/configuration.md.new docs/configuration.md

# Everything that CI runs.
ci:
    scripts/test

# The same with the long kill tests and long fuzzing.
long:
    scripts/test --long
