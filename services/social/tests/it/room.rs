//! What the index forgets, and what it counts once: whoever writes and deletes for as long as they like leaves
//! nothing behind, and nothing is counted twice on the way.

use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceId, TimestampId};
use nexus_social::{
    dice::Dice,
    effects::{Effects, RowChange},
    index::{Index, Slots},
    query::{Page, Timeframe, UserQuery, UserSource},
    read::Read,
    row::{
        Bookmark, Edge, HostRow, Label, PostKey, PostKind, PostRow, Profile, ResourceRow, Tag, Target, UserEdge,
        UserRow, UserState,
    },
};
use std::sync::Arc;

/// Everything that a stranger can leave behind: a profile, a post that answers, embeds and names, a collection, and
/// edges of every kind, each under a label, an app and a key of its own.
fn visit(seed: u64) -> Vec<RowChange> {
    let mut dice = Dice::new(seed);
    let mut keys = std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten();
    let (id, other) = (keys.next().unwrap(), keys.next().unwrap());
    let time = Timestamp::from_millis(1_790_000_000_000 + seed as i64 * 1000);
    let key = |author, n: i64| PostKey { author, id: TimestampId::from_micros(time.millis() * 1000 + n) };
    let (post, target, collection) = (key(id, 1), key(other, 2), key(id, 3));
    let items = serde_json::json!({ "name": "best", "items": [target.uri(), key(other, 4).uri()] }).to_string();
    let mut reply = PostRow::of_text(post, PostKind::Short, "hello".to_owned(), time);
    reply.parent = Some(key(other, 5).uri());
    let profile = Profile { name: format!("visitor {seed}"), bio: None, image: None, links: None, status: None };
    let uri = format!("https://ex.org/{seed}");
    let resource = ResourceId::of_normal_form(&uri);
    let edge = UserEdge { from: id, to: other, time, created_at: 0 };
    let record = HashId::of_hash(&[1; 32]);
    let tag = |target: Target, app: Option<&str>| {
        let label = Label::from_valid(&format!("l{seed}"));
        Edge::Tagged(Tag { tagger: id, app: app.map(Into::into), id: record, target, label, time, created_at: 0 })
    };
    let edges = [
        Edge::Replied { post, parent: target, time },
        Edge::Reposted { post, target: post, time },
        Edge::Mentioned { post, user: other, time },
        Edge::Follows(edge),
        Edge::Mutes(edge),
        Edge::Bookmarked(Bookmark { user: id, post: target, id: record, time, created_at: 0 }),
        tag(Target::User(other), None),
        tag(Target::Post(target), None),
        tag(Target::Resource(resource), Some(&format!("app{seed}"))),
    ];
    let rows = [
        RowChange::PutUser(UserRow { id, state: UserState::Active, profile, indexed_at: time, hash: None }),
        RowChange::PutHost(HostRow {
            user: other,
            homeserver: "https://hs.example".into(),
            resolved_at: time,
            stale: false,
        }),
        RowChange::PutPost(reply),
        RowChange::PutPost(PostRow::of_text(collection, PostKind::Collection, items, time)),
        RowChange::PutResource(ResourceRow { id: resource, uri, indexed_at: time }),
        RowChange::SetTrust(Arc::from([(other, 0.5)])),
    ];
    rows.into_iter().chain(edges.map(RowChange::PutEdge)).collect()
}

/// What takes a change back.
fn undo(change: &RowChange) -> RowChange {
    match change {
        RowChange::PutUser(row) => RowChange::RemoveUser(row.id),
        RowChange::PutHost(row) => RowChange::RemoveHost(row.user),
        RowChange::PutPost(row) => RowChange::RemovePost(row.key),
        RowChange::PutResource(row) => RowChange::RemoveResource(row.id),
        RowChange::PutEdge(edge) => RowChange::RemoveEdge(edge.clone()),
        _ => RowChange::SetTrust(Arc::from([])),
    }
}

