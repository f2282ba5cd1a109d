//! Objects and edges.

use super::{post_key, rows, user};
use nexus_model::Timestamp;
use nexus_pubky::ResourceId;
use nexus_social::{
    effects::{Effects, RowChange},
    row::{
        Bookmark, ContentHash, Edge, Embed, FileKey, FileRow, HostRow, Label, PostKind, PostRow, Profile, ProfileLink,
        ResourceRow, Tag, Target, UserEdge, UserRow, UserState,
    },
    store::{Store, Stored, sort_by_time},
};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn some_user(n: u8) -> UserRow {
    UserRow {
        id: user(n),
        state: UserState::Active,
        profile: Profile {
            name: format!("Ünïque {n}"),
            bio: Some("b".into()),
            image: Some("i".into()),
            links: Some(vec![ProfileLink { title: "t".into(), url: "u".into() }]),
            status: Some("s".into()),
        },
        indexed_at: at(5),
        hash: Some(ContentHash([n; 32])),
    }
}

pub(super) fn some_post(n: u8) -> PostRow {
    PostRow {
        key: post_key(0, n),
        content: "text\n\"quoted\" 🦀".into(),
        kind: PostKind::Long,
        parent: Some("p".into()),
        embed: Some(Embed { kind: PostKind::Link, uri: "e".into() }),
        attachments: Some(vec!["a".into(), "b".into()]),
        lock: Some("l".into()),
        indexed_at: at(i64::from(n)),
        deleted: false,
        hash: Some(ContentHash([7; 32])),
    }
}

fn some_tag(tagger: u8, target: Target, label: &str, app: Option<&str>, time: i64) -> Tag {
    let hash = blake3::hash(format!("{target:?}{label}").as_bytes()).to_hex();
    Tag {
        tagger: user(tagger),
        app: app.map(Into::into),
        id: hash[..26].parse().unwrap(),
        target,
        label: Label::from_valid(label),
        time: at(time),
        created_at: -9,
    }
}

fn resource() -> ResourceRow {
    let uri = "https://ex.org/".to_owned();
    ResourceRow { id: ResourceId::of_normal_form(&uri), uri, indexed_at: at(1) }
}

/// One row of each shape, with and without what is optional.
fn all() -> Vec<RowChange> {
    let bare = Profile { name: "[DELETED]".to_owned(), bio: None, image: None, links: None, status: None };
    let (post, other) = (post_key(0, 1), post_key(1, 1));
    let relation = UserEdge { from: user(0), to: user(1), time: at(3), created_at: 4 };
    let bookmark =
        Bookmark { user: user(1), post, id: "0".repeat(26).parse().unwrap(), time: at(3), created_at: i64::MIN };
    let tags = [
        some_tag(1, Target::Post(post), "art", None, 1),
        some_tag(1, Target::User(user(0)), "art", None, 2),
        some_tag(1, Target::Resource(resource().id), "art", Some("mapky"), 3),
        some_tag(1, Target::Resource(resource().id), "art", Some("other"), 4),
    ];
    let mut rows = vec![
        RowChange::PutUser(some_user(0)),
        RowChange::PutUser(UserRow { state: UserState::Stub, profile: bare, hash: None, ..some_user(1) }),
        RowChange::PutPost(some_post(1)),
        RowChange::PutPost(PostRow {
            key: other,
            kind: PostKind::Short,
            parent: None,
            embed: None,
            attachments: None,
            lock: None,
            deleted: true,
            hash: None,
            ..some_post(1)
        }),
        RowChange::PutFile(some_file()),
        RowChange::PutResource(resource()),
        RowChange::PutHost(some_host(0, 3)),
        RowChange::PutEdge(Edge::Replied { post: other, parent: post, time: at(1) }),
        RowChange::PutEdge(Edge::Reposted { post: other, target: post, time: at(2) }),
        RowChange::PutEdge(Edge::Mentioned { post, user: user(4), time: at(3) }),
        RowChange::PutEdge(Edge::Follows(relation)),
        RowChange::PutEdge(Edge::Mutes(relation)),
        RowChange::PutEdge(Edge::Bookmarked(bookmark)),
        RowChange::SetTrust([(user(0), 0.1), (user(1), 1.0 / 3.0)].into()),
    ];
    rows.extend(tags.map(|tag| RowChange::PutEdge(Edge::Tagged(tag))));
    rows
}

