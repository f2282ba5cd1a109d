//! The one task that does what is asked for at the desk, one run after the other.

use super::{Desk, JobError, Requests, TRUST, TrustJob};
use crate::writer::WriterHandle;
use nexus_runtime::{CancellationToken, Clock};
use nexus_social::{
    index::Published,
    input::Input,
    trust::{self, Outcome},
};
use std::{convert::Infallible, sync::Arc};

/// What runs are done with. It keeps the writer alive until it has stopped.
pub struct Worker {
    /// Where runs are asked for.
    pub desk: Desk,
    /// What was asked for.
    pub requests: Requests,
    /// How the work is done.
    pub job: Arc<TrustJob>,
    /// What is served.
    pub index: Arc<Published>,
    /// Who stores what a run finds out.
    pub writer: WriterHandle,
    /// Tells the time.
    pub clock: Clock,
}

impl Worker {
    /// Works until `stop`, which breaks a run off.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        while let Some(Some(())) = stop.run_until_cancelled(self.requests.0.recv()).await {
            let outcome = stop.run_until_cancelled(self.once(&stop)).await;
            match outcome.unwrap_or(Err(JobError::Trust(trust::Error::Stopped))) {
                Ok(outcome) => {
                    tracing::info!(
                        job = TRUST,
                        users = outcome.scores.len(),
                        rounds = outcome.rounds,
                        "the job is done"
                    );
                    self.desk.end(Ok(&outcome));
                }
                Err(failure) => {
                    tracing::error!(job = TRUST, %failure, "the job failed");
                    self.desk.end(Err(failure.to_string()));
                }
            }
        }
        Ok(())
    }

    /// One run. The work is done on a thread that may block.
    async fn once(&self, stop: &CancellationToken) -> Result<Outcome, JobError> {
        let (job, index) = (Arc::clone(&self.job), Arc::clone(&self.index));
        let (clock, stop) = (self.clock.clone(), stop.clone());
        let work = move || job.compute(&index, &clock, || !stop.is_cancelled());
        let outcome = tokio::task::spawn_blocking(work).await??;
        self.writer.ask(Input::Trust(Arc::clone(&outcome.scores))).await?;
        Ok(outcome)
    }
}
