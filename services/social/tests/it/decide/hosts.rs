//! Where users live, and how far their homeservers were read.

use crate::scene::{
    AWAY, HOME, Scene, delete_from, freed, is_done, post_key, profile, profile_uri, put_from, user, waits,
};
use nexus_pubky::{Path, Record};
use nexus_social::{
    effects::{SourceCursor, SourceLog},
    input::{Input, Verdict},
    rules::{Policy, Reason},
    store::Store,
};
use pubky_app_specs::PubkyAppFollow;

#[test]
fn a_resolved_user_is_a_stub_that_others_can_follow_at_once() {
    let mut scene = Scene::new(Policy::default());
    assert_eq!(waits(scene.follow(0, 5)).0, profile_uri(5));
    let follow = format!("pubky://{}/pub/pubky.app/follows/{}", user(0), user(5));
    assert_eq!(freed(scene.hosted(5, HOME)), [follow]);
    assert!(is_done(&scene.follow(0, 5)));
}

#[test]
fn only_the_homeserver_of_a_user_speaks_for_them() {
    let mut scene = Scene::new(Policy::default());
    let refused = |reason: Reason| Verdict::Refused(reason.name());
    scene.hosted(0, HOME);
    let other = || profile("other");
    assert_eq!(scene.send(put_from(AWAY, 0, Path::Profile, other())), refused(Reason::OtherHomeserver));
    assert_eq!(scene.send(delete_from(AWAY, 0, Path::Profile)), refused(Reason::OtherHomeserver));
    assert!(is_done(&scene.send(put_from(AWAY, 1, Path::Profile, other()))), "nobody knows better");
    assert!(is_done(&scene.send(Input::HostDoubtful(user(0)))));
    assert_eq!(scene.put(0, Path::Profile, other()), refused(Reason::StaleHomeserver));
    scene.hosted(0, HOME);
    assert!(is_done(&scene.put(0, Path::Profile, other())));
    assert_eq!(scene.send(Input::HostDoubtful(user(5))), Verdict::Unchanged);
}

#[test]
fn a_user_who_moves_is_read_from_the_start_at_the_new_home() {
    let mut scene = Scene::new(Policy::default());
    let log = |homeserver: &str| SourceLog::User { homeserver: homeserver.into(), user: user(0) };
    let read = |homeserver: &str, cursor| Input::Read(SourceCursor { log: log(homeserver), cursor });
    scene.hosted(0, AWAY);
    scene.send(read(AWAY, 7));
    scene.hosted(0, HOME);
    assert_eq!(scene.store.cursor(&log(AWAY)).unwrap(), Some(7));
    assert!(is_done(&scene.put(0, Path::Profile, profile("at home"))));
    scene.hosted(0, AWAY);
    assert_eq!(scene.store.cursor(&log(AWAY)).unwrap(), Some(0));
    let follow = || Record::Follow(PubkyAppFollow { created_at: 1 });
    assert!(is_done(&scene.send(put_from(AWAY, 0, Path::Follow(user(1)), follow()))));
    assert_eq!(scene.put(0, Path::Post(post_key(0, 1).id), follow()), Verdict::Refused("other_homeserver"));
}

#[test]
fn cursors_never_go_backwards() {
    let mut scene = Scene::new(Policy::default());
    let read = |cursor| Input::Read(SourceCursor { log: SourceLog::Homeserver(HOME.into()), cursor });
    assert!(is_done(&scene.send(read(5))));
    assert_eq!(scene.send(read(5)), Verdict::Unchanged);
    assert_eq!(scene.send(read(4)), Verdict::Refused(Reason::CursorBackwards.name()));
    assert!(is_done(&scene.send(read(6))));
    assert_eq!(scene.store.cursor(&SourceLog::Homeserver(HOME.into())).unwrap(), Some(6));
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(names.len(), Reason::ALL.len());
}
