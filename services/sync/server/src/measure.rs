//! What delivery tells about itself, under the names that operators of the original know and, where it has none,
//! under ours.

use crate::consumers::Consumers;
use crate::outbox;
use metrics::{counter, gauge};
use nexus_delivery::channel::{Handle, Stats};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::store::{Counts, Store};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// Looks at the channels and the store, now and then.
pub(crate) struct Meter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) channel: Handle<Arc<str>>,
    pub(crate) consumers: Consumers,
    pub(crate) clock: Clock,
}

impl Meter {
    /// Looks every few seconds until `stop`.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        loop {
            self.look().await;
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn look(&self) {
        if let Some(stats) = self.channel.stats().await {
            delivery(&stats);
            let (store, now) = (Arc::clone(&self.store), self.clock.now());
            let age = tokio::task::spawn_blocking(move || outbox::oldest_age(&*store, stats.floor, now)).await;
            if let Ok(Ok(age)) = age {
                gauge!("sync_outbox_oldest_seconds").set(age.unwrap_or_default().as_secs_f64());
            }
        }
        let store = Arc::clone(&self.store);
        if let Ok(Ok(counts)) = tokio::task::spawn_blocking(move || store.counts()).await {
            stored(&counts);
        }
        // Their number is bounded by the settings, so that they may be labels.
        for standing in self.consumers.list().await.unwrap_or_default() {
            let name = standing.name.as_str().to_owned();
            gauge!("sync_consumer_lag", "consumer" => name.clone()).set(float(standing.lag));
            gauge!("sync_consumer_connections", "consumer" => name).set(float(standing.connections as u64));
        }
    }
}

fn delivery(stats: &Stats) {
    gauge!("tap_event_cache_size").set(float(stats.events as u64));
    counter!("tap_events_delivered_total").absolute(stats.sent);
    counter!("tap_events_acked_total").absolute(stats.settled);
    counter!("sync_redeliveries_total").absolute(stats.returned);
    gauge!("sync_outbox_bytes").set(float(stats.bytes as u64));
    gauge!("sync_outbox_unsettled").set(float(stats.unsettled));
    gauge!("sync_outbox_under_way").set(float(stats.under_way as u64));
    gauge!("sync_outbox_connections").set(float(stats.connections as u64));
}

fn stored(counts: &Counts) {
    gauge!("sync_repos").set(float(counts.repos));
    gauge!("sync_records").set(float(counts.records));
    gauge!("sync_journal_events").set(float(counts.events));
    gauge!("sync_journal_bytes").set(float(counts.event_bytes));
    gauge!("sync_resync_buffer").set(float(counts.buffered));
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
const fn float(number: u64) -> f64 {
    number as f64
}
