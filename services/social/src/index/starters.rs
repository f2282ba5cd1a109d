//! Users to begin with, for some interests (spec d.11): of whom somebody said a label, by the profile or a post,
//! those first whose sayers are trusted most.

use super::{
    Index,
    body::{User, with_label},
    columns::{Columns, at},
    sorted::Sorted,
};
use crate::{query::Order, row::Label, score};
use hashbrown::HashSet;
use nexus_pubky::PubkyId;
use std::{cmp::Ordering, collections::VecDeque};

/// A user for whom others vouch, under one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Starter {
    /// The sum of the vouchers' trust, see [`score::trust_units`].
    trust: u64,
    vouchers: u32,
    user: u32,
}

/// The users for whom somebody vouches under a label.
#[derive(Clone, Debug, Default)]
pub(super) struct Starters {
    /// By id.
    by_user: Sorted<Starter>,
    /// In the order of [`compare`].
    ranking: Sorted<Starter>,
}

/// By the trust of those who vouch, then their number; of equals, the first key is the highest.
fn compare(columns: &Columns, a: &Starter, b: &Starter) -> Ordering {
    let order = (a.trust, a.vouchers).cmp(&(b.trust, b.vouchers));
    order.then_with(|| columns.compare_users(b.user, a.user))
}

impl Starters {
    /// Takes a voucher's trust for each time that somebody vouches for a user.
    fn of_vouchers(columns: &Columns, mut vouchers: Vec<(u32, u64)>) -> Self {
        vouchers.sort_unstable_by_key(|(user, _)| *user);
        let sum = |of_one: &[(u32, u64)]| Starter {
            trust: of_one.iter().map(|(_, trust)| trust).sum(),
            vouchers: u32::try_from(of_one.len()).unwrap_or(u32::MAX),
            user: of_one[0].0,
        };
        let by_user: Vec<Starter> = vouchers.chunk_by(|a, b| a.0 == b.0).map(sum).collect();
        let mut ranking = by_user.clone();
        ranking.sort_unstable_by(|a, b| compare(columns, a, b));
        Self { by_user: Sorted::from_ordered(by_user), ranking: Sorted::from_ordered(ranking) }
    }

    fn change(&mut self, columns: &Columns, user: u32, change: impl FnOnce(&mut Starter)) {
        let by_id = |other: &Starter| other.user.cmp(&user);
        let old = self.by_user.remove(by_id);
        let mut new = old.unwrap_or(Starter { user, ..Starter::default() });
        change(&mut new);
        if let Some(old) = old {
            self.ranking.remove(|other| compare(columns, other, &old));
        }
        if new.vouchers > 0 {
            self.by_user.insert(new, by_id);
            self.ranking.insert(new, |other| compare(columns, other, &new));
        }
    }
}

