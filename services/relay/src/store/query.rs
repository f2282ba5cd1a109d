//! Queries over the store in memory: every event is asked, in order.

use super::memory::{Kept, State};
use crate::{
    index::{Order, order, score},
    ports::{Count, Page, Scope},
};
use nexus_nostr::{Filter, Seconds, nip::nip45::HyperLogLog};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

/// What matches any of `filters`, each filter up to its own limit.
pub(super) fn page(state: &State, filters: &[Filter], scope: &Scope) -> Page {
    let mut ordered = BTreeMap::new();
    let mut more = false;
    for filter in filters {
        let limit = filter.limit().unwrap_or(usize::MAX);
        let found = matching(state, filter, scope);
        more |= found.len() > limit;
        ordered.extend(found.into_iter().take(limit).enumerate().map(|(rank, kept)| (place(filter, rank, kept), kept)));
    }
    let mut seen = HashSet::new();
    let first = ordered.into_values().filter(|kept| seen.insert(kept.stored.id));
    Page { events: first.map(|kept| kept.stored.clone()).collect(), more, ..Page::default() }
}

/// How many match any of `filters`, at most `cap`.
pub(super) fn count(
    state: &State,
    filters: &[Filter],
    cap: u64,
    mut registers: Option<HyperLogLog>,
    scope: &Scope,
) -> Count {
    let mut count = 0;
    for kept in state.by_time.values().filter(|kept| filters.iter().any(|filter| wants(filter, scope, kept))) {
        if count == cap {
            return Count { count, capped: true, registers };
        }
        count += 1;
        if let Some(registers) = &mut registers {
            registers.add(&kept.event.pubkey);
        }
    }
    Count { count, capped: false, registers }
}

/// What matches one filter: the newest first, or for a search the best first.
fn matching<'a>(state: &'a State, filter: &Filter, scope: &Scope) -> Vec<&'a Kept> {
    let mut found: Vec<&Kept> = state.by_time.values().filter(|kept| wants(filter, scope, kept)).collect();
    if let Some(query) = filter.search() {
        found.sort_by_cached_key(|kept| Reverse(score(query, &kept.event)));
    }
    found
}

fn wants(filter: &Filter, scope: &Scope, kept: &Kept) -> bool {
    scope.covers(kept.stored.seq, kept.expires_at) && filter.matches(&kept.event) && scope.allows(&kept.event)
}

/// Where an event stands in the answer: by time, and what was searched for by rank before everything else.
fn place(filter: &Filter, rank: usize, kept: &Kept) -> (usize, Reverse<Seconds>, nexus_nostr::EventId) {
    let rank = if order(filter) == Order::Score { rank } else { usize::MAX };
    (rank, Reverse(kept.stored.created_at), kept.stored.id)
}
