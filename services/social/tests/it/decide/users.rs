//! Profiles and files.

use crate::scene::{Scene, is_done, post_key, profile, user};
use nexus_pubky::{Path, Record};
use nexus_social::{
    input::Verdict,
    row::{FileKey, Profile, UserState},
    rules::Policy,
};
use pubky_app_specs::PubkyAppFile;

#[test]
fn a_stub_becomes_a_user_then_a_tombstone_then_a_user_again() {
    let mut scene = Scene::empty(Policy::default());
    assert!(is_done(&scene.hosted(0, crate::scene::HOME)));
    let stub = scene.user_row(0).unwrap();
    assert_eq!((stub.state, stub.profile.name.as_str()), (UserState::Stub, user(0).as_str()));
    scene.put(0, Path::Profile, profile("Ada"));
    assert_eq!(scene.user_row(0).unwrap().state, UserState::Active);
    assert!(is_done(&scene.delete(0, Path::Profile)));
    let gone = scene.user_row(0).unwrap();
    let nothing = Profile { name: "[DELETED]".into(), bio: None, image: None, links: None, status: None };
    assert_eq!((gone.state, gone.profile, gone.hash), (UserState::Deleted, nothing, None));
    assert_eq!(scene.delete(0, Path::Profile), Verdict::Unchanged);
    scene.put(0, Path::Profile, profile("Ada"));
    assert_eq!(scene.user_row(0).unwrap().profile.name, "Ada");
}

#[test]
fn a_user_whom_nothing_names_goes_without_a_trace() {
    let mut scene = Scene::new(Policy::default());
    assert!(is_done(&scene.delete(0, Path::Profile)));
    assert_eq!(scene.user_row(0), None);
    assert_eq!(scene.delete(0, Path::Profile), Verdict::Unchanged);
    scene.short(post_key(1, 1));
    scene.delete(1, Path::Profile);
    assert_eq!(scene.user_row(1).unwrap().state, UserState::Deleted);
}

#[test]
fn the_same_profile_again_changes_nothing() {
    let mut scene = Scene::new(Policy::default());
    let before = scene.user_row(0).unwrap();
    assert_eq!(scene.put(0, Path::Profile, profile("name")), Verdict::Unchanged);
    assert_eq!(scene.user_row(0).unwrap(), before);
    assert!(is_done(&scene.put(0, Path::Profile, profile("other"))));
    assert!(scene.user_row(0).unwrap().indexed_at > before.indexed_at);
}

fn file(src: &str, name: &str) -> Record {
    let content_type = "image/png".into();
    Record::File(PubkyAppFile { name: name.into(), created_at: 1, src: src.into(), content_type, size: 1 })
}

fn orphans(verdict: Verdict) -> Vec<(FileKey, String)> {
    let Verdict::Done { orphans, .. } = verdict else { panic!("{verdict:?}") };
    orphans.into_iter().map(|file| (file.key, file.src)).collect()
}

#[test]
fn bytes_of_replaced_and_deleted_files_are_named() {
    let mut scene = Scene::empty(Policy::default());
    let key = FileKey { owner: user(0), id: post_key(0, 1).id };
    let path = || Path::File(key.id);
    assert_eq!(orphans(scene.put(0, path(), file("a", "x"))), []);
    assert_eq!(orphans(scene.put(0, path(), file("a", "y"))), []);
    assert_eq!(orphans(scene.put(0, path(), file("b", "y"))), [(key, "a".to_owned())]);
    assert_eq!(scene.put(0, path(), file("b", "y")), Verdict::Unchanged);
    assert_eq!(orphans(scene.delete(0, path())), [(key, "b".to_owned())]);
    assert_eq!(scene.delete(0, path()), Verdict::Unchanged);
}
