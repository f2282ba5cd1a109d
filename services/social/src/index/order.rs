//! Every list of an index, made at once from what was loaded. Nothing is inserted anywhere: rows are dealt out to
//! those whose lists they belong in, and each list is sorted once.

use super::{
    Index,
    body::{LabelBody, Labelled, Post, Tagging, Use, User, time_of},
    columns::{Columns, EVER, LENGTHS, PostFacts, at},
    groups::{Group, Groups},
    links::{Link, Links},
    ranks::{SHELVES, shelf},
    rungs::rung_of,
    shelves::Shelves,
    sorted::Sorted,
    starters,
};
use crate::query::Order;
use std::thread;

/// Somebody follows somebody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) time: i64,
}

/// Rows in the order of their owners' ids.
struct Dealt<T> {
    /// Where each owner's rows end.
    ends: Vec<usize>,
    rows: Vec<T>,
}

impl<T: Copy> Dealt<T> {
    /// Deals rows out to as many owners, each one's in the order in which they come.
    fn to<R>(owners: usize, rows: &[R], owner: impl Fn(&R) -> u32, part: impl Fn(&R) -> T) -> Self {
        let mut ends = vec![0; owners];
        rows.iter().for_each(|row| ends[at(owner(row))] += 1);
        let mut sum = 0;
        for end in &mut ends {
            (*end, sum) = (sum, sum + *end);
        }
        let Some(first) = rows.first() else { return Self { ends, rows: Vec::new() } };
        let mut dealt = vec![part(first); rows.len()];
        for row in rows {
            let place = &mut ends[at(owner(row))];
            dealt[*place] = part(row);
            *place += 1;
        }
        Self { ends, rows: dealt }
    }

    /// Each owner's rows.
    fn hands(&mut self) -> impl Iterator<Item = &mut [T]> {
        let (mut rest, mut begin) = (self.rows.as_mut_slice(), 0);
        self.ends.iter().map(move |end| {
            let (hand, others) = std::mem::take(&mut rest).split_at_mut(*end - begin);
            (rest, begin) = (others, *end);
            hand
        })
    }
}

/// Does two things at a time.
fn both<A: Send, B>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(a);
        let b = b();
        (other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), b)
    })
}

/// Follows and tags, in the lists of those whom they concern.
pub(super) fn relations(index: &mut Index, follows: &[Follow], on_users: &[Tagging], mut on_posts: Vec<Tagging>) {
    count_engagement(&mut index.columns.posts, &on_posts);
    let (columns, users, posts) = (&index.columns, index.users.len(), index.posts.len());
    let ((groups, following), (followers, profiles, vouched, uses)) = both(
        || {
            let following = links(columns, users, follows, |row| row.from, |row| Link::new(row.time, row.to));
            (grouped(columns, posts, &on_posts), following)
        },
        || {
            let followers = links(columns, users, follows, |row| row.to, |row| Link::new(row.time, row.from));
            let vouched = |tag: &Tagging| Labelled { label: tag.label, thing: tag.post };
            let used = |tag: &Tagging| Use { label: tag.label, time: tag.time, post: tag.post };
            (
                followers,
                grouped(columns, users, on_users),
                sorted(users, on_users, |tag| tag.tagger, vouched),
                sorted(users, &on_posts, |tag| tag.tagger, used),
            )
        },
    );
    index.posts.iter_mut().zip(groups).for_each(|(post, groups)| post.tags = groups);
    let lists = following.into_iter().zip(followers).zip(profiles).zip(vouched).zip(uses);
    for (body, ((((following, followers), tags), vouched), uses)) in index.users.iter_mut().zip(lists) {
        body.tagged = u32::try_from(vouched.len() + uses.len()).unwrap_or(u32::MAX);
        (body.following, body.followers) = (following, followers);
        (body.tags, body.vouched, body.uses) = (tags, vouched, uses);
    }
    on_posts.sort_unstable();
    index.ranks.log = Sorted::from_ordered(on_posts);
    count_friends(&mut index.users);
}

