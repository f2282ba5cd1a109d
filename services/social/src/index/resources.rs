//! Tagged resources: which tags each has, and every list of them: all, by app, by label, by both.

use super::{
    Index,
    columns::{Columns, at},
    crowd::Entry,
    sorted::Sorted,
};
use crate::{
    query::{Order, Position, ResourceQuery, ResourceSorting, ScoreRange, Slice, TagWindow},
    row::ResourceRow,
    shape,
    view::{ResourceDetails, TagDetails, Taggers},
};
use hashbrown::{HashMap, HashSet};
use nexus_pubky::{PubkyId, ResourceId};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Every app, or every label, in a [`Scope`].
const ANY: u32 = u32::MAX;

/// Which tags count: those of an app, of a label, of both, or all.
type Scope = (u32, u32);

/// All resources.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources {
    slots: HashMap<ResourceId, u32>,
    ids: Vec<ResourceId>,
    bodies: Vec<Body>,
    free: Vec<u32>,
    apps: Apps,
    lists: HashMap<Scope, List>,
}

/// The apps through which something is tagged.
#[derive(Clone, Debug, Default)]
struct Apps {
    slots: HashMap<Arc<str>, u32>,
    /// Each one's name and number of tags.
    known: Vec<(Arc<str>, u32)>,
    free: Vec<u32>,
}

impl Apps {
    fn get(&self, name: &str) -> Option<u32> {
        self.slots.get(name).copied()
    }

    fn slot(&mut self, name: &str) -> u32 {
        if let Some(known) = self.get(name) {
            return known;
        }
        let name: Arc<str> = name.into();
        let new = self.free.pop().unwrap_or_else(|| {
            self.known.push((Arc::clone(&name), 0));
            u32::try_from(self.known.len() - 1).expect("fewer than 2^32 apps fit in memory")
        });
        self.known[at(new)] = (Arc::clone(&name), 0);
        self.slots.insert(name, new);
        new
    }

    /// Counts a tag that came.
    fn gain(&mut self, app: u32) {
        self.known[at(app)].1 += 1;
    }

    /// Counts a tag that went. An app without tags is forgotten.
    fn lose(&mut self, app: u32) {
        let (name, tags) = &mut self.known[at(app)];
        *tags -= 1;
        if *tags == 0 {
            self.slots.remove(name);
            self.free.push(app);
        }
    }
}

/// A resource.
#[derive(Clone, Debug, Default)]
struct Body {
    row: Option<ResourceRow>,
    /// Its tags: when a tagger put a label on it through an app.
    tags: BTreeMap<(u32, u32, u32), i64>,
    /// What its tags come to in each scope.
    scopes: HashMap<Scope, Sum>,
}

/// The tags of a resource in a scope.
#[derive(Clone, Debug, Default)]
struct Sum {
    /// By time: tagger, label, app.
    tags: BTreeSet<(i64, u32, u32, u32)>,
    /// How many tags each tagger has.
    taggers: HashMap<u32, u32>,
}

/// The resources of a scope, by score, then id.
#[derive(Clone, Debug, Default)]
struct List {
    by_time: Sorted<(i64, u32)>,
    by_taggers: Sorted<(i64, u32)>,
}

impl Sum {
    fn latest(&self) -> Option<i64> {
        self.tags.last().map(|tag| tag.0)
    }

    fn score(&self, sorting: ResourceSorting) -> Option<i64> {
        let taggers = i64::try_from(self.taggers.len()).unwrap_or(i64::MAX);
        match sorting {
            ResourceSorting::Timeline => self.latest(),
            ResourceSorting::TaggersCount => (taggers > 0).then_some(taggers),
        }
    }

    /// Distinct taggers, by their first tag.
    fn taggers(&self, columns: &Columns) -> Vec<Entry> {
        let mut seen = HashSet::new();
        let firsts = self.tags.iter().filter(|tag| seen.insert(tag.1)).map(|tag| (tag.0, tag.1));
        let mut firsts: Vec<_> = firsts.collect();
        firsts.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| columns.compare_users(a.1, b.1)));
        firsts.into_iter().map(|(time, tagger)| (tagger, time)).collect()
    }
}

