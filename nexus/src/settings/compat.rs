//! Pubky Nexus's `config.toml`: each of its keys with the key that means the same here. Unknown ones only warn,
//! as they do there.

use nexus_config::{Error, Layer, Schema};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// How a value changes on its way.
#[derive(Clone, Copy)]
enum As {
    Same,
    Millis,
    Seconds,
    /// One value becomes a list of one.
    List,
    /// A path that may begin with `~`.
    Home,
    /// `true` becomes this TOML value; `false` leaves the default.
    WhenTrue(&'static str),
    /// A table of names and values becomes a list of `name=value`.
    Pairs,
    /// It has no counterpart; this is why.
    Nothing(&'static str),
}

const NO_DATABASE: &str = "no database server is needed";

/// Their key, our key, and the way between them.
const KEYS: [(&str, &str, As); 51] = [
    ("api.public_addr", "server.bind", As::Same),
    ("api.public_ip", "social.keyed.public_ip", As::Same),
    ("api.pubky_listen_socket", "social.keyed.bind", As::Same),
    ("api.request_timeout_secs", "social.api.request_timeout", As::Seconds),
    ("api.max_body_size_bytes", "social.api.max_body_size", As::Same),
    ("api.rate_limit.enabled", "social.api.rate_limit.enabled", As::Same),
    ("api.rate_limit.trust_proxy_headers", "server.trusted_proxies", As::WhenTrue("['0.0.0.0/0', '::/0']")),
    ("api.rate_limit.default_bucket.rate", "social.api.rate_limit.default_bucket.rate", As::Same),
    ("api.rate_limit.default_bucket.burst", "social.api.rate_limit.default_bucket.burst", As::Same),
    ("api.rate_limit.expensive_bucket.rate", "social.api.rate_limit.expensive_bucket.rate", As::Same),
    ("api.rate_limit.expensive_bucket.burst", "social.api.rate_limit.expensive_bucket.burst", As::Same),
    ("watcher.homeserver", "social.watcher.homeservers", As::List),
    ("watcher.events_limit", "social.watcher.events_limit", As::Same),
    ("watcher.key_based_events_limit", "social.watcher.key_based_events_limit", As::Same),
    ("watcher.monitored_homeservers_limit", "social.watcher.monitored_homeservers_limit", As::Same),
    ("watcher.primary_hs_monitoring_interval_ms", "social.watcher.poll_max", As::Millis),
    ("watcher.watcher_sleep", "social.watcher.poll_max", As::Millis),
    ("watcher.external_hs_monitoring_interval_ms", "social.watcher.external_interval", As::Millis),
    ("watcher.hs_resolver_interval_ms", "social.watcher.resolver_interval", As::Millis),
    ("watcher.hs_resolver_sleep", "social.watcher.resolver_interval", As::Millis),
    ("watcher.hs_resolver_ttl", "social.watcher.resolver_ttl", As::Millis),
    ("watcher.initial_backoff_secs", "social.watcher.initial_backoff", As::Seconds),
    ("watcher.max_backoff_secs", "social.watcher.max_backoff", As::Seconds),
    ("watcher.retry_processor_interval_ms", "social.watcher.retry.interval", As::Millis),
    ("watcher.max_file_size", "social.watcher.max_file_size", As::Same),
    ("watcher.moderation_id", "social.moderation_id", As::Same),
    ("watcher.moderated_tags", "social.moderated_tags", As::Same),
    ("watcher.retry.max_retries", "social.watcher.retry.max_retries", As::Same),
    ("watcher.retry.max_dependency_retries", "social.watcher.retry.max_dependency_retries", As::Same),
    ("watcher.retry.initial_backoff_secs", "social.watcher.retry.initial_backoff", As::Seconds),
    ("watcher.retry.max_backoff_secs", "social.watcher.retry.max_backoff", As::Seconds),
    ("watcher.retry.initial_missing_dep_backoff_secs", "social.watcher.retry.initial_missing_dep_backoff", As::Seconds),
    ("watcher.retry.max_missing_dep_backoff_secs", "social.watcher.retry.max_missing_dep_backoff", As::Seconds),
    ("stack.log_level", "server.log_level", As::Same),
    ("stack.files_path", "social.files", As::Home),
    ("stack.net.testnet", "social.watcher.pkarr", As::WhenTrue("'testnet'")),
    ("stack.net.testnet_host", "social.watcher.testnet_host", As::Same),
    ("stack.net.external_hs_pk_blacklist", "social.watcher.blacklist", As::Same),
    ("stack.otlp.name", "telemetry.name", As::Same),
    ("stack.otlp.endpoint", "telemetry.endpoint", As::Same),
    ("stack.otlp.resource_attributes", "telemetry.attributes", As::Pairs),
    ("stack.db", "", As::Nothing(NO_DATABASE)),
    ("jobs", "jobs", As::Same),
    ("trust_rank.seed", "trust_rank.seed", As::Same),
    ("trust_rank.alpha", "trust_rank.alpha", As::Same),
    ("trust_rank.max_iterations", "trust_rank.max_iterations", As::Same),
    ("trust_rank.tolerance", "trust_rank.tolerance", As::Same),
    ("trust_rank.report_enabled", "trust_rank.report_enabled", As::Same),
    ("trust_rank.report_dir", "trust_rank.report_dir", As::Home),
    ("trust_rank.report_limit", "trust_rank.report_limit", As::Same),
    ("trust_rank.max_projection_bytes", "", As::Nothing("the graph is in memory already")),
];

/// Reads `config.toml` in `directory`. Where there is none, the defaults hold, with a warning. The data lies in
/// `data` beside it, and the server's key in `secret`, unless a later layer says otherwise.
///
/// # Errors
/// If the file can't be read or is no TOML.
pub(crate) fn read(schema: &Schema, directory: &Path, home: Option<&Path>) -> Result<Layer, Error> {
    let path = directory.join("config.toml");
    let mut layer = Layer::default();
    for (key, name) in [("server.data_dir", "data"), ("social.keyed.key_file", "secret")] {
        layer.moved(schema, &path, key, &Value::from(directory.join(name).display().to_string()));
    }
    let mut file = File { schema, path, home: home.map(Path::to_owned), layer };
    if file.read("")? {
        return Ok(file.layer);
    }
    let missing = format!("there is no {}: the defaults hold", file.path.display());
    let mut is_any = false;
    for (name, section) in BEFORE {
        file.path = directory.join(name);
        is_any |= file.read(section)?;
    }
    if !is_any {
        file.layer.warn(missing);
    }
    Ok(file.layer)
}

/// What stood in place of `config.toml` before it: a file for each part, whose own keys are in no table. Tables that
/// the parts share are as they are now.
const BEFORE: [(&str, &str); 2] = [("api-config.toml", "api"), ("watcher-config.toml", "watcher")];

/// Tables that are no part of a section.
const SHARED: [&str; 3] = ["stack", "jobs", "trust_rank"];

struct File<'a> {
    schema: &'a Schema,
    path: PathBuf,
    home: Option<PathBuf>,
    layer: Layer,
}

impl File<'_> {
    /// Takes in the file, whose own keys belong to `section`. False if there is none.
    fn read(&mut self, section: &str) -> Result<bool, Error> {
        let path = &self.path;
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(Error::Unreadable { path: path.clone(), cause }),
        };
        let syntax = |cause| Error::Syntax { path: path.clone(), cause: Box::new(cause) };
        let table: Table = text.parse().map_err(syntax)?;
        let is_own = |name: &str| !section.is_empty() && !SHARED.contains(&name);
        let (own, shared): (Table, Table) = table.into_iter().partition(|(name, _)| is_own(name));
        self.take(&own, &format!("{section}."));
        self.take(&shared, "");
        Ok(true)
    }

    fn take(&mut self, table: &Table, prefix: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match (KEYS.iter().find(|(theirs, ..)| *theirs == key), value) {
                (Some((_, ours, way)), value) => self.place(&key, ours, *way, value),
                (None, Value::Table(inner)) => self.take(inner, &format!("{key}.")),
                (None, _) => self.layer.warn(format!("{}: unknown key `{key}`", self.path.display())),
            }
        }
    }

    fn place(&mut self, theirs: &str, ours: &str, way: As, value: &Value) {
        let number = || value.as_integer().unwrap_or(-1);
        let moved = match way {
            As::Same => value.clone(),
            As::Millis => Value::from(format!("{}ms", number())),
            As::Seconds => Value::from(format!("{}s", number())),
            As::List => Value::Array(vec![value.clone()]),
            As::Home => Value::from(self.at_home(value.as_str().unwrap_or_default())),
            As::Pairs => pairs(value),
            As::WhenTrue(text) if value.as_bool() == Some(true) => literal(text),
            As::WhenTrue(_) => return,
            As::Nothing(why) => {
                self.layer.warn(format!("{}: `{theirs}` has no effect: {why}", self.path.display()));
                return;
            }
        };
        self.layer.moved(self.schema, &self.path, ours, &moved);
    }

    fn at_home(&self, path: &str) -> String {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest).display().to_string(),
            _ => path.to_owned(),
        }
    }
}

