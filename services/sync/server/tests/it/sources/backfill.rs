//! Fetching repos: history before live, what comes meanwhile, what is refused and why.

use super::author::{Author, LIKE, POST, account};
use super::town::{Answer, Relay, Town};
use super::{Nexus, dora_at_home, settings, until};
use nexus_atproto::car::Encoder;
use nexus_atproto::{Cid, Decoder};
use nexus_sync::repo::{Repo, Retry, State, Status};
use nexus_sync::writer::Input;
use nexus_sync_server::source::Room;
use std::time::Duration;
use tokio::sync::watch;

#[tokio::test]
async fn history_comes_first_and_what_is_written_meanwhile_after_it() {
    let (town, relay, mut dora) = dora_at_home(&["a", "b"]).await;
    let (free, held) = watch::channel(false);
    town.answer(&dora, Answer::Held(held));
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    assert!(until(|| town.asked("getRepo") == 1).await);
    for (rkey, text) in [("c", "one"), ("d", "two")] {
        let commit = dora.create(POST, &[rkey], text);
        relay.send(|seq| dora.announce(seq, &commit));
    }
    let gone = dora.delete(POST, "a");
    relay.send(|seq| dora.announce(seq, &gone));
    assert!(until(|| nexus.store.counts().unwrap().buffered == 3).await);
    free.send(true).unwrap();
    nexus.follows(&dora).await;
    let path = |action: &str, rkey: &str| format!("{action} {POST}/{rkey}");
    let expected = [("create", "a"), ("create", "b"), ("create", "c"), ("create", "d"), ("delete", "a")];
    assert_eq!(nexus.told(&dora), expected.map(|(action, rkey)| path(action, rkey)));
    assert_eq!(nexus.introduced(&dora), ["dora.test active"]);
    assert_eq!(nexus.events()[0]["type"], "user", "the account is introduced before its records");
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn a_repo_that_is_given_up_while_it_is_fetched_stays_away_until_it_is_added_again() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    let (free, held) = watch::channel(false);
    town.answer(&dora, Answer::Held(held));
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    assert!(until(|| town.asked("getRepo") == 1).await);
    nexus.writer.ask(vec![Input::Remove(dora.did())]).await.unwrap();
    nexus.add(&[&dora]).await;
    free.send(true).unwrap();
    nexus.follows(&dora).await;
    assert_eq!(town.asked("getRepo"), 2, "the first copy was for a repo that is no more");
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it_and_the_repo_is_not_blamed() {
    let (town, relay, dora) = dora_at_home(&["a"]).await;
    let mut emil = Author::new("emil");
    emil.create(POST, &["a"], "x");
    town.settle(&emil);
    town.answer(&dora, Answer::Status(429, Some(("retry-after", "600".into())), "{}".into()));
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.sees(&dora, |repo| matches!(repo.retry, Retry::At(_))).await;
    let repo = nexus.repo(&dora).unwrap();
    assert_eq!((repo.state, repo.retries, repo.error.as_str()), (State::Pending, 0, ""));
    assert_eq!(repo.retry.at(), Some(clock.now().plus_millis(600_000 + 125)));
    // The whole server is left alone.
    nexus.add(&[&emil]).await;
    nexus.sees(&emil, |repo| matches!(repo.retry, Retry::At(_))).await;
    assert_eq!(town.asked("getRepo"), 1);
    nexus.stop().await;
}

#[tokio::test]
async fn a_server_that_fails_is_tried_again_later_and_later() {
    let (town, relay, dora) = dora_at_home(&["a"]).await;
    (0..2).for_each(|_| town.answer(&dora, Answer::Status(500, None, "oops".into())));
    town.answer(&dora, Answer::Status(429, Some(("retry-after", "0".into())), String::new()));
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    for (retries, minutes) in [(1, 1), (2, 2)] {
        nexus.sees(&dora, |repo| repo.retries == retries).await;
        let repo = nexus.repo(&dora).unwrap();
        assert_eq!((repo.state, repo.error.as_str()), (State::Error, "status 500 Internal Server Error"));
        assert_eq!(repo.retry.at(), Some(clock.now().plus_millis(minutes * 60_000 + 7_500)));
        clock.advance(minutes * 60_000 + 7_500);
    }
    // Asked for patience once more, and then it goes well.
    nexus.sees(&dora, |repo| repo.state != State::Error).await;
    let follows = |repo: &Repo| repo.state == State::Active;
    assert!(
        until(|| {
            clock.advance(1_000);
            nexus.repo(&dora).is_some_and(|repo| follows(&repo))
        })
        .await
    );
    let repo = nexus.repo(&dora).unwrap();
    assert_eq!((repo.retries, repo.error.as_str(), town.asked("getRepo")), (0, "", 4));
    nexus.stop().await;
}

#[tokio::test]
async fn accounts_without_a_repo_are_told_and_left_alone_until_they_are_heard_of() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let statuses = [
        ("RepoDeactivated", Status::Deactivated),
        ("RepoTakendown", Status::Takendown),
        ("RepoSuspended", Status::Suspended),
        ("RepoNotFound", Status::Active),
    ];
    let authors: Vec<_> = statuses.iter().map(|(error, _)| Author::new(&error.to_lowercase())).collect();
    for (author, (error, _)) in authors.iter().zip(statuses) {
        town.settle(author);
        let body = format!(r#"{{"error":"{error}","message":"so it is"}}"#);
        town.answer(author, Answer::Status(400, None, body));
    }
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&authors.iter().collect::<Vec<_>>()).await;
    for (author, (error, status)) in authors.iter().zip(statuses) {
        nexus.sees(author, |repo| matches!(repo.retry, Retry::WhenHeard(_))).await;
        let repo = nexus.repo(author).unwrap();
        assert_eq!((repo.status, repo.error), (status, format!("{error}: so it is")));
        let told = nexus.introduced(author).pop().unwrap();
        assert!(told.ends_with(status.as_str()), "{told}");
    }
    assert!(until(|| nexus.readiness.is_ready()).await);
    relay.send(|seq| account(seq, &authors[0].did, None));
    nexus.follows(&authors[0]).await;
    assert_eq!(nexus.introduced(&authors[0]).pop().unwrap(), "repodeactivated.test active");
    assert_eq!(nexus.repo(&authors[1]).unwrap().state, State::Error);
    nexus.stop().await;
}

