//! What a subscription asks for. (NIP-01, with `search` of NIP-50 and `intent` of the first Nexus relay)

use crate::{Event, EventId, Kind, PublicKey, Seconds, nip::nip50};
use nexus_filter::{Route, Routed};

mod read;
mod write;

/// Up to how many author and kind pairs a filter is filed under both.
const MAX_PAIRS: usize = 1000;

/// A filter: all its members must hold, and of each list one value. An empty list matches nothing.
///
/// Lists are sorted and free of repeats, whatever the text said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    ids: Option<Vec<EventId>>,
    authors: Option<Vec<PublicKey>>,
    kinds: Option<Vec<Kind>>,
    tags: Vec<TagCondition>,
    since: Option<Seconds>,
    until: Option<Seconds>,
    limit: Option<usize>,
    search: Option<nip50::Query>,
    intent: Option<String>,
}

/// The name of a tag that filters can ask for: one letter, upper or lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagName(u8);

impl TagName {
    /// The name of tag `e`.
    pub const E: Self = Self(b'e');
    /// The name of tag `p`.
    pub const P: Self = Self(b'p');

    /// The tag of this name, if filters can ask for it.
    pub const fn from_name(name: &str) -> Option<Self> {
        match name.as_bytes() {
            [letter] if letter.is_ascii_alphabetic() => Some(Self(*letter)),
            _ => None,
        }
    }

    /// The letter.
    pub const fn letter(self) -> u8 {
        self.0
    }
}

/// A condition on tags: some tag of this name has one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCondition {
    name: TagName,
    values: Vec<Box<str>>,
    /// Which of the sorted values stood first in the text: NIP-45 takes its offset from it.
    first: usize,
}

impl TagCondition {
    /// A condition on tag `name`; of `values` the first is remembered as such.
    pub fn new(name: TagName, values: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let mut values: Vec<Box<str>> = values.into_iter().map(Into::into).collect();
        let first = values.first().cloned();
        sort(&mut values);
        let first = first.and_then(|first| values.binary_search(&first).ok()).unwrap_or(0);
        Self { name, values, first }
    }

    /// Which tag.
    pub const fn name(&self) -> TagName {
        self.name
    }

    /// The values, sorted.
    pub fn values(&self) -> &[Box<str>] {
        &self.values
    }

    /// The value that stood first in the text.
    pub fn first_value(&self) -> Option<&str> {
        self.values.get(self.first).map(AsRef::as_ref)
    }

    fn holds(&self, event: &Event) -> bool {
        event.tags.indexed().any(|(name, value)| name == self.name && self.has(value))
    }

    fn has(&self, value: &str) -> bool {
        self.values.binary_search_by(|known| known.as_ref().cmp(value)).is_ok()
    }
}

impl Filter {
    /// The filter that matches everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// This filter, only for events with one of these ids.
    #[must_use]
    pub fn with_ids(mut self, ids: impl IntoIterator<Item = EventId>) -> Self {
        self.ids = Some(sorted(ids));
        self
    }

    /// This filter, only for events by one of these authors.
    #[must_use]
    pub fn with_authors(mut self, authors: impl IntoIterator<Item = PublicKey>) -> Self {
        self.authors = Some(sorted(authors));
        self
    }

