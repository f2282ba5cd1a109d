//! The retry queue: when failures are tried again, and when they are given up.

use crate::scene::{HOME, Scene, freed, is_done, post_key, profile, put_from, reply, text, user};
use nexus_pubky::{Path, Record};
use nexus_social::{
    effects::{Operation, RetryReason, RetryRow},
    input::{Input, Verdict},
    query::Page,
    rules::{Policy, RetryPolicy},
    store::Store,
};

const ALL: Page = Page { skip: 0, limit: 99 };

fn entry(scene: &Scene) -> RetryRow {
    scene.store.retries(ALL).unwrap().remove(0)
}

fn failed(uri: &str) -> Input {
    let (operation, error) = (Operation::Put, "503".to_owned());
    Input::Failed { uri: uri.into(), operation, homeserver: HOME.into(), error }
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
    assert!(is_done(&scene.send(failed("a"))));
    let delay = |scene: &Scene| entry(scene).due.millis() - scene.now.millis();
    let mut delays = vec![delay(&scene)];
    for _ in 0..3 {
        assert!(is_done(&fail_when_due(&mut scene, failed("a"))));
        delays.push(delay(&scene));
    }
    assert_eq!(delays, [10_000, 20_000, 30_000, 30_000]);
    assert_eq!(fail_when_due(&mut scene, failed("a")), Verdict::Buried);
    assert_eq!((scene.store.retries(ALL).unwrap().len(), scene.store.dead_letters(ALL).unwrap().len()), (0, 1));
    assert!(is_done(&scene.send(Input::Revive(Some("a".into())))));
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
    const AWAY: &str = "https://away.example";
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
fn every_end_of_an_event_ends_its_entry() {
    let mut scene = Scene::new(Policy::default());
    let uri = format!("pubky://{}/pub/pubky.app/profile.json", user(0));
    let is_empty = |scene: &Scene| scene.store.retries(ALL).unwrap().is_empty();
    for end in 0..4 {
        scene.send(failed(&uri));
        assert!(!is_empty(&scene));
        match end {
            0 => drop(scene.put(0, Path::Profile, profile("new"))),
            1 => drop(scene.put(0, Path::Profile, profile("new"))),
            2 => drop(scene.delete(0, Path::Profile)),
            _ => drop(scene.send(Input::Dropped { uri: uri.clone().into() })),
        }
        assert!(is_empty(&scene), "end {end}");
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
    assert_eq!(scene.send(Input::Hurry("a".into())), Verdict::Unchanged);
    scene.send(failed("a"));
    let before = entry(&scene);
    assert!(is_done(&scene.send(Input::Hurry("a".into()))));
    assert_eq!(entry(&scene), RetryRow { due: scene.now, ..before });
}
