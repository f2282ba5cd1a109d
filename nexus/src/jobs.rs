//! Jobs: which there are, running one now, and running them at their times. While a Nexus has the data directory, it
//! is asked; otherwise the work is done here.

use crate::{
    cli,
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    progress::Counter,
    running::Running,
    schedule::Schedule,
    settings::Settings,
    social::open_store,
};
use nexus_runtime::{CancellationToken, Clock};
use nexus_social::{
    index::{Index, Published},
    input::Input,
    writer::Writer,
};
use nexus_social_server::jobs::{AskedBy, Desk, Job, Run, TRUST, TrustJob};
use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

/// Time between two looks at a run.
const LOOK: Duration = Duration::from_millis(200);

/// Where a running Nexus has its jobs.
const JOBS: &str = "/admin/social/jobs";

/// Carries out `nexus jobs`.
pub(crate) fn run(settings: &Settings, verb: &cli::Jobs) -> Outcome {
    match verb {
        cli::Jobs::List { at } => list(settings, at.as_deref()),
        cli::Jobs::Run { name, .. } if name != TRUST => {
            Err(Failure::new(Exit::Usage, format!("there is no job {name:?}; there is {TRUST}")))
        }
        cli::Jobs::Run { at: Some(url), .. } => there(&Running::find(settings, Some(url), None)?),
        cli::Jobs::Run { .. } => match DataDir::take(&settings.server.data_dir) {
            Ok(data) => here(settings, data),
            Err(locked) if locked.is_locked() => there(&Running::find(settings, None, Some(&locked))?),
            Err(failure) => Err(failure),
        },
    }
}

impl Settings {
    /// How trust is computed.
    pub(crate) fn trust_job(&self) -> TrustJob {
        let deadline = self.jobs.trust_recompute.deadline.duration();
        TrustJob { settings: self.trust_rank.clone(), deadline, reports: self.trust_reports() }
    }
}

/// Runs the job on the store, while no other process uses it.
fn here(settings: &Settings, _data: DataDir) -> Outcome {
    let (store, counter) = (open_store(settings)?, Counter::new("rows read:"));
    let (index, _) = Index::load(&*store, &mut |rows| counter.at(rows))?;
    counter.done();
    let clock = Clock::system();
    let outcome = settings.trust_job().compute(&Published::new(index), &clock, || true)?;
    let scores = Arc::clone(&outcome.scores);
    Writer::new(Arc::new(settings.social.policy())).run(&*store, &[Input::Trust(scores)], clock.now(), drop)?;
    tell(outcome.scores.len() as u64, outcome.rounds);
    Ok(())
}

fn tell(users: u64, rounds: u32) {
    println!("{users} users are trusted, after {rounds} rounds");
}

/// Has a running Nexus run the job, and waits for its end.
fn there(running: &Running) -> Outcome {
    wait_for(async {
        let begun: Run = running.post(&format!("{JOBS}/{TRUST}/run")).await?;
        eprintln!("the Nexus at {} runs it", running.url());
        loop {
            let jobs: Vec<Job> = running.get(JOBS).await?;
            let mut runs = jobs.into_iter().flat_map(|job| job.runs);
            let ours = runs.find(|run| run.number == begun.number && run.began == begun.began);
            let ours = ours.ok_or_else(|| Failure::new(Exit::Failed, "nothing is known of the run any more"))?;
            match ours {
                Run { error: Some(error), .. } => return Err(Failure::new(Exit::Failed, error)),
                Run { users: Some(users), rounds: Some(rounds), .. } => {
                    tell(users, rounds);
                    return Ok(());
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    })
}

fn wait_for(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The jobs as the configuration has them, or as the Nexus that runs has them, with their last runs.
fn list(settings: &Settings, at: Option<&str>) -> Outcome {
    let running = match at {
        Some(url) => Some(Running::find(settings, Some(url), None)?),
        // Without a token, or where nobody listens, the configuration is all there is to tell.
        None => {
            DataDir::is_taken(&settings.server.data_dir).then(|| Running::find(settings, None, None).ok()).flatten()
        }
    };
    let Some(running) = running else {
        show(TRUST, settings.jobs.trust_recompute.cron.as_deref(), &[]);
        return Ok(());
    };
    wait_for(async {
        let jobs: Vec<Job> = running.get(JOBS).await?;
        jobs.iter().for_each(|job| show(&job.name, job.cron.as_deref(), &job.runs));
        Ok(())
    })
}

fn show(name: &str, cron: Option<&str>, runs: &[Run]) {
    println!("{name}  {}", cron.unwrap_or("on demand"));
    for run in runs {
        let time = |time: nexus_model::Timestamp| jiff::Timestamp::from_millisecond(time.millis()).unwrap_or_default();
        let came_to = match (run.ended, &run.error, run.users) {
            (None, ..) => "runs".to_owned(),
            (Some(end), Some(error), _) => format!("failed at {}: {error}", time(end)),
            (Some(end), None, users) => format!("done at {}, {} users", time(end), users.unwrap_or_default()),
        };
        println!("  {} by the {}: {came_to}", time(run.began), run.asked_by);
    }
}

/// A job's times.
pub(crate) struct Times {
    schedule: Schedule,
    desk: Desk,
    clock: Clock,
}

impl Times {
    /// The times of the job, if it has any.
    pub(crate) fn of(settings: &Settings, desk: Desk, clock: Clock) -> Option<Self> {
        let schedule = settings.jobs.trust_recompute.cron.as_deref()?.parse().ok()?;
        Some(Self { schedule, desk, clock })
    }

    /// Asks for a run at each of them until `stop`. A time at which it runs still is skipped.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub(crate) async fn keep(self, stop: CancellationToken) -> Result<(), Infallible> {
        while let Some(wait) = self.until_next() {
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(());
            }
            if let Err(refused) = self.desk.begin(TRUST, AskedBy::Schedule) {
                tracing::warn!(job = TRUST, %refused, "a run is skipped");
            }
        }
        tracing::warn!(job = TRUST, "there are no more times at which it would run");
        metrics::counter!("jobs.scheduler.stopped", "job" => TRUST).increment(1);
        stop.cancelled().await;
        Ok(())
    }

    fn until_next(&self) -> Option<Duration> {
        let now = self.clock.now();
        let next = self.schedule.next_after(now)?;
        Some(Duration::from_millis(u64::try_from(next.millis() - now.millis()).unwrap_or(0)))
    }
}