/// The blocks of a CAR.
fn blocks(car: &[u8]) -> (Cid, Vec<(Cid, Vec<u8>)>) {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(car);
    let mut blocks = Vec::new();
    while let Some((cid, block)) = decoder.next_block().unwrap() {
        blocks.push((cid, block.to_vec()));
    }
    (decoder.finish().unwrap(), blocks)
}

fn car(root: Cid, blocks: &[(Cid, Vec<u8>)]) -> axum::body::Bytes {
    let mut car = Encoder::new(root);
    blocks.iter().for_each(|(cid, block)| car.block(cid, block));
    car.into_bytes().into()
}

#[tokio::test]
async fn whole_repos_that_are_not_what_their_owner_signed_are_refused() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let mut dora = Author::new("dora");
    let rkeys: Vec<_> = (0..300).map(|n| format!("key{n}")).collect();
    dora.create(POST, &rkeys.iter().map(String::as_str).collect::<Vec<_>>(), "x");
    town.settle(&dora);
    let mut other = Author::new("other");
    other.create(POST, &["a"], "x");
    let mut forger = Author::new("dora");
    forger.create(POST, &["a"], "x");
    let (root, whole) = blocks(&dora.car());
    let bytes = dora.car();
    let mut turned = whole.clone();
    turned.reverse();
    let mut settings = settings(&town, &[&relay]);
    settings.resync.max_repo = 200_000;
    settings.resync.max_blocks = 1_000;
    settings.resync.timeout = Duration::from_millis(800);
    let many: Vec<_> = (0..1_001_u32).map(|n| (Cid::of_cbor(&n.to_be_bytes()), n.to_be_bytes().to_vec())).collect();
    let cases = [
        ("another's repo", Answer::Bytes(other.car()), "another account's repo"),
        ("a forged one", Answer::Bytes(forger.car()), "signature"),
        ("one without its last blocks", Answer::Bytes(car(root, &whole[..whole.len() - 5])), "missing"),
        ("one without its root", Answer::Bytes(car(root, &whole[1..])), "commit is missing"),
        ("one that ends in a block", Answer::Bytes(bytes.slice(..bytes.len() - 7)), "ends too early"),
        ("one that breaks off", Answer::Broken(4_000), ""),
        ("one that stands still", Answer::Silent(4_000), "too slowly"),
        ("one without end", Answer::Endless, "larger than 200000 bytes"),
        ("one of too many blocks", Answer::Bytes(car(root, &many)), "more than 1000 blocks"),
        ("a web page", Answer::Bytes("<html>Hello</html>".into()), ""),
        ("nothing", Answer::Bytes("".into()), "ends too early"),
        ("the way to nothing", Answer::Redirect("/nowhere".into()), "status 404"),
        ("the way to another protocol", Answer::Redirect("ftp://127.0.0.1/".into()), "not an address of the web"),
    ];
    let (nexus, clock) = Nexus::start_by_a_clock(settings).await;
    let count = cases.len() as u32;
    for (_, answer, _) in &cases {
        town.answer(&dora, answer.clone());
    }
    // Blocks may come in any order.
    town.answer(&dora, Answer::Bytes(car(root, &turned)));
    nexus.add(&[&dora]).await;
    for (failures, (name, _, why)) in (1..).zip(&cases) {
        nexus.sees(&dora, |repo| repo.retries == failures).await;
        let repo = nexus.repo(&dora).unwrap();
        assert_eq!(repo.state, State::Error, "{name}");
        assert!(repo.error.contains(why) && !repo.error.is_empty(), "{name}: {}", repo.error);
        assert_eq!(nexus.told(&dora).len(), nexus.store.record_count(repo.id).unwrap() as usize, "{name}");
        clock.advance(3_700_000);
    }
    nexus.follows(&dora).await;
    assert_eq!(town.asked("getRepo"), count as usize + 1);
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn servers_on_private_networks_are_not_asked_unless_the_operator_says_so() {
    let (town, relay, dora) = dora_at_home(&[]).await;
    let mut settings = settings(&town, &[&relay]);
    settings.strangers = nexus_outgoing::ChosenBy::Stranger;
    let nexus = Nexus::start(settings).await;
    nexus.add(&[&dora]).await;
    nexus.sees(&dora, |repo| repo.state == State::Error).await;
    assert_eq!(nexus.repo(&dora).unwrap().error, "the address is not on the public internet");
    assert_eq!((town.asked("getRepo"), town.asked("name")), (0, 0));
    nexus.stop().await;
}

