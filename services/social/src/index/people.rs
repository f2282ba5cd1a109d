//! Streams and searches of users, and the way from one to another.

use super::{
    Index,
    body::User,
    columns::{FOLLOWED, at},
    crowd::{Crowd, Entry},
    links::Links,
    reach::Around,
};
use crate::{
    dice::Dice,
    query::{Depth, NameQuery, Order, Page, Reach, Slice, Timeframe, UserQuery, UserSource},
    row::{Label, PostKey, UserState},
    score,
    trust::FollowGraph,
    view::{RankedUser, UserHit},
};
use hashbrown::{HashMap, HashSet};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use std::{borrow::Borrow, collections::BTreeSet, ops::Bound};

/// A key among keys that are looked up by their first letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyText(pub(super) PubkyId);

impl Borrow<str> for KeyText {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl Index {
    pub(super) fn user_stream(&self, query: &UserQuery) -> Vec<RankedUser> {
        let crowd = self.crowd(query);
        match &query.source {
            UserSource::Relation(user, relation) => {
                let user = self.known_user(user);
                user.map(|user| crowd.related_to(user, *relation)).unwrap_or_default()
            }
            UserSource::MostFollowed => crowd.ranked_by(FOLLOWED),
            UserSource::Influencers { around, timeframe, preview } => {
                self.influencer_page(*around, *timeframe, query, *preview)
            }
            UserSource::Recommended(user) => {
                let user = self.columns.user(user);
                user.map(|user| self.placed(self.recommended(user, query))).unwrap_or_default()
            }
            UserSource::PostReplies(post) => self.placed(self.repliers(post, &crowd)),
            UserSource::StarterPack { labels, newcomer, timeframe } => {
                let pack = self.starter_pack(labels, *newcomer, timeframe.start(query.now).millis());
                crowd.of(Order::Ascending, pack.zip(0..))
            }
        }
    }

    /// A list whose only order is that of its places.
    fn placed(&self, list: Vec<u32>) -> Vec<RankedUser> {
        list.into_iter()
            .zip(0..)
            .map(|(user, score)| RankedUser { user: self.columns.users[at(user)], score })
            .collect()
    }

    /// Over all time it is the ranking of everybody, whoever asks (spec d.11).
    fn influencer_page(
        &self,
        around: Option<(PubkyId, Reach)>,
        timeframe: Timeframe,
        query: &UserQuery,
        preview: bool,
    ) -> Vec<RankedUser> {
        let around = around.filter(|_| timeframe != Timeframe::AllTime);
        let crowd = self.crowd(query);
        let wanted = if preview { score::PREVIEW_POOL } else { query.page.skip.saturating_add(query.page.limit) };
        let ranked = match around {
            None => self.influencers(timeframe, query.now),
            Some((user, reach)) => {
                let Some(user) = self.columns.user(&user) else { return Vec::new() };
                self.influencers_around(Around::new(self, user, reach), timeframe, query.now, wanted)
            }
        };
        let ranked = ranked.map(|(user, score)| (user, score::ordered(score)));
        if !preview {
            return crowd.of(Order::Descending, ranked);
        }
        let pool: Vec<Entry> = ranked.filter(|(user, _)| crowd.admits(*user)).take(score::PREVIEW_POOL).collect();
        let skip = score::preview_start(pool.len(), query.seed);
        let preview = Slice { after: None, page: Page { skip, limit: score::PREVIEW } };
        self.everybody(preview).of(Order::Descending, pool.into_iter())
    }

