//! Random histories: what must hold whatever happens, in whatever order.

use crate::scene::{post_key, user};
use nexus_pubky::{Address, Path, Record};
use nexus_social::{
    input::{EventAction, Input},
    query::Page,
    row::{Edge, Target},
    store::{Memory, Store, Stored},
    writer::Writer,
};
use nexus_social_suite::{self as suite, Dump, Op, World, model::Model};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};

fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any::<[u8; 5]>().prop_map(Op), 0..most)
}

fn writer() -> Writer {
    Writer::new(Arc::new(World::policy()))
}

/// What names an input that would overwrite or undo another one of the same name.
fn subject(input: &Input) -> Option<String> {
    match input {
        Input::Event(event) => Some(event.address.to_string()),
        _ => None,
    }
}

/// True if doing this again after what followed it may rightly change something: a deletion or moderation
/// before a new record, a failure that counts, or what an operator asked for.
fn is_repeatable(input: &Input) -> bool {
    match input {
        Input::Event(event) => match &event.action {
            EventAction::Put { record, .. } => !matches!(record.get(), Record::Tag(tag) if tag.label == "bad"),
            EventAction::Delete => true,
        },
        Input::Read(_) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Effects alone carry everything that readers need.
    #[test]
    fn effects_applied_by_a_reader_give_what_is_stored(ops in ops(120), size in 1_usize..20) {
        let (store, mut model) = (Memory::new(), Model::default());
        let apply = &mut |committed: nexus_social::writer::Committed| committed.effects.iter().for_each(|e| model.apply(e));
        World::new().run(&writer(), &store, &ops, size, apply).unwrap();
        let mut rows = model.rows();
        rows.sort_by_cached_key(|row| format!("{row:?}"));
        prop_assert_eq!(rows, suite::rows(&store));
    }

    /// At-least-once delivery has exactly-once effects.
    #[test]
    fn a_repeated_tail_changes_nothing(ops in ops(100), size in 1_usize..8) {
        let store = Memory::new();
        let mut world = World::new();
        let sent = world.run(&writer(), &store, &ops, size, &mut |_| ()).unwrap();
        let mut seen = BTreeSet::new();
        let is_new = |input: &&Input| is_repeatable(input) && subject(input).is_none_or(|name| seen.insert(name));
        let length = sent.iter().rev().take_while(is_new).count();
        let before = Dump::of(&store);
        // What waits isn't tried again by being delivered again, as long as it isn't due.
        prop_assume!(store.due(world.now(), 1).unwrap().is_empty());
        writer().run(&store, &sent[sent.len() - length..], world.now(), |_| ()).unwrap();
        prop_assert_eq!(Dump::of(&store).whatever_is_waited_for(), before.whatever_is_waited_for());
    }

    /// Rows keep the promises that indexes rely on.
    #[test]
    fn rows_fit_together(ops in ops(150), size in 1_usize..20) {
        let store = Memory::new();
        World::new().run(&writer(), &store, &ops, size, &mut |_| ()).unwrap();
        let rows = suite::rows(&store);
        let posts: BTreeSet<_> =
            rows.iter().filter_map(|row| if let Stored::Post(post) = row { Some(post.key) } else { None }).collect();
        let users: BTreeSet<_> =
            rows.iter().filter_map(|row| if let Stored::User(user) = row { Some(user.id) } else { None }).collect();
        let mut links = BTreeSet::new();
        for row in &rows {
            match row {
                Stored::Post(post) => prop_assert!(users.contains(&post.key.author)),
                Stored::Resource(resource) => {
                    let times = rows.iter().filter_map(|row| match row {
                        Stored::Edge(Edge::Tagged(tag)) if tag.target == Target::Resource(resource.id) => Some(tag.time),
                        _ => None,
                    });
                    prop_assert_eq!(times.min(), Some(resource.indexed_at));
                }
                Stored::Edge(Edge::Replied { post, .. }) => prop_assert!(posts.contains(post) && links.insert((0, *post))),
                Stored::Edge(Edge::Reposted { post, .. }) => prop_assert!(posts.contains(post) && links.insert((1, *post))),
                Stored::Edge(Edge::Mentioned { post, user, .. }) => {
                    prop_assert!(posts.contains(post) && *user != post.author);
                }
                Stored::Edge(Edge::Follows(edge)) => {
                    prop_assert!(users.contains(&edge.from) && users.contains(&edge.to) && edge.from != edge.to);
                }
                Stored::Edge(Edge::Bookmarked(bookmark)) => prop_assert!(posts.contains(&bookmark.post)),
                Stored::Edge(Edge::Tagged(tag)) => {
                    let is_known = match &tag.target {
                        Target::User(id) => users.contains(id),
                        Target::Post(key) => posts.contains(key),
                        Target::Resource(_) => tag.app.is_some(),
                    };
                    prop_assert!(is_known && users.contains(&tag.tagger));
                }
                _ => {}
            }
        }
    }

    /// While no object is deleted, what is stored is what homeservers hold, less what still waits.
    #[test]
    fn without_removals_the_state_is_what_the_records_say(ops in ops(120), size in 1_usize..20) {
        let keeps = |Op([what, _, _, _, how]): &Op| {
            let (what, how) = (what % 16, how);
            match what {
                0..=2 => how % 8 != 0,
                3..=6 => how % 3 != 0,
                9..=11 => how / 12 % 3 != 2,
                15 => false,
                _ => true,
            }
        };
        let ops: Vec<_> = ops.into_iter().filter(keeps).collect();
        let store = Memory::new();
        let mut world = World::new();
        world.run(&writer(), &store, &ops, size, &mut |_| ()).unwrap();
        let queue = store.retries(Page { skip: 0, limit: 999 }).unwrap();
        let waits: BTreeSet<_> = queue.iter().map(|row| row.uri.to_string()).collect();
        let stored: BTreeSet<_> = suite::rows(&store).iter().filter_map(name).collect();
        let mut known = BTreeSet::new();
        for record in world.records().filter(|(address, record)| is_indexable(address, record)) {
            // An edit may wait while what it edits stays.
            prop_assert!(stored.contains(&canonical(record)) || waits.contains(&record.0.to_string()), "{:?}", record);
            known.insert(canonical(record));
        }
        prop_assert!(stored.is_subset(&known));
    }
}

/// The URI of the record that a row stands for, apps of ordinary tags forgotten.
fn name(row: &Stored) -> Option<String> {
    Some(match row {
        Stored::User(user) => nexus_social::row::user_uri(&user.id),
        Stored::Post(post) => post.key.uri(),
        Stored::File(file) => file.key.uri(),
        Stored::Edge(Edge::Follows(edge)) => format!("pubky://{}/pub/pubky.app/follows/{}", edge.from, edge.to),
        Stored::Edge(Edge::Mutes(edge)) => format!("pubky://{}/pub/pubky.app/mutes/{}", edge.from, edge.to),
        Stored::Edge(Edge::Bookmarked(bookmark)) => bookmark.uri(),
        Stored::Edge(Edge::Tagged(tag)) => tag.uri(),
        _ => return None,
    })
}

/// False for what is refused or means nothing.
fn is_indexable(address: &Address, record: &Record) -> bool {
    match (&address.path, record) {
        (Path::Follow(to), _) => *to != address.user,
        (Path::Tag { app: None, .. }, Record::Tag(tag)) => !tag.uri.starts_with("http"),
        _ => true,
    }
}

/// The name under which a record's row goes: apps are kept for tags on resources only.
fn canonical((address, record): &(Address, Record)) -> String {
    match (&address.path, record) {
        (Path::Tag { id, .. }, Record::Tag(tag)) if tag.uri.starts_with("pubky") => {
            Address { user: address.user, path: Path::Tag { app: None, id: *id } }.to_string()
        }
        _ => address.to_string(),
    }
}

#[test]
fn the_world_has_distinct_users_and_posts() {
    let users: BTreeSet<_> = (0..6).map(user).collect();
    let posts: BTreeSet<_> = (0..6).flat_map(|n| (0..4).map(move |id| post_key(n, id))).collect();
    assert_eq!((users.len(), posts.len()), (6, 24));
}