impl Index {
    /// One user of each label's list in turn, nobody twice.
    pub(super) fn starter_pack(
        &self,
        labels: &[Label],
        newcomer: Option<PubkyId>,
        start: i64,
    ) -> impl Iterator<Item = u32> + '_ {
        let newcomer = newcomer.and_then(|id| self.columns.user(&id));
        let mut asked = HashSet::new();
        let known = labels.iter().filter_map(|label| self.columns.label(label.as_str()));
        let known = known.filter(|label| asked.insert(*label));
        let mut lists: VecDeque<_> = known
            .map(|label| {
                let ranked = self.labels[at(label)].starters.ranking.iter(Order::Descending);
                ranked.map(|starter| starter.user).filter(move |user| self.may_start(*user, newcomer, start))
            })
            .collect();
        let mut seen = HashSet::new();
        std::iter::from_fn(move || {
            loop {
                let mut list = lists.pop_front()?;
                if let Some(user) = list.find(|user| seen.insert(*user)) {
                    lists.push_back(list);
                    return Some(user);
                }
            }
        })
    }

    fn may_start(&self, user: u32, newcomer: Option<u32>, start: i64) -> bool {
        let is_known = |newcomer: u32| newcomer == user || self.users[at(newcomer)].following.contains(user);
        let is_active = self.last_post(user).is_some_and(|time| time.millis() >= start);
        self.columns.standing[at(user)].shown && is_active && !newcomer.is_some_and(is_known)
    }

    /// True if a tagger put a label on a user's profile or on one of the user's posts. Of the tagger's uses of the
    /// label and the user's posts with it, the shorter list is read.
    pub(super) fn vouches(&self, tagger: u32, user: u32, label: u32) -> bool {
        let tagged = |taggers: &super::links::Links| taggers.contains(tagger);
        if self.users[at(user)].tags.get(label).is_some_and(|group| tagged(&group.taggers)) {
            return true;
        }
        let uses = &self.users[at(tagger)].uses;
        let uses = uses.walk(uses.place(|entry| entry.label <= label), Order::Descending);
        let uses = uses.take_while(|entry| entry.label == label);
        let posts = with_label(&self.users[at(user)].labelled, label, Order::Descending);
        let by_tagger = |post: u32| self.posts[at(post)].tags.get(label).is_some_and(|group| tagged(&group.taggers));
        uses.zip(posts).any(|(used, post)| self.columns.posts[at(used.post)].author == user || by_tagger(post))
    }

    /// Counts a tagger among those who vouch for a user.
    pub(super) fn begin_to_vouch(&mut self, tagger: u32, user: u32, label: u32) {
        let trust = score::trust_units(self.users[at(tagger)].trust);
        self.labels[at(label)].starters.change(&self.columns, user, |starter| {
            starter.trust += trust;
            starter.vouchers += 1;
        });
    }

    /// Counts a tagger no longer among those who vouch for a user.
    pub(super) fn cease_to_vouch(&mut self, tagger: u32, user: u32, label: u32) {
        let trust = score::trust_units(self.users[at(tagger)].trust);
        self.labels[at(label)].starters.change(&self.columns, user, |starter| {
            starter.trust = starter.trust.saturating_sub(trust);
            starter.vouchers = starter.vouchers.saturating_sub(1);
        });
    }

    /// Everybody's starters as they are once trust is this. It takes long, and changes nothing.
    pub(super) fn starters_with(&self, scores: &[(PubkyId, f64)]) -> Vec<Starters> {
        let mut trust = vec![0.0; self.users.len()];
        let known = scores.iter().filter_map(|(id, score)| Some((self.columns.user(id)?, score)));
        known.for_each(|(user, score)| trust[at(user)] = *score);
        of_tags(&self.columns, &self.users, self.labels.len(), |user| trust[user])
    }

    /// Exchanges everybody's starters for new ones.
    pub(super) fn exchange_starters(&mut self, starters: &mut [Starters]) {
        let labels = self.labels.iter_mut().map(|label| &mut label.starters);
        labels.zip(starters).for_each(|(old, new)| std::mem::swap(old, new));
    }
}

/// The starters of every label, from all tags and the trust of each user.
pub(super) fn of_tags(columns: &Columns, users: &[User], labels: usize, trust: impl Fn(usize) -> f64) -> Vec<Starters> {
    let mut vouchers: Vec<Vec<(u32, u64)>> = vec![Vec::new(); labels];
    for (user, body) in users.iter().enumerate() {
        let trust = score::trust_units(trust(user));
        let used = body.uses.iter(Order::Ascending);
        let on_posts = used.map(|entry| (entry.label, columns.posts[at(entry.post)].author));
        let on_profiles = body.vouched.iter(Order::Ascending).map(|entry| (entry.label, entry.thing));
        let mut pairs: Vec<(u32, u32)> = on_posts.chain(on_profiles).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.into_iter().for_each(|(label, user)| vouchers[at(label)].push((user, trust)));
    }
    vouchers.into_iter().map(|vouchers| Starters::of_vouchers(columns, vouchers)).collect()
}
