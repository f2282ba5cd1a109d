//! The work of `trust-recompute`: scores, and the report on them if one is wanted.

use crate::config::TrustRank;
use nexus_model::Timestamp;
use nexus_runtime::{Clock, groups::Stopped};
use nexus_social::{
    index::Published,
    trust::{self, FollowGraph, Outcome, Settings},
};
use std::{io, path::PathBuf, time::Duration};

/// How trust is computed anew.
#[derive(Clone, Debug)]
pub struct TrustJob {
    /// From whom, and how exactly.
    pub settings: TrustRank,
    /// How long a run may take.
    pub deadline: Duration,
    /// The directory of reports.
    pub reports: PathBuf,
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is nothing to compute from, or the program stops.
    #[error("{0}")]
    Trust(#[from] trust::Error),
    /// The deadline passed first.
    #[error("it was not done within {} s", .0.as_secs())]
    Late(Duration),
    /// The report can't be written.
    #[error("the report can't be written: {0}")]
    Report(#[from] io::Error),
    /// The scores can't be stored, since the program stops.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The work broke off.
    #[error("it broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl TrustJob {
    /// Computes the scores and keeps the report. Blocks for as long as it takes; the index is held only while the
    /// follows are copied, and while the report is written. Between two rounds it ends when the deadline has passed
    /// or `is_wanted` no longer holds.
    ///
    /// # Errors
    /// If there is no seed user or none of them is indexed, it must end, or the report can't be written.
    pub fn compute(&self, index: &Published, clock: &Clock, is_wanted: impl Fn() -> bool) -> Result<Outcome, JobError> {
        let until = clock.now().plus_millis(i64::try_from(self.deadline.as_millis()).unwrap_or(i64::MAX));
        let is_late = || clock.now() >= until;
        let graph = FollowGraph::of(&index.read());
        let outcome = match graph.trust(&self.settings.to_settings(), || !is_late() && is_wanted()) {
            Err(trust::Error::Stopped) if is_late() => return Err(JobError::Late(self.deadline)),
            outcome => outcome?,
        };
        if !outcome.converged {
            metrics::counter!("trust.recompute.max_iterations_reached").increment(1);
        }
        if self.settings.report_enabled {
            let report = trust::report(&*index.read(), &outcome.scores, self.settings.report_limit.count());
            self.keep(&report, clock.now())?;
        }
        Ok(outcome)
    }

    /// Writes a report beside the earlier ones.
    fn keep(&self, report: &str, now: Timestamp) -> io::Result<()> {
        let second = time::OffsetDateTime::from_unix_timestamp(now.millis().div_euclid(1000));
        let (date, time) = second.map(|second| (second.date(), second.time())).map_err(io::Error::other)?;
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = time.as_hms();
        std::fs::create_dir_all(&self.reports)?;
        let name = format!("trust-report-{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z.csv");
        std::fs::write(self.reports.join(name), report)
    }
}

impl TrustRank {
    fn to_settings(&self) -> Settings {
        Settings {
            seeds: self.seed.iter().map(|key| key.0).collect(),
            alpha: self.alpha.get(),
            max_rounds: u32::try_from(self.max_iterations.get()).unwrap_or(u32::MAX),
            tolerance: self.tolerance.get(),
        }
    }
}
