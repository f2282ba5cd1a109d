//! Users to begin with, for some interests (spec d.11).

use super::{Index, columns::at};
use crate::{query::Order, row::Label, score};
use hashbrown::HashSet;
use nexus_pubky::PubkyId;
use std::{cmp::Reverse, collections::VecDeque};

/// A candidate's place in a label's list: by trust of the taggers, then their number, then key.
type Rank = (Reverse<(u128, usize)>, PubkyId);

impl Index {
    /// One user of each label's list in turn, nobody twice.
    pub(super) fn starter_pack(&self, labels: &[Label], newcomer: Option<PubkyId>, start: i64) -> Vec<u32> {
        let newcomer = newcomer.and_then(|id| self.columns.user(&id));
        let mut asked = HashSet::new();
        let known = labels.iter().filter_map(|label| self.columns.label(label.as_str()));
        let known = known.filter(|label| asked.insert(*label));
        let mut lists: Vec<VecDeque<u32>> = known.map(|label| self.starters(label, newcomer, start)).collect();
        let (mut pack, mut seen) = (Vec::new(), HashSet::new());
        while lists.iter().any(|list| !list.is_empty()) {
            for list in &mut lists {
                while let Some(user) = list.pop_front() {
                    if seen.insert(user) {
                        pack.push(user);
                        break;
                    }
                }
            }
        }
        pack
    }

    fn starters(&self, label: u32, newcomer: Option<u32>, start: i64) -> VecDeque<u32> {
        let mut pairs = self.vouchers(label);
        pairs.sort_unstable();
        pairs.dedup();
        let mut ranked: Vec<(Rank, u32)> = Vec::new();
        for taggers in pairs.chunk_by(|a, b| a.0 == b.0) {
            let user = taggers[0].0;
            if self.may_start(user, newcomer, start) {
                let units = taggers.iter().map(|(_, tagger)| score::trust_units(self.users[at(*tagger)].trust));
                let trust: u128 = units.map(u128::from).sum();
                ranked.push(((Reverse((trust, taggers.len())), self.columns.users[at(user)]), user));
            }
        }
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, user)| user).collect()
    }

    /// Users of whom somebody said the label, by the profile or a post, with who said it.
    fn vouchers(&self, label: u32) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        let carriers = self.labels[at(label)].users.iter().filter_map(|(_, id)| self.columns.user(id));
        for user in carriers {
            let taggers = self.users[at(user)].tags.get(label).into_iter().flat_map(|group| group.taggers.ids());
            pairs.extend(taggers.map(|tagger| (user, tagger)));
        }
        for tagger in self.labels[at(label)].taggers.ids() {
            let uses = &self.users[at(tagger)].uses;
            let entries = uses.walk(uses.place(|entry| entry.label < label), Order::Ascending);
            let posts = entries.take_while(|entry| entry.label == label).map(|entry| entry.post);
            pairs.extend(posts.map(|post| (self.columns.posts[at(post)].author, tagger)));
        }
        pairs
    }

    fn may_start(&self, user: u32, newcomer: Option<u32>, start: i64) -> bool {
        let is_known = |newcomer: u32| newcomer == user || self.users[at(newcomer)].following.contains(user);
        let is_active = self.last_post(user).is_some_and(|time| time.millis() >= start);
        self.columns.standing[at(user)].shown && is_active && !newcomer.is_some_and(is_known)
    }
}
