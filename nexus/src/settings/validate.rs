//! Rules over several keys, and over keys whose values have a grammar. Ranges of single keys are in their types.

use super::{Service, Settings, Telemetry};
use crate::schedule::Schedule;
use nexus_config::{Bind, Problem};

const NO_WEB: &str = "not a URL that begins with http:// or https://";

/// Every broken rule.
pub(super) fn problems(settings: &Settings) -> Vec<Problem> {
    let exposed = settings.services.iter().filter_map(|service| exposure(settings, *service));
    let unpublishable = settings.social.keyed.problem(settings.social.watcher.pkarr).map(str::to_owned);
    let runs_sync = settings.services.contains(&Service::Sync);
    let sync = if runs_sync { settings.sync.conflicts() } else { Vec::new() };
    let runs_relay = settings.services.contains(&Service::Relay);
    let relay = if runs_relay { settings.relay.conflicts() } else { Vec::new() };
    [incomplete_tls(settings), bad_schedule(settings), bad_level(settings), unpublishable]
        .into_iter()
        .flatten()
        .chain(bad_telemetry(&settings.telemetry))
        .chain(bad_relays(settings))
        .chain(exposed)
        .chain(sync)
        .chain(relay)
        .map(Problem::Conflict)
        .collect()
}

fn incomplete_tls(settings: &Settings) -> Option<String> {
    let half = settings.tls.cert.is_some() != settings.tls.key.is_some();
    half.then(|| "`tls.cert` and `tls.key` go together: set both or neither".to_owned())
}

fn bad_schedule(settings: &Settings) -> Option<String> {
    let cron = settings.jobs.trust_recompute.cron.as_deref()?;
    let reason = cron.parse::<Schedule>().err()?;
    Some(format!("`jobs.trust-recompute.cron` = {cron:?}: {reason}"))
}

fn bad_level(settings: &Settings) -> Option<String> {
    let level = &settings.server.log_level;
    let reason = nexus_runtime::check_level(level).err()?;
    Some(format!("`server.log_level` = {level:?}: {reason}"))
}

/// Where telemetry goes, and what is told about this process.
fn bad_telemetry(telemetry: &Telemetry) -> impl Iterator<Item = String> {
    let endpoint = telemetry.endpoint.iter().filter(|url| !is_web(url));
    let endpoint = endpoint.map(|url| format!("`telemetry.endpoint` = {url:?}: {NO_WEB}"));
    let is_pair = |text: &&String| text.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty());
    let attributes = telemetry.attributes.iter().filter(move |text| !is_pair(text));
    endpoint.chain(attributes.map(|text| format!("`telemetry.attributes` has {text:?}: not `name=value`")))
}

fn bad_relays(settings: &Settings) -> impl Iterator<Item = String> {
    let relays = settings.social.watcher.pkarr_relays.iter().filter(|url| !is_web(url));
    relays.map(|url| format!("`social.watcher.pkarr_relays` has {url:?}: {NO_WEB}"))
}

fn is_web(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

/// What is wrong with where a service listens.
fn exposure(settings: &Settings, service: Service) -> Option<String> {
    let missing = match service {
        // Their routes are for everybody, and the administrative ones are closed without a token or a key.
        Service::Social | Service::Relay => None,
        Service::Sync => settings.sync.admin_password.is_none().then_some("sync.admin_password"),
    };
    let bind = settings.bind_of(service).unwrap_or(settings.server.bind);
    refuse_exposure(service, bind, missing, settings.server.open)
}

/// A service on a public address needs its credential, or the operator's word that it is meant to be open.
fn refuse_exposure(service: Service, bind: Bind, missing: Option<&str>, open: bool) -> Option<String> {
    let key = missing.filter(|_| bind.is_public() && !open)?;
    let name = service.as_str();
    Some(format!("{name} would be open to everybody on {bind}: set `{key}`, or `server.open = true` if that is meant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_service_needs_its_credential_or_the_operators_word() {
        let (public, private) = (":1".parse().expect("an address"), Bind::loopback(1));
        let refused = refuse_exposure(Service::Social, public, Some("social.password"), false).expect("a refusal");
        assert!(refused.contains("`social.password`") && refused.contains("server.open"), "{refused}");
        for (bind, missing, open) in [(public, Some("k"), true), (private, Some("k"), false), (public, None, false)] {
            assert_eq!(refuse_exposure(Service::Social, bind, missing, open), None);
        }
    }
}
