//! The program's settings: its own sections, and those of the services, joined.

mod compat;
mod names;
mod validate;

pub(crate) use compat::read as read_compat;
pub(crate) use names::{CONFIG_VARIABLE, schema};

use nexus_config::{Bind, Bounded, Error, Layer, Loaded, Secret, Span, choice, load, section};
use nexus_social_server::config::{Jobs, Social, TrustRank};
use std::path::{Path, PathBuf};

/// What stands at the head of a generated `nexus.toml`.
const TITLE: &str = "\
Nexus: every key with its default. Nothing here needs to be set: remove the `# ` before a key to change it.
Later wins: defaults, this file, the environment (NEXUS__SECTION__KEY), flags.
Printed by `nexus config`; `nexus config check` reads it.
";

section! {
    /// Everything.
    pub(crate) struct Settings {
        /// Which services run.
        pub services: Vec<Service> = Service::ALL.to_vec(),
        /// The program: where it listens, where its data lies, what it tells.
        pub server: Server = Server::default(),
        /// TLS on every listener. Without both files, plain HTTP.
        pub tls: Tls = Tls::default(),
        /// Traces and metrics sent to a collector.
        pub telemetry: Telemetry = Telemetry::default(),
        /// The social service: follows Pubky homeservers, serves `/v0` and `/static`.
        pub social: Social = Social::default(),
        /// Jobs that run at times, or by `nexus jobs run NAME`.
        pub jobs: Jobs = Jobs::default(),
        /// Trust scores: personalised PageRank over who follows whom.
        pub trust_rank: TrustRank = TrustRank::default(),
    }
}

choice! {
    /// A service.
    pub(crate) enum Service {
        /// A social index and API for Pubky.
        Social = "social",
    }
}

section! {
    /// The program.
    pub(crate) struct Server {
        /// Where it listens.
        pub bind: Bind = Bind::loopback(8080),
        /// Where everything is kept. One process at a time.
        pub data_dir: PathBuf = PathBuf::from("./data"),
        /// `error`, `warn`, `info`, `debug` or `trace`; by target as in `info,nexus_http=debug`.
        pub log_level: String = "info".to_owned(),
        /// How log lines look.
        pub log_format: LogFormat = LogFormat::Auto,
        /// The operator's token for administrative routes. Without it they are closed.
        pub admin_token: Option<Secret> = None,
        /// Where `/metrics` is served for Prometheus. Without it: nowhere.
        pub metrics_bind: Option<Bind> = None,
        /// Whether services may be reached from other machines although they have no credential.
        pub open: bool = false,
        /// How long everything may take to stop after SIGTERM; then it is cut.
        pub grace: Span<100, 3_600_000> = Span::of(30_000),
        /// Connections open at once on one listener. Further ones wait in the kernel's queue.
        pub max_connections: Bounded<1, 1_000_000> = Bounded::of(10_000),
        /// Connections open at once from one address, trusted proxies excepted. Further ones are closed.
        pub max_connections_per_client: Bounded<1, 1_000_000> = Bounded::of(1_000),
        /// Time for a TLS handshake and for the head of a request; also how long an idle connection stays.
        pub header_timeout: Span<1_000, 600_000> = Span::of(15_000),
        /// Time that open requests get to finish after SIGTERM.
        pub drain: Span<1_000, 600_000> = Span::of(10_000),
    }
}

choice! {
    /// How log lines look.
    pub(crate) enum LogFormat {
        /// Text on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

section! {
    /// TLS.
    pub(crate) struct Tls {
        /// The certificate and its chain, PEM.
        pub cert: Option<PathBuf> = None,
        /// The private key, PEM.
        pub key: Option<PathBuf> = None,
        /// Time between looks at the files; changed ones are used for new connections.
        pub reload: Span<1_000, 86_400_000> = Span::of(5_000),
    }
}

section! {
    /// OTLP.
    pub(crate) struct Telemetry {
        /// Base URL of an OTLP collector (HTTP with protobuf). Without it, nothing is sent.
        pub endpoint: Option<String> = None,
        /// What this process is called there.
        pub name: String = "nexus".to_owned(),
        /// More about it, each as `name=value`.
        pub attributes: Vec<String> = Vec::new(),
        /// Time between two deliveries of metrics.
        pub interval: Span<1_000, 3_600_000> = Span::of(30_000),
    }
}

/// Joins the layers and applies the rules over several keys.
pub(crate) fn join(layers: Vec<Layer>) -> Result<Loaded<Settings>, Error> {
    let loaded: Loaded<Settings> = load(layers)?;
    let problems = validate::problems(&loaded.settings);
    if problems.is_empty() { Ok(loaded) } else { Err(Error::Invalid(problems)) }
}

/// The commented `nexus.toml`.
pub(crate) fn commented() -> String {
    nexus_config::commented(&schema(), TITLE)
}

impl Settings {
    /// The social service's database.
    pub(crate) fn social_database(&self) -> PathBuf {
        self.in_data(self.social.database.as_deref(), "social.sqlite")
    }

    /// Where users' files lie.
    pub(crate) fn files(&self) -> PathBuf {
        self.in_data(self.social.files.as_deref(), "files")
    }

    /// The full text index, which can be rebuilt.
    pub(crate) fn full_text(&self) -> PathBuf {
        self.in_data(None, "search")
    }

    /// Where trust reports go.
    pub(crate) fn trust_reports(&self) -> PathBuf {
        self.in_data(self.trust_rank.report_dir.as_deref(), "trust-reports")
    }

    fn in_data(&self, set: Option<&Path>, name: &str) -> PathBuf {
        set.map_or_else(|| self.server.data_dir.join(name), Path::to_owned)
    }
}
