//! `/metrics`: what Pubky Nexus counts is counted under its names, or docs/metrics.md says why not.

use crate::program::Program;
use std::collections::BTreeSet;

const HANDBOOK: &str = include_str!("../../../docs/metrics.md");

/// Pubky Nexus 0.4.1's metrics (spec e.7).
const UPSTREAM: [&str; 24] = [
    "watcher.fetch.rejected",
    "watcher.primary_hs.cursor.invalid",
    "watcher.primary_hs.cursor.stalled",
    "watcher.external_hs.cursor.out_of_order",
    "nexus.task.hs-resolver.total",
    "nexus.task.hs-resolver.failed",
    "http.rate_limit.rejected.total",
    "wot.post_stream.requests",
    "wot.post_stream.empty",
    "wot.post_stream.query_duration",
    "wot.post_stream.returned_posts",
    "wot.post_stream.errors",
    "neo4j.query.duration",
    "neo4j.query.execute_duration",
    "neo4j.query.rows",
    "neo4j.query.errors",
    "neo4j.query.slow",
    "jobs.lock.operations",
    "jobs.lock.duration",
    "jobs.run.attempts",
    "jobs.run.completed",
    "jobs.run.skipped",
    "jobs.scheduler.stopped",
    "trust.recompute.max_iterations_reached",
];

/// Those that mean nothing here.
const MEANINGLESS: [&str; 6] = [
    "neo4j.query.duration",
    "neo4j.query.execute_duration",
    "neo4j.query.rows",
    "neo4j.query.errors",
    "neo4j.query.slow",
    "jobs.lock.duration",
];

/// Those that have a label for each homeserver, and are told once there is one.
const ONCE_THERE_IS_ONE: [&str; 1] = ["watcher.external_hs.cursor.out_of_order"];

/// The names of the families that are told.
fn families(metrics: &str) -> BTreeSet<String> {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// A name as a collector for OpenTelemetry shows it to Prometheus: without `_total`, which only counters have.
fn plain(name: &str) -> String {
    let plain = name.replace(['.', '-'], "_");
    plain.strip_suffix("_total").map_or(plain.clone(), str::to_owned)
}

async fn told(program: &Program, metrics: &str) -> String {
    // Histograms are told once something was measured.
    let user = "8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo";
    let path = format!("/v0/stream/posts?source=wot&observer_id={user}");
    assert_eq!(program.get(&path).await.0, 200);
    reqwest::get(metrics).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn what_pubky_nexus_counts_is_counted_or_explained() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::alone(directory.path(), &["--set", &format!("server.metrics_bind=127.0.0.1:{port}")]);
    let told = told(&program, &format!("http://127.0.0.1:{port}/metrics")).await;
    let families: BTreeSet<String> = families(&told).iter().map(|name| plain(name)).collect();
    for name in UPSTREAM {
        let is_missing = MEANINGLESS.contains(&name) || ONCE_THERE_IS_ONE.contains(&name);
        assert_eq!(families.contains(&plain(name)), !is_missing, "{name}\n{told}");
        assert!(HANDBOOK.contains(&format!("`{name}`")), "docs/metrics.md doesn't say what becomes of {name}");
    }
    assert!(told.contains("\nwot_post_stream_requests_total 1\n"), "{told}");
    assert!(told.contains("\nwot_post_stream_query_duration_bucket{"), "{told}");
    program.stop();
}

#[tokio::test]
async fn every_counter_is_called_total() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::alone(directory.path(), &["--set", &format!("server.metrics_bind=127.0.0.1:{port}")]);
    let told = told(&program, &format!("http://127.0.0.1:{port}/metrics")).await;
    let counters: Vec<&str> = told.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    assert!(counters.iter().any(|line| line.ends_with(" counter")), "{told}");
    for line in counters.iter().filter(|line| line.ends_with(" counter")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(name.ends_with("_total") && !name.ends_with("_total_total"), "{name}");
    }
    program.stop();
}
