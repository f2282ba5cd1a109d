//! Labels on things, labels in use, and who put them there.

use super::{Model, paged, sorted};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    query::{HotTagQuery, Page, Reach, Slice, TagWindow, Timeframe},
    read::TaggerScope,
    row::{Label, PostKey, Target},
    view::{HotTag, RankedUser, TagDetails, Taggers},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

impl Model {
    /// Each label on a target with its distinct taggers, oldest first. A tagger who used a label through two
    /// apps counts once, at the earlier time (quirk 14 of the spec).
    pub(super) fn labels_on(&self, target: &Target) -> BTreeMap<&Label, Vec<RankedUser>> {
        let mut first: BTreeMap<&Label, BTreeMap<PubkyId, Timestamp>> = BTreeMap::new();
        for tag in self.tags().filter(|tag| tag.target == *target) {
            let time = first.entry(&tag.label).or_default().entry(tag.tagger).or_insert(tag.time);
            *time = tag.time.min(*time);
        }
        let by_time = |taggers: BTreeMap<PubkyId, Timestamp>| {
            let by_time = sorted(taggers.into_iter().map(|(id, time)| (time.millis(), id)));
            by_time.into_iter().map(|(score, user)| RankedUser { user, score }).collect()
        };
        first.into_iter().map(|(label, taggers)| (label, by_time(taggers))).collect()
    }

    /// The taggers that a scope lets through.
    fn in_scope(&self, taggers: &[RankedUser], scope: TaggerScope<'_>) -> Vec<RankedUser> {
        match scope {
            TaggerScope::All { .. } => taggers.to_vec(),
            TaggerScope::Wot { viewer, depth } => {
                let trusted = self.within(viewer, depth);
                taggers.iter().copied().filter(|tagger| trusted.contains(&tagger.user)).collect()
            }
        }
    }

    /// Most taggers first. Equal numbers: last label first, but within a web of trust first label first
    /// (spec d.1 and d.5).
    pub(super) fn tag_list(&self, target: &Target, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Vec<TagDetails> {
        let mut list = Vec::new();
        for (label, all) in self.labels_on(target) {
            let taggers = self.in_scope(&all, scope);
            let relationship = is_among(viewer_of(scope), &all);
            if !taggers.is_empty() {
                let taggers_count = taggers.len();
                let taggers = taggers.into_iter().map(|tagger| tagger.user).take(window.taggers).collect();
                list.push(TagDetails { label: label.to_string(), taggers, taggers_count, relationship });
            }
        }
        if matches!(scope, TaggerScope::All { .. }) {
            list.reverse();
        }
        list.sort_by_key(|tag| Reverse(tag.taggers_count));
        let is_left = |tag: &TagDetails| {
            window.labels.after.is_none_or(|after| {
                let (count, label) = (tag.taggers_count as i64, &*tag.label);
                let of_equals = match scope {
                    TaggerScope::All { .. } => label < &*after.member,
                    TaggerScope::Wot { .. } => label > &*after.member,
                };
                count < after.score || count == after.score && of_equals
            })
        };
        paged(list.into_iter().filter(is_left), window.labels.page)
    }

    pub(super) fn tagger_page(
        &self,
        target: &Target,
        label: &str,
        slice: Slice<'_>,
        scope: TaggerScope<'_>,
    ) -> Taggers {
        let labels = self.labels_on(target);
        let all = labels.get(&Label::from_valid(label)).cloned().unwrap_or_default();
        let relationship = is_among(viewer_of(scope), &all);
        let is_left = |tagger: &RankedUser| {
            slice.after.is_none_or(|after| (tagger.score, tagger.user.as_str()) > (after.score, &*after.member))
        };
        Taggers { relationship, users: paged(self.in_scope(&all, scope).into_iter().filter(is_left), slice.page) }
    }

    /// By the latest use of each tagger, newest first; equal times: last key first.
    fn latest_first(uses: impl Iterator<Item = (PubkyId, Timestamp)>) -> Vec<PubkyId> {
        let mut latest = BTreeMap::new();
        for (user, time) in uses {
            let entry = latest.entry(user).or_insert(time);
            *entry = time.max(*entry);
        }
        let mut order: Vec<_> = latest.into_iter().map(|(user, time)| (time, user)).collect();
        order.sort_by_key(|&entry| Reverse(entry));
        order.into_iter().map(|(_, user)| user).collect()
    }

    pub(super) fn hot(&self, query: &HotTagQuery) -> Vec<HotTag> {
        let around = query.around.as_ref().map(|(user, reach)| self.reach(user, *reach));
        let mut times: Vec<Timestamp> = self.post_tag_edges().map(|(tag, _)| tag.time).collect();
        times.sort_by(|a, b| b.cmp(a));
        let oldest = times.get(query.newest.saturating_sub(1)).filter(|_| around.is_some());
        let start = query.timeframe.start(query.now).max(oldest.copied().unwrap_or(Timestamp::from_millis(i64::MIN)));
        let mut uses: BTreeMap<&Label, Vec<(PubkyId, PostKey, Timestamp)>> = BTreeMap::new();
        for (tag, post) in self.post_tag_edges() {
            if tag.time >= start && around.as_ref().is_none_or(|set| set.contains(&tag.tagger)) {
                uses.entry(&tag.label).or_default().push((tag.tagger, post, tag.time));
            }
        }
        let mut list: Vec<_> = uses
            .into_iter()
            .map(|(label, uses)| {
                let posts: BTreeSet<_> = uses.iter().map(|(_, post, _)| post).collect();
                let taggers = Self::latest_first(uses.iter().map(|(user, _, time)| (*user, *time)));
                HotTag {
                    label: label.to_string(),
                    tagged_count: posts.len() as u64,
                    taggers_count: taggers.len(),
                    taggers_id: taggers.into_iter().take(query.taggers).collect(),
                }
            })
            .collect();
        list.sort_by(|a, b| (b.tagged_count, &b.label).cmp(&(a.tagged_count, &a.label)));
        paged(list, query.page)
    }

    pub(super) fn taggers_of_label(
        &self,
        label: &str,
        around: Option<(&PubkyId, Reach)>,
        timeframe: Timeframe,
        now: Timestamp,
        page: Page,
    ) -> Vec<PubkyId> {
        let around = around.map(|(user, reach)| self.reach(user, reach));
        let start = timeframe.start(now);
        let uses = self.post_tag_edges().filter(|(tag, _)| {
            let reached = around.as_ref().is_none_or(|set| set.contains(&tag.tagger));
            tag.label.as_str() == label && tag.time >= start && reached
        });
        paged(Self::latest_first(uses.map(|(tag, _)| (tag.tagger, tag.time))), page)
    }

    /// Labels in use on anything, in order (quirk 13 of the spec).
    pub(super) fn labels_in_use(&self, prefix: &str) -> BTreeSet<Label> {
        let labels = self.tags().map(|tag| &tag.label);
        labels.filter(|label| label.as_str().starts_with(prefix)).cloned().collect()
    }
}

/// Who looks.
fn viewer_of(scope: TaggerScope<'_>) -> Option<&PubkyId> {
    match scope {
        TaggerScope::All { viewer } => viewer,
        TaggerScope::Wot { viewer, .. } => Some(viewer),
    }
}

fn is_among(viewer: Option<&PubkyId>, taggers: &[RankedUser]) -> bool {
    viewer.is_some_and(|viewer| taggers.iter().any(|tagger| tagger.user == *viewer))
}