    /// This filter, only for events of one of these kinds.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = Some(sorted(kinds));
        self
    }

    /// This filter, only for events that also meet `condition`.
    #[must_use]
    pub fn with_tag(mut self, condition: TagCondition) -> Self {
        self.tags.push(condition);
        self
    }

    /// This filter, only for events not older than `since`.
    #[must_use]
    pub const fn with_since(mut self, since: Seconds) -> Self {
        self.since = Some(since);
        self
    }

    /// This filter, only for events not newer than `until`.
    #[must_use]
    pub const fn with_until(mut self, until: Seconds) -> Self {
        self.until = Some(until);
        self
    }

    /// This filter, for at most `limit` stored events.
    #[must_use]
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The ids asked for.
    pub fn ids(&self) -> Option<&[EventId]> {
        self.ids.as_deref()
    }

    /// The authors asked for.
    pub fn authors(&self) -> Option<&[PublicKey]> {
        self.authors.as_deref()
    }

    /// The kinds asked for.
    pub fn kinds(&self) -> Option<&[Kind]> {
        self.kinds.as_deref()
    }

    /// The conditions on tags, in the order of the text.
    pub fn tags(&self) -> &[TagCondition] {
        &self.tags
    }

    /// The condition on tag `name`.
    pub fn tag(&self, name: TagName) -> Option<&TagCondition> {
        self.tags.iter().find(|condition| condition.name == name)
    }

    /// The oldest moment asked for.
    pub const fn since(&self) -> Option<Seconds> {
        self.since
    }

    /// The newest moment asked for.
    pub const fn until(&self) -> Option<Seconds> {
        self.until
    }

    /// How many stored events are wanted at most.
    pub const fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// The words searched for. (NIP-50)
    pub const fn search(&self) -> Option<&nip50::Query> {
        self.search.as_ref()
    }

    /// What the client is after, in the words of the first Nexus relay.
    pub fn intent(&self) -> Option<&str> {
        self.intent.as_deref()
    }

    /// Answers `intent` with the kinds it stands for, and drops the member. Kinds that were asked for besides
    /// must be among them.
    pub fn resolve_intent(&mut self, kinds: &[std::ops::RangeInclusive<u16>]) {
        self.intent = None;
        let all = || kinds.iter().cloned().flatten().map(Kind::new);
        self.kinds = Some(match self.kinds.take() {
            None => sorted(all()),
            Some(asked) => {
                asked.into_iter().filter(|kind| kinds.iter().any(|range| range.contains(&kind.get()))).collect()
            }
        });
    }

    /// How many values all lists have together.
    pub fn value_count(&self) -> usize {
        let lists = [len(&self.ids), len(&self.authors), len(&self.kinds)];
        lists.into_iter().chain(self.tags.iter().map(|condition| condition.values.len())).sum()
    }

    /// True if no event can match.
    pub fn is_impossible(&self) -> bool {
        let none_of = |count: Option<usize>| count == Some(0);
        none_of(self.ids.as_ref().map(Vec::len))
            || none_of(self.authors.as_ref().map(Vec::len))
            || none_of(self.kinds.as_ref().map(Vec::len))
            || self.tags.iter().any(|condition| condition.values.is_empty())
            || matches!((self.since, self.until), (Some(since), Some(until)) if until < since)
    }

    /// True if `event` is one of those asked for. `limit` plays no part.
    pub fn matches(&self, event: &Event) -> bool {
        contains(&self.kinds, &event.kind)
            && contains(&self.authors, &event.pubkey)
            && contains(&self.ids, &event.id)
            && self.since.is_none_or(|since| since <= event.created_at)
            && self.until.is_none_or(|until| event.created_at <= until)
            && self.tags.iter().all(|condition| condition.holds(event))
            && self.search.as_ref().is_none_or(|query| query.matches(event))
    }
}

impl nexus_filter::Filter<Event> for Filter {
    fn matches(&self, event: &Event) -> bool {
        Self::matches(self, event)
    }
}

impl Routed<Event> for Filter {
    /// Those of the most selective member there is: ids, authors (with kinds), the tag with the fewest values, kinds.
    fn routes(&self) -> Vec<Route> {
        self.alternatives().into_iter().next().unwrap_or_default()
    }

    /// Those of each member that tells subscriptions apart, the most selective first.
    fn alternatives(&self) -> Vec<Vec<Route>> {
        if self.is_impossible() {
            return Vec::new();
        }
        if let Some(ids) = &self.ids {
            return vec![ids.iter().map(id_route).collect()];
        }
        let mut tags: Vec<&TagCondition> = self.tags.iter().collect();
        tags.sort_by_key(|tag| tag.values.len());
        let by_tag = tags.iter().map(|tag| tag.values.iter().map(|value| tag_route(tag.name, value)).collect());
        let by_author = self.authors.as_ref().map(|authors| self.author_routes(authors));
        let found: Vec<Vec<Route>> = by_author.into_iter().chain(by_tag).collect();
        if !found.is_empty() {
            return found;
        }
        let kinds = self.kinds.as_ref().map(|kinds| kinds.iter().map(kind_route).collect());
        vec![kinds.unwrap_or_else(|| vec![Route::EVERYTHING])]
    }
}

impl Filter {
    fn author_routes(&self, authors: &[PublicKey]) -> Vec<Route> {
        match &self.kinds {
            Some(kinds) if authors.len() * kinds.len() <= MAX_PAIRS => {
                authors.iter().flat_map(|author| kinds.iter().map(move |kind| pair_route(author, *kind))).collect()
            }
            _ => authors.iter().map(author_route).collect(),
        }
    }
}

impl Event {
    /// The routes on which filters for this event are filed.
    pub fn routes(&self) -> Vec<Route> {
        let own = [
            id_route(&self.id),
            author_route(&self.pubkey),
            pair_route(&self.pubkey, self.kind),
            kind_route(&self.kind),
        ];
        own.into_iter().chain(self.tags.indexed().map(|(name, value)| tag_route(name, value))).collect()
    }
}

fn id_route(id: &EventId) -> Route {
    Route::of("id", id)
}

fn author_route(author: &PublicKey) -> Route {
    Route::of("author", author)
}

fn pair_route(author: &PublicKey, kind: Kind) -> Route {
    Route::of("author and kind", &(author, kind))
}

fn kind_route(kind: &Kind) -> Route {
    Route::of("kind", kind)
}

fn tag_route(name: TagName, value: &str) -> Route {
    Route::of("tag", &(name, value))
}

fn contains<T: Ord>(list: &Option<Vec<T>>, value: &T) -> bool {
    list.as_ref().is_none_or(|list| list.binary_search(value).is_ok())
}

fn len<T>(list: &Option<Vec<T>>) -> usize {
    list.as_ref().map_or(0, Vec::len)
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    sort(&mut values);
    values
}

fn sort<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}
