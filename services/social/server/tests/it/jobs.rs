//! Jobs: one run at a time, within its deadline, and its outcome where it is looked for.

use crate::world::{Ground, World, eventually, key, watcher};
use nexus_model::Timestamp;
use nexus_runtime::{Clock, Tasks};
use nexus_social::{
    effects::{Effects, RowChange},
    index::Published,
    row::{Edge, UserEdge},
    store::Stored,
};
use nexus_social_server::{
    config::{Key, TrustRank},
    jobs::{AskedBy, Desk, Job, JobError, Refused, Run, TRUST, TrustJob, Worker},
};
use std::{fs, path::Path, sync::Arc, time::Duration};

/// 1 follows 2, who follows 3.
fn index() -> Arc<Published> {
    let follow = |from, to| UserEdge { from: key(from), to: key(to), time: Timestamp::from_millis(1), created_at: 1 };
    let rows = [(1, 2), (2, 3)].map(|(from, to)| RowChange::PutEdge(Edge::Follows(follow(from, to)))).to_vec();
    let index = Published::default();
    index.publish(&[Effects { rows, ..Effects::default() }]);
    Arc::new(index)
}

fn trust(seed: &[u8], reports: &Path) -> TrustJob {
    let seed = seed.iter().map(|n| Key(key(*n))).collect();
    let settings = TrustRank { seed, report_enabled: true, ..TrustRank::default() };
    TrustJob { settings, deadline: Duration::from_secs(60), reports: reports.into() }
}

/// A worker over a world's writer.
fn work(world: &World, job: TrustJob) -> (Desk, Tasks) {
    let clock = Clock::system();
    let (desk, requests) = Desk::open(None, job.deadline, clock.clone());
    let (index, writer) = (index(), world.writer.clone());
    let worker = Worker { desk: desk.clone(), requests, job: Arc::new(job), index, writer, clock };
    let tasks = Tasks::new();
    tasks.spawn("jobs", |stop| worker.run(stop));
    (desk, tasks)
}

/// The run, once it has ended.
async fn ended(desk: &Desk, number: u64) -> Run {
    let find = || desk.jobs()[0].runs.iter().find(|run| run.number == number && run.ended.is_some()).cloned();
    eventually("the run has ended", || find().is_some()).await;
    find().unwrap()
}

#[tokio::test]
async fn a_run_stores_scores_and_is_told() {
    let (ground, reports) = (Ground::new(), tempfile::tempdir().unwrap());
    let world = ground.start(watcher(&[]));
    let (desk, tasks) = work(&world, trust(&[1], reports.path()));
    assert_eq!(desk.begin(TRUST, AskedBy::Operator).map(|run| run.number), Ok(1));
    let run = ended(&desk, 1).await;
    assert_eq!((run.users, run.error), (Some(3), None));
    let trusted = |row: &Stored| matches!(row, Stored::Trust(..));
    assert_eq!(ground.rows().iter().filter(|row| trusted(row)).count(), 3);
    assert_eq!(fs::read_dir(reports.path()).unwrap().count(), 1);
    assert_eq!(desk.begin(TRUST, AskedBy::Schedule).map(|run| run.number), Ok(2));
    ended(&desk, 2).await;
    tasks.stop();
    tasks.finish().await.unwrap();
    assert_eq!(desk.begin(TRUST, AskedBy::Operator), Err(Refused::Stopping));
    world.stop().await;
}

#[tokio::test]
async fn a_run_that_fails_says_why_and_the_next_one_may_begin() {
    let (ground, reports) = (Ground::new(), tempfile::tempdir().unwrap());
    let world = ground.start(watcher(&[]));
    let (desk, tasks) = work(&world, trust(&[], reports.path()));
    for number in 1..=25 {
        assert_eq!(desk.begin(TRUST, AskedBy::Operator).map(|run| run.number), Ok(number));
        assert_eq!(ended(&desk, number).await.error.as_deref(), Some("no seed users are configured"));
    }
    let Job { runs, .. } = desk.jobs().remove(0);
    assert_eq!((runs.len(), runs[0].number), (20, 25), "the last runs are remembered");
    tasks.stop();
    tasks.finish().await.unwrap();
    world.stop().await;
}

#[test]
fn of_two_runs_one_is_refused() {
    let (desk, _requests) = Desk::open(None, Duration::from_secs(1), Clock::system());
    assert!(desk.begin(TRUST, AskedBy::Schedule).is_ok());
    assert_eq!(desk.begin(TRUST, AskedBy::Operator), Err(Refused::Running));
    assert_eq!(desk.begin("dance", AskedBy::Operator), Err(Refused::Unknown("dance".into())));
}

#[test]
fn a_run_ends_at_its_deadline_and_when_it_is_no_longer_wanted() {
    let reports = tempfile::tempdir().unwrap();
    let (job, clock) = (trust(&[1], reports.path()), Clock::fixed(Timestamp::from_millis(1)));
    let late = job.compute(&index(), &clock, || {
        clock.advance(60_000);
        true
    });
    assert!(matches!(late, Err(JobError::Late(deadline)) if deadline == job.deadline), "{late:?}");
    let unwanted = job.compute(&index(), &clock, || false);
    assert!(matches!(unwanted, Err(JobError::Trust(nexus_social::trust::Error::Stopped))), "{unwanted:?}");
    assert_eq!(fs::read_dir(reports.path()).unwrap().count(), 0, "nothing came of them");
    let report = job.compute(&index(), &clock, || true).map(|_| fs::read_dir(reports.path()).unwrap().next());
    let name = report.unwrap().unwrap().unwrap().file_name();
    assert_eq!(name.to_str(), Some("trust-report-19700101T000100Z.csv"));
}