fn some_file() -> FileRow {
    FileRow {
        key: FileKey { owner: user(0), id: post_key(0, 1).id },
        name: "n".into(),
        created_at: 1,
        src: "s".into(),
        content_type: "image/png".into(),
        size: u64::from(u32::MAX) + 1,
        indexed_at: at(1),
        hash: None,
    }
}

fn some_host(n: u8, resolved_at: i64) -> HostRow {
    HostRow { user: user(n), homeserver: "https://home.example".into(), resolved_at: at(resolved_at), stale: true }
}

fn stored(change: &RowChange) -> Vec<Stored> {
    match change.clone() {
        RowChange::PutUser(row) => vec![Stored::User(row)],
        RowChange::PutPost(row) => vec![Stored::Post(row)],
        RowChange::PutFile(row) => vec![Stored::File(row)],
        RowChange::PutResource(row) => vec![Stored::Resource(row)],
        RowChange::PutHost(row) => vec![Stored::Host(row)],
        RowChange::PutEdge(edge) => vec![Stored::Edge(edge)],
        RowChange::SetTrust(scores) => scores.iter().map(|(user, score)| Stored::Trust(*user, *score)).collect(),
        _ => vec![],
    }
}

pub(super) fn put(store: &dyn Store, rows: Vec<RowChange>) {
    commit(store, Effects { rows, ..Effects::default() });
}

pub(super) fn commit(store: &dyn Store, effects: Effects) {
    let mut transaction = store.begin().unwrap();
    transaction.apply(&effects).unwrap();
    transaction.commit().unwrap();
}

fn expect_rows(store: &dyn Store, mut expected: Vec<Stored>) {
    expected.sort_by_cached_key(|row| format!("{row:?}"));
    assert_eq!(rows(store), expected);
}

pub(super) fn every_row_comes_back_as_it_went_in(store: &dyn Store) {
    put(store, all());
    expect_rows(store, all().iter().flat_map(stored).collect());
    put(store, all());
    expect_rows(store, all().iter().flat_map(stored).collect());
}

pub(super) fn a_row_is_replaced_and_removed_by_its_identity(store: &dyn Store) {
    put(store, all());
    let edges: Vec<_> = all()
        .into_iter()
        .filter_map(|row| if let RowChange::PutEdge(edge) = row { Some(edge) } else { None })
        .collect();
    let moved = UserRow { state: UserState::Deleted, ..some_user(0) };
    let mut changes = vec![RowChange::PutUser(moved.clone()), RowChange::SetTrust([].into())];
    changes.extend(edges.into_iter().map(RowChange::RemoveEdge));
    changes.extend([
        RowChange::RemovePost(post_key(0, 1)),
        RowChange::RemoveFile(some_file().key),
        RowChange::RemoveResource(resource().id),
        RowChange::RemoveHost(user(0)),
        RowChange::RemoveUser(user(1)),
        RowChange::RemovePost(post_key(1, 1)),
    ]);
    put(store, changes);
    expect_rows(store, vec![Stored::User(moved)]);
}

