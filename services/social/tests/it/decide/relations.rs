//! Follows, mutes and bookmarks.

use crate::scene::{Scene, is_done, post_key, profile_uri, text, user, waits};
use nexus_pubky::{Path, Record};
use nexus_social::{
    input::Verdict,
    notification::NotificationBody,
    row::{Bookmark, Edge},
    rules::{Policy, Reason},
    store::Store,
};
use pubky_app_specs::{PubkyAppBookmark, PubkyAppMute};

#[test]
fn friends_are_made_and_lost_and_both_hear_of_it() {
    let mut scene = Scene::new(Policy::default());
    assert!(is_done(&scene.follow(0, 1)));
    assert_eq!(scene.told(1), [NotificationBody::Follow { followed_by: user(0) }]);
    assert!(is_done(&scene.follow(1, 0)));
    assert_eq!(scene.told(0), [NotificationBody::NewFriend { followed_by: user(1) }]);
    assert_eq!(scene.follow(0, 1), Verdict::Unchanged);
    assert!(is_done(&scene.delete(0, Path::Follow(user(1)))));
    assert_eq!(scene.told(1)[0], NotificationBody::LostFriend { unfollowed_by: user(0) });
    assert!(is_done(&scene.delete(1, Path::Follow(user(0)))));
    assert_eq!(scene.told(0).len(), 1, "a plain unfollow is silent");
    assert_eq!(scene.delete(1, Path::Follow(user(0))), Verdict::Unchanged);
    assert_eq!(scene.edges(), []);
}

#[test]
fn nobody_follows_themselves_and_unknown_users_are_waited_for() {
    let mut scene = Scene::new(Policy::default());
    assert_eq!(scene.follow(0, 0), Verdict::Unchanged);
    assert_eq!(waits(scene.follow(0, 5)), (profile_uri(5), vec![user(5)]));
    assert_eq!(waits(scene.follow(5, 0)), (profile_uri(5), vec![]));
    assert_eq!(scene.edges(), []);
}

#[test]
fn a_mute_needs_nobody_and_tells_nobody() {
    let mut scene = Scene::new(Policy::default());
    let mute = || Record::Mute(PubkyAppMute { created_at: 1 });
    assert!(is_done(&scene.put(0, Path::Mute(user(5)), mute())));
    assert_eq!(scene.put(0, Path::Mute(user(5)), mute()), Verdict::Unchanged);
    assert!(matches!(scene.edges()[..], [Edge::Mutes(edge)] if edge.to == user(5)));
    assert_eq!(scene.told(5), []);
    assert!(is_done(&scene.delete(0, Path::Mute(user(5)))));
    assert_eq!(scene.edges(), []);
}

fn bookmark_of(scene: &Scene) -> Option<Bookmark> {
    scene.store.begin().unwrap().state().bookmark(&user(1), &post_key(0, 1)).unwrap()
}

#[test]
fn a_rewritten_bookmark_moves_to_the_top_and_a_repeated_one_stays() {
    let mut scene = Scene::new(Policy::default());
    assert_eq!(waits(scene.bookmark(1, post_key(0, 1), 1)), (post_key(0, 1).uri(), vec![]));
    scene.short(post_key(0, 1));
    assert!(is_done(&scene.bookmark(1, post_key(0, 1), 1)));
    let first = bookmark_of(&scene).unwrap();
    assert_eq!(scene.bookmark(1, post_key(0, 1), 1), Verdict::Unchanged);
    assert!(is_done(&scene.bookmark(1, post_key(0, 1), 2)));
    let second = bookmark_of(&scene).unwrap();
    assert!(second.time > first.time && second.id == first.id);
    assert!(is_done(&scene.delete(1, Path::Bookmark(first.id))));
    assert_eq!(bookmark_of(&scene), None);
    assert_eq!(scene.delete(1, Path::Bookmark(first.id)), Verdict::Unchanged);
}

#[test]
fn only_posts_are_bookmarked() {
    let mut scene = Scene::new(Policy::default());
    let record = Record::Bookmark(PubkyAppBookmark { uri: profile_uri(1), created_at: 1 });
    let verdict = scene.put(0, Path::Bookmark("0".repeat(26).parse().unwrap()), record);
    assert_eq!(verdict, Verdict::Refused(Reason::NotAPost.name()));
    scene.post(post_key(0, 1), text("x"));
    assert!(scene.store.begin().unwrap().state().is_referenced(&user(0)).unwrap());
}
