//! The retry queue: when failures are tried again, and when they are given up.

use crate::scene::{
    AWAY, HOME, Scene, delete_from, freed, is_done, post_key, profile, profile_uri, put_from, reply, text, user,
};
use nexus_pubky::{Address, Path, Record};
use nexus_social::{
    effects::{Operation, RetryReason, RetryRow},
    input::{Input, Verdict},
    query::Page,
    rules::{Policy, Reason, RetryPolicy},
    store::Store,
};

const ALL: Page = Page { skip: 0, limit: 99 };

fn entry(scene: &Scene) -> RetryRow {
    scene.store.retries(ALL).unwrap().remove(0)
}

fn profile_of(n: u8) -> Address {
    Address { user: user(n), path: Path::Profile }
}

fn failed_at(homeserver: &str, address: Address) -> Input {
    let (operation, error) = (Operation::Put, "503".to_owned());
    Input::Failed { address, operation, homeserver: homeserver.into(), error }
}

/// The profile of user 0 couldn't be fetched.
fn failed() -> Input {
    failed_at(HOME, profile_of(0))
}

fn dropped_at(homeserver: &str, address: &Address) -> Input {
    Input::Dropped { uri: address.to_string().into(), homeserver: homeserver.into() }
}

/// Waits until the entry is due, then lets it fail again.
fn fail_when_due(scene: &mut Scene, input: Input) -> Verdict {
    scene.now = entry(scene).due;
    scene.send(input)
}

#[test]
fn delays_double_up_to_the_longest_and_then_the_event_is_buried() {
    let retry = RetryPolicy { transient_tries: 4, transient_longest_ms: 30_000, ..RetryPolicy::default() };
    let mut scene = Scene::new(Policy { retry, ..Policy::default() });
    assert!(is_done(&scene.send(failed())));
    let delay = |scene: &Scene| entry(scene).due.millis() - scene.now.millis();
    let mut delays = vec![delay(&scene)];
    for _ in 0..3 {
        assert!(is_done(&fail_when_due(&mut scene, failed())));
        delays.push(delay(&scene));
    }
    assert_eq!(delays, [10_000, 20_000, 30_000, 30_000]);
    assert_eq!(fail_when_due(&mut scene, failed()), Verdict::Buried);
    assert_eq!((scene.store.retries(ALL).unwrap().len(), scene.store.dead_letters(ALL).unwrap().len()), (0, 1));
    assert!(is_done(&scene.send(Input::Revive(Some(profile_uri(0).into())))));
    assert_eq!((entry(&scene).attempts, entry(&scene).due), (0, scene.now));
}

#[test]
fn what_comes_again_before_it_is_due_uses_no_try_up() {
    let mut scene = Scene::new(Policy::default());
    let parent = post_key(0, 1);
    scene.post(post_key(1, 1), reply(parent));
    let first = entry(&scene);
    assert_eq!(first.reason, RetryReason::Dependency(parent.uri().into()));
    assert_eq!(first.due.millis() - scene.now.millis(), 60_000);
    scene.post(post_key(1, 1), reply(parent));
    assert_eq!(entry(&scene), first);
    scene.now = first.due;
    scene.post(post_key(1, 1), reply(parent));
    assert_eq!(entry(&scene).attempts, 1);
    assert_eq!(entry(&scene).due.millis() - scene.now.millis(), 120_000);
}

#[test]
fn what_waits_is_asked_for_where_it_was_told_last() {
    let (mut scene, parent, child) = (Scene::new(Policy::default()), post_key(0, 1), post_key(1, 1));
    let waiting = |at: &str| put_from(at, 1, Path::Post(child.id), Record::Post(reply(parent)));
    scene.hosted(1, HOME);
    scene.send(waiting(HOME));
    assert_eq!(&*entry(&scene).homeserver, HOME);
    scene.hosted(1, AWAY);
    scene.send(waiting(AWAY));
    assert_eq!((&*entry(&scene).homeserver, entry(&scene).attempts), (AWAY, 0));
    scene.send(waiting(AWAY));
    assert_eq!(entry(&scene).attempts, 0, "told twice");
}

