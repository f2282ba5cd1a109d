//! Tags on posts, users and resources.

use crate::scene::{Scene, is_done, post_key, profile_uri, tag, user, waits};
use nexus_pubky::{Path, ResourceId};
use nexus_social::{
    input::Verdict,
    notification::NotificationBody,
    row::{Edge, PostKind, Target},
    rules::{Policy, Reason},
    store::{Store, Stored},
};
use nexus_social_suite as suite;

#[test]
fn authors_and_users_hear_of_tags_that_come_and_go() {
    let mut scene = Scene::new(Policy::default());
    let (key, post_uri) = (post_key(0, 1), post_key(0, 1).uri());
    scene.short(key);
    assert!(is_done(&scene.tag(1, &post_uri, "art")));
    assert_eq!(scene.tag(1, &post_uri, "art"), Verdict::Unchanged);
    assert!(is_done(&scene.tag(0, &post_uri, "art")), "tagging oneself is allowed");
    assert!(is_done(&scene.tag(1, &profile_uri(0), "kind")));
    let (path, _) = tag(None, &post_uri, "art");
    assert!(is_done(&scene.delete(1, path.clone())));
    assert_eq!(scene.delete(1, path), Verdict::Unchanged);
    let (tag_label, post_kind) = ("art".to_owned(), PostKind::Short);
    let by = user(1);
    assert_eq!(
        scene.told(0),
        [
            NotificationBody::UntagPost {
                untagged_by: by,
                tag_label: tag_label.clone(),
                post_uri: post_uri.clone(),
                post_kind: post_kind.clone()
            },
            NotificationBody::TagProfile { tagged_by: by, tag_label: "kind".into() },
            NotificationBody::TagPost { tagged_by: by, tag_label, post_uri, post_kind },
        ]
    );
}

#[test]
fn targets_are_waited_for_and_what_cannot_be_tagged_is_refused() {
    let mut scene = Scene::new(Policy::default());
    let post = post_key(5, 1);
    assert_eq!(waits(scene.tag(0, &post.uri(), "art")), (post.uri(), vec![user(5)]));
    assert_eq!(waits(scene.tag(0, &profile_uri(5), "art")), (profile_uri(5), vec![user(5)]));
    assert_eq!(waits(scene.tag(4, &profile_uri(0), "art")), (profile_uri(4), vec![]));
    assert_eq!(scene.tag(0, "https://ex.org/", "art"), Verdict::Refused(Reason::NotTaggable.name()));
    let (path, record) = tag(Some("mapky"), "no colon", "art");
    assert_eq!(scene.put(0, path, record), Verdict::Refused(Reason::NotTaggable.name()));
}

#[test]
fn a_tag_of_another_app_on_a_post_is_an_ordinary_tag() {
    let mut scene = Scene::new(Policy::default());
    scene.short(post_key(0, 1));
    let (path, record) = tag(Some("mapky"), &post_key(0, 1).uri(), "art");
    assert!(is_done(&scene.put(1, path.clone(), record)));
    assert!(matches!(&scene.edges()[..], [Edge::Tagged(tag)] if tag.app.is_none()));
    assert!(is_done(&scene.delete(1, path)));
    assert_eq!(scene.edges(), []);
}

fn resources(scene: &Scene) -> Vec<(ResourceId, i64)> {
    let rows = suite::rows(&scene.store).into_iter();
    rows.filter_map(|row| if let Stored::Resource(row) = row { Some((row.id, row.indexed_at.millis())) } else { None })
        .collect()
}

#[test]
fn a_resource_lives_from_its_first_tag_to_its_last() {
    let mut scene = Scene::new(Policy::default());
    let id = ResourceId::of_normal_form("https://ex.org/");
    let mut put = |who, app: &str, uri: &str| {
        let (path, record) = tag(Some(app), uri, "art");
        assert!(is_done(&scene.put(who, path.clone(), record)));
        (who, path, scene.now.millis())
    };
    let first = put(0, "mapky", "HTTPS://ex.org:443");
    let second = put(0, "other", "https://ex.org");
    let third = put(1, "mapky", "https://ex.org/#here");
    assert_eq!(resources(&scene), [(id, first.2)]);
    assert!(scene.edges().iter().all(|edge| matches!(edge, Edge::Tagged(tag) if tag.target == Target::Resource(id))));
    scene.delete(first.0, first.1);
    assert_eq!(resources(&scene), [(id, second.2)]);
    scene.delete(third.0, third.1);
    assert_eq!(resources(&scene), [(id, second.2)]);
    scene.delete(second.0, second.1);
    assert_eq!(resources(&scene), []);
    assert_eq!(scene.store.log(0, 99).unwrap().len(), 4 + 6, "each handled event has a line");
    assert!(matches!(tag(Some("a"), "b", "c").0, Path::Tag { .. }));
}
