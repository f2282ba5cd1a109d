//! The operator's own rules about events, as expressions: the first that applies decides, and what none applies
//! to is taken.

use super::lists::Network;
use crate::ports::Judgement;
use nexus_nostr::{Event, Kind, PublicKey, Reason, Seconds, nip::nip13};
use std::{net::IpAddr, ops::RangeInclusive};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// It applies to events of which this holds.
    pub when: Condition,
    /// It doesn't apply to events of which this holds.
    pub unless: Option<Condition>,
    /// What becomes of events to which it applies.
    pub judgement: Judgement,
}

/// What may hold of an event. Of each list one value must fit; what isn't given always does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The kind is one of these.
    pub kinds: Vec<RangeInclusive<u16>>,
    /// The author is one of these.
    pub authors: Vec<PublicKey>,
    /// The sender's address is in one of these networks.
    pub networks: Vec<Network>,
    /// The sender has proved who they are, or hasn't.
    pub sender: Option<Sender>,
    /// For each of these, some tag of that name has one of the values; without values, any or none.
    pub tags: Vec<(String, Vec<String>)>,
    /// The content has one of these texts in it, whatever the case.
    pub contains: Vec<String>,
    /// Bytes of content, at least.
    pub min_len: Option<usize>,
    /// Bytes of content, at most.
    pub max_len: Option<usize>,
    /// Tags, at least.
    pub min_tags: Option<usize>,
    /// Tags, at most.
    pub max_tags: Option<usize>,
    /// Seconds that the event is old, at least.
    pub min_age: Option<i64>,
    /// Seconds that the event is old, at most.
    pub max_age: Option<i64>,
    /// Leading zero bits of the id, at most. (NIP-13)
    pub max_work: Option<u32>,
}

/// What is known of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// They proved to hold some key.
    Authenticated,
    /// They proved nothing.
    Anonymous,
}

/// An event on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The event.
    pub event: &'a Event,
    /// The keys that its sender proved to hold.
    pub keys: &'a [PublicKey],
    /// Where its sender is, if that is known.
    pub ip: Option<IpAddr>,
    /// The time.
    pub now: Seconds,
}

/// What becomes of an event by the first of `policies` that applies.
pub fn judge(policies: &[Policy], arrival: Arrival<'_>) -> Judgement {
    let first = policies.iter().find(|policy| policy.applies(arrival));
    first.map_or(Judgement::Accept, |policy| policy.judgement.clone())
}

impl Policy {
    fn applies(&self, arrival: Arrival<'_>) -> bool {
        self.when.holds(arrival) && !self.unless.as_ref().is_some_and(|unless| unless.holds(arrival))
    }

    /// A rule that refuses with `reason` what `when` holds of.
    pub const fn reject(when: Condition, reason: Reason) -> Self {
        Self { when, unless: None, judgement: Judgement::Reject(reason) }
    }
}

impl Condition {
    /// True if everything that is given holds.
    pub fn holds(&self, arrival: Arrival<'_>) -> bool {
        let event = arrival.event;
        self.holds_of_sender(arrival)
            && (self.kinds.is_empty() || has_kind(&self.kinds, event.kind))
            && (self.authors.is_empty() || self.authors.contains(&event.pubkey))
            && within(event.content.len(), self.min_len, self.max_len)
            && within(event.tags.len(), self.min_tags, self.max_tags)
            && within(age(event, arrival.now), self.min_age, self.max_age)
            && self.max_work.is_none_or(|max| nip13::difficulty(&event.id) <= max)
            && self.tags.iter().all(|(name, values)| has_tag(event, name, values))
            && self.holds_of_content(&event.content)
    }

    fn holds_of_sender(&self, arrival: Arrival<'_>) -> bool {
        let in_network = |ip| self.networks.iter().any(|network| network.contains(ip));
        let sender = if arrival.keys.is_empty() { Sender::Anonymous } else { Sender::Authenticated };
        (self.networks.is_empty() || arrival.ip.is_some_and(in_network))
            && self.sender.is_none_or(|wanted| wanted == sender)
    }

    fn holds_of_content(&self, content: &str) -> bool {
        if self.contains.is_empty() {
            return true;
        }
        let content = content.to_lowercase();
        self.contains.iter().any(|text| content.contains(&text.to_lowercase()))
    }
}

/// True if `kind` is in one of the ranges.
pub(super) fn has_kind(kinds: &[RangeInclusive<u16>], kind: Kind) -> bool {
    kinds.iter().any(|range| range.contains(&kind.get()))
}

fn has_tag(event: &Event, name: &str, values: &[String]) -> bool {
    event
        .tags
        .named(name)
        .any(|tag| values.is_empty() || tag.value().is_some_and(|value| values.iter().any(|wanted| wanted == value)))
}

fn within<T: PartialOrd>(value: T, min: Option<T>, max: Option<T>) -> bool {
    min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
}

/// Seconds since the event was written by its author's clock; negative, if that is ahead.
fn age(event: &Event, now: Seconds) -> i64 {
    now.get().saturating_sub(event.created_at.get())
}