impl List {
    const fn sorted(&mut self, sorting: ResourceSorting) -> &mut Sorted<(i64, u32)> {
        match sorting {
            ResourceSorting::Timeline => &mut self.by_time,
            ResourceSorting::TaggersCount => &mut self.by_taggers,
        }
    }
}

const SORTINGS: [ResourceSorting; 2] = [ResourceSorting::Timeline, ResourceSorting::TaggersCount];

impl Resources {
    fn slot(&mut self, id: &ResourceId) -> u32 {
        if let Some(known) = self.slots.get(id) {
            return *known;
        }
        let new = self.free.pop().unwrap_or_else(|| {
            self.ids.push(*id);
            self.bodies.push(Body::default());
            u32::try_from(self.ids.len() - 1).expect("fewer than 2^32 resources fit in memory")
        });
        self.ids[at(new)] = *id;
        self.slots.insert(*id, new);
        new
    }

    /// Gives a resource's id back if nothing speaks of it.
    fn drop_slot(&mut self, id: &ResourceId, slot: u32) {
        let body = &mut self.bodies[at(slot)];
        if body.row.is_none() && body.tags.is_empty() && self.slots.remove(id).is_some() {
            *body = Body::default();
            self.free.push(slot);
        }
    }

    /// How many resources have an id.
    pub(super) fn in_use(&self) -> usize {
        self.slots.len()
    }

    /// How many ids were ever made.
    pub(super) const fn made(&self) -> usize {
        self.ids.len()
    }

    fn body(&self, id: &ResourceId) -> Option<&Body> {
        self.slots.get(id).map(|slot| &self.bodies[at(*slot)])
    }

    pub(super) fn put(&mut self, row: &ResourceRow) {
        let slot = self.slot(&row.id);
        self.bodies[at(slot)].row = Some(row.clone());
    }

    pub(super) fn remove(&mut self, id: &ResourceId) {
        if let Some(slot) = self.slots.get(id).copied() {
            self.bodies[at(slot)].row = None;
            self.drop_slot(id, slot);
        }
    }

    /// Adds a tag, or moves it to another time. True if it is new.
    pub(super) fn tag(&mut self, id: &ResourceId, tagger: u32, label: u32, app: &str, time: i64) -> bool {
        let (resource, app) = (self.slot(id), self.apps.slot(app));
        let old = self.bodies[at(resource)].tags.insert((label, tagger, app), time);
        if old.is_none() {
            self.apps.gain(app);
        }
        if old != Some(time) {
            for scope in [(ANY, ANY), (app, ANY), (ANY, label), (app, label)] {
                self.change(resource, scope, |sum| {
                    if let Some(old) = old {
                        sum.tags.remove(&(old, tagger, label, app));
                    } else {
                        *sum.taggers.entry(tagger).or_default() += 1;
                    }
                    sum.tags.insert((time, tagger, label, app));
                });
            }
        }
        old.is_none()
    }

    /// Takes a tag out. True if there was one.
    pub(super) fn untag(&mut self, id: &ResourceId, tagger: u32, label: u32, app: &str) -> bool {
        let (Some(resource), Some(app)) = (self.slots.get(id).copied(), self.apps.get(app)) else {
            return false;
        };
        let Some(time) = self.bodies[at(resource)].tags.remove(&(label, tagger, app)) else { return false };
        for scope in [(ANY, ANY), (app, ANY), (ANY, label), (app, label)] {
            self.change(resource, scope, |sum| {
                sum.tags.remove(&(time, tagger, label, app));
                if let Some(count) = sum.taggers.get_mut(&tagger) {
                    *count -= 1;
                    if *count == 0 {
                        sum.taggers.remove(&tagger);
                    }
                }
            });
        }
        self.apps.lose(app);
        self.drop_slot(id, resource);
        true
    }

