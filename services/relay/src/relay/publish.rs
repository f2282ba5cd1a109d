//! Publishing: what the rules let in is looked up, verified, validated and stored, several events together.

use super::{Relay, Shared, lock};
use crate::{
    market::{self, Job},
    ports::{
        CacheAdapter, Judge, Judgement, LogLevel, Outcome, PreparedEvent, RuntimeAdapter, Source, StorageAdapter,
        StorageError, Submission, WebSocketAdapter,
    },
    rules::{admission::Admission, rates::Drawer},
    session::{Publication, Verdict},
    settings::Switch,
};
use nexus_model::Verified;
use nexus_nostr::{Error, Event, EventId, Prefix, PublicKey, Reason, nip::nip59};
use std::sync::Arc;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Publishes events, answers for each, and passes on what is new.
    pub(super) async fn publish(&self, session: &Shared, publications: Vec<Publication>) {
        if publications.is_empty() {
            return;
        }
        let unknown = self.leave_out_known(session, publications).await;
        let (publications, admissions): (Vec<_>, Vec<_>) =
            unknown.into_iter().map(|publication| (publication.event, publication.admission)).unzip();
        let ids: Vec<EventId> = publications.iter().map(|event| event.peek().id).collect();
        let verified = self.runtime.verify_batch(publications.into_iter().map(|event| *event).collect()).await;
        let (mut valid, mut forged) = (Vec::new(), 0);
        for ((id, verified), admission) in ids.iter().zip(verified).zip(admissions) {
            let validated = match verified {
                Ok(event) => self.validate(session, event).await,
                Err(error) => {
                    forged += u32::from(error == Error::BadSignature);
                    Err((&error).into())
                }
            };
            match validated {
                Err(reason) => self.answer(session, id, Verdict::Refused(reason)),
                Ok(event) => valid.push((event, admission)),
            }
        }
        self.take(session, valid).await;
        self.have_delivered().await;
        let ip = lock(session).ip();
        self.note_forgeries(ip, forged);
    }

    /// Asks for the last word on events, and stores or passes on what is let in.
    async fn take(&self, session: &Shared, events: Vec<(Verified<Event>, Admission)>) {
        let now = self.runtime.now().into();
        let (source, sender) = {
            let session = lock(session);
            (Source::Client(session.ip()), session.keys().first().copied())
        };
        let submissions = events.iter().map(|(event, _)| event.get());
        let judge = self.judge();
        let judgements = self.last_word(submissions, judge.as_deref(), &source, sender).await;
        let mut to_store = Vec::new();
        for ((event, admission), judgement) in events.into_iter().zip(judgements) {
            let id = event.get().id;
            match (judgement, admission) {
                (Judgement::Reject(reason), _) => self.answer(session, &id, Verdict::Refused(reason)),
                (Judgement::Shadow, _) | (_, Admission::Shadow) => {
                    self.answer(session, &id, Verdict::Accepted(None));
                }
                (Judgement::Hold(reason), _) | (_, Admission::Hold(reason)) => {
                    let told = self.hold(event.get(), reason).await;
                    self.answer(session, &id, Verdict::Refused(told));
                }
                (_, Admission::Store(expires_at)) => to_store.push(PreparedEvent::new(event, now, expires_at)),
                (_, Admission::PassOn) => self.pass_on(session, event.into_inner()).await,
            }
        }
        self.store(session, to_store).await;
    }

    /// What `judge` says about events, or that all are taken if nobody is to be asked.
    pub(super) async fn last_word<'a>(
        &self,
        events: impl Iterator<Item = &'a Event>,
        judge: Option<&dyn Judge>,
        source: &Source,
        sender: Option<PublicKey>,
    ) -> Vec<Judgement> {
        let Some(judge) = judge else { return events.map(|_| Judgement::Accept).collect() };
        let received_at = self.runtime.now().into();
        let submission =
            |event: &Event| Submission { event: event.clone(), received_at, source: source.clone(), sender };
        judge.judge(events.map(submission).collect()).await
    }

    /// Answers for events that are stored already, before anything dear is done, and gives the others.
    async fn leave_out_known(&self, session: &Shared, publications: Vec<Publication>) -> Vec<Publication> {
        let mut unknown = Vec::with_capacity(publications.len());
        for publication in publications {
            let id = publication.event.peek().id;
            if publication.admission != Admission::PassOn && self.is_known(&id).await {
                self.answer(session, &id, verdict(Outcome::Duplicate));
            } else {
                unknown.push(publication);
            }
        }
        unknown
    }

    async fn is_known(&self, id: &EventId) -> bool {
        if self.feed.is_tidy() && matches!(self.cache.get_cached_event(id).await, Ok(Some(_))) {
            return true;
        }
        // A store that fails here will fail again when the event is to be stored, and then it is told.
        self.storage.event_exists(id).await.unwrap_or(false)
    }

    /// Checks that must not be made for an event that may be forged.
    pub(super) async fn validate(&self, session: &Shared, event: Verified<Event>) -> Result<Verified<Event>, Reason> {
        self.draw(session, event.get())?;
        let job = self.job_of(event.get()).await.map_err(|error| self.failed(&error))?;
        let now = self.runtime.now().into();
        market::validate(event.get(), job.as_ref(), self.settings().market.validate, now)?;
        Ok(event)
    }

    pub(super) async fn job_of(&self, event: &Event) -> Result<Option<Job>, StorageError> {
        match Job::concerned(event) {
            Some(id) => self.storage.job(&id).await,
            None => Ok(None),
        }
    }

    fn draw(&self, session: &Shared, event: &Event) -> Result<(), Reason> {
        let ip = lock(session).ip();
        if ip.is_none_or(|ip| self.settings().rates.spare(ip)) {
            return Ok(());
        }
        let drawers: Vec<Drawer> = if event.kind.is_gift_wrap() {
            nip59::recipients(event).map(Drawer::Recipient).collect()
        } else {
            vec![Drawer::AuthorOf(event.pubkey, event.kind), Drawer::Author(event.pubkey)]
        };
        let enough = self.with_context(|context| {
            let rates = &context.settings.rates;
            drawers.into_iter().all(|drawer| context.buckets.draw(drawer, rates, 1, context.now))
        });
        if enough { Ok(()) } else { Err(Reason::new(Prefix::RateLimited, "slow down")) }
    }

    async fn pass_on(&self, session: &Shared, event: Event) {
        let id = event.id;
        let event = Arc::new(event);
        let json: Arc<str> = event.to_json().into();
        let receivers = self.fan_out(None, &event, &json).await;
        let unheard = receivers == 0 && self.settings().write.mute == Switch::On;
        let verdict = if unheard {
            Verdict::Refused(Reason::new(Prefix::Mute, "no one is listening"))
        } else {
            Verdict::Accepted(None)
        };
        self.answer(session, &id, verdict);
    }

    async fn store(&self, session: &Shared, events: Vec<PreparedEvent>) {
        if events.is_empty() {
            return;
        }
        let kept: Vec<Arc<Event>> = events.iter().map(|prepared| prepared.event().clone()).collect();
        match self.storage.store_batch(events).await {
            Ok(outcomes) => {
                for (event, outcome) in kept.iter().zip(outcomes) {
                    self.note(event, outcome);
                    self.answer(session, &event.id, verdict(outcome));
                }
            }
            Err(error) => {
                let reason = self.failed(&error);
                kept.iter().for_each(|event| self.answer(session, &event.id, Verdict::Refused(reason.clone())));
            }
        }
    }

    /// Notes what became of an event, before its sender is told and before it is passed on.
    pub(super) fn note(&self, event: &Arc<Event>, outcome: Outcome) {
        if let Outcome::Stored(seq) = outcome {
            self.feed.stored(seq, event.kind);
            self.lane.admit(seq, event);
        }
    }

    fn answer(&self, session: &Shared, id: &EventId, verdict: Verdict) {
        let session = lock(session);
        let answer = session.published(id, verdict);
        self.send_all(session.id(), vec![answer]);
    }

    /// What a client is told when the store fails; the operator is told more.
    pub(super) fn failed(&self, error: &StorageError) -> Reason {
        self.runtime.log(LogLevel::Error, &format!("the store failed: {error}"));
        Reason::new(Prefix::Error, failure(error))
    }
}

/// What a client is told of a failure.
pub(super) const fn failure(error: &StorageError) -> &'static str {
    match error {
        StorageError::TimedOut => "query timed out",
        _ => "the store is not available",
    }
}

/// What the client is told about an outcome.
pub(super) fn verdict(outcome: Outcome) -> Verdict {
    let refused = |prefix, text| Verdict::Refused(Reason::new(prefix, text));
    match outcome {
        Outcome::Stored(_) => Verdict::Accepted(None),
        Outcome::Duplicate => Verdict::Accepted(Some(Reason::new(Prefix::Duplicate, "already have this event"))),
        Outcome::Superseded => refused(Prefix::Duplicate, "a newer version is already stored"),
        Outcome::Deleted => refused(Prefix::Blocked, "deleted by its author"),
        Outcome::Vanished => refused(Prefix::Blocked, "author requested to vanish"),
        Outcome::Expired => refused(Prefix::Invalid, "event has expired"),
    }
}
