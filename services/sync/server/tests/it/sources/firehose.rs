//! Following relays that do as they should.

use super::author::{Author, LIKE, POST, account, error, identity, info};
use super::town::{Relay, Town};
use super::{Nexus, dora_at_home, settings, until};
use axum::extract::ws::Message;
use nexus_runtime::Clock;
use nexus_sync::repo::{State, Status};
use nexus_sync::rules::{Network, Rules};
use nexus_sync::store::{Memory, Store};
use nexus_sync_server::source::settings::{CursorSaving, Start};
use std::sync::Arc;
use std::time::Duration;

/// A service that follows one account with one post.
async fn following() -> (Town, Relay, Author, Nexus) {
    let (town, relay, dora) = dora_at_home(&["first"]).await;
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert!(until(|| nexus.readiness.is_ready()).await);
    (town, relay, dora, nexus)
}

#[tokio::test]
async fn commits_are_told_as_they_happen() {
    let (_town, relay, mut dora, nexus) = following().await;
    let commits = [
        dora.create(POST, &["a", "b"], "one"),
        dora.update(POST, "a", "two"),
        dora.delete(POST, "b"),
        dora.create(LIKE, &["c"], "three"),
    ];
    for commit in &commits {
        relay.send(|seq| dora.announce(seq, commit));
    }
    nexus.follows(&dora).await;
    let told = nexus.told(&dora);
    let expected = [
        format!("create {POST}/first"),
        format!("create {POST}/a"),
        format!("create {POST}/b"),
        format!("update {POST}/a"),
        format!("delete {POST}/b"),
        format!("create {LIKE}/c"),
    ];
    assert_eq!(told, expected);
    let live: Vec<_> = nexus.events().iter().filter_map(|event| event["record"]["live"].as_bool()).collect();
    assert_eq!(live, [false, true, true, true, true, true]);
    nexus.assert_whole(&mut dora);
    // What is known already is passed over.
    for commit in &commits {
        relay.send(|seq| dora.announce(seq, commit));
    }
    relay.send(|seq| dora.assert_state(seq));
    assert!(until(|| nexus.cursors.firehose() == 9).await);
    assert_eq!(nexus.told(&dora), expected);
    nexus.stop().await;
}

#[tokio::test]
async fn a_missed_commit_is_made_up_for_with_deletes() {
    let (town, relay, mut dora, nexus) = following().await;
    dora.delete(POST, "first");
    dora.create(POST, &["missed"], "x");
    let commit = dora.create(POST, &["seen"], "x");
    town.settle(&dora);
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    assert!(nexus.told(&dora).contains(&format!("delete {POST}/first")));
    assert_eq!(town.asked("getRepo"), 2);
    nexus.stop().await;
}

#[tokio::test]
async fn an_asserted_state_that_is_not_ours_is_fetched() {
    let (town, relay, mut dora, nexus) = following().await;
    dora.create(POST, &["silent"], "x");
    town.settle(&dora);
    relay.send(|seq| dora.assert_state(seq));
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn names_and_statuses_are_told_when_they_change() {
    let (town, relay, mut dora, nexus) = following().await;
    relay.send(|seq| identity(seq, &dora.did));
    dora.handle = "dorothy.test".to_owned();
    town.settle(&dora);
    relay.send(|seq| identity(seq, &dora.did));
    assert!(until(|| nexus.introduced(&dora).len() == 2).await, "{:?}", nexus.introduced(&dora));
    for status in [Some("deactivated"), Some("throttled"), Some("deactivated"), None] {
        relay.send(|seq| account(seq, &dora.did, status));
    }
    assert!(until(|| nexus.introduced(&dora).len() == 4).await);
    town.facts().names.remove("dorothy.test");
    relay.send(|seq| identity(seq, &dora.did));
    let expected = [
        "dora.test active",
        "dorothy.test active",
        "dorothy.test deactivated",
        "dorothy.test active",
        "handle.invalid active",
    ];
    assert!(until(|| nexus.introduced(&dora).len() == 5).await);
    assert_eq!(nexus.introduced(&dora), expected);
    relay.send(|seq| account(seq, &dora.did, Some("deleted")));
    assert!(until(|| nexus.repo(&dora).is_none()).await);
    assert_eq!(nexus.introduced(&dora).pop().unwrap(), "handle.invalid deleted");
    nexus.stop().await;
}

#[tokio::test]
async fn a_new_key_is_looked_up_once_and_believed() {
    let (town, relay, mut dora, nexus) = following().await;
    let before = town.asked(&format!("/{}", dora.did));
    dora.key = shrike::crypto::K256SigningKey::generate();
    town.settle(&dora);
    // A key that was fetched a moment ago is not fetched again.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    for rkey in ["a", "b", "c"] {
        let commit = dora.create(POST, &[rkey], "signed anew");
        relay.send(|seq| dora.announce(seq, &commit));
    }
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    assert_eq!(town.asked(&format!("/{}", dora.did)) - before, 1);
    assert_eq!(town.asked("getRepo"), 1, "nothing was missed");
    nexus.stop().await;
}

