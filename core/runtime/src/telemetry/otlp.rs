//! Traces and metrics sent to a collector by OTLP over HTTP with protobuf.

use super::TelemetryError;
use bytes::Bytes;
use opentelemetry::{KeyValue, metrics::Meter, metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{SdkTracer, SdkTracerProvider},
};
use std::{fmt, time::Duration};
use tokio::runtime::Handle;

/// A collector.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Its base URL; `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: String,
    /// What this process is called there.
    pub name: String,
    /// More about it: names and values.
    pub attributes: Vec<(String, String)>,
    /// Time between two deliveries of metrics.
    pub interval: Duration,
}

/// What is running: each owns a thread that sends.
#[derive(Debug)]
pub(super) struct Providers {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

/// The name of our tracer and meter.
const SCOPE: &str = "nexus";

impl Providers {
    /// Starts both exporters.
    pub(super) fn start(options: &Otlp) -> Result<Self, TelemetryError> {
        let client = Client { http: reqwest::Client::new(), runtime: Handle::current() };
        let base = options.endpoint.trim_end_matches('/');
        let failed = |error: opentelemetry_otlp::ExporterBuildError| TelemetryError::Otlp(error.into());
        let spans = SpanExporter::builder().with_http().with_http_client(client.clone());
        let spans = spans.with_protocol(Protocol::HttpBinary).with_endpoint(format!("{base}/v1/traces"));
        let points = MetricExporter::builder().with_http().with_http_client(client);
        let points = points.with_protocol(Protocol::HttpBinary).with_endpoint(format!("{base}/v1/metrics"));
        let reader = PeriodicReader::builder(points.build().map_err(failed)?).with_interval(options.interval);
        let resource = resource(options);
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(spans.build().map_err(failed)?)
                .build(),
            metrics: SdkMeterProvider::builder().with_resource(resource).with_reader(reader.build()).build(),
        })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.traces.tracer(SCOPE)
    }

    pub(super) fn meter(&self) -> Meter {
        self.metrics.meter(SCOPE)
    }

    /// Sends what is left and ends the threads. Waits on a thread of its own: the exporters need the runtime.
    pub(super) async fn shutdown(self) {
        let ended = tokio::task::spawn_blocking(move || (self.traces.shutdown(), self.metrics.shutdown())).await;
        if let Ok((Err(error), _) | (_, Err(error))) = ended {
            tracing::warn!(%error, "the last traces or metrics were not sent");
        }
    }
}

fn resource(options: &Otlp) -> Resource {
    let attributes = options.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder().with_service_name(options.name.clone()).with_attributes(attributes).build()
}

/// Our HTTP client, for exporters whose threads know no runtime: each request runs on ours.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        self.runtime.spawn(async move { send(&http, request).await }).await?
    }
}

/// How long the collector may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

async fn send(http: &reqwest::Client, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
    let mut request = reqwest::Request::try_from(request)?;
    *request.timeout_mut() = Some(PATIENCE);
    let response = http.execute(request).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut answer = http::Response::new(response.bytes().await?);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}
