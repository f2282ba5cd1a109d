//! The retry queue (spec a.8): what waits for another record, what failed and may pass, and what is given up.
//!
//! A failure counts as a try only when its entry was due: an event that is delivered twice, or changes while it
//! waits, uses none up. An event that is handled ends the entry of its record; one that isn't ends only what its own
//! homeserver began, so that nothing a user left behind stops what comes from where they are.

use super::{Changed, Context, FREED_AT_ONCE, Outcome, done};
use crate::{
    effects::{Effects, Operation, RetryChange, RetryReason, RetryRow},
    input::Verdict,
    rules::RetryPolicy,
    store::Result,
};
use std::sync::Arc;

/// The event that is being concluded, as the queue names it.
pub(super) struct Case<'a> {
    pub(super) uri: Arc<str>,
    pub(super) operation: Operation,
    pub(super) homeserver: &'a Arc<str>,
}

impl Context<'_> {
    /// Ends an event: its entry in the queue goes, stays or is made.
    pub(super) fn conclude(self, case: Case<'_>, outcome: Outcome) -> Result<(Effects, Verdict)> {
        match outcome {
            Outcome::Changed(mut changed) => {
                if self.state.retry(&case.uri)?.is_some() {
                    changed.effects.retries.push(RetryChange::Remove(case.uri));
                }
                self.release(*changed)
            }
            Outcome::Unchanged => self.end_retry(self.state.retry(&case.uri)?, Verdict::Unchanged),
            Outcome::Refused(reason) => self.end_own_retry(&case.uri, case.homeserver, Verdict::Refused(reason.name())),
            Outcome::Waits { on, ingest } => {
                let on: Arc<str> = on.into();
                let error = format!("waits for {on}");
                let (effects, is_buried) = self.postpone(case, RetryReason::Dependency(Arc::clone(&on)), error)?;
                Ok((effects, if is_buried { Verdict::Buried } else { Verdict::Waits { on, ingest } }))
            }
        }
    }

    /// What couldn't be fetched or verified now.
    pub(super) fn transient(self, case: Case<'_>, error: &str) -> Result<(Effects, Verdict)> {
        let (effects, is_buried) = self.postpone(case, RetryReason::Transient, error.to_owned())?;
        Ok((effects, if is_buried { Verdict::Buried } else { done() }))
    }

    /// Ends the entry of a URI, if there is one that this homeserver began.
    pub(super) fn end_own_retry(
        self,
        uri: &str,
        homeserver: &Arc<str>,
        verdict: Verdict,
    ) -> Result<(Effects, Verdict)> {
        self.end_retry(self.state.retry(uri)?.filter(|entry| entry.homeserver == *homeserver), verdict)
    }

    fn end_retry(self, entry: Option<RetryRow>, verdict: Verdict) -> Result<(Effects, Verdict)> {
        let retries = entry.into_iter().map(|entry| RetryChange::Remove(entry.uri)).collect();
        Ok((Effects { retries, ..Effects::default() }, verdict))
    }

    /// Makes the entry of a URI due, if there is one.
    pub(super) fn hurry(self, uri: &str) -> Result<(Effects, Verdict)> {
        let Some(entry) = self.state.retry(uri)? else { return Ok((Effects::default(), Verdict::Unchanged)) };
        let retries = vec![RetryChange::Put(RetryRow { due: self.now, ..entry })];
        Ok((Effects { retries, ..Effects::default() }, done()))
    }

    /// Lets what waited for the arrived records come back at once.
    pub(super) fn release(self, changed: Changed) -> Result<(Effects, Verdict)> {
        let Changed { mut effects, ingest, arrived, orphans } = changed;
        let mut freed = Vec::new();
        for uri in arrived {
            let waiting = self.state.waiting_for(&uri, FREED_AT_ONCE)?;
            if !waiting.is_empty() {
                effects.retries.push(RetryChange::Release { on: uri.into(), due: self.now });
            }
            freed.extend(waiting.into_iter().map(|row| RetryRow { due: self.now, ..row }));
        }
        Ok((effects, Verdict::Done { freed, ingest, orphans }))
    }

    /// Makes or renews an entry; true if it is given up instead.
    fn postpone(self, case: Case<'_>, reason: RetryReason, error: String) -> Result<(Effects, bool)> {
        let is_same = |old: &RetryRow| old.operation == case.operation && old.homeserver == *case.homeserver;
        let old = self.state.retry(&case.uri)?.filter(is_same);
        let schedule = Schedule::of(&self.policy.retry, &reason);
        let attempts = match &old {
            Some(old) if self.now < old.due && old.reason == reason => return Ok((Effects::default(), false)),
            Some(old) if self.now < old.due => old.attempts,
            Some(old) if same_class(&old.reason, &reason) => old.attempts + 1,
            _ => 0,
        };
        let due = self.now.plus_millis(schedule.delay(attempts));
        let homeserver = Arc::clone(case.homeserver);
        let row = RetryRow { uri: case.uri, operation: case.operation, homeserver, attempts, due, reason, error };
        let is_buried = attempts >= schedule.tries;
        let change = if is_buried { RetryChange::Bury(row) } else { RetryChange::Put(row) };
        Ok((Effects { retries: vec![change], ..Effects::default() }, is_buried))
    }
}

const fn same_class(a: &RetryReason, b: &RetryReason) -> bool {
    matches!(
        (a, b),
        (RetryReason::Transient, RetryReason::Transient) | (RetryReason::Dependency(_), RetryReason::Dependency(_))
    )
}

/// The numbers for one class of failures.
struct Schedule {
    first_ms: i64,
    longest_ms: i64,
    tries: u32,
}

impl Schedule {
    const fn of(policy: &RetryPolicy, reason: &RetryReason) -> Self {
        let (first_ms, longest_ms, tries) = match reason {
            RetryReason::Transient => (policy.transient_ms, policy.transient_longest_ms, policy.transient_tries),
            RetryReason::Dependency(_) => (policy.dependency_ms, policy.dependency_longest_ms, policy.dependency_tries),
        };
        Self { first_ms, longest_ms, tries }
    }

    /// The first delay, doubled with each try.
    fn delay(&self, attempts: u32) -> i64 {
        let factor = 1_i64.checked_shl(attempts).filter(|factor| *factor > 0).unwrap_or(i64::MAX);
        self.first_ms.saturating_mul(factor).min(self.longest_ms)
    }
}
