//! Subscriptions: first what is stored, then what happens, without a gap and without a repeat.
//!
//! A subscription is filed before the store is asked how far it has come. Until the stored events were sent,
//! live events wait here; then those follow that came after the store's position.

use super::{Action, Session, send};
use crate::{
    ports::Count,
    settings::{Limits, Settings, Switch},
};
use nexus_model::{Seq, Timestamp};
use nexus_nostr::{CountAnswer, EoseHint, Event, Prefix, Reason, RelayMessage};
use std::sync::Arc;

/// A subscription, and by how many values it is filed.
#[derive(Debug)]
pub(super) struct Subscription {
    phase: Phase,
    values: usize,
}

/// How far a subscription is answered.
#[derive(Debug)]
enum Phase {
    /// Its stored events are being looked for; what happens meanwhile waits.
    Storing(Waiting),
    /// It gets what happens after this position.
    Live(Seq),
}

impl Subscription {
    /// A subscription whose stored events are still to be found.
    pub(super) fn new(values: usize) -> Self {
        Self { phase: Phase::Storing(Waiting::default()), values }
    }

    pub(super) const fn values(&self) -> usize {
        self.values
    }
}

/// Events that wait until the stored ones were sent.
#[derive(Debug, Default)]
struct Waiting {
    /// The stored ones are all up to this position, as far as that is known yet.
    upto: Seq,
    /// Ephemeral events have no position.
    events: Vec<(Option<Seq>, Arc<str>)>,
    bytes: usize,
}

impl Waiting {
    /// Keeps an event, unless it is among the stored ones, and gives false if there is no room.
    fn push(&mut self, seq: Option<Seq>, json: &Arc<str>, limits: &Limits) -> bool {
        if !is_after(seq, self.upto) {
            return true;
        }
        let fits = self.events.len() < limits.live_buffer && self.bytes + json.len() <= limits.outbound_bytes;
        if fits {
            self.events.push((seq, json.clone()));
            self.bytes += json.len();
        }
        fits
    }

    /// The stored ones are all up to `upto`.
    fn cut(&mut self, upto: Seq) {
        self.upto = upto;
        self.events.retain(|(seq, _)| is_after(*seq, upto));
        self.bytes = self.events.iter().map(|(_, json)| json.len()).sum();
    }
}

/// True if an event is none of those up to a position.
fn is_after(seq: Option<Seq>, upto: Seq) -> bool {
    seq.is_none_or(|seq| seq > upto)
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// Where it stands in the journal; an ephemeral event has no position.
    pub seq: Option<Seq>,
    /// The event.
    pub event: &'a Event,
    /// Its text.
    pub json: &'a Arc<str>,
}

/// Whether a client takes what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It does.
    Steady,
    /// More waits for it than may.
    Slow,
}

impl Session {
    /// The store is asked for events up to position `upto`: what comes of them meanwhile needn't wait.
    pub fn asks_up_to(&mut self, sub: &str, upto: Seq) {
        if let Some(Phase::Storing(waiting)) = self.subscriptions.get_mut(sub).map(|found| &mut found.phase) {
            waiting.cut(upto);
        }
    }

    /// A stored event that a subscription asked for; `None` if it has ended meanwhile.
    pub fn stored_event(&self, sub: &str, json: &str) -> Option<Action> {
        self.subscriptions.contains_key(sub).then(|| send(&RelayMessage::Event { sub, json }))
    }

    /// All events were sent that are stored up to position `upto`; `hint` says whether there are more.
    pub fn stored(&mut self, sub: &str, upto: Seq, hint: EoseHint, settings: &Settings) -> Vec<Action> {
        let Some(subscription) = self.subscriptions.get_mut(sub) else {
            return Vec::new();
        };
        let waiting = match std::mem::replace(&mut subscription.phase, Phase::Live(upto)) {
            Phase::Storing(waiting) => waiting.events,
            Phase::Live(_) => Vec::new(),
        };
        let hint = (settings.read.eose_hint == Switch::On).then_some(hint);
        let end = send(&RelayMessage::Eose { sub, hint });
        let after = waiting.iter().filter(|(seq, _)| is_after(*seq, upto));
        let after = after.map(|(_, json)| send(&RelayMessage::Event { sub, json }));
        std::iter::once(end).chain(after).collect()
    }

    /// An event that the subscription's filters want. A slow client's subscription ends rather than that events are
    /// left out; while stored ones are sent, which fill its queue, the event waits here in any case.
    pub fn live(&mut self, sub: &str, news: News<'_>, pace: Pace, settings: &Settings, now: Timestamp) -> Vec<Action> {
        let News { seq, event, json } = news;
        if !self.scope_in(sub, settings, now).allows(event) {
            return Vec::new();
        }
        match self.subscriptions.get_mut(sub).map(|subscription| &mut subscription.phase) {
            Some(Phase::Live(since)) if is_after(seq, *since) => match pace {
                Pace::Steady => vec![send(&RelayMessage::Event { sub, json })],
                Pace::Slow => self.end_subscription(sub, "slow consumer"),
            },
            Some(Phase::Storing(waiting)) => {
                if waiting.push(seq, json, &settings.limits) {
                    return Vec::new();
                }
                self.end_subscription(sub, "too much happened while stored events were sent")
            }
            _ => Vec::new(),
        }
    }

    /// Ends a subscription at the relay's wish.
    pub fn end_subscription(&mut self, sub: &str, why: &'static str) -> Vec<Action> {
        let mut actions = self.drop_subscription(sub);
        if !actions.is_empty() {
            actions.push(send(&RelayMessage::Closed { sub, reason: Reason::new(Prefix::Error, why) }));
        }
        actions
    }

    /// Ends all subscriptions at the relay's wish.
    pub fn end_all(&mut self, why: &'static str) -> Vec<Action> {
        let mut subs: Vec<Arc<str>> = self.subscriptions.keys().cloned().collect();
        subs.sort_unstable();
        subs.iter().flat_map(|sub| self.end_subscription(sub, why)).collect()
    }

    /// The answer to a count.
    pub fn counted(&self, sub: &str, count: &Count) -> Action {
        let registers = count.registers.as_ref().map(nexus_nostr::nip::nip45::HyperLogLog::registers);
        let answer = CountAnswer { count: count.count, approximate: count.capped, registers };
        send(&RelayMessage::Count { sub, answer })
    }

    /// A count that failed.
    pub fn not_counted(&self, sub: &str, reason: Reason) -> Action {
        send(&RelayMessage::Closed { sub, reason })
    }

    /// Takes a subscription out, if it is there.
    pub(super) fn drop_subscription(&mut self, sub: &str) -> Vec<Action> {
        self.feeds.remove(sub);
        let known = self.subscriptions.remove_entry(sub);
        known.map(|(sub, _)| Action::Unsubscribe(sub)).into_iter().collect()
    }
}
