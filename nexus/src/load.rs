//! Which configuration holds for this invocation: file, environment and flags, joined.

use crate::{
    cli::{Called, Cli, Command, Invocation, Social},
    failure::{Exit, Failure, Outcome},
    settings::{CONFIG_VARIABLE, Service, Settings, join, read_compat, schema},
};
use nexus_config::{Error, Layer, Loaded, Schema};
use std::path::{Path, PathBuf};

/// The file that is read without being asked for.
const DEFAULT_FILE: &str = "nexus.toml";

/// Reads everything that says how to run.
///
/// # Errors
/// If anything in it is wrong; all problems are told at once.
pub(crate) fn settings(invocation: &mut Invocation) -> Outcome<Settings> {
    let wrong = |error: Error| Failure::new(Exit::Usage, error.to_string());
    let loaded = layers(invocation).and_then(join).map_err(wrong)?;
    let Loaded { mut settings, warnings } = loaded;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    narrow(&mut settings, invocation.cli.command.as_ref());
    if settings.social.watcher.homeservers.is_empty() {
        settings.social.watcher.follow_external = false;
    }
    Ok(settings)
}

fn layers(invocation: &mut Invocation) -> Result<Vec<Layer>, Error> {
    let schema = schema();
    let file = file_layer(&schema, &invocation.cli, invocation.called)?;
    // Names and values that are no Unicode can't be ours.
    let unicode =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = Layer::environment(&schema, unicode);
    Ok(file.into_iter().chain([environment, std::mem::take(&mut invocation.flags)]).collect())
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

/// A command that names a service means that one alone.
fn narrow(settings: &mut Settings, command: Option<&Command>) {
    match command {
        Some(Command::Social { verb: None | Some(Social::Run) } | Command::Watcher) => {
            settings.services = vec![Service::Social];
        }
        Some(Command::Api) => {
            settings.services = vec![Service::Social];
            settings.social.watcher.homeservers.clear();
        }
        _ => {}
    }
}
