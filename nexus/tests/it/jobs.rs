//! Jobs at their times.

use crate::program::{Program, printed, run};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Names of the reports that are there.
fn reports(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("data/trust-reports")).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

#[test]
fn a_job_by_hand_needs_the_data_directory_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::alone(directory.path(), &[]);
    let refused = run(directory.path(), ["jobs", "run", "trust-recompute"]);
    assert_eq!(refused.status.code(), Some(3), "{}", printed(&refused));
    assert!(printed(&refused).contains("server.admin_token"), "{}", printed(&refused));
    drop(program);
}

/// A synthetic network, and the setting that trusts one of its users.
fn network(directory: &Path) -> String {
    let made = run(directory, ["db", "mock", "--users", "20", "--posts", "20", "--yes"]);
    let told = printed(&made);
    format!("trust_rank.seed={}", told.trim().rsplit('/').next().unwrap())
}

const TOKEN: [&str; 2] = ["--set", "server.admin_token=letmein"];

/// Self-signed: nobody vouches for it.
const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/http/tests/fixtures/one.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/http/tests/fixtures/one.key");

#[test]
fn a_running_nexus_with_tls_takes_the_job() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (format!("tls.cert={CERT}"), format!("tls.key={KEY}"));
    let tls = ["--set", &cert, "--set", &key];
    let program = Program::alone(directory.path(), &[&TOKEN[..], &tls].concat());
    let listed = run(directory.path(), [&["jobs", "list"][..], &TOKEN].concat());
    assert_eq!(printed(&listed), "trust-recompute  on demand\n", "{}", printed(&listed));
    assert_eq!(listed.status.code(), Some(0));
    let by_address = run(directory.path(), [&["jobs", "list", "--at", &program.url("")][..], &TOKEN].concat());
    assert_ne!(by_address.status.code(), Some(0), "an address that was given has to prove who it is");
}

#[test]
fn a_running_nexus_takes_the_job() {
    let directory = tempfile::tempdir().unwrap();
    let seed = network(directory.path());
    let program = Program::alone(directory.path(), &[&TOKEN[..], &["--set", &seed]].concat());
    let ran = run(directory.path(), [&["jobs", "run", "trust-recompute"][..], &TOKEN].concat());
    assert_eq!(ran.status.code(), Some(0), "{}", printed(&ran));
    assert!(printed(&ran).contains("20 users are trusted, after "), "{}", printed(&ran));
    let listed = run(directory.path(), [&["jobs", "list"][..], &TOKEN].concat());
    assert!(printed(&listed).contains("by the operator: done at "), "{}", printed(&listed));
    let elsewhere = tempfile::tempdir().unwrap();
    let there = ["jobs", "run", "trust-recompute", "--at", &program.url("/")];
    let again = run(elsewhere.path(), [&there[..], &TOKEN].concat());
    assert_eq!(again.status.code(), Some(0), "{}", printed(&again));
    assert!(!elsewhere.path().join("data").exists(), "nothing is made where nothing is done");
}

#[test]
fn what_a_running_nexus_says_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::alone(directory.path(), &TOKEN);
    for (token, told) in [("other", "it has another `server.admin_token`"), ("letmein", "no seed users are configured")]
    {
        let token = format!("server.admin_token={token}");
        let refused = run(directory.path(), ["jobs", "run", "trust-recompute", "--set", &token]);
        assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
        assert!(printed(&refused).contains(told), "{}", printed(&refused));
    }
    let listed = run(directory.path(), [&["jobs", "list"][..], &TOKEN].concat());
    assert!(printed(&listed).contains("no seed users are configured"), "{}", printed(&listed));
    // Without the token the configuration is told.
    assert_eq!(printed(&run(directory.path(), ["jobs", "list"])), "trust-recompute  on demand\n");
    program.stop();
    let tokenless = Program::alone(directory.path(), &[]);
    let closed = run(directory.path(), [&["jobs", "run", "trust-recompute"][..], &TOKEN].concat());
    assert!(printed(&closed).contains("start it with the same `server.admin_token`"), "{}", printed(&closed));
    tokenless.stop();
}

#[test]
fn where_no_social_service_runs_nobody_takes_the_job() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start(directory.path(), &["--set", "services=relay"]);
    let refused = run(directory.path(), [&["jobs", "run", "trust-recompute"][..], &TOKEN].concat());
    assert_eq!(refused.status.code(), Some(3), "{}", printed(&refused));
    assert!(printed(&refused).contains("it serves no social API"), "{}", printed(&refused));
    program.stop();
}

#[tokio::test]
async fn trust_is_recomputed_at_its_times() {
    let directory = tempfile::tempdir().unwrap();
    let seed = network(directory.path());
    let often = ["--set", "jobs.trust-recompute.cron=* * * * * *", "--set", "trust_rank.report_enabled=true"];
    let program = Program::alone(directory.path(), &[&often[..], &["--set", &seed]].concat());
    let began = Instant::now();
    while reports(directory.path()).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "no report was written");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    program.stop();
    let name = reports(directory.path()).remove(0);
    assert!(name.starts_with("trust-report-") && name.ends_with("Z.csv"), "{name}");
    let report = fs::read_to_string(directory.path().join("data/trust-reports").join(name)).unwrap();
    assert!(report.starts_with("id,name,score,"), "{report}");
    assert!(report.lines().count() > 1, "{report}");
}
