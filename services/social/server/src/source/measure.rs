//! What ingestion tells about itself: `received`, `rejected{reason}`, `written`, `lag_seconds`. Reasons are a
//! closed set: each comes from an enum's variant.
//!
//! Beside them, what Pubky Nexus counts under its names (spec e.7), for dashboards that were made for it. They are
//! told as soon as there is something to count, as zero.

use metrics::{counter, gauge};
use std::{sync::Arc, time::Duration};

/// Registers what Pubky Nexus counts, so that nothing that happened is told as 0 and not left out.
pub(crate) fn begin() {
    counter!("watcher.fetch.rejected", "reason" => "too_large").absolute(0);
    counter!("watcher.primary_hs.cursor.invalid").absolute(0);
    counter!("watcher.primary_hs.cursor.stalled").absolute(0);
    counter!("nexus.task.hs-resolver.total").absolute(0);
    counter!("nexus.task.hs-resolver.failed").absolute(0);
}

/// Entries of logs that were read.
pub(crate) fn received(count: usize) {
    counter!("social_source_received_total").increment(count as u64);
}

/// A source refused an entry, a record, a page or a whole run.
pub(crate) fn rejected(reason: &'static str) {
    refused(reason);
    counter!("watcher.fetch.rejected", "reason" => reason).increment(1);
    match reason {
        "cursor_invalid" => counter!("watcher.primary_hs.cursor.invalid").increment(1),
        "cursor_stalled" => counter!("watcher.primary_hs.cursor.stalled").increment(1),
        _ => {}
    }
}

/// The writer refused an event: by a rule of the operator, or since it makes no sense.
pub(crate) fn refused(reason: &'static str) {
    counter!("social_source_rejected_total", "reason" => reason).increment(1);
}

/// An external homeserver is followed.
pub(crate) fn followed(homeserver: &str) {
    counter!("watcher.external_hs.cursor.out_of_order", "hs_id" => homeserver.to_owned()).absolute(0);
}

/// The log of a user at an external homeserver went backwards.
pub(crate) fn out_of_order(homeserver: &str) {
    counter!("watcher.external_hs.cursor.out_of_order", "hs_id" => homeserver.to_owned()).increment(1);
}

/// Inputs that are durable and indexed.
pub(crate) fn written(count: usize) {
    counter!("social_source_written_total").increment(count as u64);
}

/// How long ago a configured source was last read to its head.
pub(crate) fn lag(homeserver: &Arc<str>, lag: Duration) {
    gauge!("social_source_lag_seconds", "homeserver" => homeserver.to_string()).set(lag.as_secs_f64());
}

/// A user's homeserver was looked up, and how that went.
pub(crate) fn resolved(outcome: &'static str) {
    counter!("social_source_resolved_total", "outcome" => outcome).increment(1);
}

/// A round of the resolver ended; `failures` users could not be looked up.
pub(crate) fn resolver_round(failures: usize) {
    counter!("nexus.task.hs-resolver.total").increment(1);
    if failures > 0 {
        counter!("nexus.task.hs-resolver.failed").increment(1);
    }
}