fn apply(index: &mut Index, rows: Vec<RowChange>) {
    index.apply(&Effects { rows, ..Effects::default() });
}

/// Writing and deleting for as long as one likes takes the memory of one visit, in whatever order things go.
#[test]
fn visitors_who_leave_take_no_room() {
    let mut index = Index::default();
    let mut most = None;
    for seed in 0..2000 {
        let rows = visit(seed);
        let mut removals: Vec<_> = rows.iter().map(undo).collect();
        Dice::new(seed).shuffle(&mut removals);
        apply(&mut index, rows);
        most.get_or_insert(index.in_use());
        apply(&mut index, removals);
        assert_eq!(index.in_use(), Slots { users: 0, posts: 0, labels: 0, resources: 0 }, "after {seed}");
    }
    assert_eq!(Some(index.room()), most, "made room for more than one visit");
}

/// A visit that is repeated takes no more room either, and leaves whole.
#[test]
fn a_repeated_visit_is_one() {
    let (mut once, mut twice) = (Index::default(), Index::default());
    apply(&mut once, visit(1));
    apply(&mut twice, [visit(1), visit(1)].concat());
    assert_eq!(once.in_use(), twice.in_use());
    apply(&mut twice, visit(1).iter().rev().map(undo).collect());
    assert_eq!(twice.in_use(), Index::default().in_use());
}

/// Keys, as many as one likes.
fn keys(count: usize) -> Vec<PubkyId> {
    let mut dice = Dice::new(5);
    std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten().take(count).collect()
}

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn user(id: PubkyId) -> RowChange {
    let profile = Profile { name: "somebody".to_owned(), bio: None, image: None, links: None, status: None };
    RowChange::PutUser(UserRow { id, state: UserState::Active, profile, indexed_at: NOW, hash: None })
}

fn post(author: PubkyId, n: i64, kind: PostKind) -> (PostKey, RowChange) {
    let key = PostKey { author, id: TimestampId::from_micros(NOW.millis() * 1000 + n) };
    (key, RowChange::PutPost(PostRow::of_text(key, kind, "{}".to_owned(), NOW)))
}

fn tag(tagger: PubkyId, target: Target) -> Edge {
    let (label, id) = (Label::from_valid("maps"), HashId::of_hash(&[2; 32]));
    Edge::Tagged(Tag { tagger, app: None, id, target, label, time: NOW, created_at: 0 })
}

fn pack(index: &Index) -> Vec<PubkyId> {
    let labels = vec![Label::from_valid("maps")];
    let source = UserSource::StarterPack { labels, newcomer: None, timeframe: Timeframe::AllTime };
    let page = Page { skip: 0, limit: 10 };
    let query = UserQuery { source, page, after: None, unless_muted_by: None, now: NOW, seed: 0 };
    index.users(&query).into_iter().map(|entry| entry.user).collect()
}

/// One tagger of ten posts weighs less than two of one, and none once the last tag is gone, whichever is the last.
#[test]
fn who_vouches_often_counts_once() {
    let [one, two, often, twice] = keys(4).try_into().unwrap();
    let mut index = Index::default();
    let posts: Vec<_> = (0..10).map(|n| post(often, n, PostKind::Short)).collect();
    let (other, other_row) = post(twice, 0, PostKind::Short);
    apply(&mut index, [one, two, often, twice].map(user).into());
    apply(&mut index, posts.iter().map(|(_, row)| row.clone()).chain([other_row]).collect());
    let mut tags: Vec<Edge> = posts.iter().map(|(key, _)| tag(one, Target::Post(*key))).collect();
    tags.push(tag(one, Target::User(often)));
    apply(&mut index, tags.iter().cloned().map(RowChange::PutEdge).collect());
    assert_eq!(pack(&index), [often]);
    let of_two = [tag(one, Target::Post(other)), tag(two, Target::User(twice))];
    apply(&mut index, of_two.iter().cloned().map(RowChange::PutEdge).collect());
    assert_eq!(pack(&index), [twice, often]);
    apply(&mut index, vec![RowChange::SetTrust(Arc::from([(one, 0.5)])), RowChange::RemoveEdge(of_two[0].clone())]);
    assert_eq!(pack(&index), [often, twice]);
    Dice::new(1).shuffle(&mut tags);
    let last = tags.pop().unwrap();
    apply(&mut index, tags.into_iter().map(RowChange::RemoveEdge).collect());
    assert_eq!(pack(&index), [often, twice]);
    apply(&mut index, vec![RowChange::RemoveEdge(last)]);
    assert_eq!(pack(&index), [twice]);
}