fn count_engagement(posts: &mut [PostFacts], tags: &[Tagging]) {
    tags.iter().for_each(|tag| posts[at(tag.post)].engagement += 1);
    posts.iter_mut().for_each(|facts| facts.rung = rung_of(facts.engagement));
}

fn count_friends(users: &mut [User]) {
    let friends = |(user, body): (u32, &User)| {
        let mutual = body.following.ids().filter(|other| users[at(*other)].following.contains(user));
        u32::try_from(mutual.count()).unwrap_or(u32::MAX)
    };
    let counts: Vec<u32> = (0u32..).zip(&*users).map(friends).collect();
    users.iter_mut().zip(counts).for_each(|(body, count)| body.friends = count);
}

fn links<R>(
    columns: &Columns,
    owners: usize,
    rows: &[R],
    owner: impl Fn(&R) -> u32,
    link: impl Fn(&R) -> Link,
) -> Vec<Links> {
    let mut dealt = Dealt::to(owners, rows, owner, link);
    let ordered = dealt.hands().map(|hand| {
        hand.sort_unstable_by(|a, b| compare_links(columns, a, b));
        Links::from_ordered(hand.to_vec())
    });
    ordered.collect()
}

/// Links to users by time, then key.
fn compare_links(columns: &Columns, a: &Link, b: &Link) -> std::cmp::Ordering {
    a.time().cmp(&b.time()).then_with(|| columns.compare_users(a.id, b.id))
}

fn sorted<R, T: Copy + Ord>(
    owners: usize,
    rows: &[R],
    owner: impl Fn(&R) -> u32,
    part: impl Fn(&R) -> T,
) -> Vec<Sorted<T>> {
    let mut dealt = Dealt::to(owners, rows, owner, part);
    let ordered = dealt.hands().map(|hand| {
        hand.sort_unstable();
        Sorted::from_ordered(hand.to_vec())
    });
    ordered.collect()
}

/// The labels on each thing.
fn grouped(columns: &Columns, things: usize, tags: &[Tagging]) -> Vec<Groups> {
    let mut dealt =
        Dealt::to(things, tags, |tag| tag.post, |tag| (tag.label, Link::new(time_of(tag.time), tag.tagger)));
    let groups = dealt.hands().map(|hand| {
        hand.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| compare_links(columns, &a.1, &b.1)));
        let labels = hand.chunk_by(|a, b| a.0 == b.0);
        let group = |tags: &[(u32, Link)]| Group {
            label: tags[0].0,
            taggers: Links::from_ordered(tags.iter().map(|tag| tag.1).collect()),
        };
        Groups::from_ordered(columns, labels.map(group).collect())
    });
    groups.collect()
}

/// Lists of posts: the network's, the authors' and the labels'.
pub(super) fn lists(index: &mut Index) {
    let (columns, users, posts, labels) = (&index.columns, &index.users, &index.posts, index.labels.len());
    let ((by_time, shelved), (by_engagement, labelled, starters)) = both(
        || {
            let by_time = times(columns);
            let labelled = labelled_posts(posts, labels, &by_time);
            let shelved = labelled.into_iter().map(|posts| Shelves::from_ordered(columns, posts));
            (by_time, shelved.collect::<Vec<_>>())
        },
        || {
            let starters = starters::of_tags(columns, users, labels, |user| users[user].trust);
            (engagements(columns), labelled_by_author(columns, posts, users.len()), starters)
        },
    );
    index.ranks.timeline = shelves(columns, by_time.iter().copied());
    index.ranks.engagement = shelves(columns, by_engagement.iter().copied());
    let roots = |post: &u32| columns.posts[at(*post)].known && !columns.posts[at(*post)].is_reply;
    let replies = |post: &u32| columns.posts[at(*post)].known && columns.posts[at(*post)].is_reply;
    let own = |list: &[u32], wanted: &dyn Fn(&u32) -> bool| authored(columns, users.len(), list, wanted);
    let own = [own(&by_time, &roots), own(&by_time, &replies), own(&by_engagement, &roots)];
    let [roots, replies, engaging] = own.map(Vec::into_iter);
    for ((((body, roots), replies), engaging), labelled) in
        index.users.iter_mut().zip(roots).zip(replies).zip(engaging).zip(labelled)
    {
        (body.roots, body.replies, body.engaging, body.labelled) = (roots, replies, engaging, labelled);
    }
    for ((label, shelves), starters) in index.labels.iter_mut().zip(shelved).zip(starters) {
        (label.posts, label.starters) = (shelves, starters);
    }
    carriers(&index.columns, &index.users, &mut index.labels);
}

