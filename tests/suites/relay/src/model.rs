//! The obvious model: a list of what is stored, a list of every deletion that was accepted, and rules that
//! look at all of both. It shares nothing with [`nexus_relay::decide`].

use nexus_model::Seq;
use nexus_nostr::{Event, EventId, Filter, Kind, KindClass, nip::nip59};
use nexus_relay::ports::{Outcome, PreparedEvent, Scope};
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct Model {
    stored: Vec<PreparedEvent>,
    /// Deletions and requests to vanish, which have an effect even after they are gone.
    requests: Vec<Event>,
    /// Deletions of events that were someone else's when they were named: those have no effect later.
    void: BTreeSet<(EventId, EventId)>,
}

impl Model {
    pub(super) fn store(&mut self, prepared: &PreparedEvent) -> Outcome {
        let event = prepared.event();
        if prepared.expires_at().is_some_and(|end| end <= prepared.received_at()) {
            return Outcome::Expired;
        }
        if self.stored.iter().any(|known| known.event().id == event.id) {
            return Outcome::Duplicate;
        }
        if self.requests.iter().any(|request| vanishes(request, event)) {
            return Outcome::Vanished;
        }
        if self.requests.iter().any(|request| self.deletes(request, event)) {
            return Outcome::Deleted;
        }
        let newer = |known: &Event| {
            known.created_at > event.created_at || known.created_at == event.created_at && known.id < event.id
        };
        if self.stored.iter().any(|known| same_place(known.event(), event) && newer(known.event())) {
            return Outcome::Superseded;
        }
        self.stored.retain(|known| !same_place(known.event(), event));
        if matches!(event.kind, Kind::DELETION | Kind::VANISH) {
            self.obey(event);
        }
        self.stored.push(prepared.clone());
        Outcome::Stored(Seq::START)
    }

    fn obey(&mut self, request: &Event) {
        let named = |known: &Event| request.tags.values("e").any(|id| id == known.id.to_string());
        let foreign = self.stored.iter().filter(|known| named(known.event()) && !owns(request, known.event()));
        let void: Vec<_> = foreign.map(|known| (request.id, known.event().id)).collect();
        self.void.extend(void);
        self.requests.push(request.clone());
        let gone: BTreeSet<EventId> = self
            .stored
            .iter()
            .map(PreparedEvent::event)
            .filter(|known| vanishes(request, known) || self.deletes(request, known))
            .map(|known| known.id)
            .collect();
        self.stored.retain(|known| !gone.contains(&known.event().id));
    }

    fn deletes(&self, request: &Event, event: &Event) -> bool {
        if request.kind != Kind::DELETION || matches!(event.kind, Kind::DELETION | Kind::VANISH) {
            return false;
        }
        let by_id = request.tags.values("e").any(|id| id == event.id.to_string())
            && owns(request, event)
            && !self.void.contains(&(request.id, event.id));
        let address = match event.kind.class() {
            KindClass::Replaceable => Some(String::new()),
            KindClass::Addressable => Some(event.d().to_owned()),
            KindClass::Regular | KindClass::Ephemeral => None,
        };
        let by_address = address.is_some_and(|d| {
            let same = |text: &str| {
                let mut parts = text.splitn(3, ':');
                let kind = parts.next() == Some(event.kind.to_string().as_str());
                let author = parts.next() == Some(event.pubkey.to_string().as_str());
                let rest = parts.next().unwrap_or_default();
                kind && author && (event.kind.class() == KindClass::Replaceable || rest == d)
            };
            request.pubkey == event.pubkey
                && event.created_at <= request.created_at
                && request.tags.values("a").any(same)
        });
        by_id || by_address
    }

    pub(super) fn query(&self, filters: &[Filter], scope: &Scope) -> (Vec<EventId>, bool) {
        let mut wanted = BTreeSet::new();
        let mut more = false;
        for filter in filters {
            let mut found: Vec<&Event> = self.visible(scope).filter(|event| filter.matches(event)).collect();
            found.sort_by_key(|event| order(event));
            let limit = filter.limit().unwrap_or(usize::MAX);
            more |= found.len() > limit;
            wanted.extend(found.into_iter().take(limit).map(order));
        }
        (wanted.into_iter().map(|(_, id)| id).collect(), more)
    }

    pub(super) fn count(&self, filters: &[Filter], scope: &Scope) -> u64 {
        self.visible(scope).filter(|event| filters.iter().any(|filter| filter.matches(event))).count() as u64
    }

    pub(super) fn ids(&self) -> BTreeSet<EventId> {
        self.stored.iter().map(|known| known.event().id).collect()
    }

    fn visible<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Event> {
        let alive = |known: &&PreparedEvent| known.expires_at().is_none_or(|end| end > scope.now);
        self.stored.iter().filter(alive).map(|known| &**known.event()).filter(|event| scope.allows(event))
    }
}

fn order(event: &Event) -> (std::cmp::Reverse<nexus_nostr::Seconds>, EventId) {
    (std::cmp::Reverse(event.created_at), event.id)
}

fn owns(request: &Event, event: &Event) -> bool {
    event.pubkey == request.pubkey || event.kind == Kind::GIFT_WRAP && nip59::is_recipient(event, &request.pubkey)
}

fn vanishes(request: &Event, event: &Event) -> bool {
    request.kind == Kind::VANISH
        && event.created_at <= request.created_at
        && event.id != request.id
        && owns(request, event)
}

fn same_place(one: &Event, other: &Event) -> bool {
    one.kind == other.kind
        && one.pubkey == other.pubkey
        && match one.kind.class() {
            KindClass::Replaceable => true,
            KindClass::Addressable => one.d() == other.d(),
            KindClass::Regular | KindClass::Ephemeral => false,
        }
}
