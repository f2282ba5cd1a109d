//! Synthetic networks: their size, and that nothing in them dangles.

use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::{Effects, RowChange},
    mock::{Network, Size},
    read::Read,
    row::{Edge, PostKey, PostKind, Target},
};
use nexus_social_suite::model::Model;
use std::collections::BTreeSet;

const END: Timestamp = Timestamp::from_millis(1_790_000_000_000);

#[test]
fn a_network_belongs_to_its_seed() {
    let rows = |seed| Network::new(Size::of(20, 60), seed, END).rows().collect::<Vec<_>>();
    assert_eq!(rows(1), rows(1));
    assert_ne!(rows(1), rows(2));
}

/// A dump of it can be imported by who verifies it.
#[test]
fn collections_embed_nothing() {
    let collection = |row: &RowChange| match row {
        RowChange::PutPost(row) => (row.kind == PostKind::Collection).then_some(row.embed.is_none()),
        _ => None,
    };
    let bare: Vec<bool> =
        Network::new(Size::of(200, 4_000), 3, END).rows().filter_map(|row| collection(&row)).collect();
    assert!(bare.len() > 20 && bare.iter().all(|bare| *bare), "{bare:?}");
}

#[test]
fn a_network_has_its_size_and_nothing_dangles() {
    let size = Size::of(200, 400);
    let network = Network::new(size, 3, END);
    let (mut known, mut counts) = (BTreeSet::new(), [0usize; 4]);
    let post = |key: &PostKey| key.uri();
    let user = |id: &PubkyId| id.to_string();
    for row in network.rows() {
        let (makes, needs) = match &row {
            RowChange::PutUser(row) => (vec![user(&row.id)], vec![]),
            RowChange::PutPost(row) => (vec![post(&row.key)], vec![user(&row.key.author)]),
            RowChange::PutResource(row) => (vec![row.id.to_string()], vec![]),
            RowChange::PutEdge(
                Edge::Replied { post: a, parent: b, .. } | Edge::Reposted { post: a, target: b, .. },
            ) => (vec![], vec![post(a), post(b)]),
            RowChange::PutEdge(Edge::Follows(edge)) => (vec![], vec![user(&edge.from), user(&edge.to)]),
            RowChange::PutEdge(Edge::Tagged(tag)) => {
                let target = match &tag.target {
                    Target::User(id) => user(id),
                    Target::Post(key) => post(key),
                    Target::Resource(id) => id.to_string(),
                };
                (vec![], vec![user(&tag.tagger), target])
            }
            _ => (vec![], vec![]),
        };
        assert!(needs.iter().all(|need| known.contains(need)), "{row:?} comes too early");
        counts[0] += usize::from(matches!(row, RowChange::PutUser(_)));
        counts[1] += usize::from(matches!(row, RowChange::PutPost(_)));
        counts[2] += usize::from(matches!(row, RowChange::PutEdge(Edge::Follows(_))));
        counts[3] += usize::from(matches!(row, RowChange::PutEdge(Edge::Tagged(_))));
        known.extend(makes);
    }
    assert_eq!(counts[..2], [size.users, size.posts]);
    assert!(counts[2] > size.follows / 2 && counts[3] > size.tags / 2, "{counts:?}");
}

#[test]
fn popularity_falls() {
    let network = Network::new(Size::of(100, 200), 3, END);
    let mut model = Model::default();
    model.apply(&Effects { rows: network.rows().collect(), ..Effects::default() });
    let followers = |place: usize| model.user_counts(&network.users()[place]).unwrap().followers;
    assert!(followers(0) > followers(50) && followers(0) > followers(99));
}
