//! What the index forgets: whoever writes and deletes for as long as they like leaves nothing behind.

use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceId, TimestampId};
use nexus_social::{
    dice::Dice,
    effects::{Effects, RowChange},
    index::{Index, Slots},
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
