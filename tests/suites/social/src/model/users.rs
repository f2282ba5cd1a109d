//! Numbers about users, and streams and searches of users.

use super::{Model, paged, sorted};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    dice::Dice,
    query::{Depth, NamePlace, NameQuery, Order, Page, Reach, Timeframe, UserQuery, UserSource},
    row::{Label, PostKey, PostKind, PostRow, Target, UserState},
    score,
    view::{RankedUser, UserCounts, UserHit},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

impl Model {
    fn posts_by(&self, user: &PubkyId) -> impl Iterator<Item = &PostRow> {
        self.posts.values().filter(move |post| post.key.author == *user)
    }

    fn followers_count(&self, user: &PubkyId) -> u32 {
        number(self.follow_edges().filter(|edge| edge.to == *user).count())
    }

    fn is_collection(&self, post: &PostKey) -> bool {
        self.posts.get(post).is_some_and(|post| post.kind == PostKind::Collection)
    }

    pub(super) fn counts_of(&self, user: &PubkyId) -> UserCounts {
        let on_profile = self.labels_on(&Target::User(*user));
        let placed = self.tags().filter(|tag| tag.tagger == *user && !matches!(tag.target, Target::Resource(_)));
        let follows = || self.follow_edges().filter(|edge| edge.from == *user);
        let bookmarks = self.bookmarks().filter(|bookmark| bookmark.user == *user);
        UserCounts {
            tagged: number(placed.count()),
            tags: number(on_profile.values().map(Vec::len).sum()),
            unique_tags: number(on_profile.len()),
            posts: number(self.posts_by(user).count()),
            replies: number(self.posts_by(user).filter(|post| post.parent.is_some()).count()),
            collections: number(self.posts_by(user).filter(|post| post.kind == PostKind::Collection).count()),
            following: number(follows().count()),
            followers: self.followers_count(user),
            friends: number(follows().filter(|edge| self.follows(&edge.to, user)).count()),
            bookmarks: number(bookmarks.filter(|bookmark| !self.is_collection(&bookmark.post)).count()),
        }
    }

    fn is_shown(&self, user: &PubkyId) -> bool {
        self.users.get(user).is_some_and(|row| row.state != UserState::Deleted)
    }

    fn most_followed(&self) -> Vec<(i64, PubkyId)> {
        let shown = self.users.keys().filter(|user| self.is_shown(user));
        let ranked = sorted(shown.map(|user| (self.followers_count(user), *user)));
        ranked.into_iter().rev().map(|(followers, user)| (score::ordered(f64::from(followers)), user)).collect()
    }

    fn activity(&self, user: &PubkyId, timeframe: Timeframe, now: Timestamp) -> u32 {
        if timeframe == Timeframe::AllTime {
            let counts = self.counts_of(user);
            return counts.tagged + counts.posts;
        }
        let start = timeframe.start(now);
        let tags = self.post_tag_edges().filter(|(tag, _)| tag.tagger == *user && tag.time >= start);
        number(tags.count() + self.posts_by(user).filter(|post| post.indexed_at >= start).count())
    }