/// Bookmarks of collections aren't counted, whatever becomes of what is kept and in whatever order it is learned.
#[test]
fn a_kept_post_may_become_a_collection_and_back() {
    let [keeper, author] = keys(2).try_into().unwrap();
    let mut index = Index::default();
    let (key, as_short) = post(author, 1, PostKind::Short);
    let (_, as_collection) = post(author, 1, PostKind::Collection);
    let bookmark = Bookmark { user: keeper, post: key, id: HashId::of_hash(&[3; 32]), time: NOW, created_at: 0 };
    let put = RowChange::PutEdge(Edge::Bookmarked(bookmark));
    let count = |index: &Index| index.user_counts(&keeper).unwrap().bookmarks;
    apply(&mut index, vec![user(keeper), put.clone()]);
    assert_eq!(count(&index), 1, "a post that isn't known yet");
    for (row, expected) in [(&as_collection, 0), (&as_short, 1), (&as_collection, 0), (&put, 0)] {
        apply(&mut index, vec![row.clone()]);
        assert_eq!(count(&index), expected);
    }
    apply(&mut index, vec![RowChange::RemovePost(key)]);
    assert_eq!(count(&index), 1, "a post that is gone is no collection");
    apply(&mut index, vec![as_collection, RowChange::RemoveEdge(Edge::Bookmarked(bookmark))]);
    assert_eq!(count(&index), 0);
}

/// A thing with hundreds of labels shows its first five like one with few, while they come and go.
#[test]
fn many_labels_are_ranked_as_few_are() {
    let ids = keys(12);
    let mut index = Index::default();
    let (key, row) = post(ids[0], 1, PostKind::Short);
    apply(&mut index, ids.iter().copied().map(user).chain([row]).collect());
    let labelled = |tagger: usize, n: usize| {
        let (label, id) = (Label::from_valid(&format!("l{n:03}")), HashId::of_hash(&[n as u8; 32]));
        let target = Target::Post(key);
        Edge::Tagged(Tag { tagger: ids[tagger], app: None, id, target, label, time: NOW, created_at: 0 })
    };
    // Label n has as many taggers as n has of twelve: the last of equals comes first.
    let edges: Vec<Edge> =
        (0..300).flat_map(|n| (0..=n % 12).map(move |tagger| (tagger, n))).map(|(t, n)| labelled(t, n)).collect();
    let labels = |index: &Index| -> Vec<(String, usize)> {
        let tags = index.post_view(&key, None, Default::default()).unwrap().tags;
        tags.into_iter().map(|tag| (tag.label, tag.taggers_count)).collect()
    };
    apply(&mut index, edges.iter().cloned().map(RowChange::PutEdge).collect());
    let first = [299, 287, 275, 263, 251].map(|n| (format!("l{n}"), 12));
    assert_eq!(labels(&index), first);
    assert_eq!(index.post_counts(&key).unwrap().unique_tags, 300);
    apply(&mut index, edges[..edges.len() - 12].iter().cloned().map(RowChange::RemoveEdge).collect());
    assert_eq!(labels(&index), [("l299".to_owned(), 12)]);
    assert_eq!(index.post_counts(&key).unwrap().tags, 12);
}
