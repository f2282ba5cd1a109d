//! The program's settings: its own sections, and those of the services, joined.

mod compat;
mod documents;
mod names;
mod validate;

pub(crate) use compat::read as read_compat;
pub(crate) use documents::{commented, handbook};
pub(crate) use names::{CONFIG_VARIABLE, OF_A_RUN, schema};

use nexus_config::{Bind, Bounded, Error, Layer, Loaded, Scalar, Secret, Size, Span, choice, load, section};
use nexus_http::{ConnectionLimits, TlsFiles, TrustedProxies};
use nexus_relay_server::config::Relay;
use nexus_runtime::{Otlp, TelemetryOptions};
use nexus_social_server::config::{Jobs, Social, TrustRank};
use nexus_sync_server::config::Sync;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Bytes of a connection that the kernel holds before it sends them, where consumers acknowledge nothing: some ten
/// milliseconds of a fast line, and few enough that a pong behind them comes in time.
const UNSENT_BYTES: u32 = 64 << 10;

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
        /// The sync service: verified, ordered events of AT Protocol repos, for `/channel` and webhooks.
        pub sync: Sync = Sync::default(),
        /// The relay: a Nostr relay, and a market for jobs.
        pub relay: Relay = Relay::default(),
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
        /// Verified, ordered events of AT Protocol repos.
        Sync = "sync",
        /// A Nostr relay and job market.
        Relay = "relay",
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
        /// Proxies in front, as addresses or networks: their word about who asks is believed.
        pub trusted_proxies: Vec<Proxy> = Vec::new(),
        /// Connections open at once on one listener. Further ones wait in the kernel's queue.
        pub max_connections: Bounded<1, 1_000_000> = Bounded::of(10_000),
        /// Streams open at once on one HTTP/2 connection.
        pub max_streams: Bounded<1, 100_000> = Bounded::of(200),
        /// The largest head of a request.
        pub max_header_size: Size<8192, { 1 << 24 }> = Size::of(64 << 10),
        /// Connections open at once from one address (IPv6: one /64), trusted proxies excepted. Further ones are closed.
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

/// An address or a network of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Proxy(pub(crate) nexus_http::Network);

impl TryFrom<String> for Proxy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| "not an address and not a network".to_owned())
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        proxy.0.to_string()
    }
}

impl Scalar for Proxy {
    fn kind() -> String {
        "address, or network such as 10.0.0.0/8".to_owned()
    }

    fn example() -> Self {
        Self("10.0.0.0/8".parse().expect("a valid network"))
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
        /// What kind of deployment this is, for instance `prod`.
        pub environment: Option<String> = None,
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

impl Settings {
    /// How full text works.
    pub(crate) fn text_options(&self) -> nexus_tantivy::Options {
        nexus_tantivy::Options {
            budget: self.social.search.budget.duration(),
            memory: self.social.search.memory.count(),
            variants: self.social.search.variants.count(),
            dictionary: self.social.search.dictionary.count(),
            ..nexus_tantivy::Options::default()
        }
    }

    /// Every address that is listened on.
    pub(crate) fn binds(&self) -> impl Iterator<Item = Bind> + '_ {
        let own = [self.social.bind, self.social.keyed.bind, self.sync.bind, self.relay.bind, self.server.metrics_bind];
        [self.shared_bind()].into_iter().chain(own).flatten()
    }

    /// Where a service listens.
    pub(crate) const fn bind_of(&self, service: Service) -> Option<Bind> {
        match service {
            Service::Social => self.social.bind,
            Service::Sync => self.sync.bind,
            Service::Relay => self.relay.bind,
        }
    }

    /// The address that services without one of their own share, if there are such services.
    pub(crate) fn shared_bind(&self) -> Option<Bind> {
        let shares = |service: &Service| self.bind_of(*service).is_none();
        (self.services.is_empty() || self.services.iter().any(shares)).then_some(self.server.bind)
    }

    /// The sync service's database.
    pub(crate) fn sync_database(&self) -> PathBuf {
        let set = self.sync.database.as_ref().map(nexus_sync_server::config::DatabaseFile::path);
        self.in_data(set, self.sync.spoken().database())
    }

    /// What each connection may do.
    pub(crate) fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            max_connections: self.server.max_connections.count(),
            max_connections_per_client: self.server.max_connections_per_client.count(),
            header_timeout_secs: self.server.header_timeout.duration().as_secs(),
            drain_secs: self.server.drain.duration().as_secs(),
            max_header_bytes: self.server.max_header_size.count(),
            max_streams: u32::try_from(self.server.max_streams.get()).unwrap_or(u32::MAX),
            // Who doesn't acknowledge is sent all there is, and still wants its pings answered.
            max_unsent_bytes: self.sends_unasked().then_some(UNSENT_BYTES),
        }
    }

    /// True if consumers are sent whatever there is.
    fn sends_unasked(&self) -> bool {
        self.services.contains(&Service::Sync) && self.sync.disable_acks.is_on()
    }

    /// The certificate's files, where TLS is on.
    pub(crate) fn tls_files(&self) -> Option<TlsFiles> {
        let (cert, key) = (self.tls.cert.clone()?, self.tls.key.clone()?);
        Some(TlsFiles { cert, key, reload_secs: self.tls.reload.duration().as_secs() })
    }

    /// Proxies whose word is believed.
    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.server.trusted_proxies.iter().map(|proxy| proxy.0).collect())
    }

    /// What is told, how and to whom.
    pub(crate) fn telemetry_options(&self) -> TelemetryOptions {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text.clone(), String::new()),
        };
        let environment = self.telemetry.environment.iter();
        let environment = environment.map(|name| ("deployment.environment.name".to_owned(), name.clone()));
        let otlp = self.telemetry.endpoint.clone().map(|endpoint| Otlp {
            endpoint,
            name: self.telemetry.name.clone(),
            attributes: environment.chain(self.telemetry.attributes.iter().map(pair)).collect(),
            interval: self.telemetry.interval.duration(),
        });
        let format = match self.server.log_format {
            LogFormat::Auto => nexus_runtime::LogFormat::Auto,
            LogFormat::Text => nexus_runtime::LogFormat::Text,
            LogFormat::Json => nexus_runtime::LogFormat::Json,
        };
        TelemetryOptions { level: self.server.log_level.clone(), format, otlp }
    }

    /// The social service's database.
    pub(crate) fn social_database(&self) -> PathBuf {
        self.in_data(self.social.database.as_deref(), "social.sqlite")
    }

    /// The relay's database.
    pub(crate) fn relay_database(&self) -> PathBuf {
        self.in_data(self.relay.storage.path.as_deref(), "relay.sqlite")
    }

    /// Where users' files lie.
    pub(crate) fn files(&self) -> PathBuf {
        self.in_data(self.social.files.as_deref(), "files")
    }

    /// The file with the key by which the API is reached.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.in_data(self.social.keyed.key_file.as_deref(), "secret")
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
