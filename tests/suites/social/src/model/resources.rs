//! Streams of tagged resources.

use super::{Model, paged};
use nexus_pubky::{PubkyId, ResourceId};
use nexus_social::{
    query::{Order, ResourceQuery, ResourceSorting},
    row::{Tag, Target},
};
use std::{cmp::Ordering, collections::BTreeSet};

impl Model {
    /// The score of a resource among the tags that the query asks for, if it has any of them.
    fn resource_score(&self, id: &ResourceId, query: &ResourceQuery) -> Option<i64> {
        let asked = |tag: &&Tag| {
            let app = query.app.is_none() || tag.app == query.app;
            tag.target == Target::Resource(*id) && app && (query.tags.is_empty() || query.tags.contains(&tag.label))
        };
        let latest = self.tags().filter(asked).map(|tag| tag.time.millis()).max()?;
        let taggers: BTreeSet<PubkyId> = self.tags().filter(asked).map(|tag| tag.tagger).collect();
        Some(match query.sorting {
            ResourceSorting::Timeline => latest,
            ResourceSorting::TaggersCount => i64::try_from(taggers.len()).unwrap_or(i64::MAX),
        })
    }

    pub(super) fn resource_stream(&self, query: &ResourceQuery) -> Vec<(ResourceId, i64)> {
        let scored = self.resources.keys().filter_map(|id| Some((self.resource_score(id, query)?, *id)));
        let mut list: Vec<_> = scored.filter(|(score, _)| query.range.contains(*score)).collect();
        list.sort();
        if query.order == Order::Descending {
            list.reverse();
        }
        let wanted = if query.order == Order::Descending { Ordering::Less } else { Ordering::Greater };
        let after = |(score, id): &(i64, ResourceId)| {
            query.after.as_ref().is_none_or(|place| (*score, id.as_str()).cmp(&(place.score, &place.member)) == wanted)
        };
        paged(list.into_iter().filter(after).map(|(score, id)| (id, score)), query.page)
    }
}
