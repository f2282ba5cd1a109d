//! Where runs are asked for and looked up. A second run of a job that runs is refused: the one that asks by the
//! clock skips it, the operator is told.

use super::TRUST;
use nexus_model::Timestamp;
use nexus_runtime::Clock;
use nexus_social::trust::Outcome;
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;
use utoipa::ToSchema;

/// Runs that are remembered.
const REMEMBERED: usize = 20;

/// Who asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AskedBy {
    /// Its times.
    Schedule,
    /// Somebody with the token.
    Operator,
}

impl AskedBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Operator => "operator",
        }
    }
}

impl std::fmt::Display for AskedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JobRun)]
pub struct Run {
    /// Its number since the program started, from 1.
    pub number: u64,
    /// Who asked for it.
    pub asked_by: AskedBy,
    /// When it began, in milliseconds.
    #[schema(value_type = i64)]
    pub began: Timestamp,
    /// When it ended, in milliseconds; null while it runs.
    #[schema(value_type = Option<i64>)]
    pub ended: Option<Timestamp>,
    /// How many users are trusted; null if it failed or runs.
    pub users: Option<u64>,
    /// How many rounds it took; null if it failed or runs.
    pub rounds: Option<u32>,
    /// Why it failed; null if it didn't.
    pub error: Option<String>,
}

/// A job, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// When it runs by itself; null if only on demand.
    pub cron: Option<String>,
    /// How long a run may take, in milliseconds.
    pub deadline: u64,
    /// The last runs, the latest first.
    pub runs: Vec<Run>,
}

/// Why a run doesn't begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such job.
    #[error("there is no job {0:?}; there is {TRUST}")]
    Unknown(String),
    /// It runs.
    #[error("{TRUST} runs already")]
    Running,
    /// The program stops.
    #[error("the program stops")]
    Stopping,
}

/// The desk. Clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    cron: Option<String>,
    deadline: Duration,
    clock: Clock,
    runs: Mutex<VecDeque<Run>>,
    asked: mpsc::Sender<()>,
}

/// Runs that were asked for, for the worker.
#[derive(Debug)]
pub struct Requests(pub(super) mpsc::Receiver<()>);

impl Desk {
    /// A desk, and what is asked for at it. `cron` is shown only.
    pub fn open(cron: Option<String>, deadline: Duration, clock: Clock) -> (Self, Requests) {
        // One run at a time, so there is always a place for the next.
        let (asked, requests) = mpsc::channel(1);
        begin_to_count();
        (Self(Arc::new(Inner { cron, deadline, clock, runs: Mutex::default(), asked })), Requests(requests))
    }

    /// Asks for a run of a job, which begins at once.
    ///
    /// # Errors
    /// If there is no such job, it runs already, or the program stops.
    pub fn begin(&self, name: &str, asked_by: AskedBy) -> Result<Run, Refused> {
        if name != TRUST {
            return Err(Refused::Unknown(name.to_owned()));
        }
        let begun = self.enter(asked_by);
        match &begun {
            Ok(_) => {
                lock("acquired");
                metrics::counter!("jobs.run.attempts", "job" => TRUST, "asked_by" => asked_by.as_str()).increment(1);
            }
            Err(_) => {
                lock("held");
                metrics::counter!("jobs.run.skipped", "job" => TRUST, "asked_by" => asked_by.as_str()).increment(1);
            }
        }
        begun
    }

    fn enter(&self, asked_by: AskedBy) -> Result<Run, Refused> {
        let mut runs = self.runs();
        let last = runs.front();
        if last.is_some_and(|run| run.ended.is_none()) {
            return Err(Refused::Running);
        }
        let number = last.map_or(1, |run| run.number + 1);
        let began = self.0.clock.now();
        self.0.asked.try_send(()).map_err(|_| Refused::Stopping)?;
        let run = Run { number, asked_by, began, ended: None, users: None, rounds: None, error: None };
        runs.push_front(run.clone());
        runs.truncate(REMEMBERED);
        Ok(run)
    }

    /// Notes down how the run ended that is under way.
    pub(super) fn end(&self, outcome: Result<&Outcome, String>) {
        let label = if outcome.is_ok() { "done" } else { "failed" };
        metrics::counter!("jobs.run.completed", "job" => TRUST, "outcome" => label).increment(1);
        lock("released");
        let (now, mut runs) = (self.0.clock.now(), self.runs());
        let Some(run) = runs.front_mut() else { return };
        run.ended = Some(now);
        match outcome {
            Ok(outcome) => {
                run.users = Some(outcome.scores.len() as u64);
                run.rounds = Some(outcome.rounds);
            }
            Err(error) => run.error = Some(error),
        }
    }

    /// The jobs, with their last runs.
    pub fn jobs(&self) -> Vec<Job> {
        let deadline = u64::try_from(self.0.deadline.as_millis()).unwrap_or(u64::MAX);
        let runs = self.runs().iter().cloned().collect();
        vec![Job { name: TRUST.to_owned(), cron: self.0.cron.clone(), deadline, runs }]
    }

    fn runs(&self) -> MutexGuard<'_, VecDeque<Run>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Registers what Pubky Nexus counts of jobs (spec e.7), so that what has not happened is told as 0.
fn begin_to_count() {
    for outcome in ["acquired", "held", "released"] {
        metrics::counter!("jobs.lock.operations", "job" => TRUST, "outcome" => outcome).absolute(0);
    }
    for asked_by in [AskedBy::Schedule, AskedBy::Operator].map(AskedBy::as_str) {
        metrics::counter!("jobs.run.attempts", "job" => TRUST, "asked_by" => asked_by).absolute(0);
        metrics::counter!("jobs.run.skipped", "job" => TRUST, "asked_by" => asked_by).absolute(0);
    }
    for outcome in ["done", "failed"] {
        metrics::counter!("jobs.run.completed", "job" => TRUST, "outcome" => outcome).absolute(0);
    }
    metrics::counter!("jobs.scheduler.stopped", "job" => TRUST).absolute(0);
    metrics::counter!("trust.recompute.max_iterations_reached").absolute(0);
}

fn lock(outcome: &'static str) {
    metrics::counter!("jobs.lock.operations", "job" => TRUST, "outcome" => outcome).increment(1);
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("jobs", &self.jobs()).finish()
    }
}