    /// Highest score first, with the scores. Over all time it is the ranking of everybody, whoever asks (spec d.11); in a
    /// window only users who did something in it are ranked.
    fn influencers(
        &self,
        around: Option<(PubkyId, Reach)>,
        timeframe: Timeframe,
        now: Timestamp,
    ) -> Vec<(i64, PubkyId)> {
        let around = around.filter(|_| timeframe != Timeframe::AllTime);
        let reached = around.map(|(user, reach)| self.reach(&user, reach));
        let mut ranked = Vec::new();
        for user in self.users.keys().filter(|user| self.is_shown(user)) {
            let score = score::influence(self.activity(user, timeframe, now), self.followers_count(user));
            let is_ranked = timeframe == Timeframe::AllTime || score > 0.0;
            if is_ranked && reached.as_ref().is_none_or(|set| set.contains(user)) {
                ranked.push((score, *user));
            }
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        ranked.into_iter().map(|(score, user)| (score::ordered(score), user)).collect()
    }

    fn recommended(&self, user: &PubkyId, query: &UserQuery) -> Vec<PubkyId> {
        let near = self.within(user, Depth::THREE);
        let active = |id: &PubkyId| number(self.posts_by(id).count()) >= score::RECOMMENDED_POSTS;
        let wanted = |id: &PubkyId| !self.follows(user, id) && !self.mutes_as(query.unless_muted_by, id);
        let ranked = self.most_followed().into_iter().map(|(_, id)| id).filter(|id| near.contains(id) && wanted(id));
        let mut candidates: Vec<_> = ranked.filter(active).take(score::CANDIDATES).collect();
        Dice::new(query.seed).shuffle(&mut candidates);
        candidates.truncate(query.page.limit);
        candidates
    }

    /// Users who replied, by their first reply.
    fn repliers(&self, post: &PostKey, muted_by: Option<PubkyId>) -> Vec<PubkyId> {
        let mut seen = BTreeSet::new();
        let authors = self.replies_to(post).into_iter().map(|(_, reply)| reply.author);
        let authors = authors.filter(|author| !self.mutes_as(muted_by, author) && seen.insert(*author));
        authors.take(score::UNPAGED).collect()
    }

    /// Who put the label on the user or on one of the user's posts.
    fn taggers_of_work(&self, user: &PubkyId, label: &Label) -> BTreeSet<PubkyId> {
        let about = |target: &Target| match target {
            Target::User(id) => id == user,
            Target::Post(key) => key.author == *user,
            Target::Resource(_) => false,
        };
        self.tags().filter(|tag| tag.label == *label && about(&tag.target)).map(|tag| tag.tagger).collect()
    }

    fn starters_for(&self, label: &Label, newcomer: Option<PubkyId>, start: Timestamp) -> Vec<PubkyId> {
        let mut ranked = Vec::new();
        for user in self.users.keys().filter(|user| self.is_shown(user)) {
            let taggers = self.taggers_of_work(user, label);
            let known = newcomer.is_some_and(|newcomer| newcomer == *user || self.follows(&newcomer, user));
            let is_active = self.posts_by(user).any(|post| post.indexed_at >= start);
            if !taggers.is_empty() && !known && is_active {
                let trust = |id: &PubkyId| self.trust.get(id).copied().unwrap_or_default();
                let trust: u128 = taggers.iter().map(|id| u128::from(score::trust_units(trust(id)))).sum();
                ranked.push((trust, taggers.len(), *user));
            }
        }
        ranked.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then(a.2.cmp(&b.2)));
        ranked.into_iter().map(|(_, _, user)| user).collect()
    }

    /// One user of each label's list in turn, nobody twice.
    fn starter_pack(&self, labels: &[Label], newcomer: Option<PubkyId>, start: Timestamp) -> Vec<PubkyId> {
        let distinct: BTreeSet<_> = labels.iter().collect();
        let in_order = labels.iter().enumerate().filter(|(at, label)| !labels[..*at].contains(label));
        let mut lists: Vec<VecDeque<_>> =
            in_order.map(|(_, label)| self.starters_for(label, newcomer, start).into()).collect();
        debug_assert_eq!(lists.len(), distinct.len());
        let mut pack = Vec::new();
        while lists.iter().any(|list| !list.is_empty()) {
            for list in &mut lists {
                while let Some(user) = list.pop_front() {
                    if !pack.contains(&user) {
                        pack.push(user);
                        break;
                    }
                }
            }
        }
        pack
    }