pub(super) fn lookups_find_what_load_gives(store: &dyn Store) {
    put(store, all());
    let group = store.begin().unwrap();
    let state = group.state();
    for row in rows(store) {
        match &row {
            Stored::User(user) => assert_eq!(state.user(&user.id).unwrap().as_ref(), Some(user)),
            Stored::Post(post) => assert_eq!(state.post(&post.key).unwrap().as_ref(), Some(post)),
            Stored::File(file) => assert_eq!(state.file(&file.key).unwrap().as_ref(), Some(file)),
            Stored::Resource(found) => assert_eq!(state.resource(&found.id).unwrap().as_ref(), Some(found)),
            Stored::Host(host) => assert_eq!(state.host(&host.user).unwrap().as_ref(), Some(host)),
            Stored::Edge(Edge::Follows(edge)) => assert_eq!(state.follow(&edge.from, &edge.to).unwrap(), Some(*edge)),
            Stored::Edge(Edge::Mutes(edge)) => assert_eq!(state.mute(&edge.from, &edge.to).unwrap(), Some(*edge)),
            Stored::Edge(Edge::Bookmarked(edge)) => {
                assert_eq!(state.bookmark(&edge.user, &edge.post).unwrap(), Some(*edge));
                assert_eq!(state.bookmark_by_id(&edge.user, &edge.id).unwrap(), Some(*edge));
                assert_eq!(state.bookmark_by_id(&user(5), &edge.id).unwrap(), None);
            }
            Stored::Edge(Edge::Tagged(tag)) => {
                let app = tag.app.as_deref();
                assert_eq!(state.tag(&tag.tagger, app, &tag.id).unwrap().as_ref(), Some(tag));
                assert_eq!(state.tag_on(&tag.tagger, &tag.target, &tag.label, app).unwrap().as_ref(), Some(tag));
                assert_eq!(state.tag(&tag.tagger, Some("nobody"), &tag.id).unwrap(), None);
            }
            Stored::Edge(_) | Stored::Trust(..) => {}
        }
    }
    assert_eq!(state.user(&user(5)).unwrap(), None);
    assert_eq!(state.follow(&user(1), &user(0)).unwrap(), None);
}

pub(super) fn a_tag_is_found_by_its_id_whatever_its_app(store: &dyn Store) {
    let target = Target::Resource(resource().id);
    let [last, first, plain] = [Some("zebra"), Some("mapky"), None].map(|app| some_tag(0, target, "art", app, 3));
    let mut changes = vec![RowChange::PutResource(resource())];
    for expected in [&last, &first, &plain] {
        changes.push(RowChange::PutEdge(Edge::Tagged(expected.clone())));
        put(store, std::mem::take(&mut changes));
        assert_eq!(store.tag(&user(0), &expected.id).unwrap().as_ref(), Some(expected));
    }
    put(store, vec![RowChange::RemoveEdge(Edge::Tagged(plain))]);
    assert_eq!(store.tag(&user(0), &first.id).unwrap().as_ref(), Some(&first));
    assert_eq!(store.tag(&user(1), &first.id).unwrap(), None, "somebody else's");
    assert_eq!(store.tag(&user(0), &some_tag(0, target, "fun", None, 3).id).unwrap(), None);
}

pub(super) fn edges_come_by_time(store: &dyn Store) {
    let (post, target) = (post_key(0, 1), Target::Post(post_key(0, 1)));
    let early = some_tag(2, target, "late", None, 5);
    let resources =
        [9, 2, 4].map(|time| some_tag(1, Target::Resource(resource().id), &format!("l{time}"), Some("mapky"), time));
    let mut edges: Vec<_> = (0..4)
        .map(|n| Edge::Replied { post: post_key(1, n), parent: post, time: at(i64::from(9 - n)) })
        .chain([Edge::Tagged(early), Edge::Reposted { post: post_key(2, 1), target: post, time: at(6) }])
        .collect();
    let mut changes: Vec<_> = edges.iter().cloned().map(RowChange::PutEdge).collect();
    changes.push(RowChange::PutResource(resource()));
    changes.extend(resources.iter().cloned().map(|tag| RowChange::PutEdge(Edge::Tagged(tag))));
    put(store, changes);
    let group = store.begin().unwrap();
    let state = group.state();
    sort_by_time(&mut edges);
    assert_eq!(state.edges_to_post(&post).unwrap(), edges);
    assert_eq!(state.edges_from_post(&post).unwrap(), vec![]);
    assert_eq!(state.edges_from_post(&post_key(1, 0)).unwrap().len(), 1);
    assert_eq!(state.other_tag(&resources[0]).unwrap(), Some(resources[1].clone()));
    assert_eq!(state.other_tag(&resources[1]).unwrap(), Some(resources[2].clone()));
    assert_eq!(state.other_tag(&some_tag(1, target, "late", None, 0)).unwrap().unwrap().tagger, user(2));
}

