//! Jobs: which there are, and when they run.

use crate::{
    cli,
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    progress::Counter,
    schedule::Schedule,
    settings::Settings,
    social::open_store,
};
use nexus_model::Timestamp;
use nexus_runtime::{CancellationToken, Clock};
use nexus_social::{
    index::{Index, Published},
    input::Input,
    writer::Writer,
};
use nexus_social_server::{
    config::TrustRank,
    jobs::{Recomputed, recompute_trust},
    service::Operator,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The one job that there is.
const TRUST: &str = "trust-recompute";

/// Carries out `nexus jobs`.
pub(crate) fn run(settings: &Settings, verb: &cli::Jobs) -> Outcome {
    match verb {
        cli::Jobs::List => {
            let cron = settings.jobs.trust_recompute.cron.as_deref().unwrap_or("on demand");
            println!("{TRUST}  {cron}");
            Ok(())
        }
        cli::Jobs::Run { name } if name == TRUST => now(settings),
        cli::Jobs::Run { name } => {
            Err(Failure::new(Exit::Usage, format!("there is no job {name:?}; there is {TRUST}")))
        }
    }
}

/// Runs the job on the store, while no other process uses it.
fn now(settings: &Settings) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    let (store, counter) = (open_store(settings)?, Counter::new("rows read:"));
    let (index, _) = Index::load(&*store, &mut |rows| counter.at(rows))?;
    counter.done();
    let recomputed = recompute_trust(&Published::new(index), &settings.trust_rank)?;
    let time = Clock::system().now();
    keep_report(&recomputed, &settings.trust_reports(), time)?;
    let scores = Arc::clone(&recomputed.outcome.scores);
    Writer::new(Arc::new(settings.social.policy())).run(&*store, &[Input::Trust(scores)], time, drop)?;
    println!("{} users are trusted, after {} rounds", recomputed.outcome.scores.len(), recomputed.outcome.rounds);
    Ok(())
}

/// The job at its times.
pub(crate) struct TrustJob {
    schedule: Schedule,
    settings: TrustRank,
    reports: PathBuf,
    operator: Operator,
    clock: Clock,
}

impl TrustJob {
    /// The job, if it has times.
    pub(crate) fn scheduled(settings: &Settings, operator: Operator, clock: Clock) -> Option<Self> {
        let schedule = settings.jobs.trust_recompute.cron.as_deref()?.parse().ok()?;
        let reports = settings.trust_reports();
        Some(Self { schedule, settings: settings.trust_rank.clone(), reports, operator, clock })
    }

    /// Runs it at its times until `stop`. A run that fails is told, and the next one tries again.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub(crate) async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let job = Arc::new(self);
        while let Some(wait) = job.until_next() {
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(());
            }
            match Arc::clone(&job).once().await {
                Ok(users) => tracing::info!(job = TRUST, users, "the job is done"),
                Err(failure) => tracing::error!(job = TRUST, %failure, "the job failed"),
            }
        }
        stop.cancelled().await;
        Ok(())
    }

    fn until_next(&self) -> Option<Duration> {
        let now = self.clock.now();
        let next = self.schedule.next_after(now)?;
        Some(Duration::from_millis(u64::try_from(next.millis() - now.millis()).unwrap_or(0)))
    }

    async fn once(self: Arc<Self>) -> Outcome<usize> {
        let job = Arc::clone(&self);
        let computed = tokio::task::spawn_blocking(move || -> Outcome<Recomputed> {
            let recomputed = recompute_trust(&job.operator.index, &job.settings)?;
            keep_report(&recomputed, &job.reports, job.clock.now())?;
            Ok(recomputed)
        });
        let scores = computed.await??.outcome.scores;
        let users = scores.len();
        self.operator.writer.ask(Input::Trust(scores)).await?;
        Ok(users)
    }
}

/// Writes the report, if there is one, beside the earlier ones.
fn keep_report(recomputed: &Recomputed, directory: &Path, time: Timestamp) -> io::Result<()> {
    let Some(report) = &recomputed.report else { return Ok(()) };
    std::fs::create_dir_all(directory)?;
    let second = jiff::Timestamp::from_millisecond(time.millis()).map_err(io::Error::other)?;
    let name = format!("trust-report-{}.csv", second.strftime("%Y%m%dT%H%M%SZ"));
    std::fs::write(directory.join(name), report)
}
