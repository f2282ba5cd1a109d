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
    drop(program);
}

#[tokio::test]
async fn trust_is_recomputed_at_its_times() {
    let directory = tempfile::tempdir().unwrap();
    let made = run(directory.path(), ["db", "mock", "--users", "20", "--posts", "20", "--yes"]);
    let told = printed(&made);
    let seed = told.trim().rsplit('/').next().unwrap();
    let seed = format!("trust_rank.seed={seed}");
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