/// Every post by time, known or not.
fn times(columns: &Columns) -> Vec<u32> {
    let mut posts: Vec<(i64, u32)> = columns.posts.iter().map(|facts| facts.time).zip(0u32..).collect();
    posts.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| columns.compare_posts(a.1, b.1)));
    posts.into_iter().map(|(_, post)| post).collect()
}

/// Every post by engagement, known or not. Most are equal, so that authors are compared by a number for each.
fn engagements(columns: &Columns) -> Vec<u32> {
    let mut authors: Vec<u32> = (0u32..).zip(&columns.users).map(|(user, _)| user).collect();
    authors.sort_unstable_by(|a, b| columns.compare_users(*a, *b));
    let mut places = vec![0u32; authors.len()];
    (0u32..).zip(&authors).for_each(|(place, user)| places[at(*user)] = place);
    let place = |facts: &PostFacts| (facts.engagement, places[at(facts.author)], facts.id);
    let mut posts: Vec<_> = columns.posts.iter().map(place).zip(0u32..).collect();
    posts.sort_unstable();
    posts.into_iter().map(|(_, post)| post).collect()
}

/// Known posts by kind, replies apart, each shelf in the order of the whole.
fn shelves(columns: &Columns, posts: impl Iterator<Item = u32>) -> [Sorted<u32>; SHELVES] {
    let mut shelves: [Vec<u32>; SHELVES] = Default::default();
    for post in posts {
        let facts = &columns.posts[at(post)];
        if facts.known {
            shelves[shelf(facts)].push(post);
        }
    }
    shelves.map(Sorted::from_ordered)
}

/// Posts by author, each one's in the order of the whole.
fn authored(columns: &Columns, users: usize, posts: &[u32], wanted: impl Fn(&u32) -> bool) -> Vec<Sorted<u32>> {
    let posts: Vec<u32> = posts.iter().copied().filter(wanted).collect();
    let mut dealt = Dealt::to(users, &posts, |post| columns.posts[at(*post)].author, |post| *post);
    dealt.hands().map(|hand| Sorted::from_ordered(hand.to_vec())).collect()
}

/// Posts by label, each label's in the order of the whole.
fn labelled_posts(posts: &[Post], labels: usize, order: &[u32]) -> Vec<Vec<u32>> {
    let mut lists = vec![Vec::new(); labels];
    for post in order {
        posts[at(*post)].tags.iter().for_each(|group| lists[at(group.label)].push(*post));
    }
    lists
}

/// Each author's posts by label.
fn labelled_by_author(columns: &Columns, posts: &[Post], users: usize) -> Vec<Sorted<Labelled>> {
    let entries = (0u32..).zip(posts).flat_map(|(thing, post)| {
        let author = columns.posts[at(thing)].author;
        post.tags.iter().map(move |group| (author, Labelled { label: group.label, thing }))
    });
    let entries: Vec<_> = entries.collect();
    sorted(users, &entries, |(author, _)| *author, |(_, entry)| *entry)
}

/// Who carries each label on the profile.
fn carriers(columns: &Columns, users: &[User], labels: &mut [LabelBody]) {
    let mut lists = vec![Vec::new(); labels.len()];
    for ((user, id), body) in (0u32..).zip(&columns.users).zip(users) {
        for group in body.tags.iter() {
            lists[at(group.label)].push((group.taggers.count(), *id));
            labels[at(group.label)].carriers.insert(user);
        }
    }
    labels.iter_mut().zip(lists).for_each(|(label, list)| label.users = list.into_iter().collect());
}

