//! Tells customers that nobody answered their job in time, by feedback under the relay's own key, where the operator
//! wants it. (spec 4.8) Clients may take the relay for a provider, so it is off unless it is asked for.

use super::follow::{BATCH, Follower, follow};
use crate::backend::{Backend, RelayOn};
use nexus_journal::HeadWatch;
use nexus_model::{Seq, Verified};
use nexus_nostr::{Event, EventId, Kind, PublicKey, Seconds, SigningKey, Tags, nip::nip90::Status};
use nexus_relay::{
    Asker,
    market::{Job, JobState},
    ports::{Entry, RemovalReason, StorageAdapter, StorageError},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is said beside the status.
const EXPIRED: &str = "expired";

/// Whoever tells customers.
pub(crate) struct Notifier<B: Backend> {
    relay: Arc<RelayOn<B>>,
    key: SigningKey,
}

impl<B: Backend> Notifier<B> {
    /// A notifier that signs with `key`.
    pub(crate) const fn new(relay: Arc<RelayOn<B>>, key: SigningKey) -> Self {
        Self { relay, key }
    }

    /// Reads the journal from where `head` stands until `stop`.
    ///
    /// # Errors
    /// The store's, when it is damaged.
    pub(crate) async fn run(self, head: HeadWatch, stop: CancellationToken) -> Result<(), StorageError> {
        follow(self, head, stop).await
    }

    /// Tells the customer of the request `id`, if it was one, and nobody answered it.
    async fn tell(&self, id: &EventId, now: Seconds) -> Result<(), StorageError> {
        let job = self.relay.storage().job(id).await?;
        if let Some(customer) = job.and_then(|job| left_open(&job, now)) {
            self.relay.publish_own(Verified::by_operator(self.notice(id, &customer, now))).await?;
        }
        Ok(())
    }

    fn notice(&self, id: &EventId, customer: &PublicKey, now: Seconds) -> Event {
        let (id, customer) = (id.to_string(), customer.to_string());
        let tags = [vec!["status", Status::Error.as_str(), EXPIRED], vec!["e", &id], vec!["p", &customer]];
        self.key.sign(Kind::JOB_FEEDBACK, now, Tags::new(tags), "")
    }
}

impl<B: Backend> Follower for Notifier<B> {
    async fn read(&mut self, after: Seq) -> Result<Seq, StorageError> {
        let entries = self.relay.storage().events_after(after, BATCH).await?;
        let now = self.relay.scope_of(&Asker::default()).now;
        for entry in &entries {
            if let Entry::Removed { id, reason: RemovalReason::Expired, .. } = entry {
                self.tell(id, now).await?;
            }
        }
        Ok(entries.last().map_or_else(|| after.max(self.relay.delivered()), Entry::seq))
    }
}

/// The customer of a job that has run out while nobody was at it.
fn left_open(job: &Job, now: Seconds) -> Option<PublicKey> {
    let request = job.request.as_ref()?;
    (job.providers.is_empty() && job.state(now) == JobState::Expired).then_some(request.customer)
}