    /// The part of the ranking that is around a user. Where many are, `wanted` are met soon; few are named and
    /// ranked among themselves.
    fn influencers_around<'a>(
        &'a self,
        mut around: Around<'a>,
        timeframe: Timeframe,
        now: Timestamp,
        wanted: usize,
    ) -> Box<dyn Iterator<Item = (u32, f64)> + 'a> {
        let first = self.influencers(timeframe, now).take(self.effort.trial);
        let met = first.filter(|(user, _)| around.contains(*user)).count();
        let members = if met < wanted { around.members(self.effort.find_users) } else { None };
        match members {
            Some(members) => Box::new(self.ranked_influencers(members, timeframe, now).into_iter()),
            None => Box::new(self.influencers(timeframe, now).filter(move |(user, _)| around.contains(*user))),
        }
    }

    /// Some of those near a user who have most followers.
    fn recommended(&self, user: u32, query: &UserQuery) -> Vec<u32> {
        let crowd = self.crowd(query);
        let mut around = Around::new(self, user, Reach::Wot(Depth::THREE));
        let following = &self.users[at(user)].following;
        let posts = |body: &User| body.roots.len() + body.replies.len();
        let wanted = |id: u32| !following.contains(id) && crowd.admits(id);
        let fits = |id: &u32| posts(&self.users[at(*id)]) >= score::RECOMMENDED_POSTS as usize && wanted(*id);
        let walk = self.ranks.users[FOLLOWED].iter(Order::Descending);
        let first = walk.clone().take(self.effort.patience).filter(|id| fits(id) && around.contains(*id));
        let mut candidates: Vec<u32> = first.take(score::CANDIDATES).collect();
        if candidates.len() < score::CANDIDATES {
            candidates = match around.members(8 * self.effort.find_users) {
                Some(mut near) => {
                    near.retain(|id| self.columns.standing[at(*id)].shown && fits(id));
                    near.sort_unstable_by(|a, b| self.columns.by_standing(FOLLOWED, *b, *a));
                    near
                }
                None => walk.filter(|id| fits(id) && around.contains(*id)).take(score::CANDIDATES).collect(),
            };
        }
        candidates.truncate(score::CANDIDATES);
        Dice::new(query.seed).shuffle(&mut candidates);
        candidates.truncate(query.page.limit);
        candidates
    }

    /// Users who replied, by their first reply.
    fn repliers(&self, post: &PostKey, crowd: &Crowd<'_>) -> Vec<u32> {
        let Some(post) = self.columns.post(post) else { return Vec::new() };
        let mut seen = HashSet::new();
        let replies = self.posts[at(post)].tie(|ties| &ties.replies).into_iter().flat_map(Links::ids);
        let authors = replies.map(|reply| self.columns.posts[at(reply)].author);
        authors.filter(|author| crowd.admits(*author) && seen.insert(*author)).take(score::UNPAGED).collect()
    }

    pub(super) fn named(&self, query: &NameQuery) -> Vec<PubkyId> {
        let (prefix, mutes) = (query.prefix.to_lowercase(), self.mutes_of(query.unless_muted_by));
        let is_muted =
            |id: &PubkyId| mutes.zip(self.columns.user(id)).is_some_and(|(mutes, user)| mutes.contains(user));
        let after = query.after.as_ref();
        let is_after = |name: &str, id: &PubkyId| after.is_none_or(|after| (name, *id) > (&*after.name, after.user));
        let start = after.map_or(prefix.as_str(), |after| after.name.as_str().max(&prefix));
        let from = self.names.range::<str, _>((Bound::Included(start), Bound::Unbounded));
        let bearers = from.take_while(|(name, _)| name.starts_with(&prefix));
        let found = bearers.flat_map(|(name, ids)| ids.iter().filter(move |id| is_after(name, id)));
        found.filter(|id| !is_muted(id)).skip(query.page.skip).take(query.page.limit).copied().collect()
    }

    pub(super) fn keyed(&self, prefix: &str, after: Option<&PubkyId>, page: Page) -> Vec<PubkyId> {
        let start = after.map(PubkyId::as_str).filter(|after| *after >= prefix).map(Bound::Excluded);
        let from = self.keys.range::<str, _>((start.unwrap_or(Bound::Included(prefix)), Bound::Unbounded));
        let found = from.take_while(|key| key.0.as_str().starts_with(prefix));
        found.skip(page.skip).take(page.limit).map(|key| key.0).collect()
    }

    pub(super) fn tagged_with(&self, labels: &[Label], after: Option<&UserHit>, page: Page) -> Vec<UserHit> {
        let mut labels: Vec<u32> = labels.iter().filter_map(|label| self.columns.label(label.as_str())).collect();
        labels.sort_unstable();
        labels.dedup();
        let carriers = |label: u32| self.labels[at(label)].users.iter().rev().filter(|(_, id)| self.is_shown(id));
        let hit = |(score, user_id): (usize, PubkyId)| UserHit { user_id, score };
        if let [label] = labels.as_slice() {
            let hits = carriers(*label).map(|(count, id)| hit((*count as usize, *id)));
            return hits.filter(|hit| is_after(hit, after)).skip(page.skip).take(page.limit).collect();
        }
        let wanted = page.skip.saturating_add(page.limit);
        let ranked = self.tagged_most(&labels, after, wanted);
        ranked.into_iter().skip(page.skip).take(page.limit).map(hit).collect()
    }

    /// The users with most taggers over several labels: the lists of all labels are read side by side until
    /// nobody further down can have more (Fagin, Lotem, Naor: Optimal aggregation algorithms for middleware, 2001).
    fn tagged_most(&self, labels: &[u32], after: Option<&UserHit>, wanted: usize) -> Vec<(usize, PubkyId)> {
        let mut walks: Vec<_> = labels.iter().map(|label| self.labels[at(*label)].users.iter().rev()).collect();
        let mut seen = HashSet::new();
        let mut best = BTreeSet::new();
        loop {
            let heads: Vec<_> = walks.iter_mut().filter_map(Iterator::next).collect();
            for (_, id) in heads.iter().filter(|(_, id)| self.is_shown(id)) {
                let hit = UserHit { user_id: *id, score: self.taggers_over(id, labels) };
                if seen.insert(*id) && is_after(&hit, after) {
                    best.insert((hit.score, *id));
                }
            }
            while best.len() > wanted {
                best.pop_first();
            }
            let highest: usize = heads.iter().map(|(count, _)| *count as usize).sum();
            let is_full = best.len() == wanted && best.first().is_none_or(|least| least.0 > highest);
            if heads.is_empty() || is_full {
                return best.into_iter().rev().collect();
            }
        }
    }

    fn taggers_over(&self, id: &PubkyId, labels: &[u32]) -> usize {
        let groups = self.columns.user(id).map(|user| &self.users[at(user)].tags);
        let taggers = groups.into_iter().flat_map(|groups| labels.iter().filter_map(|label| groups.get(*label)));
        taggers.map(|group| group.taggers.len()).sum()
    }

    fn is_shown(&self, id: &PubkyId) -> bool {
        let row = self.columns.user(id).and_then(|user| self.users[at(user)].row.as_deref());
        row.is_some_and(|row| row.state != UserState::Deleted)
    }

    /// The newest time of a user's posts.
    pub(super) fn last_post(&self, user: u32) -> Option<Timestamp> {
        let body = &self.users[at(user)];
        let newest = [body.roots.last(), body.replies.last()].into_iter().flatten();
        newest.map(|post| Timestamp::from_millis(self.columns.posts[at(post)].time)).max()
    }

    /// Who follows whom, copied.
    pub(crate) fn follow_graph(&self) -> FollowGraph {
        // Ids that are free at the moment have a key that another may have by now: they are left out.
        let mut places = HashMap::new();
        let in_use = |(user, id): &(u32, &PubkyId)| self.columns.user(id) == Some(*user);
        let users: Vec<(u32, &PubkyId)> = (0u32..).zip(&self.columns.users).filter(in_use).collect();
        places.extend(users.iter().map(|(user, _)| *user).zip(0u32..));
        let mut graph = FollowGraph::default();
        for (user, id) in users {
            graph.push(*id, self.users[at(user)].following.ids().map(|user| places[&user]));
        }
        graph
    }

    /// A shortest chain of follows, searched from both ends: each step takes the smaller side further.
    pub(super) fn chain(&self, from: u32, to: u32, max: u8) -> Option<Vec<u32>> {
        let mut ahead = Side::new(from);
        let mut behind = Side::new(to);
        if from == to {
            return Some(vec![from]);
        }
        for _ in 0..max {
            let forward = ahead.edge.len() <= behind.edge.len();
            let (side, other) = if forward { (&mut ahead, &behind) } else { (&mut behind, &ahead) };
            let links = |user: u32| {
                let body = &self.users[at(user)];
                if forward { &body.following } else { &body.followers }
            };
            if let Some(middle) = side.grow(other, links) {
                let mut chain = ahead.back_from(middle);
                chain.reverse();
                chain.extend(behind.back_from(middle).into_iter().skip(1));
                return Some(chain);
            }
        }
        None
    }
}

