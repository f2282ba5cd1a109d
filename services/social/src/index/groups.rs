//! The labels on one thing, and who put each of them there. Where labels are many, their ranking is kept, so
//! that the first few cost no look at the others.

use super::{
    columns::{Columns, at},
    links::{Link, Links},
    sorted::{Sorted, give_back},
};
use crate::query::{Order, Page, Slice};
use std::cmp::Ordering;

/// From how many labels on their ranking is kept.
const CROWD_FROM: usize = 16;

/// One label on something, and who put it there.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) label: u32,
    pub(super) taggers: Links,
}

/// The labels on something, by dense id.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    crowd: Option<Box<Crowd>>,
}

/// What is kept of many labels.
#[derive(Clone, Debug)]
struct Crowd {
    /// The number of tags.
    tags: u32,
    /// Each label with its number of taggers, in the order of [`compare`].
    ranking: Sorted<(u32, u32)>,
}

/// By number of taggers, then label.
fn compare(columns: &Columns, a: (u32, u32), b: (u32, u32)) -> Ordering {
    let label = |(_, label): (u32, u32)| &columns.labels[at(label)];
    a.0.cmp(&b.0).then_with(|| label(a).cmp(label(b)))
}

impl Groups {
    /// Takes groups that are in the order of their labels' ids.
    pub(super) fn from_ordered(columns: &Columns, list: Vec<Group>) -> Self {
        let crowd = (list.len() > CROWD_FROM).then(|| Box::new(Crowd::of(columns, &list)));
        Self { list, crowd }
    }

    fn place(&self, label: u32) -> Result<usize, usize> {
        self.list.binary_search_by_key(&label, |group| group.label)
    }

    pub(super) fn get(&self, label: u32) -> Option<&Group> {
        self.place(label).ok().map(|place| &self.list[place])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.list.iter()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of distinct labels.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    /// The number of tags.
    pub(super) fn tags(&self) -> u32 {
        match &self.crowd {
            Some(crowd) => crowd.tags,
            None => self.list.iter().map(|group| group.taggers.count()).sum(),
        }
    }

    /// Adds a tagger to a label, or moves the tag to another time. True if it is new.
    pub(super) fn insert(&mut self, columns: &Columns, label: u32, tag: Link) -> bool {
        let place = self.place(label).unwrap_or_else(|place| {
            self.list.insert(place, Group { label, taggers: Links::default() });
            place
        });
        let taggers = &mut self.list[place].taggers;
        if !taggers.insert(tag, |a, b| columns.compare_users(a, b)) {
            return false;
        }
        let count = taggers.count();
        self.rank(columns, label, count - 1, count);
        true
    }

    /// Takes a tagger from a label; the label goes with the last one.
    pub(super) fn remove(&mut self, columns: &Columns, label: u32, tag: Link) -> Option<Link> {
        let place = self.place(label).ok()?;
        let taggers = &mut self.list[place].taggers;
        let removed = taggers.remove(tag, |a, b| columns.compare_users(a, b))?;
        let count = taggers.count();
        if count == 0 {
            self.list.remove(place);
            give_back(&mut self.list);
        }
        self.rank(columns, label, count + 1, count);
        Some(removed)
    }

    /// Lets the ranking follow a label's number of taggers.
    fn rank(&mut self, columns: &Columns, label: u32, before: u32, after: u32) {
        match &mut self.crowd {
            Some(_) if self.list.len() <= CROWD_FROM / 2 => self.crowd = None,
            Some(crowd) => crowd.rank(columns, label, before, after),
            None if self.list.len() > CROWD_FROM => self.crowd = Some(Box::new(Crowd::of(columns, &self.list))),
            None => {}
        }
    }

    /// A page of labels: most taggers first, equal numbers by label, last one first.
    pub(super) fn top(&self, columns: &Columns, slice: Slice<'_>) -> Vec<&Group> {
        let place = |entry: &(u32, u32)| (i64::from(entry.0), columns.labels[at(entry.1)].as_str());
        let is_left = |entry: &(u32, u32)| slice.after.is_none_or(|after| place(entry) < (after.score, &*after.member));
        let Page { skip, limit } = slice.page;
        if let Some(crowd) = &self.crowd {
            let labels = crowd.ranking.walk(crowd.ranking.place(is_left), Order::Descending).skip(skip).take(limit);
            return labels.filter_map(|(_, label)| self.get(label)).collect();
        }
        let entry = |group: &Group| (group.taggers.count(), group.label);
        let mut list: Vec<&Group> = self.list.iter().filter(|group| is_left(&entry(group))).collect();
        list.sort_unstable_by(|a, b| compare(columns, entry(b), entry(a)));
        list.into_iter().skip(skip).take(limit).collect()
    }
}

impl Crowd {
    fn of(columns: &Columns, list: &[Group]) -> Self {
        let mut ranked: Vec<_> = list.iter().map(|group| (group.taggers.count(), group.label)).collect();
        ranked.sort_unstable_by(|a, b| compare(columns, *a, *b));
        Self { tags: ranked.iter().map(|(count, _)| count).sum(), ranking: Sorted::from_ordered(ranked) }
    }