    pub(super) fn user_stream(&self, query: &UserQuery) -> Vec<RankedUser> {
        use Order::{Ascending, Descending};
        match &query.source {
            UserSource::Relation(user, relation) if self.users.contains_key(user) => {
                let list = self.relation(user, *relation).into_iter();
                self.cut(list.map(|(time, id)| (time.millis(), id)).collect(), Ascending, query)
            }
            UserSource::Relation(..) => Vec::new(),
            UserSource::MostFollowed => self.cut(self.most_followed(), Descending, query),
            UserSource::Influencers { around, timeframe, preview } => {
                let mut ranked = self.influencers(*around, *timeframe, query.now);
                if !preview {
                    return self.cut(ranked, Descending, query);
                }
                ranked.retain(|(_, user)| !self.mutes_as(query.unless_muted_by, user));
                let start = score::preview_start(ranked.len(), query.seed);
                let cut = paged(ranked, Page { skip: start, limit: score::PREVIEW });
                cut.into_iter().map(|(score, user)| RankedUser { user, score }).collect()
            }
            UserSource::Recommended(user) => placed(self.recommended(user, query)),
            UserSource::PostReplies(post) => placed(self.repliers(post, query.unless_muted_by)),
            UserSource::StarterPack { labels, newcomer, timeframe } => {
                let pack = placed(self.starter_pack(labels, *newcomer, timeframe.start(query.now)));
                self.cut(pack.into_iter().map(|entry| (entry.score, entry.user)).collect(), Ascending, query)
            }
        }
    }

    /// A page of a list that is in order.
    fn cut(&self, list: Vec<(i64, PubkyId)>, order: Order, query: &UserQuery) -> Vec<RankedUser> {
        let after = |(score, user): &(i64, PubkyId)| {
            query.after.as_ref().is_none_or(|place| {
                let sides = (*score, user.as_str()).cmp(&(place.score, &*place.member));
                sides == if order == Order::Descending { Ordering::Less } else { Ordering::Greater }
            })
        };
        let seen = list.into_iter().filter(|(_, user)| !self.mutes_as(query.unless_muted_by, user));
        paged(seen.filter(after).map(|(score, user)| RankedUser { user, score }), query.page)
    }

    pub(super) fn named_users(&self, query: &NameQuery) -> Vec<PubkyId> {
        let prefix = query.prefix.to_lowercase();
        let active = self.users.values().filter(|row| row.state == UserState::Active);
        let places = active.map(|row| NamePlace { name: row.profile.name.to_lowercase(), user: row.id });
        let named = sorted(places.filter(|place| place.name.starts_with(&prefix)));
        let after = named.into_iter().filter(|place| query.after.as_ref().is_none_or(|after| place > after));
        let seen = after.map(|place| place.user).filter(|id| !self.mutes_as(query.unless_muted_by, id));
        paged(seen, query.page)
    }

    pub(super) fn keyed(&self, prefix: &str) -> Vec<PubkyId> {
        let active = self.users.values().filter(|row| row.state == UserState::Active).map(|row| row.id);
        active.filter(|id| id.as_str().starts_with(prefix)).collect()
    }

    pub(super) fn tagged_with(&self, labels: &[Label]) -> Vec<UserHit> {
        let distinct: BTreeSet<_> = labels.iter().collect();
        let mut scores: BTreeMap<PubkyId, usize> = BTreeMap::new();
        for tag in self.tags().filter(|tag| distinct.contains(&tag.label)) {
            match tag.target {
                Target::User(user) if self.is_shown(&user) => *scores.entry(user).or_default() += 1,
                _ => {}
            }
        }
        let ranked = sorted(scores.into_iter().map(|(user, score)| (score, user)));
        ranked.into_iter().rev().map(|(score, user_id)| UserHit { user_id, score }).collect()
    }

    /// The first of the shortest chains of follows.
    pub(super) fn chain(&self, from: &PubkyId, to: &PubkyId, max: u8) -> Option<Vec<PubkyId>> {
        let mut chains = vec![vec![*from]];
        let mut seen = BTreeSet::from([*from]);
        for _ in 0..=max {
            if let Some(found) = chains.iter().find(|chain| chain.last() == Some(to)) {
                return Some(found.clone());
            }
            let mut longer = Vec::new();
            for chain in chains {
                let last = chain[chain.len() - 1];
                for edge in self.follow_edges().filter(|edge| edge.from == last) {
                    if seen.insert(edge.to) {
                        longer.push([chain.clone(), vec![edge.to]].concat());
                    }
                }
            }
            chains = longer;
        }
        None
    }
}

/// A list whose only order is that of its places.
fn placed(list: Vec<PubkyId>) -> Vec<RankedUser> {
    (0..).zip(list).map(|(score, user)| RankedUser { user, score }).collect()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
