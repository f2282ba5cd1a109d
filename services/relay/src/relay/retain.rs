//! Retention by number and size. One pass after another looks at the events of each rule that bounds them, the newest
//! first, some at each tick, and removes what is beyond it. So it costs the same whatever is stored, and more than is
//! to be kept is there until the pass has come to it.

use super::Relay;
use crate::{
    ports::{CacheAdapter, RuntimeAdapter, Scope, StorageAdapter, StorageError, StoredEvent, WebSocketAdapter},
    rules::retention::Kept,
    settings::{Retention, Settings},
};
use nexus_nostr::{EventId, Filter, Kind, Seconds};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

/// How many events are looked at in one tick.
const PAGE: usize = 1_000;
/// Seconds between two passes.
const PAUSE: i64 = 60;
/// A rule for more kinds than these looks at events of any kind.
const KINDS: usize = 1_000;

/// The pass that is under way.
#[derive(Debug, Default)]
pub(super) struct Retain(Mutex<Pass>);

#[derive(Debug, Default)]
struct Pass {
    /// Whose rules they are; other settings begin anew.
    settings: Option<Arc<Settings>>,
    /// Which rule.
    rule: usize,
    walk: Walk,
    /// When the next one begins, if this one is over.
    next: Option<Seconds>,
}

/// How far one rule's events were looked at.
#[derive(Debug, Default)]
struct Walk {
    kept: Kept,
    until: Option<Seconds>,
    /// The events of that second that were looked at.
    seen: HashSet<EventId>,
}

impl Retain {
    fn take(&self) -> Pass {
        std::mem::take(&mut self.0.lock().expect("no holder of this lock panics"))
    }

    fn set(&self, pass: Pass) {
        *self.0.lock().expect("no holder of this lock panics") = pass;
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Looks at some events, and removes those of them that are too many.
    pub(super) async fn retain(&self, now: Seconds) -> Result<(), StorageError> {
        let settings = self.settings();
        let mut pass = self.retain.take();
        if pass.settings.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &settings)) {
            pass = Pass { settings: Some(settings.clone()), ..Pass::default() };
        }
        if pass.next.is_none_or(|next| next <= now) {
            pass.next = None;
            let counted = |(_, rule): &(usize, &Retention)| rule.is_counted();
            match settings.retention.iter().enumerate().skip(pass.rule).find(counted) {
                Some((rule, _)) if self.walk_on(&settings.retention, rule, &mut pass.walk).await? => pass.rule = rule,
                Some((rule, _)) => (pass.rule, pass.walk) = (rule + 1, Walk::default()),
                None => (pass.rule, pass.next) = (0, Some(now.plus(PAUSE))),
            }
        }
        self.retain.set(pass);
        Ok(())
    }

    /// Looks at the next events of a rule. False if there are no more.
    async fn walk_on(&self, rules: &[Retention], at: usize, walk: &mut Walk) -> Result<bool, StorageError> {
        let mut filter = Filter::new().with_limit(PAGE + walk.seen.len());
        if let Some(until) = walk.until {
            filter = filter.with_until(until);
        }
        if let Some(kinds) = few_kinds(&rules[at]) {
            filter = filter.with_kinds(kinds);
        }
        let page = self.storage.query(&[filter], &Scope::operator()).await?;
        let mut beyond = Vec::new();
        for stored in &page.events {
            if walk.is_next(stored) && !self.is_kept(rules, at, &mut walk.kept, stored)? {
                beyond.push(stored.id);
            }
        }
        if !beyond.is_empty() {
            self.storage.delete_by_filter(&Filter::new().with_ids(beyond)).await?;
        }
        Ok(page.more)
    }

    fn is_kept(
        &self,
        rules: &[Retention],
        at: usize,
        kept: &mut Kept,
        stored: &StoredEvent,
    ) -> Result<bool, StorageError> {
        let (rule, event) = (&rules[at], stored.event()?);
        let is_concerned = Retention::of(rules, event.kind).is_some_and(|first| std::ptr::eq(first, rule))
            && !rule.exempts(&event.pubkey, &self.lists());
        Ok(!is_concerned || kept.keeps(rule, &event.pubkey, stored.json.len() as u64))
    }
}

impl Walk {
    /// Notes that an event is looked at. False if it was before.
    fn is_next(&mut self, stored: &StoredEvent) -> bool {
        if self.until != Some(stored.created_at) {
            self.until = Some(stored.created_at);
            self.seen.clear();
        }
        self.seen.insert(stored.id)
    }
}

/// The kinds of a rule, if they are few.
fn few_kinds(rule: &Retention) -> Option<Vec<Kind>> {
    let count: usize = rule.kinds.iter().map(ExactSizeIterator::len).sum();
    (count <= KINDS).then(|| rule.kinds.iter().cloned().flatten().map(Kind::new).collect())
}
