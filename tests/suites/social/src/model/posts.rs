//! Streams of posts and threads: filter everything, sort it, cut the page.

use super::{Model, paged};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, collection_items};
use nexus_social::{
    query::{Depth, KindFilter, LabelledQuery, Order, Position, PostQuery, PostSource, Sorting},
    row::{Edge, Label, PostKey, PostKind, PostRow, Target},
    view::{PostCounts, PostView, Ranked, Thread, ThreadReply},
};
use std::{cmp::Ordering, collections::BTreeSet};

impl Model {
    pub(super) fn counts_of_post(&self, post: &PostKey) -> PostCounts {
        let labels = self.labels_on(&Target::Post(*post));
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        PostCounts {
            tags: number(labels.values().map(Vec::len).sum()),
            unique_tags: number(labels.len()),
            replies: number(self.replies_to(post).len()),
            reposts: number(self.reposts_of(post).len()),
        }
    }

    fn engagement(&self, post: &PostKey) -> i64 {
        let counts = self.counts_of_post(post);
        i64::from(counts.tags) + i64::from(counts.replies) + i64::from(counts.reposts)
    }

    fn score(&self, post: &PostRow, sorting: Sorting) -> i64 {
        match sorting {
            Sorting::Timeline => post.indexed_at.millis(),
            Sorting::TotalEngagement => self.engagement(&post.key),
        }
    }

    pub(super) fn has_label(&self, post: &PostKey, label: &str) -> bool {
        self.post_tag_edges().any(|(tag, tagged)| tagged == *post && tag.label.as_str() == label)
    }

    /// Users whose profile carries one of the labels, put there by the observer or, where a depth is given,
    /// by somebody within it.
    fn in_domain(&self, observer: &PubkyId, depth: Option<Depth>, labels: &[Label]) -> BTreeSet<PubkyId> {
        let mut trusted = depth.map_or_else(BTreeSet::new, |depth| self.within(observer, depth));
        trusted.insert(*observer);
        let about = self.tags().filter(|tag| trusted.contains(&tag.tagger) && labels.contains(&tag.label));
        about
            .filter_map(|tag| match tag.target {
                Target::User(user) => Some(user),
                _ => None,
            })
            .collect()
    }

    /// Every post of the source with its score there.
    fn candidates(&self, query: &PostQuery) -> Vec<Ranked> {
        let roots = || self.posts.values().filter(|post| post.parent.is_none());
        let ranked = |post: &PostRow, sorting| Ranked { post: post.key, score: self.score(post, sorting) };
        let by = |users: BTreeSet<PubkyId>| {
            roots().filter(|post| users.contains(&post.key.author)).map(|post| ranked(post, query.sorting)).collect()
        };
        match &query.source {
            PostSource::All => roots().map(|post| ranked(post, query.sorting)).collect(),
            PostSource::Reach { observer, reach } => by(self.reach(observer, *reach)),
            PostSource::WotDomain { observer, depth, labels } => by(self.in_domain(observer, *depth, labels)),
            PostSource::Author(author) => by(BTreeSet::from([*author])),
            PostSource::AuthorReplies(author) => {
                let replies = self.posts.values().filter(|p| p.key.author == *author && p.parent.is_some());
                replies.map(|post| ranked(post, Sorting::Timeline)).collect()
            }
            PostSource::PostReplies(parent) => timed(self.replies_to(parent)),
            PostSource::Bookmarks(user) => {
                let kept = self.bookmarks().filter(|bookmark| bookmark.user == *user);
                match query.sorting {
                    Sorting::Timeline => timed(kept.map(|bookmark| (bookmark.time, bookmark.post))),
                    Sorting::TotalEngagement => {
                        kept.filter_map(|b| self.posts.get(&b.post)).map(|post| ranked(post, query.sorting)).collect()
                    }
                }
            }
            PostSource::Collection(_) => Vec::new(),
        }
    }

    fn is_wanted(&self, post: &PostKey, query: &PostQuery) -> bool {
        let Some(row) = self.posts.get(post) else { return false };
        let kind = match &query.kinds {
            KindFilter::Any => true,
            KindFilter::Only(kind) => row.kind == *kind,
            KindFilter::Except(kinds) => row.kind == PostKind::Unknown || !kinds.contains(&row.kind),
        };
        let tagged = query.tags.is_empty() || query.tags.iter().any(|label| self.has_label(post, label.as_str()));
        kind && tagged && !self.is_muted(post, query)
    }

    fn is_muted(&self, post: &PostKey, query: &PostQuery) -> bool {
        self.mutes_as(query.unless_muted_by, &post.author)
    }

