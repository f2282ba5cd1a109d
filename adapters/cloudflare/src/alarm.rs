//! When the object must wake. It has one alarm, so the next one is the earliest of what is due; timers of other
//! kinds would keep it from sleeping.

use nexus_model::Timestamp;
use std::collections::BTreeMap;

/// How long a chore waits at least after it was done, in milliseconds: one that fails at once must not spin.
const PAUSE: i64 = 1_000;

/// What is done when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chore {
    /// Remove expired events.
    Sweep,
    /// Forget removals that are older than the journal keeps them.
    DropRemovals,
    /// End sessions that didn't authenticate in time, and negotiations that are idle.
    EndIdle,
    /// Remove rows of `sub` whose connections are gone.
    DropSubscriptions,
}

/// What is due when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms(BTreeMap<Chore, Timestamp>);

impl Alarms {
    /// Plans a chore, unless it is planned for an earlier time.
    pub fn plan(&mut self, chore: Chore, at: Timestamp) {
        let planned = self.0.entry(chore).or_insert(at);
        *planned = at.min(*planned);
    }

    /// Takes out what is due at `now`, in the order of its times.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Chore> {
        let mut due: Vec<(Timestamp, Chore)> =
            self.0.iter().filter(|(_, at)| **at <= now).map(|(chore, at)| (*at, *chore)).collect();
        due.sort_unstable();
        self.0.retain(|_, at| *at > now);
        due.into_iter().map(|(_, chore)| chore).collect()
    }

    /// When the object must wake, at least a second after `now`; `None` if it may sleep until a message comes.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let soonest = Timestamp::from_millis(now.millis().saturating_add(PAUSE));
        self.0.values().min().map(|at| soonest.max(*at))
    }
}
