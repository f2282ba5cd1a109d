//! Relays that say what isn't so, or nothing that makes sense.

use super::author::{Author, POST, announce, message};
use super::town::{Relay, Town};
use super::{Nexus, settings, until};
use axum::extract::ws::Message;
use nexus_sync::repo::State;
use shrike::cbor::Value;
use std::time::Duration;

async fn following(authors: &mut [Author]) -> (Town, Relay, Nexus) {
    let (town, relay) = (Town::start().await, Relay::start().await);
    for author in authors.iter_mut() {
        author.create(POST, &["first"], "x");
        town.settle(author);
    }
    let mut settings = settings(&town, &[&relay]);
    settings.firehose.max_message = 100_000;
    let nexus = Nexus::start(settings).await;
    nexus.add(&authors.iter().collect::<Vec<_>>()).await;
    for author in authors {
        nexus.follows(author).await;
    }
    assert!(until(|| nexus.readiness.is_ready()).await);
    (town, relay, nexus)
}

#[tokio::test]
async fn what_makes_no_sense_is_passed_over() {
    let mut authors = [Author::new("dora")];
    let (town, relay, nexus) = following(&mut authors).await;
    let [dora] = &mut authors;
    let did = dora.did.clone();
    let deep = [vec![0x81; 50_000], vec![0x00]].concat();
    let header: Vec<u8> = message("#commit", Vec::new()).to_vec();
    let nonsense = [
        b"".to_vec(),
        b"hello".to_vec(),
        vec![0xff; 100],
        deep.clone(),
        [&header[..header.len() - 1], &deep[..]].concat(),
        // A list of 2^60 entries.
        [&header[..header.len() - 1], &[0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]].concat(),
        message("#commit", vec![("seq", Value::Unsigned(1)), ("repo", Value::Text("did:plc:dora"))]).to_vec(),
        vec![b'x'; 200_000],
    ];
    for nonsense in &nonsense {
        relay.send(|_| nonsense.clone().into());
    }
    relay.send(|seq| message("#news", vec![("seq", Value::Unsigned(seq))]));
    relay.send(|seq| {
        message(
            "#account",
            vec![
                ("seq", Value::Unsigned(seq)),
                ("did", Value::Text("nobody")),
                ("time", Value::Text("x")),
                ("active", Value::Bool(false)),
            ],
        )
    });
    let commit = dora.create(POST, &["a"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(dora).await;
    nexus.assert_whole(dora);
    assert_eq!(relay.cursors().len(), 1, "the connection holds");
    assert!(until(|| nexus.cursors.firehose() == nonsense.len() as i64 + 3).await);
    assert_eq!((town.asked("getRepo"), did), (1, dora.did.clone()));
    nexus.stop().await;
}

#[tokio::test]
async fn what_somebody_else_signed_is_dropped_and_the_repo_stays_as_it_is() {
    let mut authors = [Author::new("dora")];
    let (town, relay, nexus) = following(&mut authors).await;
    let [dora] = &mut authors;
    let mut forger = Author::with_did(&dora.did, "forger");
    let forged = forger.create(POST, &["forged"], "x");
    relay.send(|seq| forger.announce(seq, &forged));
    relay.send(|seq| forger.assert_state(seq));
    let commit = dora.create(POST, &["a"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(dora).await;
    nexus.assert_whole(dora);
    assert_eq!(town.asked("getRepo"), 1);
    nexus.stop().await;
}

#[tokio::test]
async fn a_commit_that_is_broken_below_its_signature_has_its_repo_fetched() {
    let mut authors = [Author::new("cut"), Author::new("bare"), Author::new("lie")];
    let (town, relay, nexus) = following(&mut authors).await;
    let [cut, bare, lie] = &mut authors;
    let [one, two, three] = [&mut *cut, &mut *bare, &mut *lie].map(|author| author.create(POST, &["a"], "x"));
    [&*cut, &*bare, &*lie].into_iter().for_each(|author| town.settle(author));
    let car = one.relevant_car().unwrap();
    relay.send(|seq| announce(seq, &cut.did, &one, &car[..car.len() - 10]));
    relay.send(|seq| announce(seq, &bare.did, &two, &[]));
    let mut lied = three.clone();
    lied.prev_data = Some(one.commit.data);
    relay.send(|seq| lie.announce(seq, &lied));
    for author in &mut authors {
        nexus.follows(author).await;
        nexus.assert_whole(author);
    }
    assert_eq!(town.asked("getRepo"), 6);
    nexus.stop().await;
}

#[tokio::test]
async fn a_repo_that_is_doubted_again_and_again_is_not_fetched_as_often() {
    let mut authors = [Author::new("dora")];
    let (town, relay, nexus) = following(&mut authors).await;
    let [dora] = &mut authors;
    let commit = dora.create(POST, &["a"], "x");
    town.settle(dora);
    for count in 0..20 {
        relay.send(|seq| announce(seq, &dora.did, &commit, b"nonsense"));
        assert!(until(|| nexus.cursors.firehose() == count + 1).await);
        nexus.sees(dora, |repo| repo.state == State::Active).await;
    }
    // The first fetch brought the revision that is doubted from then on, which is known.
    assert!(town.asked("getRepo") <= 6);
    nexus.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_none_is_left_and_tried_again() {
    let mut authors = [Author::new("dora")];
    let (_town, relay, nexus) = following(&mut authors).await;
    let [dora] = &mut authors;
    drop(nexus.stop().await);
    let town = Town::start().await;
    town.settle(dora);
    relay.greet(vec![Message::Text("{\"op\":1}".into())]);
    relay.greet((0..200).map(|_| Message::Binary("nonsense".into())).collect());
    relay.greet(Vec::new());
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[dora]).await;
    nexus.follows(dora).await;
    assert!(until(|| relay.cursors().len() >= 5).await);
    let commit = dora.create(POST, &["late"], "x");
    tokio::time::sleep(Duration::from_millis(50)).await;
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(dora).await;
    nexus.stop().await;
}

#[tokio::test]
async fn a_message_that_no_connection_survives_is_passed_over_by_the_next() {
    let mut authors = [Author::new("dora")];
    let (town, relay, nexus) = following(&mut authors).await;
    let [dora] = &mut authors;
    let commit = dora.create(POST, &["a"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(dora).await;
    relay.send(|_| vec![0; 17 << 20].into());
    let commit = dora.create(POST, &["b"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(dora).await;
    assert_eq!(relay.cursors()[1..], [Some(2)]);
    nexus.assert_whole(dora);
    assert_eq!(town.asked("getRepo"), 1);
    nexus.stop().await;
}
