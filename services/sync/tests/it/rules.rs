//! Filters and the network's bounds.

use nexus_atproto::Did;
use nexus_sync::rules::{Collections, Network, Rules};

#[test]
fn collections_are_let_through_by_name_or_by_beginning() {
    let some = Collections::new(["app.bsky.feed.post", " app.bsky.graph.* ", ""]);
    for (collection, wanted) in [
        ("app.bsky.feed.post", true),
        ("app.bsky.feed.postgate", false),
        ("app.bsky.graph.follow", true),
        ("app.bsky.graph", false),
        ("App.bsky.feed.post", false),
    ] {
        assert_eq!(some.wants(collection), wanted, "{collection}");
    }
    assert!(Collections::new([]).wants("anything.at.all") && Collections::new(["*"]).wants("anything.at.all"));
}

#[test]
fn a_fingerprint_is_of_the_filters_not_of_their_spelling() {
    let print = |filters: &[&str]| Collections::new(filters.iter().copied()).fingerprint();
    assert_eq!(print(&["a.b.c", "d.*"]), print(&["d.*", " a.b.c", "a.b.c"]));
    let different = [print(&[]), print(&["a.b.c"]), print(&["a.b.c*"]), print(&["a.b", "c"]), print(&["a.b.c", "d"])];
    assert_eq!(std::collections::HashSet::from(different).len(), 5);
}

#[test]
fn repos_are_tracked_as_the_network_says() {
    let did: Did = "did:plc:a".parse().unwrap();
    let signalled = |network, excluded: &[Did]| {
        let rules = Rules { network, excluded: excluded.iter().cloned().collect(), ..Rules::default() };
        rules.is_signalled(&did, ["x.y.zed", "x.y.other"].into_iter())
    };
    assert!(!signalled(Network::Asked, &[]));
    assert!(signalled(Network::Full, &[]) && !signalled(Network::Full, std::slice::from_ref(&did)));
    assert!(signalled(Network::Signal("x.y.zed".parse().unwrap()), &[]));
    assert!(!signalled(Network::Signal("x.y.ze".parse().unwrap()), &[]));
}
