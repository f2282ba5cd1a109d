//! Which configuration holds for this invocation: file, environment and flags, joined.

use crate::{
    cli::{Called, Cli, Command, Invocation},
    dotenv,
    failure::{Exit, Failure, Outcome},
    settings::{CONFIG_VARIABLE, Service, Settings, join, read_compat, schema},
};
use nexus_config::{Bind, Error, Layer, Loaded, Schema};
use nexus_sync_server::config::Dialect;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// The file of variables that is read if it is there.
const DOTENV: &str = ".env";

/// The file that is read without being asked for.
const DEFAULT_FILE: &str = "nexus.toml";

/// Reads everything that says how to run.
///
/// # Errors
/// If anything in it is wrong; all problems are told at once.
pub(crate) fn settings(invocation: &Invocation) -> Outcome<Settings> {
    let wrong = |error: Error| Failure::new(Exit::Usage, error.to_string());
    let loaded = layers(invocation).and_then(join).map_err(wrong)?;
    let Loaded { mut settings, warnings } = loaded;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    if matches!(invocation.cli.command, Some(Command::Api)) {
        settings.social.watcher.homeservers.clear();
    }
    if settings.social.watcher.homeservers.is_empty() {
        settings.social.watcher.follow_external = false;
    }
    Ok(settings)
}

fn layers(invocation: &Invocation) -> Result<Vec<Layer>, Error> {
    let schema = schema();
    let file = file_layer(&schema, &invocation.cli, invocation.called)?;
    let variables = variables(invocation.alone())?;
    let names_tap = variables.iter().any(|(name, _)| name.starts_with("TAP_"));
    let environment = Layer::environment(&schema, variables);
    let mut command = Layer::default();
    if let Some(service) = invocation.alone() {
        command.flag(&schema, "the command", "services", service.as_str());
    }
    let layers: Vec<Layer> = file.into_iter().chain([environment, invocation.flags.clone(), command]).collect();
    let by_name = if names_tap || invocation.called == Called::Tap { Dialect::Tap } else { Dialect::Nexus };
    // What is wrong with the layers is told when they are joined for good.
    let set = nexus_config::load::<Settings>(layers.clone()).ok().and_then(|loaded| loaded.settings.sync.dialect);
    let defaults = dialect_layer(&schema, set.unwrap_or(by_name), invocation.alone());
    Ok([defaults].into_iter().chain(layers).collect())
}

/// The environment, and for the sync service what `.env` adds to it. Names without a value are as good as not set.
fn variables(alone: Option<Service>) -> Result<Vec<(String, String)>, Error> {
    // Names and values that are no Unicode can't be ours.
    let unicode =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: Vec<(String, String)> = unicode.collect();
    if alone.is_none_or(|service| service == Service::Sync) {
        let more = dotenv::read(Path::new(DOTENV))?;
        let known: HashSet<String> = variables.iter().map(|(name, _)| name.clone()).collect();
        variables.extend(more.into_iter().filter(|(name, _)| !known.contains(name)));
    }
    variables.retain(|(_, value)| !value.is_empty());
    Ok(variables)
}

/// The defaults of the sync service's dialect.
fn dialect_layer(schema: &Schema, dialect: Dialect, alone: Option<Service>) -> Layer {
    let mut layer = Layer::default();
    let mut set = |key: &str, value: &str| layer.flag(schema, "the dialect", key, value);
    set("sync.dialect", dialect.as_str());
    for (key, value) in dialect.defaults() {
        set(&format!("sync.{key}"), value);
    }
    if dialect == Dialect::Tap {
        // Beside other services it has a port of its own, since they have theirs.
        let key = if alone == Some(Service::Sync) { "server.bind" } else { "sync.bind" };
        set(key, &Bind::loopback(dialect.port()).to_string());
    }
    layer
}

fn file_layer(schema: &Schema, cli: &Cli, called: Called) -> Result<Option<Layer>, Error> {
    let home = std::env::home_dir();
    let compat = cli.config_dir.clone().or_else(|| match (called, &cli.config) {
        (Called::Nexusd, None) => home.as_ref().map(|home| home.join(".pubky-nexus")),
        _ => None,
    });
    if let Some(directory) = compat {
        return read_compat(schema, &directory, home.as_deref()).map(Some);
    }
    let named = cli.config.clone().or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from));
    let file = named.or_else(|| Path::new(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE)));
    file.map(|file| Layer::file(schema, &file)).transpose()
}
