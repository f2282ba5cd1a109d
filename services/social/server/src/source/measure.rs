//! What ingestion tells about itself: `received`, `rejected{reason}`, `written`, `lag_seconds`. Reasons are a
//! closed set: each comes from an enum's variant.

use metrics::{counter, gauge};
use std::{sync::Arc, time::Duration};

/// Entries of logs that were read.
pub(crate) fn received(count: usize) {
    counter!("social_source_received_total").increment(count as u64);
}

/// An entry, a record, a page or a whole run was refused.
pub(crate) fn rejected(reason: &'static str) {
    counter!("social_source_rejected_total", "reason" => reason).increment(1);
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
