//! The one writer: turns groups of inputs into commits.
//!
//! For each input of a group it decides on the state that the inputs before it left, uncommitted; then one
//! commit makes all of it durable; only then is anybody told. It holds no state between groups, so a group that
//! fails can be handed in again as it is.

use crate::{
    decide::decide,
    effects::Effects,
    input::{Input, Verdict},
    rules::Policy,
    store::{Result, Store},
};
use nexus_model::{Seq, Timestamp};
use std::sync::Arc;

/// Handles groups of inputs, one group at a time.
#[derive(Debug)]
pub struct Writer {
    policy: Arc<Policy>,
}

/// What a group has changed: durable, and not yet seen by any reader.
#[derive(Debug)]
pub struct Committed {
    /// The newest journal position.
    pub seq: Seq,
    /// What each input changed, in order. Inputs that changed nothing are left out.
    pub effects: Vec<Effects>,
}

impl Writer {
    /// A writer that follows `policy`.
    pub const fn new(policy: Arc<Policy>) -> Self {
        Self { policy }
    }

    /// Handles a group: decides and applies each input, commits, hands what has become durable to `publish`, and
    /// gives one verdict for each input. `publish` isn't called if nothing changed.
    ///
    /// # Errors
    /// If the store fails. Nothing of the group is kept then, `publish` wasn't called, and the same group may be
    /// handed in again unless the data is damaged.
    pub fn run(
        &self,
        store: &dyn Store,
        group: &[Input],
        now: Timestamp,
        publish: impl FnOnce(Committed),
    ) -> Result<Vec<Verdict>> {
        let mut transaction = store.begin()?;
        let mut verdicts = Vec::with_capacity(group.len());
        let mut effects = Vec::new();
        for input in group {
            let (decided, verdict) = decide(transaction.state(), &self.policy, input, now)?;
            if decided != Effects::default() {
                transaction.apply(&decided)?;
                effects.push(decided);
            }
            verdicts.push(verdict);
        }
        if !effects.is_empty() {
            let seq = transaction.commit()?;
            publish(Committed { seq, effects });
        }
        Ok(verdicts)
    }
}
