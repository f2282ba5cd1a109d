//! Telemetry through a process-wide installation: one test here, as there is one installation.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clock;
mod groups;
mod tasks;
mod telemetry;

use axum::{Router, body::Bytes, extract::State, http::Uri, routing::post};
use nexus_runtime::{LogFormat, Otlp, Tasks, Telemetry, TelemetryOptions};
use std::time::Duration;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

type Received = mpsc::Sender<(String, Bytes)>;

async fn collect(State(received): State<Received>, uri: Uri, body: Bytes) {
    let _ = received.send((uri.path().to_owned(), body)).await;
}

async fn collector() -> (String, mpsc::Receiver<(String, Bytes)>) {
    let (send, receive) = mpsc::channel(100);
    let app = Router::new().route("/v1/traces", post(collect)).route("/v1/metrics", post(collect)).with_state(send);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, receive)
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn what_is_recorded_reaches_prometheus_and_the_collector() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (endpoint, mut received) = collector().await;
    let attributes = vec![("deployment".to_owned(), "test-bench".to_owned())];
    let otlp = Otlp { endpoint, name: "nexus-test".to_owned(), attributes, interval: Duration::from_millis(50) };
    let options = TelemetryOptions { level: "warn".to_owned(), format: LogFormat::Json, otlp: Some(otlp) };
    let telemetry = Telemetry::install(&options).unwrap();
    assert!(Telemetry::install(&options).is_err());

    metrics::counter!("things_total", "reason" => "tried").increment(3);
    metrics::gauge!("level").set(7.0);
    metrics::gauge!("level").decrement(2.0);
    metrics::histogram!("wait_seconds").record(0.02);
    tracing::debug_span!(target: "nexus_test", "a step worth tracing").in_scope(|| {});

    let text = telemetry.render().text();
    assert!(text.contains("things_total{reason=\"tried\"} 3"), "{text}");
    assert!(text.contains("level 5"), "{text}");
    assert!(text.contains("wait_seconds_bucket{le=\"0.025\"} 1"), "{text}");

    let tasks = Tasks::new();
    tasks.spawn("upkeep", |stop| telemetry.upkeep(stop));
    tasks.stop();
    tasks.finish().await.unwrap();
    telemetry.shutdown().await;

    let (mut traces, mut metrics) = (false, false);
    while !(traces && metrics) {
        let (path, body) = timeout(Duration::from_secs(10), received.recv()).await.unwrap().unwrap();
        assert!(contains(&body, "nexus-test") && contains(&body, "test-bench"));
        match path.as_str() {
            "/v1/traces" => traces |= contains(&body, "a step worth tracing"),
            _ => metrics |= contains(&body, "things_total") && contains(&body, "tried"),
        }
    }
}