    /// Changes what a resource's tags come to in a scope, and moves it in the scope's lists.
    fn change(&mut self, resource: u32, scope: Scope, change: impl FnOnce(&mut Sum)) {
        let body = &mut self.bodies[at(resource)];
        let sum = body.scopes.entry(scope).or_default();
        let before = SORTINGS.map(|sorting| sum.score(sorting));
        change(sum);
        let after = SORTINGS.map(|sorting| sum.score(sorting));
        if sum.tags.is_empty() {
            body.scopes.remove(&scope);
        }
        let list = self.lists.entry(scope).or_default();
        let order =
            |a: &(i64, u32), b: (i64, u32)| a.0.cmp(&b.0).then_with(|| self.ids[at(a.1)].cmp(&self.ids[at(b.1)]));
        for (at, sorting) in SORTINGS.into_iter().enumerate().filter(|(at, _)| before[*at] != after[*at]) {
            if let Some(score) = before[at] {
                list.sorted(sorting).remove(|other| order(other, (score, resource)));
            }
            if let Some(score) = after[at] {
                list.sorted(sorting).insert((score, resource), |other| order(other, (score, resource)));
            }
        }
        if list.by_time.len() == 0 {
            self.lists.remove(&scope);
        }
    }

    /// Resources with their scores, and where to go on.
    fn stream(&self, columns: &Columns, query: &ResourceQuery) -> Option<Vec<(ResourceId, i64)>> {
        let app = match &query.app {
            Some(app) => self.apps.get(app)?,
            None => ANY,
        };
        let mut labels: Vec<u32> = query.tags.iter().filter_map(|label| columns.label(label.as_str())).collect();
        labels.sort_unstable();
        labels.dedup();
        let found = match labels.as_slice() {
            [] if query.tags.is_empty() => self.walk((app, ANY), query)?,
            [] => return None,
            [label] => self.walk((app, *label), query)?,
            many => self.union(app, many, query),
        };
        Some(found.into_iter().map(|(score, resource)| (self.ids[at(resource)], score)).collect())
    }

    fn walk(&self, scope: Scope, query: &ResourceQuery) -> Option<Vec<(i64, u32)>> {
        let list = self.lists.get(&scope)?;
        let list = match query.sorting {
            ResourceSorting::Timeline => &list.by_time,
            ResourceSorting::TaggersCount => &list.by_taggers,
        };
        let bounds = Bounds { order: query.order, range: query.range, after: query.after.as_ref() };
        let from = list.place(|entry| bounds.is_before(entry.0, &self.ids[at(entry.1)]));
        let wanted = list.walk(from, query.order).take_while(|entry| query.range.contains(entry.0));
        let known = wanted.filter(|entry| self.bodies[at(entry.1)].row.is_some());
        Some(known.skip(query.page.skip).take(query.page.limit).collect())
    }

    /// Resources with any of several labels: reckoned from all that have one of them.
    fn union(&self, app: u32, labels: &[u32], query: &ResourceQuery) -> Vec<(i64, u32)> {
        let lists = labels.iter().filter_map(|label| self.lists.get(&(app, *label)));
        let resources: HashSet<u32> = lists.flat_map(|list| list.by_time.iter(Order::Ascending)).map(|e| e.1).collect();
        let bounds = Bounds { order: query.order, range: query.range, after: query.after.as_ref() };
        let scored = resources.into_iter().filter(|resource| self.bodies[at(*resource)].row.is_some());
        let scored = scored.map(|resource| (self.union_score(resource, app, labels, query.sorting), resource));
        let mut found: Vec<_> =
            scored.filter(|(score, resource)| bounds.admits(*score, &self.ids[at(*resource)])).collect();
        found.sort_unstable_by(|a, b| {
            let order = a.0.cmp(&b.0).then_with(|| self.ids[at(a.1)].cmp(&self.ids[at(b.1)]));
            if query.order == Order::Descending { order.reverse() } else { order }
        });
        found.into_iter().skip(query.page.skip).take(query.page.limit).collect()
    }