fn literal(text: &str) -> Value {
    let mut table: Table = format!("value = {text}").parse().expect("a literal of this file");
    table.remove("value").expect("just parsed")
}

fn pairs(value: &Value) -> Value {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let table = value.as_table().cloned().unwrap_or_default();
    table.iter().map(|(name, value)| Value::from(format!("{name}={}", plain(value)))).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::{super::schema, *};
    use crate::settings::{Settings, join};
    use nexus_config::Bind;

    fn loaded(text: &str) -> nexus_config::Loaded<Settings> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("config.toml"), text).expect("a written file");
        join(vec![read(&schema(), directory.path(), Some(Path::new("/home/ada"))).expect("a readable file")])
            .expect("a valid configuration")
    }

    #[test]
    fn every_counterpart_is_a_key_of_ours() {
        let schema = schema();
        for (_, ours, _) in KEYS.iter().filter(|(_, ours, _)| !ours.is_empty()) {
            let mut layer = Layer::default();
            layer.flag(&schema, "--x", ours, "\u{0}");
            let told = join(vec![layer]).err().map_or_else(String::new, |error| error.to_string());
            assert!(!told.contains("unknown key"), "{ours}: {told}");
        }
    }

    #[test]
    fn values_keep_their_meaning() {
        let Settings { server, social, telemetry, trust_rank, .. } = loaded(
            "[api]\npublic_addr = '127.0.0.1:9090'\nrequest_timeout_secs = 7\n[watcher]\nevents_limit = 50\nwatcher_sleep = 300\nhomeserver = '8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo'\n[stack]\nfiles_path = '~/.pubky-nexus/static/files'\n[stack.net]\ntestnet = true\n[stack.otlp]\nresource_attributes = { zone = 'a' }\n[trust_rank]\nalpha = 0.2\n",
        )
        .settings;
        assert_eq!(server.bind, Bind::loopback(9090));
        assert_eq!(social.api.request_timeout.get(), 7000);
        assert_eq!((social.watcher.events_limit.get(), social.watcher.poll_max.get()), (50, 300));
        assert_eq!(social.watcher.homeservers.len(), 1);
        assert_eq!(social.files.as_deref(), Some(Path::new("/home/ada/.pubky-nexus/static/files")));
        assert_eq!(social.watcher.pkarr, nexus_social_server::config::Pkarr::Testnet);
        assert_eq!(telemetry.attributes, ["zone=a"]);
        assert_eq!(trust_rank.alpha.get(), 0.2);
    }

    #[test]
    fn the_files_before_it_are_still_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
        write(
            "api-config.toml",
            "public_addr = '127.0.0.1:9090'\n[rate_limit]\nenabled = true\n[stack]\nlog_level = 'warn'\n",
        );
        write("watcher-config.toml", "events_limit = 7\n[retry]\nmax_retries = 3\n");
        let read = || join(vec![read(&schema(), directory.path(), None).expect("readable")]).expect("valid");
        let loaded = read();
        let Settings { server, social, .. } = loaded.settings;
        assert_eq!((server.bind, server.log_level.as_str()), (Bind::loopback(9090), "warn"));
        assert!(social.api.rate_limit.enabled);
        assert_eq!((social.watcher.events_limit.get(), social.watcher.retry.max_retries.get()), (7, 3));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        write("config.toml", "");
        assert_eq!(read().settings.server.bind, Bind::loopback(8080), "the newer file stands alone");
    }

    #[test]
    fn the_server_s_key_and_data_lie_beside_the_file() {
        let Settings { server, social, .. } = loaded("[api]\npubky_listen_socket = '127.0.0.1:8081'\n").settings;
        assert_eq!(social.keyed.bind, Some(Bind::loopback(8081)));
        assert!(!social.keyed.publish, "publishing is asked for in words of ours");
        let key = social.keyed.key_file.expect("a place");
        assert_eq!((key.file_name(), server.data_dir.file_name()), (Some("secret".as_ref()), Some("data".as_ref())));
        assert_eq!(key.parent(), server.data_dir.parent());
    }

    #[test]
    fn unknown_keys_and_needless_ones_only_warn() {
        let warnings = loaded("[watcher]\nnew_thing = 1\n[stack.db]\nredis = 'redis://127.0.0.1'\n").warnings;
        assert_eq!(warnings.len(), 2);
        assert!(warnings.iter().any(|w| w.ends_with("unknown key `watcher.new_thing`")), "{warnings:?}");
        assert!(warnings.iter().any(|w| w.contains("`stack.db` has no effect")), "{warnings:?}");
    }

    #[test]
    fn an_unknown_job_stops_the_start() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("config.toml"), "[jobs.dance]\ncron = '* * * * * *'").expect("written");
        let layer = read(&schema(), directory.path(), None).expect("a readable file");
        assert!(join(vec![layer]).is_err());
    }
}
