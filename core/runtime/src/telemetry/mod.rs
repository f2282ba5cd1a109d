//! Logs, metrics and traces of the process: installed once by the program, used everywhere through `tracing`
//! and `metrics`. What is worth counting is decided where it happens, not here.

mod bridge;
mod otlp;

pub use otlp::Otlp;

use crate::CancellationToken;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{convert::Infallible, io::IsTerminal as _, time::Duration};
use tokio::time::sleep;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{ParseError, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is told, how and to whom.
#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// The least level that is logged, or levels by target as in `info,nexus_http=debug`.
    pub level: String,
    /// How log lines look.
    pub format: LogFormat,
    /// Where traces and metrics are sent, if anywhere.
    pub otlp: Option<Otlp>,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is no filter.
    #[error("the log level is not valid")]
    Level(#[source] ParseError),
    /// The exporter can't be built.
    #[error("the OTLP exporter can't be built")]
    Otlp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something else was installed before.
    #[error("telemetry is installed already")]
    Installed,
}

/// The installed telemetry.
#[derive(Debug)]
pub struct Telemetry {
    prometheus: PrometheusHandle,
    otlp: Option<otlp::Providers>,
}

/// Gives the metrics in Prometheus' text format.
#[derive(Clone)]
pub struct Render(PrometheusHandle);

impl Render {
    /// All metrics as they are now.
    pub fn text(&self) -> String {
        self.0.render()
    }
}

/// Buckets of histograms of seconds: 100 µs to 10 s.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Libraries that warn of what is ordinary, such as a key that nobody has published. A level that names them
/// counts more.
const QUIET: &str = "pkarr=error,mainline=error";

/// What is logged at least.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Time between two rounds of the recorder's own upkeep.
const UPKEEP: Duration = Duration::from_secs(5);

/// How long the end of the program waits for the last traces and metrics to be sent.
const FLUSH: Duration = Duration::from_secs(3);

/// Whether `text` says what is logged: a level, or levels by target, with commas. A word that is neither would be
/// a target, and silence everything else.
///
/// # Errors
/// With what is wrong with it.
pub fn check_level(text: &str) -> Result<(), String> {
    let is_level = |part: &str| part.contains('=') || LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level));
    match text.split(',').map(str::trim).find(|part| !is_level(part)) {
        Some(part) => Err(format!("{part:?} is neither a level ({}) nor TARGET=LEVEL", LEVELS.join(", "))),
        None => EnvFilter::try_new(text).map(drop).map_err(|error| error.to_string()),
    }
}

impl Telemetry {
    /// Installs logs on standard error, the metrics recorder, and the exporter if one is wanted. Must be called
    /// on the runtime whose threads the exporter may use.
    ///
    /// # Errors
    /// If the options don't fit, or something is installed already.
    pub fn install(options: &TelemetryOptions) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(format!("{QUIET},{}", options.level)).map_err(TelemetryError::Level)?;
        let otlp = options.otlp.as_ref().map(otlp::Providers::start).transpose()?;
        let traces = otlp.as_ref().map(|providers| {
            let ours = Targets::new().with_target("nexus", Level::DEBUG);
            tracing_opentelemetry::layer().with_tracer(providers.tracer()).with_filter(ours)
        });
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match is_text(options.format) {
            true => lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
            false => lines.json().flatten_event(true).with_filter(filter).boxed(),
        };
        Registry::default().with(lines).with(traces).try_init().map_err(|_| TelemetryError::Installed)?;
        let prometheus = install_recorder(otlp.as_ref())?;
        Ok(Self { prometheus, otlp })
    }

    /// How the metrics are read.
    pub fn render(&self) -> Render {
        Render(self.prometheus.clone())
    }

    /// Keeps the recorder's memory small until `stop`. Without it, histograms grow between two readings.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub fn upkeep(&self, stop: CancellationToken) -> impl Future<Output = Result<(), Infallible>> + use<> {
        let prometheus = self.prometheus.clone();
        async move {
            while stop.run_until_cancelled(sleep(UPKEEP)).await.is_some() {
                prometheus.run_upkeep();
            }
            Ok(())
        }
    }

    /// Sends what is still to be sent, for some seconds at most.
    pub async fn shutdown(self) {
        let Some(otlp) = self.otlp else { return };
        if tokio::time::timeout(FLUSH, otlp.shutdown()).await.is_err() {
            tracing::warn!("the OTLP collector did not take the last traces and metrics in time");
        }
    }
}

fn is_text(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    }
}

fn install_recorder(otlp: Option<&otlp::Providers>) -> Result<PrometheusHandle, TelemetryError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let durations = Matcher::Suffix("_duration".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS);
    let builder = builder.and_then(|builder| builder.set_buckets_for_metric(durations, &SECONDS));
    // Names with dots, which OpenTelemetry has, are shown as its collector shows them.
    let builder = builder.map(|builder| builder.with_recommended_naming(true));
    let recorder = builder.expect("the list of buckets is not empty").build_recorder();
    let handle = recorder.handle();
    let installed = match otlp {
        Some(providers) => metrics::set_global_recorder(bridge::Bridge::new(recorder, providers.meter())).is_ok(),
        None => metrics::set_global_recorder(recorder).is_ok(),
    };
    if installed { Ok(handle) } else { Err(TelemetryError::Installed) }
}
