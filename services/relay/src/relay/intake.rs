//! Events that come from elsewhere than a client: an import, another relay. They pass the same checks, without
//! those that are for strangers: rates, work, and the window of time.

use super::{Relay, publish::verdict};
use crate::{
    market,
    ports::{
        CacheAdapter, Judge, Judgement, Outcome, PreparedEvent, RuntimeAdapter, Source, StorageAdapter, StorageError,
        WebSocketAdapter,
    },
    rules::admission::{self, Admission},
    session::Verdict,
};
use nexus_model::{Raw, Verified};
use nexus_nostr::{Event, Prefix, Reason, nip::nip70};
use std::{collections::HashSet, sync::Arc};

/// On which terms events are taken in.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// From where they come.
    pub source: &'a Source,
    /// Whether protected events are.
    pub protected: Protected,
    /// Who has the last word besides the relay's own judge.
    pub judge: Option<&'a dyn Judge>,
}

/// Whether events that only their author may publish are taken from others. (NIP-70)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// They are.
    Taken,
    /// They are not.
    Refused,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It is stored, or, if it is ephemeral, was passed on.
    New,
    /// Nothing was to be done: it is there, or something newer.
    Known,
    /// It is not wanted.
    Refused(Reason),
}

/// Events of which those that may be new were verified.
#[derive(Debug)]
pub struct Vetted {
    intakes: Vec<Intake>,
    valid: Vec<(usize, Verified<Event>)>,
}

impl Vetted {
    /// Events that the operator vouches for.
    pub fn trusted(events: Vec<Verified<Event>>) -> Self {
        Self { intakes: vec![Intake::Known; events.len()], valid: events.into_iter().enumerate().collect() }
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Takes events in, verified, and gives what became of each.
    ///
    /// # Errors
    /// The store's; then nothing of the batch is stored.
    pub async fn take_in(&self, events: Vec<Raw<Event>>, terms: Terms<'_>) -> Result<Vec<Intake>, StorageError> {
        let vetted = self.vet(events).await?;
        self.take_in_vetted(vetted, terms).await
    }

    /// Verifies those of `events` that are not stored: the first half of taking them in, which may be done while
    /// those before them are at the second.
    ///
    /// # Errors
    /// The store's.
    pub async fn vet(&self, events: Vec<Raw<Event>>) -> Result<Vetted, StorageError> {
        let mut intakes = vec![Intake::Known; events.len()];
        let (mut places, mut unknown, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (place, event) in events.into_iter().enumerate() {
            let id = event.peek().id;
            if seen.insert(id) && !self.storage.event_exists(&id).await? {
                places.push(place);
                unknown.push(event);
            }
        }
        let mut valid = Vec::new();
        for (place, verified) in places.into_iter().zip(self.runtime.verify_batch(unknown).await) {
            match verified {
                Ok(event) => valid.push((place, event)),
                Err(error) => intakes[place] = Intake::Refused((&error).into()),
            }
        }
        Ok(Vetted { intakes, valid })
    }

    /// Takes events in that were vetted, and gives what became of each.
    ///
    /// # Errors
    /// The store's; then nothing of the batch is stored.
    pub async fn take_in_vetted(&self, vetted: Vetted, terms: Terms<'_>) -> Result<Vec<Intake>, StorageError> {
        let Vetted { mut intakes, valid } = vetted;
        self.take_in_valid(valid, terms, &mut intakes).await?;
        Ok(intakes)
    }

    async fn take_in_valid(
        &self,
        events: Vec<(usize, Verified<Event>)>,
        terms: Terms<'_>,
        intakes: &mut [Intake],
    ) -> Result<(), StorageError> {
        let mut admitted = Vec::new();
        for (place, event) in events {
            match self.admit_foreign(event.get(), terms.protected).await? {
                Ok(admission) => admitted.push((place, event, admission)),
                Err(reason) => intakes[place] = Intake::Refused(reason),
            }
        }
        let own = self.judge();
        for judge in [own.as_deref(), terms.judge].into_iter().flatten() {
            admitted = self.keep_accepted(admitted, judge, terms.source, intakes).await;
        }
        self.store_foreign(admitted, intakes).await?;
        self.have_delivered().await;
        Ok(())
    }

    async fn admit_foreign(
        &self,
        event: &Event,
        protected: Protected,
    ) -> Result<Result<Admission, Reason>, StorageError> {
        if protected == Protected::Refused && nip70::is_protected(event) {
            return Ok(Err(Reason::new(Prefix::Blocked, "event marked as protected")));
        }
        let (now, settings) = (self.runtime.now().into(), self.settings());
        let admission = match admission::check_foreign(event, &settings, &self.lists(), now) {
            Ok(admission) => admission,
            Err(reason) => return Ok(Err(reason)),
        };
        let job = self.job_of(event).await?;
        let valid = market::validate(event, job.as_ref(), settings.market.validate, now);
        Ok(valid.map(|()| admission))
    }

    async fn keep_accepted(
        &self,
        admitted: Vec<(usize, Verified<Event>, Admission)>,
        judge: &dyn Judge,
        source: &Source,
        intakes: &mut [Intake],
    ) -> Vec<(usize, Verified<Event>, Admission)> {
        let events = admitted.iter().map(|(_, event, _)| event.get());
        let judgements = self.last_word(events, Some(judge), source, None).await;
        let mut accepted = Vec::with_capacity(admitted.len());
        for (one, judgement) in admitted.into_iter().zip(judgements) {
            match judgement {
                Judgement::Accept => accepted.push(one),
                Judgement::Reject(reason) => intakes[one.0] = Intake::Refused(reason),
                Judgement::Hold(reason) => {
                    intakes[one.0] = Intake::Refused(self.hold(one.1.get(), reason).await);
                }
                Judgement::Shadow => intakes[one.0] = Intake::Refused(Reason::new(Prefix::Blocked, "not wanted")),
            }
        }
        accepted
    }

    async fn store_foreign(
        &self,
        admitted: Vec<(usize, Verified<Event>, Admission)>,
        intakes: &mut [Intake],
    ) -> Result<(), StorageError> {
        let now = self.runtime.now().into();
        let (mut places, mut to_store) = (Vec::new(), Vec::new());
        for (place, event, admission) in admitted {
            match admission {
                Admission::Store(expires_at) => {
                    places.push(place);
                    to_store.push(PreparedEvent::new(event, now, expires_at));
                }
                Admission::Hold(reason) => {
                    intakes[place] = Intake::Refused(self.hold(event.get(), reason).await);
                }
                Admission::PassOn | Admission::Shadow => {
                    let event = event.into_inner();
                    let json = event.to_json().into();
                    self.fan_out(None, &event, &json).await;
                    intakes[place] = Intake::New;
                }
            }
        }
        if to_store.is_empty() {
            return Ok(());
        }
        let kept: Vec<Arc<Event>> = to_store.iter().map(|prepared| prepared.event().clone()).collect();
        let outcomes = self.storage.store_batch(to_store).await?;
        for ((place, event), outcome) in places.into_iter().zip(&kept).zip(outcomes) {
            self.note(event, outcome);
            intakes[place] = intake(outcome);
        }
        Ok(())
    }
}

fn intake(outcome: Outcome) -> Intake {
    match outcome {
        Outcome::Stored(_) => Intake::New,
        Outcome::Duplicate | Outcome::Superseded => Intake::Known,
        Outcome::Deleted | Outcome::Vanished | Outcome::Expired => match verdict(outcome) {
            Verdict::Refused(reason) => Intake::Refused(reason),
            Verdict::Accepted(_) => Intake::Known,
        },
    }
}
