//! Messages from the client: read, judged by the rules, and turned into actions.

use super::{Action, Context, Publication, Session, live::Subscription, send};
use crate::{
    ports::Judgement,
    rules::{
        admission,
        policies::{self, Arrival},
        rates::{Drawer, Use},
        reading::{self, Purpose},
    },
    settings::Settings,
};
use nexus_filter::Routed;
use nexus_model::{Raw, Timestamp};
use nexus_nostr::{ClientMessage, Event, Filter, Prefix, Reason, RelayMessage};
use std::sync::Arc;

const MINUTE: i64 = 60_000;

/// Messages that could not be read, in the minute that began then.
#[derive(Debug, Default)]
pub(super) struct Faults {
    since: Timestamp,
    count: u32,
}

impl Faults {
    fn count(&mut self, now: Timestamp) -> u32 {
        if now.millis() - self.since.millis() >= MINUTE {
            *self = Self { since: now, count: 0 };
        }
        self.count += 1;
        self.count
    }
}

impl Session {
    /// Takes a text message.
    pub fn receive(&mut self, text: &str, context: &mut Context<'_>) -> Vec<Action> {
        if text == "ping" {
            return vec![Action::Send("pong".to_owned())];
        }
        if text.trim().is_empty() {
            return Vec::new();
        }
        if text.len() > context.settings.limits.message_bytes {
            return self.fault(&RelayMessage::Notice(Reason::new(Prefix::Invalid, "message is too large")), context);
        }
        if !self.draw(Use::Message, context) {
            return vec![send(&RelayMessage::Notice(too_fast()))];
        }
        match ClientMessage::parse(text) {
            Ok(message) => self.handle(message, context),
            Err(unreadable) => self.fault(&unreadable.answer(), context),
        }
    }

    /// Takes a binary message, which the protocol doesn't know.
    pub fn receive_binary(&mut self, context: &mut Context<'_>) -> Vec<Action> {
        self.fault(&RelayMessage::Notice(Reason::new(Prefix::Invalid, "binary messages are not understood")), context)
    }

    fn handle(&mut self, message: ClientMessage, context: &mut Context<'_>) -> Vec<Action> {
        match message {
            ClientMessage::Auth(event) => self.authenticate(event, context.settings),
            ClientMessage::Event(event) => self.publish(event, context),
            ClientMessage::Req { sub, filters } => self.subscribe(&sub, filters, context),
            ClientMessage::Count { sub, filters } => self.count(sub, filters, context),
            ClientMessage::Close { sub } => self.unsubscribe(&sub, context.settings),
            ClientMessage::NegOpen { sub, filter, message } => self.open_negotiation(sub, *filter, message, context),
            ClientMessage::NegMsg { sub, message } => self.go_on_negotiating(&sub, &message, context.now.into()),
            ClientMessage::NegClose { sub } => self.close_negotiation(&sub),
        }
    }

    fn authenticate(&self, event: Box<Raw<Event>>, settings: &Settings) -> Vec<Action> {
        if settings.urls.is_empty() {
            let reason = Reason::new(Prefix::Error, "this relay has no address to authenticate to");
            return vec![send(&RelayMessage::Refused { id: &event.peek().id.to_string(), reason })];
        }
        vec![Action::Authenticate(event)]
    }

    fn publish(&self, event: Box<Raw<Event>>, context: &mut Context<'_>) -> Vec<Action> {
        match self.admit(event.peek(), context) {
            Ok(admission) => vec![Action::Publish(Publication { event, admission })],
            Err(reason) => vec![send(&RelayMessage::Refused { id: &event.peek().id.to_string(), reason })],
        }
    }

    /// Judges an event that the client wants published.
    pub(crate) fn admit(&self, event: &Event, context: &mut Context<'_>) -> Result<admission::Admission, Reason> {
        if self.must_authenticate(context.settings) {
            return Err(must_authenticate());
        }
        if !self.draw(Use::Event, context) {
            return Err(too_fast());
        }
        let now = context.now.into();
        let admission = admission::check(event, &self.keys, context.settings, context.lists, now)?;
        let arrival = Arrival { event, keys: &self.keys, ip: self.ip, now };
        match policies::judge(&context.settings.write.policies, arrival) {
            Judgement::Accept => Ok(admission),
            Judgement::Reject(reason) => Err(reason),
            Judgement::Shadow => Ok(admission::Admission::Shadow),
            Judgement::Hold(reason) => Ok(admission::Admission::Hold(reason)),
        }
    }

