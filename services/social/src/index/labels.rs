//! Labels on one thing, and who put them there.

use super::{
    Index,
    columns::at,
    groups::{Group, Groups},
    reach::Around,
};
use crate::{
    query::{Page, Reach, Slice, TagWindow},
    read::TaggerScope,
    row::Label,
    view::{TagDetails, Taggers},
};
use nexus_pubky::PubkyId;
use std::{cmp::Ordering, ops::Bound};

impl Index {
    pub(super) fn ids(&self, users: impl Iterator<Item = u32>) -> Vec<PubkyId> {
        users.map(|user| self.columns.users[at(user)]).collect()
    }

    /// Most taggers first. Equal numbers: last label first, but within a web of trust first label first.
    pub(super) fn tag_list(&self, groups: &Groups, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Vec<TagDetails> {
        match scope {
            TaggerScope::All { viewer } => self.all_tags(groups, window, viewer),
            TaggerScope::Wot { viewer, depth } => {
                let viewer = self.columns.user(viewer);
                let list = viewer.map(|viewer| self.trusted_tags(groups, window, viewer, Reach::Wot(depth)));
                list.unwrap_or_default()
            }
        }
    }

    fn all_tags(&self, groups: &Groups, window: TagWindow<'_>, viewer: Option<&PubkyId>) -> Vec<TagDetails> {
        let viewer = viewer.and_then(|viewer| self.columns.user(viewer));
        let details = |group: &Group| TagDetails {
            label: self.columns.labels[at(group.label)].to_string(),
            taggers: self.ids(group.taggers.ids().take(window.taggers)),
            taggers_count: group.taggers.len(),
            relationship: viewer.is_some_and(|viewer| group.taggers.contains(viewer)),
        };
        groups.top(&self.columns, window.labels).into_iter().map(details).collect()
    }

    /// Leaves one page of a list, sorting no more of it than needed.
    fn cut<T>(&self, list: &mut Vec<T>, page: Page, order: impl Fn(&T, &T) -> Ordering) {
        let wanted = page.skip.saturating_add(page.limit);
        if (1..list.len()).contains(&wanted) {
            list.select_nth_unstable_by(wanted - 1, &order);
        }
        list.truncate(wanted);
        list.sort_unstable_by(&order);
        list.drain(..page.skip.min(list.len()));
    }

    fn trusted_tags(&self, groups: &Groups, window: TagWindow<'_>, viewer: u32, reach: Reach) -> Vec<TagDetails> {
        let mut around = Around::new(self, viewer, reach);
        let trusted = |group: &Group| {
            let taggers: Vec<u32> = group.taggers.ids().filter(|tagger| around.contains(*tagger)).collect();
            (!taggers.is_empty()).then(|| TagDetails {
                label: self.columns.labels[at(group.label)].to_string(),
                taggers_count: taggers.len(),
                taggers: self.ids(taggers.into_iter().take(window.taggers)),
                relationship: group.taggers.contains(viewer),
            })
        };
        let is_left = |tag: &TagDetails| {
            let count = i64::try_from(tag.taggers_count).unwrap_or(i64::MAX);
            // Numbers fall and labels rise.
            window.labels.after.is_none_or(|after| (after.score, tag.label.as_str()) > (count, &*after.member))
        };
        let mut list: Vec<TagDetails> = groups.iter().filter_map(trusted).filter(is_left).collect();
        self.cut(&mut list, window.labels.page, |a, b| {
            b.taggers_count.cmp(&a.taggers_count).then_with(|| a.label.cmp(&b.label))
        });
        list
    }

    pub(super) fn tagger_page(
        &self,
        groups: &Groups,
        label: &str,
        slice: Slice<'_>,
        scope: TaggerScope<'_>,
    ) -> Taggers {
        let Some(group) = self.columns.label(label).and_then(|label| groups.get(label)) else {
            return Taggers::default();
        };
        let everybody = self.everybody(slice);
        let (viewer, users) = match scope {
            TaggerScope::All { viewer } => {
                let viewer = viewer.and_then(|viewer| self.columns.user(viewer));
                (viewer, everybody.linked(&group.taggers, |_| true))
            }
            TaggerScope::Wot { viewer, depth } => {
                let viewer = self.columns.user(viewer);
                let around = viewer.map(|viewer| Around::new(self, viewer, Reach::Wot(depth)));
                let users = around.map(|mut around| everybody.linked(&group.taggers, |user| around.contains(user)));
                (viewer, users.unwrap_or_default())
            }
        };
        Taggers { users, relationship: viewer.is_some_and(|viewer| group.taggers.contains(viewer)) }
    }

    /// Labels in use on anything, in order.
    pub(super) fn labels_from(&self, prefix: &str) -> impl Iterator<Item = &Label> {
        let from = self.in_use.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let prefix = prefix.to_owned();
        from.take_while(move |label| label.as_str().starts_with(prefix.as_str()))
    }
}