/// Everything that is ranked by numbers.
pub(super) fn rankings(index: &mut Index) {
    taggers(index);
    for (standing, body) in index.columns.standing.iter_mut().zip(&index.users) {
        standing.followers = body.followers.count();
        standing.activity = body.tagged + u32::try_from(body.roots.len() + body.replies.len()).unwrap_or(u32::MAX);
    }
    open_windows(index);
    rank_users(index);
    rank_labels(index);
}

/// Each label's users, by their latest use.
fn taggers(index: &mut Index) {
    let mut lists: Vec<Vec<Link>> = vec![Vec::new(); index.labels.len()];
    for (user, body) in (0u32..).zip(&index.users) {
        let mut uses = body.uses.iter(Order::Ascending).peekable();
        while let Some(entry) = uses.next() {
            if uses.peek().is_none_or(|next| next.label != entry.label) {
                lists[at(entry.label)].push(Link::new(time_of(entry.time), user));
            }
        }
    }
    for (label, mut list) in index.labels.iter_mut().zip(lists) {
        list.sort_unstable_by(|a, b| compare_links(&index.columns, a, b));
        label.taggers = Links::from_ordered(list);
    }
}

/// Lets the windows end at the newest time there is.
fn open_windows(index: &mut Index) {
    let posts = index.ranks.timeline.iter().filter_map(Sorted::last).map(|post| index.columns.posts[at(post)].time);
    let tags = index.ranks.log.last().map(|tagging| time_of(tagging.time));
    let newest = posts.chain(tags).max().unwrap_or(i64::MIN);
    index.ranks.newest = newest;
    for (window, length) in LENGTHS.into_iter().enumerate() {
        let start = newest.saturating_sub(length);
        index.ranks.starts[window] = start;
        let inside = index.between(start, i64::MAX);
        inside.labels.iter().for_each(|(label, posts)| index.columns.heat[at(*label)][window] = *posts);
        inside.users.iter().for_each(|(user, count)| index.columns.standing[at(*user)].active[window] = *count);
    }
}

fn rank_users(index: &mut Index) {
    let columns = &index.columns;
    for (rank, list) in index.ranks.users.iter_mut().enumerate() {
        let ranked = (0u32..).zip(&columns.standing).filter(|(_, standing)| standing.score(rank).is_some());
        let mut users: Vec<u32> = ranked.map(|(user, _)| user).collect();
        users.sort_unstable_by(|a, b| columns.by_standing(rank, *a, *b));
        *list = Sorted::from_ordered(users);
    }
}

fn rank_labels(index: &mut Index) {
    for (heat, label) in index.columns.heat.iter_mut().zip(&index.labels) {
        heat[EVER] = u32::try_from(label.posts.len()).unwrap_or(u32::MAX);
    }
    let columns = &index.columns;
    for (rank, list) in index.ranks.labels.iter_mut().enumerate() {
        let hot = (0u32..).zip(&columns.heat).filter(|(_, heat)| heat[rank] > 0);
        let mut labels: Vec<u32> = hot.map(|(label, _)| label).collect();
        labels.sort_unstable_by(|a, b| columns.by_heat(rank, *a, *b));
        *list = Sorted::from_ordered(labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Everybody gets their rows, all of them and in the order in which they came.
        #[test]
        fn rows_are_dealt_to_their_owners(rows in proptest::collection::vec((0u32..7, any::<u16>()), 0..200)) {
            let mut dealt = Dealt::to(9, &rows, |row| row.0, |row| row.1);
            let hands: Vec<Vec<u16>> = dealt.hands().map(|hand| hand.to_vec()).collect();
            let expected = (0u32..9).map(|owner| rows.iter().filter(|row| row.0 == owner).map(|row| row.1).collect());
            prop_assert_eq!(hands, expected.collect::<Vec<Vec<u16>>>());
        }
    }

    #[test]
    fn two_things_are_done_and_a_panic_is_passed_on() {
        assert_eq!(both(|| 1, || 2), (1, 2));
        let panicked = std::panic::catch_unwind(|| both(|| panic!("the first"), || 2));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"the first"));
    }
}