#[test]
fn the_homeserver_that_a_user_left_ends_nothing_of_the_new_one() {
    let (mut scene, parent, child) = (Scene::new(Policy::default()), post_key(0, 1), post_key(1, 1));
    let address = Address { user: user(1), path: Path::Post(child.id) };
    let told = |at: &str| put_from(at, 1, Path::Post(child.id), Record::Post(reply(parent)));
    scene.hosted(1, AWAY);
    scene.send(told(AWAY));
    let waiting = entry(&scene);
    let refused = Verdict::Refused(Reason::OtherHomeserver.name());
    assert_eq!(scene.send(told(HOME)), refused);
    assert_eq!(scene.send(delete_from(HOME, 1, Path::Post(child.id))), refused);
    assert_eq!(scene.send(failed_at(HOME, address.clone())), refused);
    assert_eq!(scene.send(dropped_at(HOME, &address)), Verdict::Unchanged);
    assert_eq!(entry(&scene), waiting);
    assert_eq!(freed(scene.post(parent, text("x"))), [child.uri()]);
    scene.send(dropped_at(AWAY, &address));
    assert_eq!(scene.store.retries(ALL).unwrap(), []);
}

#[test]
fn what_failed_at_the_homeserver_that_a_user_left_is_not_tried_for_ever() {
    let mut scene = Scene::new(Policy::default());
    for end in [failed(), put_from(HOME, 0, Path::Profile, profile("old")), dropped_at(HOME, &profile_of(0))] {
        scene.hosted(0, HOME);
        scene.send(failed());
        scene.hosted(0, AWAY);
        assert_eq!(&*entry(&scene).homeserver, HOME);
        fail_when_due(&mut scene, end);
        assert_eq!(scene.store.retries(ALL).unwrap(), []);
    }
}

#[test]
fn every_end_of_an_event_ends_its_entry() {
    let rules = Policy { blacklist: [user(1).as_str().into()].into(), ..Policy::default() };
    let mut scene = Scene::new(rules);
    let put = |who, name: &str| put_from(HOME, who, Path::Profile, profile(name));
    for (who, end) in [
        (0, put(0, "new")),
        (0, put(0, "new")),
        (0, delete_from(HOME, 0, Path::Profile)),
        (0, dropped_at(HOME, &profile_of(0))),
        (1, put(1, "unwanted")),
        // Nobody knows where the user lives: any homeserver may tell.
        (2, put_from(AWAY, 2, Path::Profile, profile("elsewhere"))),
    ] {
        scene.send(failed_at(HOME, profile_of(who)));
        assert_eq!(scene.store.retries(ALL).unwrap().len(), 1);
        let what = format!("{end:?}");
        scene.send(end);
        assert_eq!(scene.store.retries(ALL).unwrap(), [], "{what}");
    }
}

#[test]
fn an_arrival_frees_everything_that_waits_even_what_is_not_named() {
    let mut scene = Scene::new(Policy::default());
    let parent = post_key(0, 1);
    for n in 1..4 {
        scene.bookmark(n, parent, 1);
    }
    assert_eq!(freed(scene.post(parent, text("x"))).len(), 3);
    assert_eq!(scene.store.due(scene.now, 9).unwrap().len(), 3);
    for n in 1..4 {
        assert!(is_done(&scene.bookmark(n, parent, 1)));
    }
    assert_eq!(scene.store.retries(ALL).unwrap(), []);
}

#[test]
fn the_operator_hurries_an_entry_which_uses_no_try_up() {
    let mut scene = Scene::new(Policy::default());
    let hurry = || Input::Hurry(profile_uri(0).into());
    assert_eq!(scene.send(hurry()), Verdict::Unchanged);
    scene.send(failed());
    let before = entry(&scene);
    assert!(is_done(&scene.send(hurry())));
    assert_eq!(entry(&scene), RetryRow { due: scene.now, ..before });
}
