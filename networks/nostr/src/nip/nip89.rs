//! Handlers: what a kind 31990 event offers, and what a kind 31989 event recommends.

use super::nip09::Address;
use crate::{Event, Kind};

/// The kinds that a handler supports, by its `k` tags. What is no kind is left out.
pub fn supported_kinds(handler: &Event) -> impl Iterator<Item = Kind> + '_ {
    handler.tags.values("k").filter_map(|value| value.parse().ok()).map(Kind::new)
}

/// The kind that a recommendation is about, by its `d` tag.
pub fn recommended_kind(recommendation: &Event) -> Option<Kind> {
    recommendation.d().parse().ok().map(Kind::new)
}

/// The handlers that are recommended.
pub fn recommended(recommendation: &Event) -> impl Iterator<Item = Address> + '_ {
    let addresses = recommendation.tags.values("a").filter_map(Address::parse);
    addresses.filter(|address| address.kind == Kind::HANDLER)
}
