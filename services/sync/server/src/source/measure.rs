//! What the sources tell about themselves, under the names that operators of the original know and, where it has
//! none, under ours. Labels are closed sets: each comes from an enum's variant.

use metrics::{Counter, counter, gauge, histogram};
use nexus_sync::decide::Outcome;
use std::collections::HashMap;
use std::time::Duration;

/// Counts the messages of a relay that arrive: so many that the counters are looked up once.
pub(super) struct Received {
    all: Counter,
    of_relay: Counter,
}

impl Received {
    /// The counters of a relay.
    pub(super) fn of(relay: &str) -> Self {
        let all = counter!("tap_firehose_events_received_total");
        let of_relay = counter!("sync_source_received_total", "relay" => relay.to_owned());
        Self { all, of_relay }
    }

    /// One more has arrived.
    pub(super) fn count(&self) {
        self.all.increment(1);
        self.of_relay.increment(1);
    }
}

/// Messages that were handled, and the position up to which all are durable.
pub(super) fn handled(relay: &str, count: usize, position: i64) {
    counter!("tap_firehose_events_processed_total").increment(count as u64);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions stay far below 2^53")]
    let position = position as f64;
    gauge!("tap_firehose_last_seq").set(position);
    gauge!("sync_firehose_position", "relay" => relay.to_owned()).set(position);
}

/// How long ago the commit was made that was handled last.
pub(super) fn lag(relay: &str, millis: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    gauge!("sync_source_lag_seconds", "relay" => relay.to_owned()).set(millis.max(0) as f64 / 1_000.0);
}

/// A message was dropped: of another's repo, or refused.
pub(super) fn rejected(reason: &'static str) {
    counter!("tap_firehose_events_skipped_total").increment(1);
    counter!("sync_source_rejected_total", "reason" => reason).increment(1);
}

/// What the writer decided.
pub(super) fn decided(outcomes: impl Iterator<Item = Outcome>) {
    let mut counts: HashMap<Outcome, u64> = HashMap::new();
    outcomes.for_each(|outcome| *counts.entry(outcome).or_default() += 1);
    for (outcome, count) in counts {
        counter!("sync_source_decided_total", "outcome" => outcome.as_str()).increment(count);
    }
}

/// A word of a relay about its stream, or the end of a connection.
pub(super) fn stream(relay: &str, what: &'static str) {
    counter!("sync_firehose_notices_total", "relay" => relay.to_owned(), "what" => what).increment(1);
}

/// An identity was looked up.
pub(super) fn looked_up(what: &'static str, outcome: &'static str) {
    counter!("sync_identity_lookups_total", "what" => what, "outcome" => outcome).increment(1);
}

/// A fetch begins.
pub(super) fn resync_started() {
    counter!("tap_resyncs_started_total").increment(1);
}

/// A fetch is over, and how.
pub(super) fn resync_ended(outcome: &'static str, took: Duration) {
    match outcome {
        "done" => counter!("tap_resyncs_completed_total").increment(1),
        _ => counter!("tap_resyncs_failed_total").increment(1),
    }
    counter!("sync_resyncs_total", "outcome" => outcome).increment(1);
    histogram!("tap_resync_duration_seconds").record(took.as_secs_f64());
}

/// Repos on a page of a list that were not known.
pub(super) fn discovered(count: usize) {
    counter!("tap_crawler_repos_discovered_total").increment(count as u64);
}
