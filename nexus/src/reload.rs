//! SIGHUP: the configuration is read again, from where it was read at the start. What can change while Nexus runs
//! changes; what can't is named in the log, and waits for a restart. A configuration with anything wrong in it is
//! refused whole.

use crate::{cli::Invocation, load, settings::Settings};
use nexus_relay_server::{config::Relay, service::Reloader};
use nexus_runtime::CancellationToken;
use nexus_sqlite::relay::SqliteStorage;
use std::{collections::BTreeSet, convert::Infallible, io};
use tokio::signal::unix::{Signal, SignalKind, signal};
use toml::Value;

/// Signals that are waited for.
pub(crate) struct Hangups(Signal);

/// Whoever reads the configuration again.
pub(crate) struct Reload {
    hangups: Signal,
    invocation: Invocation,
    /// What was read at the start: of what can't change, it holds until the end.
    first: Settings,
    /// What was read last.
    last: Settings,
    relay: Option<Reloader<SqliteStorage>>,
}

impl Reload {
    /// From now on SIGHUP doesn't end the process.
    pub(crate) fn on_hangup() -> io::Result<Hangups> {
        signal(SignalKind::hangup()).map(Hangups)
    }

    /// Reads the configuration with each signal, until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        while let Some(Some(())) = stop.run_until_cancelled(self.hangups.recv()).await {
            match load::settings(&self.invocation) {
                Ok(settings) => self.take(settings).await,
                Err(error) => tracing::error!(%error, "the configuration is wrong, all of the old one stays"),
            }
        }
        Ok(())
    }

    async fn take(&mut self, settings: Settings) {
        let (taken, waiting) = (changes(&self.last, &settings).taken, changes(&self.first, &settings).waiting);
        if let Some(relay) = &self.relay
            && let Err(error) = relay.reload(settings.relay.clone()).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the relay's lists were not read again");
        }
        self.last = settings;
        tracing::info!(changed = taken.join(", "), "the configuration was read again");
        if !waiting.is_empty() {
            tracing::warn!(keys = waiting.join(", "), "these settings were changed, and hold after a restart");
        }
    }
}

impl Hangups {
    /// What is done with them.
    pub(crate) fn of(
        self,
        invocation: Invocation,
        settings: Settings,
        relay: Option<Reloader<SqliteStorage>>,
    ) -> Reload {
        Reload { hangups: self.0, invocation, first: settings.clone(), last: settings, relay }
    }
}

/// Keys that differ, by what that means.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Hold at once.
    taken: Vec<String>,
    /// Hold after a restart.
    waiting: Vec<String>,
}

fn changes(before: &Settings, after: &Settings) -> Changes {
    let (before, after) = (values(before), values(after));
    let mut keys = BTreeSet::new();
    differing(&mut Vec::new(), Some(&before), Some(&after), &mut keys);
    let (taken, waiting) = keys.into_iter().partition(|key| is_read_again(key));
    Changes { taken, waiting }
}

fn values(settings: &Settings) -> Value {
    Value::try_from(settings).expect("settings are tables of plain values")
}

/// The keys whose values differ.
fn differing(path: &mut Vec<String>, before: Option<&Value>, after: Option<&Value>, keys: &mut BTreeSet<String>) {
    if before == after {
        return;
    }
    let (Some(Value::Table(before)), Some(Value::Table(after))) = (before, after) else {
        keys.insert(path.join("."));
        return;
    };
    for name in before.keys().chain(after.keys()) {
        path.push(name.clone());
        differing(path, before.get(name), after.get(name), keys);
        path.pop();
    }
}

/// Whether a key means something to a running Nexus: those of the relay do, but for some.
fn is_read_again(key: &str) -> bool {
    let Some(key) = key.strip_prefix("relay.") else { return false };
    !Relay::FIXED.contains(&key.split('.').next().unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_keys_are_named_by_what_becomes_of_them() {
        let before = Settings::default();
        let mut after = before.clone();
        assert_eq!(changes(&before, &after), Changes::default());
        after.relay.info.name = "another".to_owned();
        after.relay.auth.required = true;
        after.relay.storage.path = Some("x".into());
        after.relay.policy = vec![nexus_relay_server::config::Policy::default()].into();
        after.server.open = true;
        let Changes { taken, waiting } = changes(&before, &after);
        assert_eq!(taken, ["relay.auth.required", "relay.info.name", "relay.policy"]);
        assert_eq!(waiting, ["relay.storage.path", "server.open"]);
    }
}
