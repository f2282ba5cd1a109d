//! Negentropy sessions over a set of events that is fixed when they begin. (NIP-77)

use super::{Action, Context, Session, send};
use crate::{
    rules::{rates::Use, reading::Purpose},
    settings::Settings,
};
use nexus_nostr::{EventId, Filter, Prefix, Reason, RelayMessage, Seconds, nip::nip77::Reconciliation};

/// A session, and when the client last moved.
#[derive(Debug)]
pub(super) struct Negotiation {
    reconciliation: Reconciliation,
    /// How many events it covers: all of them are held while it lasts.
    covered: usize,
    moved_at: Seconds,
}

impl Session {
    pub(super) fn open_negotiation(
        &mut self,
        sub: String,
        filter: Filter,
        message: Vec<u8>,
        context: &mut Context<'_>,
    ) -> Vec<Action> {
        self.negotiations.remove(&sub);
        let prepared = self.ask(vec![filter], Purpose::Totals, Use::Negentropy, context);
        let prepared = prepared.and_then(|filters| self.make_room(context.settings).map(|()| filters));
        match prepared.map(|mut filters| filters.pop()) {
            Ok(Some(filter)) => vec![Action::Negotiate(sub, Box::new(filter), message)],
            Ok(None) => Vec::new(),
            Err(reason) => vec![refuse(&sub, reason)],
        }
    }

    /// The events that a negotiation is about, one more than it may cover if there are so many. What a client's
    /// open negotiations cover counts together.
    pub fn negotiate(
        &mut self,
        sub: String,
        ids: Vec<(Seconds, EventId)>,
        message: &[u8],
        settings: &Settings,
        now: Seconds,
    ) -> Vec<Action> {
        let limit = settings.limits.negentropy;
        let (covered, open) = (ids.len(), self.negotiations.values().map(|open| open.covered).sum::<usize>());
        if covered + open > limit {
            let reason = Reason::new(Prefix::Blocked, "this query is too big");
            return vec![send(&RelayMessage::NegErr { sub: &sub, reason, limit: Some(limit) })];
        }
        match Reconciliation::new(ids, settings.limits.negentropy_frame) {
            Ok(reconciliation) => {
                self.negotiations.insert(sub.clone(), Negotiation { reconciliation, covered, moved_at: now });
                self.go_on_negotiating(&sub, message, now)
            }
            Err(error) => vec![refuse(&sub, (&error).into())],
        }
    }

    /// A negotiation whose events could not be found.
    pub fn not_negotiated(&self, sub: &str, reason: Reason) -> Action {
        refuse(sub, reason)
    }

    pub(super) fn go_on_negotiating(&mut self, sub: &str, message: &[u8], now: Seconds) -> Vec<Action> {
        let Some(negotiation) = self.negotiations.get_mut(sub) else {
            return vec![refuse(sub, Reason::new(Prefix::Closed, "no such session"))];
        };
        negotiation.moved_at = now;
        match negotiation.reconciliation.answer(message) {
            Ok(message) => vec![send(&RelayMessage::NegMsg { sub, message: &message })],
            Err(error) => {
                self.negotiations.remove(sub);
                vec![refuse(sub, (&error).into())]
            }
        }
    }

    pub(super) fn close_negotiation(&mut self, sub: &str) -> Vec<Action> {
        self.negotiations.remove(sub);
        Vec::new()
    }

    pub(super) fn end_idle_negotiations(&mut self, settings: &Settings, now: Seconds) -> Vec<Action> {
        let patience = settings.limits.negentropy_idle;
        let is_idle = |negotiation: &Negotiation| negotiation.moved_at.plus(patience) <= now;
        let ended = self.negotiations.extract_if(|_, negotiation| is_idle(negotiation));
        ended.map(|(sub, _)| refuse(&sub, Reason::new(Prefix::Closed, "idle"))).collect()
    }
}

fn refuse(sub: &str, reason: Reason) -> Action {
    send(&RelayMessage::NegErr { sub, reason, limit: None })
}