/// What a search has seen from one end: each user with the one before.
struct Side {
    seen: HashMap<u32, u32>,
    edge: Vec<u32>,
}

impl Side {
    fn new(start: u32) -> Self {
        Self { seen: HashMap::from_iter([(start, start)]), edge: vec![start] }
    }

    /// Goes one step further. Gives a user whom the other side has seen.
    fn grow<'a>(&mut self, other: &Self, links: impl Fn(u32) -> &'a Links) -> Option<u32> {
        let mut next = Vec::new();
        for user in std::mem::take(&mut self.edge) {
            for id in links(user).ids() {
                if self.seen.try_insert(id, user).is_ok() {
                    next.push(id);
                }
                if other.seen.contains_key(&id) {
                    return Some(id);
                }
            }
        }
        self.edge = next;
        None
    }

    /// The way from a user back to the start.
    fn back_from(&self, user: u32) -> Vec<u32> {
        let mut way = vec![user];
        let mut last = user;
        while let Some(before) = self.seen.get(&last).filter(|before| **before != last) {
            way.push(*before);
            last = *before;
        }
        way
    }
}

/// True if a hit comes after another in the list of those with most taggers.
fn is_after(hit: &UserHit, after: Option<&UserHit>) -> bool {
    after.is_none_or(|after| (hit.score, hit.user_id) < (after.score, after.user_id))
}