    pub(super) fn post_stream(&self, query: &PostQuery) -> Vec<Ranked> {
        if let PostSource::Collection(key) = &query.source {
            return self.collection(key, query);
        }
        let mut list = self.candidates(query);
        list.retain(|entry| query.range.contains(entry.score) && self.is_wanted(&entry.post, query));
        list.sort_by_key(|entry| (entry.score, entry.post));
        if query.order == Order::Descending {
            list.reverse();
        }
        let after = |entry: &Ranked| is_after(query.after.as_ref(), query.order, entry);
        paged(list.into_iter().filter(after), query.page)
    }

    /// The items in the curator's order; the score is the place. Labels, kinds, order and range don't apply.
    fn collection(&self, key: &PostKey, query: &PostQuery) -> Vec<Ranked> {
        let row = self.posts.get(key).filter(|row| row.kind == PostKind::Collection);
        let items = row.map_or_else(Vec::new, |row| collection_items(&row.content));
        let ranked = (0..).zip(items).map(|(score, (author, id))| Ranked { post: PostKey { author, id }, score });
        let after = |entry: &Ranked| query.after.as_ref().is_none_or(|place| entry.score > place.score);
        paged(ranked.filter(|entry| after(entry) && !self.is_muted(&entry.post, query)), query.page)
    }

    pub(super) fn labelled_posts(&self, query: &LabelledQuery) -> Vec<Ranked> {
        let tagged = self.posts.values().filter(|post| self.has_label(&post.key, query.label.as_str()));
        let seen = tagged.filter(|post| !self.mutes_as(query.unless_muted_by, &post.key.author));
        let mut list: Vec<_> = seen.map(|post| (self.score(post, query.sorting), post.key)).collect();
        list.sort();
        let ranked = list.into_iter().rev().map(|(score, post)| Ranked { post, score });
        let found = ranked.filter(|entry| query.range.contains(entry.score));
        paged(found.filter(|entry| is_after(query.after.as_ref(), Order::Descending, entry)), query.page)
    }

    /// The post that a post answers.
    pub(super) fn parent_of(&self, post: &PostKey) -> Option<PostKey> {
        let parents = self.edges.values().filter_map(|edge| match edge {
            Edge::Replied { post: reply, parent, time } if reply == post => Some((*time, *parent)),
            _ => None,
        });
        parents.min().map(|(_, parent)| parent)
    }

    fn ancestors(&self, post: &PostKey, limit: usize) -> Vec<PostKey> {
        let mut chain: Vec<PostKey> = Vec::new();
        let mut next = self.parent_of(post);
        while let Some(key) = next.filter(|key| self.posts.contains_key(key) && key != post && !chain.contains(key)) {
            if chain.len() == limit {
                break;
            }
            chain.push(key);
            next = self.parent_of(&key);
        }
        chain.reverse();
        chain
    }

    /// Every reply below a post, depth first.
    fn descendants(&self, post: &PostKey, level: u8, seen: &mut BTreeSet<PostKey>, out: &mut Vec<(u8, PostKey)>) {
        for (_, reply) in self.replies_to(post) {
            if self.posts.contains_key(&reply) && seen.insert(reply) {
                out.push((level, reply));
                self.descendants(&reply, level.saturating_add(1), seen, out);
            }
        }
    }

    pub(super) fn thread_of(
        &self,
        key: &PostKey,
        view: impl Fn(&PostKey) -> Option<PostView>,
        ancestors: usize,
        replies: usize,
        depth: u8,
    ) -> Option<Thread> {
        let post = view(key)?;
        let mut below = Vec::new();
        self.descendants(key, 1, &mut BTreeSet::from([*key]), &mut below);
        let all = below.len();
        let shown = below.into_iter().filter(|(level, _)| *level <= depth).take(replies);
        let replies: Vec<_> =
            shown.filter_map(|(depth, reply)| Some(ThreadReply { depth, post: view(&reply)? })).collect();
        let truncated = replies.len() < all;
        let ancestors = self.ancestors(key, ancestors).iter().filter_map(view).collect();
        Some(Thread { ancestors, post, replies, truncated })
    }
}

fn is_after(after: Option<&Position>, order: Order, entry: &Ranked) -> bool {
    after.is_none_or(|place| {
        let sides = entry.score.cmp(&place.score).then(member(&entry.post).as_str().cmp(&place.member));
        sides == if order == Order::Descending { Ordering::Less } else { Ordering::Greater }
    })
}

fn timed(entries: impl IntoIterator<Item = (Timestamp, PostKey)>) -> Vec<Ranked> {
    entries.into_iter().map(|(time, post)| Ranked { post, score: time.millis() }).collect()
}

/// The text of a post as a list's member.
fn member(post: &PostKey) -> String {
    format!("{}:{}", post.author, post.id)
}