    fn subscribe(&mut self, sub: &str, filters: Vec<Filter>, context: &mut Context<'_>) -> Vec<Action> {
        let mut actions = self.drop_subscription(sub);
        let is_feed = self.is_feed_wanted(&filters, context.settings);
        let prepared = self.ask(filters, Purpose::Events, Use::Query, context);
        let prepared = prepared.and_then(|filters| self.make_room(context.settings).map(|()| filters));
        let prepared = prepared.and_then(|filters| Ok((self.file(&filters, context.settings)?, filters)));
        match prepared {
            Ok((subscription, filters)) => {
                let sub: Arc<str> = sub.into();
                self.subscriptions.insert(sub.clone(), subscription);
                self.note_feed(&sub, is_feed);
                actions.push(Action::Subscribe(sub, filters));
            }
            Err(reason) => actions.push(send(&RelayMessage::Closed { sub, reason })),
        }
        actions
    }

    fn count(&self, sub: String, filters: Vec<Filter>, context: &mut Context<'_>) -> Vec<Action> {
        match self.ask(filters, Purpose::Totals, Use::Query, context) {
            Ok(filters) => vec![Action::Count(sub, filters)],
            Err(reason) => vec![send(&RelayMessage::Closed { sub: &sub, reason })],
        }
    }

    fn unsubscribe(&mut self, sub: &str, settings: &Settings) -> Vec<Action> {
        if self.must_authenticate(settings) {
            return vec![send(&RelayMessage::Notice(must_authenticate()))];
        }
        self.drop_subscription(sub)
    }

    /// Judges filters, whatever they are for.
    pub(crate) fn ask(
        &self,
        filters: Vec<Filter>,
        purpose: Purpose,
        bucket: Use,
        context: &mut Context<'_>,
    ) -> Result<Vec<Filter>, Reason> {
        self.may_ask(bucket, context)?;
        reading::prepare(filters, purpose, &self.keys, context.settings)
    }

    /// Checks that the client may ask anything, and doesn't ask too often.
    pub(crate) fn may_ask(&self, bucket: Use, context: &mut Context<'_>) -> Result<(), Reason> {
        if self.must_authenticate(context.settings) {
            return Err(must_authenticate());
        }
        if self.draw(bucket, context) { Ok(()) } else { Err(too_fast()) }
    }

    /// Checks that one more subscription or negotiation may be open.
    pub(super) fn make_room(&self, settings: &Settings) -> Result<(), Reason> {
        let limits = &settings.limits;
        let most = if self.keys.is_empty() { limits.subscriptions } else { limits.authenticated_subscriptions };
        if self.subscriptions.len() + self.negotiations.len() < most {
            return Ok(());
        }
        Err(Reason::new(Prefix::Error, "too many subscriptions"))
    }

    /// A subscription with these filters, if there is room for all by which it is filed.
    fn file(&self, filters: &[Filter], settings: &Settings) -> Result<Subscription, Reason> {
        let values = filters.iter().map(|filter| filter.value_count().max(filter.routes().len())).sum();
        let open: usize = self.subscriptions.values().map(Subscription::values).sum();
        if open + values > settings.limits.subscription_values {
            return Err(Reason::new(Prefix::Error, "too many values in subscriptions"));
        }
        Ok(Subscription::new(values))
    }

    fn draw(&self, purpose: Use, context: &mut Context<'_>) -> bool {
        let rates = &context.settings.rates;
        let Some(ip) = self.ip.filter(|ip| !rates.spare(*ip)) else { return true };
        let factor = if self.keys.is_empty() { 1 } else { rates.authenticated_factor };
        context.buckets.draw(Drawer::address(ip, purpose), rates, factor, context.now)
    }

    fn fault(&mut self, answer: &RelayMessage<'_>, context: &Context<'_>) -> Vec<Action> {
        let mut actions = vec![send(answer)];
        if self.faults.count(context.now) > context.settings.limits.protocol_errors {
            actions.push(Action::Close(1008, "too many unreadable messages"));
        }
        actions
    }
}

fn must_authenticate() -> Reason {
    Reason::new(Prefix::AuthRequired, "authentication required")
}

fn too_fast() -> Reason {
    Reason::new(Prefix::RateLimited, "slow down")
}