#[tokio::test]
async fn several_relays_tell_everything_once_and_a_dead_one_holds_up_nobody() {
    let (town, one, two) = (Town::start().await, Relay::start().await, Relay::start().await);
    let mut authors: Vec<_> = (0..5).map(|n| Author::new(&format!("author{n}"))).collect();
    authors.iter().for_each(|author| town.settle(author));
    let mut settings = settings(&town, &[&one, &two]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // One that takes connections and never says a word.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    settings.relays.push(format!("http://{gone}"));
    settings.relays.push(format!("http://{}", mute.local_addr().unwrap()));
    let nexus = Nexus::start(settings).await;
    nexus.add(&authors.iter().collect::<Vec<_>>()).await;
    for author in &authors {
        nexus.follows(author).await;
    }
    assert!(until(|| nexus.readiness.missing().len() == 2).await);
    for round in 0..30 {
        for author in &mut authors {
            let commit = author.create(POST, &[&format!("key{round}")], "x");
            let both = [&one, &two];
            let turned = if round % 3 == 0 { [&two, &one] } else { both };
            turned.into_iter().for_each(|relay| relay.send(|seq| author.announce(seq, &commit)));
        }
    }
    for author in &mut authors {
        nexus.follows(author).await;
        assert_eq!(nexus.told(author).len(), 30);
        nexus.assert_whole(author);
    }
    let read = || nexus.cursors.relays().iter().map(|(_, position)| *position).collect::<Vec<_>>();
    assert!(until(|| read() == [150, 150, 0, 0]).await, "{:?}", read());
    assert_eq!(town.asked("getRepo"), 5);
    nexus.stop().await;
}

#[tokio::test]
async fn a_relay_that_does_not_know_the_position_is_read_from_its_newest_message() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let mut transaction = store.begin().unwrap();
    transaction.put_cursor(&format!("firehose {}", relay.url), "900").unwrap();
    transaction.commit().unwrap();
    for _ in 0..3 {
        relay.greet(vec![Message::Binary(error("FutureCursor"))]);
    }
    let nexus = Nexus::start_on(store, settings(&town, &[&relay]), Rules::default(), Clock::system()).await;
    assert!(until(|| relay.cursors().len() == 4).await);
    assert_eq!(relay.cursors(), [Some(900), Some(900), Some(900), None]);
    relay.send(|seq| account(seq, "did:plc:nobody", None));
    assert!(until(|| nexus.cursors.firehose() == 1).await, "the position follows the stream, even backwards");
    nexus.stop().await;
}

