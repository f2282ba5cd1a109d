//! Moderation and the operator's rules.

use crate::scene::{HOME, Scene, is_done, post_key, profile, profile_uri, reply, tag, text, user, waits};
use nexus_pubky::{Path, Record};
use nexus_social::{
    input::Verdict,
    row::{Edge, UserState},
    rules::{Moderation, Policy, Reason, Rule, RuleAction, Rules},
    store::Store,
};
use pubky_app_specs::PubkyAppFile;

const MODERATOR: u8 = 3;

fn moderated() -> Scene {
    let moderation = Moderation { moderator: Some(user(MODERATOR)), labels: ["illegal".to_owned()].into() };
    Scene::new(Policy { moderation, ..Policy::default() })
}

#[test]
fn a_moderated_post_goes_whole_but_replies_to_it_stay_replies() {
    let mut scene = moderated();
    let key = post_key(0, 1);
    scene.short(key);
    scene.post(post_key(1, 1), reply(key));
    scene.tag(1, &key.uri(), "art");
    scene.bookmark(2, key, 1);
    assert!(is_done(&scene.tag(1, &key.uri(), "illegal")), "only the moderator moderates");
    assert!(is_done(&scene.tag(MODERATOR, &key.uri(), "fine")));
    assert!(is_done(&scene.tag(MODERATOR, &key.uri(), "illegal")));
    assert_eq!(scene.row(key), None);
    assert!(matches!(scene.edges()[..], [Edge::Replied { parent, .. }] if parent == key));
    let line = scene.store.log(0, 99).unwrap().pop().unwrap();
    assert!(line.starts_with(&format!("PUT pubky://{}/pub/pubky.app/tags/", user(MODERATOR))));
    scene.short(key);
    assert!(scene.row(key).is_some(), "moderation is not sticky");
}

#[test]
fn users_files_and_tags_are_moderated() {
    let mut scene = moderated();
    let file = Path::File(post_key(0, 1).id);
    let (name, src, content_type) = ("n".into(), "s".into(), "image/png".into());
    scene.put(0, file.clone(), Record::File(PubkyAppFile { name, created_at: 1, src, content_type, size: 1 }));
    let (path, record) = tag(None, &profile_uri(1), "rude");
    scene.put(0, path.clone(), record);
    let uri = |path: &Path| format!("pubky://{}{path}", user(0));
    assert!(is_done(&scene.tag(MODERATOR, &uri(&path), "illegal")));
    assert_eq!(scene.edges(), []);
    let verdict = scene.tag(MODERATOR, &uri(&file), "illegal");
    assert!(matches!(verdict, Verdict::Done { orphans, .. } if orphans.len() == 1));
    scene.hosted(0, HOME);
    assert!(is_done(&scene.tag(MODERATOR, &profile_uri(0), "illegal")));
    assert_eq!(scene.user_row(0).unwrap().state, UserState::Deleted);
    assert_eq!(scene.tag(MODERATOR, "https://ex.org/", "illegal"), Verdict::Unchanged);
    assert_eq!(scene.tag(MODERATOR, &uri(&file), "illegal"), Verdict::Unchanged);
}

#[test]
fn rules_refuse_what_is_new_and_never_hold_back_a_deletion() {
    let deny = Rule { words: vec!["pills".into()], ..Rule::every(RuleAction::Deny) };
    let mut scene = Scene::new(Policy { rules: Rules::new(vec![deny]), ..Policy::default() });
    let refused = Verdict::Refused(Reason::Rule.name());
    assert_eq!(scene.post(post_key(0, 1), text("cheap Pills!")), refused);
    scene.short(post_key(0, 2));
    assert_eq!(scene.post(post_key(0, 2), text("pills")), refused);
    assert_eq!(scene.row(post_key(0, 2)).unwrap().content, "hello");
    assert!(is_done(&scene.delete(0, Path::Post(post_key(0, 2).id))));
}

#[test]
fn who_is_blacklisted_is_not_indexed_not_hosted_and_not_waited_for() {
    let blacklist = [user(4).as_str().into(), "https://bad.example".into()].into();
    let mut scene = Scene::new(Policy { blacklist, ..Policy::default() });
    let refused = Verdict::Refused(Reason::Blacklisted.name());
    assert_eq!(scene.put(4, Path::Profile, profile("name")), refused);
    assert_eq!(scene.hosted(4, HOME), refused);
    assert_eq!(scene.hosted(5, "https://bad.example"), refused);
    assert_eq!(scene.follow(0, 4), refused);
    assert_eq!(scene.post(post_key(0, 1), reply(post_key(4, 1))), refused);
    assert_eq!(waits(scene.follow(0, 5)).1, [user(5)]);
    let mention = scene.post(post_key(0, 2), text(&format!("pk:{}", user(4))));
    assert_eq!(crate::scene::ingest(mention), []);
}