    fn rank(&mut self, columns: &Columns, label: u32, before: u32, after: u32) {
        self.tags = (self.tags + after).saturating_sub(before);
        if before > 0 {
            self.ranking.remove(|other| compare(columns, *other, (before, label)));
        }
        if after > 0 {
            self.ranking.insert((after, label), |other| compare(columns, *other, (after, label)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{query::Position, row::Label};
    use nexus_pubky::PubkyId;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn columns() -> Columns {
        let mut columns = Columns::default();
        let mut dice = crate::dice::Dice::new(7);
        let keys = std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten().take(6);
        for key in keys {
            columns.add_user(&key);
        }
        // Dense ids are not in the order of names.
        for n in 0..40 {
            columns.add_label(&Label::from_valid(&format!("l{}", (n * 17) % 40)));
        }
        columns
    }

    proptest! {
        /// Few labels or many: the first ones are those that sorting all of them gives.
        #[test]
        fn the_top_is_that_of_all_labels(
            steps in proptest::collection::vec((0u8..5, 0u32..40, 0u32..6), 0..400),
            skip in 0usize..4,
            limit in 0usize..30,
            after in proptest::option::of((-1i64..7, 0u32..40)),
        ) {
            let columns = columns();
            let (mut groups, mut model) = (Groups::default(), BTreeMap::<u32, BTreeSet<u32>>::new());
            for (step, label, tagger) in steps {
                let tag = Link::new(i64::from(tagger), tagger);
                if step > 1 {
                    let is_new = model.entry(label).or_default().insert(tagger);
                    prop_assert_eq!(groups.insert(&columns, label, tag), is_new);
                } else {
                    let was_there = model.get_mut(&label).is_some_and(|taggers| taggers.remove(&tagger));
                    model.retain(|_, taggers| !taggers.is_empty());
                    prop_assert_eq!(groups.remove(&columns, label, tag).is_some(), was_there);
                }
            }
            let mut expected: Vec<_> = model.iter().map(|(label, taggers)| (taggers.len(), &columns.labels[at(*label)])).collect();
            expected.sort_by(|a, b| b.cmp(a));
            let after = after.map(|(score, n)| Position { score, member: format!("l{n}").into() });
            if let Some(after) = &after {
                expected.retain(|(count, label)| (*count as i64, label.as_str()) < (after.score, &after.member));
            }
            let shown = |groups: &Groups| -> Vec<_> {
                let top = groups.top(&columns, Slice { after: after.as_ref(), page: Page { skip, limit } });
                top.into_iter().map(|group| (group.taggers.len(), columns.labels[at(group.label)].to_string())).collect()
            };
            let page = expected.iter().skip(skip).take(limit).map(|(count, label)| (*count, label.to_string()));
            prop_assert_eq!(shown(&groups), page.collect::<Vec<_>>());
            prop_assert_eq!(groups.count() as usize, model.len());
            prop_assert_eq!(groups.tags() as usize, model.values().map(BTreeSet::len).sum::<usize>());
            let rebuilt = Groups::from_ordered(&columns, groups.iter().cloned().collect());
            prop_assert_eq!((shown(&rebuilt), rebuilt.tags()), (shown(&groups), groups.tags()));
        }
    }
}