#[tokio::test]
async fn positions_survive_a_restart_as_the_operator_wishes() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    (0..3).for_each(|_| relay.send(|seq| account(seq, "did:plc:nobody", None)));
    let mut store: Arc<dyn Store> = Arc::new(Memory::default());
    let cases = [
        (CursorSaving::Every(Duration::from_millis(20)), Start::Resume, None),
        (CursorSaving::Every(Duration::from_secs(3_600)), Start::Resume, Some(4)),
        (CursorSaving::Never, Start::Resume, None),
        (CursorSaving::Every(Duration::from_secs(1)), Start::Head, None),
        (CursorSaving::Every(Duration::from_secs(1)), Start::Resume, Some(7)),
    ];
    for (saving, start, expected) in cases {
        let mut settings = settings(&town, &[&relay]);
        (settings.firehose.cursor, settings.firehose.start) = (saving, start);
        let asked = relay.cursors().len();
        let nexus = Nexus::start_on(store, settings, Rules::default(), Clock::system()).await;
        assert!(until(|| nexus.readiness.is_ready()).await);
        relay.send(|seq| account(seq, "did:plc:nobody", None));
        let last = relay.last();
        assert!(until(|| nexus.cursors.firehose() == last).await);
        assert_eq!(relay.cursors()[asked..], [expected], "{saving:?}");
        store = nexus.stop().await;
        let stored = store.cursor(&format!("firehose {}", relay.url)).unwrap();
        let is_stored = stored == Some(last.to_string());
        assert_eq!(is_stored, saving != CursorSaving::Never, "{saving:?}: {stored:?}");
    }
}

#[tokio::test]
async fn what_a_collection_signals_is_tracked_and_fetched() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let (mut dora, mut emil) = (Author::new("dora"), Author::new("emil"));
    let (liked, posted) = (dora.create(LIKE, &["a"], "x"), emil.create(POST, &["a"], "x"));
    [&dora, &emil].into_iter().for_each(|author| town.settle(author));
    let rules = Rules { network: Network::Signal(LIKE.parse().unwrap()), ..Rules::default() };
    let store = Arc::new(Memory::default());
    let mut settings = settings(&town, &[&relay]);
    settings.listing.pause = Duration::from_secs(3_600);
    let nexus = Nexus::start_on(store, settings, rules, Clock::system()).await;
    assert!(until(|| nexus.readiness.is_ready()).await);
    relay.send(|seq| emil.announce(seq, &posted));
    relay.send(|seq| dora.announce(seq, &liked));
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    assert!(nexus.repo(&emil).is_none());
    nexus.stop().await;
}

#[tokio::test]
async fn a_deactivated_account_keeps_what_it_had() {
    let (_town, relay, mut dora, nexus) = following().await;
    relay.send(|seq| account(seq, &dora.did, Some("takendown")));
    nexus.sees(&dora, |repo| repo.status == Status::Takendown).await;
    assert_eq!(nexus.repo(&dora).unwrap().state, State::Active);
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn a_relay_may_give_up_or_have_lost_what_was_missed() {
    let (town, relay, mut dora, nexus) = following().await;
    relay.send(|_| info("OutdatedCursor"));
    let commit = dora.create(POST, &["a"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(&dora).await;
    nexus.stop().await;
    relay.greet(vec![Message::Binary(error("ConsumerTooSlow"))]);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    assert!(until(|| relay.cursors().len() == 3).await);
    nexus.stop().await;
}

#[tokio::test]
async fn what_waits_for_an_identity_holds_up_its_own_relay_only_when_that_has_too_much_in_work() {
    let (town, flooded, other) = (Town::start().await, Relay::start().await, Relay::start().await);
    let (mut dora, mut emil) = (Author::new("dora"), Author::new("emil"));
    [&dora, &emil].into_iter().for_each(|author| town.settle(author));
    let mut settings = settings(&town, &[&flooded, &other]);
    settings.firehose.in_work = 50_000;
    settings.firehose.workers = 1;
    let (nexus, clock) = Nexus::start_by_a_clock(settings).await;
    nexus.add(&[&dora, &emil]).await;
    for author in [&dora, &emil] {
        nexus.follows(author).await;
    }
    assert!(until(|| nexus.readiness.is_ready()).await);
    // Dora's document is too old, and the directory doesn't answer any more; Emil's is looked up before that.
    clock.advance(24 * 3_600_000);
    nexus.identities.resolve(&emil.did()).await.unwrap();
    let held = town.hold_directory();
    for n in 0..100 {
        let commit = dora.create(POST, &[&format!("key{n}")], &"x".repeat(2_000));
        flooded.send(|seq| dora.announce(seq, &commit));
    }
    let commit = emil.create(POST, &["a"], "x");
    other.send(|seq| emil.announce(seq, &commit));
    nexus.follows(&emil).await;
    assert_eq!(nexus.told(&dora).len(), 0);
    drop(held);
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    assert_eq!(nexus.told(&dora).len(), 100);
    nexus.stop().await;
}