    fn union_score(&self, resource: u32, app: u32, labels: &[u32], sorting: ResourceSorting) -> i64 {
        let scopes = &self.bodies[at(resource)].scopes;
        let sums = labels.iter().filter_map(|label| scopes.get(&(app, *label)));
        match sorting {
            ResourceSorting::Timeline => sums.filter_map(Sum::latest).max().unwrap_or(i64::MIN),
            ResourceSorting::TaggersCount => {
                let taggers: HashSet<u32> = sums.flat_map(|sum| sum.taggers.keys().copied()).collect();
                i64::try_from(taggers.len()).unwrap_or(i64::MAX)
            }
        }
    }
}

/// Where a page of resources begins and ends.
struct Bounds<'a> {
    order: Order,
    range: ScoreRange,
    after: Option<&'a Position>,
}

impl Bounds<'_> {
    fn to_after(&self, score: i64, id: &ResourceId) -> Option<Ordering> {
        self.after.map(|after| (score, id.as_str()).cmp(&(after.score, &*after.member)))
    }

    /// See the bounds of post streams.
    fn is_before(&self, score: i64, id: &ResourceId) -> bool {
        let to_after = self.to_after(score, id);
        match self.order {
            Order::Descending => score <= self.range.max && to_after.is_none_or(Ordering::is_lt),
            Order::Ascending => score < self.range.min || to_after.is_some_and(Ordering::is_le),
        }
    }

    fn admits(&self, score: i64, id: &ResourceId) -> bool {
        let begun = self.is_before(score, id) == (self.order == Order::Descending);
        begun && self.range.contains(score)
    }
}

impl Index {
    pub(super) fn resource_details(&self, id: &ResourceId) -> Option<ResourceDetails> {
        self.resources.body(id)?.row.as_ref().map(shape::resource_details)
    }

    pub(super) fn resource_stream(&self, query: &ResourceQuery) -> Vec<(ResourceId, i64)> {
        self.resources.stream(&self.columns, query).unwrap_or_default()
    }

    /// Labels on a resource, most taggers first; a tagger who used one through two apps counts once.
    pub(super) fn resource_tag_list(
        &self,
        id: &ResourceId,
        window: TagWindow<'_>,
        viewer: Option<&PubkyId>,
    ) -> Vec<TagDetails> {
        let Some(body) = self.resources.body(id) else { return Vec::new() };
        let viewer = viewer.and_then(|viewer| self.columns.user(viewer));
        let label = |scope: &Scope| &self.columns.labels[at(scope.1)];
        let place = |scope: &Scope, sum: &Sum| (sum.score(ResourceSorting::TaggersCount), label(scope).as_str());
        let Slice { after, page } = window.labels;
        let is_left = |(scope, sum): &(&Scope, &Sum)| {
            after.is_none_or(|after| place(scope, sum) < (Some(after.score), &*after.member))
        };
        let of_labels = body.scopes.iter().filter(|((app, label), _)| *app == ANY && *label != ANY);
        let mut sums: Vec<_> = of_labels.filter(is_left).collect();
        sums.sort_unstable_by(|(a, x), (b, y)| place(b, y).cmp(&place(a, x)));
        let page = sums.into_iter().skip(page.skip).take(page.limit);
        let details = |(scope, sum): (&Scope, &Sum)| TagDetails {
            label: label(scope).to_string(),
            taggers: self.ids(sum.taggers(&self.columns).into_iter().map(|(tagger, _)| tagger).take(window.taggers)),
            taggers_count: sum.taggers.len(),
            relationship: viewer.is_some_and(|viewer| sum.taggers.contains_key(&viewer)),
        };
        page.map(details).collect()
    }

    pub(super) fn resource_tagger_page(
        &self,
        id: &ResourceId,
        label: &str,
        slice: Slice<'_>,
        viewer: Option<&PubkyId>,
    ) -> Taggers {
        let sum = self.columns.label(label).and_then(|label| self.resources.body(id)?.scopes.get(&(ANY, label)));
        let Some(sum) = sum else { return Taggers::default() };
        let viewer = viewer.and_then(|viewer| self.columns.user(viewer));
        Taggers {
            users: self.everybody(slice).of(Order::Ascending, sum.taggers(&self.columns).into_iter()),
            relationship: viewer.is_some_and(|viewer| sum.taggers.contains_key(&viewer)),
        }
    }
}