#[tokio::test]
async fn an_older_copy_than_what_was_told_is_refused() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    let old = dora.car();
    dora.create(LIKE, &["b"], "y");
    town.settle(&dora);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    town.answer(&dora, Answer::Bytes(old));
    nexus.writer.ask(vec![Input::Resync(dora.did())]).await.unwrap();
    nexus.sees(&dora, |repo| repo.state == State::Error).await;
    assert_eq!(nexus.repo(&dora).unwrap().error, "the server's copy is older than what is known");
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn history_waits_while_consumers_have_too_much_and_live_does_not() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    let mut emil = Author::new("emil");
    emil.create(POST, &["a"], "x");
    town.settle(&emil);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    nexus.room.send(Room::Full).unwrap();
    nexus.add(&[&emil]).await;
    assert!(until(|| town.asked(&format!("getRepo {}", emil.did)) == 1).await);
    let commit = dora.create(POST, &["b"], "live");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(&dora).await;
    assert_eq!(nexus.told(&emil), Vec::<String>::new());
    nexus.room.send(Room::Open).unwrap();
    nexus.follows(&emil).await;
    nexus.assert_whole(&mut emil);
    nexus.stop().await;
}

#[tokio::test]
async fn a_name_that_nobody_tells_holds_no_place_at_the_server() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let (dora, mut emil) = (Author::new("dora"), Author::new("emil"));
    emil.create(POST, &["a"], "x");
    [&dora, &emil].into_iter().for_each(|author| town.settle(author));
    town.facts().silent.push(dora.handle.clone());
    let mut settings = settings(&town, &[&relay]);
    (settings.resync.per_server, settings.resync.workers) = (1, 1);
    settings.identity.patience = Duration::from_secs(600);
    let nexus = Nexus::start(settings).await;
    nexus.add(&[&dora]).await;
    assert!(until(|| town.asked(&format!("name {}", dora.handle)) == 1).await);
    nexus.add(&[&emil]).await;
    nexus.follows(&emil).await;
    nexus.assert_whole(&mut emil);
    assert_eq!(town.asked(&format!("getRepo {}", dora.did)), 0, "it comes when the name is known");
    nexus.stop().await;
}

#[tokio::test]
async fn a_name_that_comes_too_slowly_costs_the_name_and_not_the_repo() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    town.facts().silent.push(dora.handle.clone());
    let mut settings = settings(&town, &[&relay]);
    settings.identity.patience = Duration::from_millis(300);
    let nexus = Nexus::start(settings).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert_eq!(nexus.introduced(&dora), ["handle.invalid active"]);
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn one_large_repo_is_in_work_at_a_time() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let mut authors: Vec<_> = (0..3).map(|n| Author::new(&format!("large{n}"))).collect();
    let text = "x".repeat(3_000);
    for author in &mut authors {
        author.create(POST, &["a", "b", "c"], &text);
        town.settle(author);
    }
    let mut settings = settings(&town, &[&relay]);
    (settings.resync.large, settings.resync.memory) = (1_000, 0);
    let nexus = Nexus::start(settings).await;
    nexus.add(&authors.iter().collect::<Vec<_>>()).await;
    for author in &mut authors {
        nexus.follows(author).await;
        nexus.assert_whole(author);
    }
    nexus.stop().await;
}