pub(super) fn a_reference_of_any_kind_is_seen(store: &dyn Store) {
    let (post, other) = (post_key(2, 1), post_key(3, 1));
    let relation = UserEdge { from: user(2), to: user(3), time: at(0), created_at: 0 };
    let bookmark =
        Bookmark { user: user(2), post: other, id: "0".repeat(26).parse().unwrap(), time: at(0), created_at: 0 };
    let both = [
        Edge::Replied { post, parent: other, time: at(0) },
        Edge::Reposted { post, target: other, time: at(0) },
        Edge::Mentioned { post, user: user(3), time: at(0) },
        Edge::Follows(relation),
        Edge::Mutes(relation),
        Edge::Bookmarked(bookmark),
        Edge::Tagged(some_tag(2, Target::User(user(3)), "x", None, 0)),
        Edge::Tagged(some_tag(2, Target::Post(other), "x", None, 0)),
    ];
    for edge in both {
        put(store, vec![RowChange::PutEdge(edge.clone())]);
        let group = store.begin().unwrap();
        let state = group.state();
        assert!(state.is_referenced(&user(2)).unwrap(), "{edge:?}");
        assert!(state.is_referenced(&user(3)).unwrap(), "{edge:?}");
        assert!(!state.is_referenced(&user(4)).unwrap(), "{edge:?}");
        drop(group);
        put(store, vec![RowChange::RemoveEdge(edge)]);
        let group = store.begin().unwrap();
        let state = group.state();
        assert!(!state.is_referenced(&user(2)).unwrap() && !state.is_referenced(&user(3)).unwrap());
    }
    for (row, n) in [
        (RowChange::PutPost(some_post(1)), 0),
        (RowChange::PutFile(FileRow { key: FileKey { owner: user(1), ..some_file().key }, ..some_file() }), 1),
        (RowChange::PutHost(some_host(2, 0)), 2),
    ] {
        put(store, vec![row]);
        assert!(store.begin().unwrap().state().is_referenced(&user(n)).unwrap());
    }
    put(store, vec![RowChange::PutUser(some_user(5))]);
    assert!(!store.begin().unwrap().state().is_referenced(&user(5)).unwrap());
}

pub(super) fn users_without_a_known_home_are_found(store: &dyn Store) {
    let mut known: Vec<_> = (0..4).map(user).collect();
    let mut changes: Vec<_> = (0..4).map(|n| RowChange::PutUser(some_user(n))).collect();
    changes.extend([RowChange::PutHost(some_host(0, 10)), RowChange::PutHost(some_host(1, 20))]);
    changes.push(RowChange::PutUser(UserRow { state: UserState::Deleted, ..some_user(3) }));
    put(store, changes);
    known.retain(|id| *id != user(1) && *id != user(3));
    known.sort();
    assert_eq!(store.unresolved(at(20), None, 9).unwrap(), known);
    assert_eq!(store.unresolved(at(20), Some(&known[0]), 9).unwrap(), known[1..]);
    assert_eq!(store.unresolved(at(20), None, 1).unwrap(), known[..1]);
    assert_eq!(store.hosts(at(20), 9).unwrap(), [some_host(0, 10)]);
    assert_eq!(store.hosts(at(99), 9).unwrap().len(), 2);
    assert_eq!(store.hosts(at(99), 1).unwrap().len(), 1);
}
