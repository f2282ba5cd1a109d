//! Who accounts are: both methods, both ways of handles, and what happens when nobody answers.

use super::author::{Author, POST, account, identity};
use super::town::{Relay, Town};
use super::{Nexus, dora_at_home, settings, until};
use axum::http::StatusCode;
use nexus_atproto::Handle;
use nexus_sync::repo::{State, Status};
use nexus_sync::rules::Rules;
use nexus_sync_server::source::Unresolved;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::watch;

#[tokio::test]
async fn documents_are_asked_for_once_and_kept_across_restarts() {
    let (town, relay, dora) = dora_at_home(&[]).await;
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    let asked: Vec<_> = (0..20).map(|_| (nexus.identities.clone(), dora.did())).collect();
    let asked = asked.into_iter().map(|(identities, did)| async move { identities.resolve(&did).await.unwrap() });
    let documents = futures_util::future::join_all(asked).await;
    assert!(documents.iter().all(|document| document.pds() == Some(&town.url)));
    let store = nexus.stop().await;
    let nexus = Nexus::start_on(store, settings(&town, &[&relay]), Rules::default(), clock.clone()).await;
    nexus.identities.resolve(&dora.did()).await.unwrap();
    assert_eq!(town.asked(&dora.did), 1);
    // A day later it is asked for again; if nobody answers, what is known is believed for a while.
    clock.advance(24 * 3_600_000);
    town.facts().directory = Some(StatusCode::BAD_GATEWAY);
    for _ in 0..3 {
        assert_eq!(nexus.identities.resolve(&dora.did()).await.unwrap().pds(), Some(town.url.as_str()));
    }
    assert_eq!(town.asked(&dora.did), 2);
    clock.advance(120_001);
    town.facts().directory = None;
    nexus.identities.resolve(&dora.did()).await.unwrap();
    assert_eq!(town.asked(&dora.did), 3);
    nexus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_asks_while_an_account_is_looked_up_gets_its_document() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    for turn in 0..10 {
        let dora = Author::new(&format!("dora{turn}"));
        town.settle(&dora);
        nexus.add(&[&dora]).await;
        // Some ask before it is looked up, some when it was and is not yet durable, some after it.
        let mut asked = Vec::new();
        while asked.len() < 300 {
            let (identities, did) = (nexus.identities.clone(), dora.did());
            asked.push(tokio::spawn(async move { identities.resolve(&did).await }));
            tokio::task::block_in_place(|| std::thread::sleep(Duration::from_micros(100)));
        }
        for answer in asked {
            answer.await.unwrap().unwrap();
        }
    }
    nexus.stop().await;
}

#[tokio::test]
async fn who_is_not_there_and_who_cannot_be_asked_are_told_apart() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    let resolve = async |did: &str| nexus.identities.resolve(&did.parse().unwrap()).await;
    assert_eq!(resolve("did:plc:nobody").await, Err(Unresolved::Nothing));
    assert_eq!(resolve("did:plc:nobody").await, Err(Unresolved::Nothing));
    assert_eq!(town.asked("nobody"), 1, "for a while");
    town.facts().directory = Some(StatusCode::GONE);
    assert_eq!(resolve("did:plc:gone").await, Err(Unresolved::Failed("status 410 Gone".into())));
    assert!(matches!(resolve("did:key:zabc").await, Err(Unresolved::Failed(_))));
    for strange in ["did:web:host.test:path", "did:web:localhost%3A80", "did:web:nothing"] {
        let said = resolve(strange).await.unwrap_err().to_string();
        assert!(said.contains("plain host name"), "{strange}: {said}");
    }
    town.facts().directory = None;
    town.facts().documents.insert("did:plc:other".into(), Author::new("dora").document(&town.url));
    assert!(resolve("did:plc:other").await.unwrap_err().to_string().contains("another DID"));
    nexus.stop().await;
}

#[tokio::test]
async fn an_account_of_the_web_is_followed_like_any_other() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let mut dora = Author::with_did("did:web:dora.test", "dora");
    dora.create(POST, &["a"], "x");
    town.settle(&dora);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert!(until(|| nexus.readiness.is_ready()).await);
    let commit = dora.create(POST, &["b"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    assert_eq!(nexus.introduced(&dora), ["dora.test active"]);
    nexus.stop().await;
}

#[tokio::test]
async fn a_handle_must_lead_back() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let (mut dora, mut emil, mut frida) = (Author::new("dora"), Author::new("emil"), Author::new("frida"));
    emil.handle = dora.handle.clone();
    frida.handle = "frida.local".to_owned();
    [&emil, &frida, &dora].into_iter().for_each(|author| town.settle(author));
    town.facts().names.insert("frida.local".into(), frida.did.clone());
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    nexus.add(&[&dora, &emil, &frida]).await;
    for author in [&mut dora, &mut emil, &mut frida] {
        nexus.follows(author).await;
    }
    assert_eq!(nexus.introduced(&dora), ["dora.test active"]);
    assert_eq!(nexus.introduced(&emil), ["handle.invalid active"]);
    assert_eq!(nexus.introduced(&frida), ["handle.invalid active"]);
    assert_eq!(town.asked("frida.local"), 0, "nobody owns that domain");
    nexus.stop().await;
}

/// A name server that knows one TXT record.
async fn name_server(name: &'static str, text: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (_, from) = socket.recv_from(&mut query).await.unwrap();
            let mut end = 12;
            let mut labels = Vec::new();
            while query[end] > 0 {
                let length = usize::from(query[end]);
                labels.push(String::from_utf8(query[end + 1..=end + length].to_vec()).unwrap());
                end += length + 1;
            }
            let is_known = labels.join(".").eq_ignore_ascii_case(name);
            let question = &query[12..end + 5];
            let flags = if is_known { 0x80 } else { 0x83 };
            let header = [query[0], query[1], 0x81, flags, 0, 1, 0, u8::from(is_known), 0, 0, 0, 0];
            let mut answer = [&header[..], question].concat();
            if is_known {
                let length = text.len() as u8;
                answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
                answer.extend(text.as_bytes());
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_record_in_the_dns_names_an_account() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let mut settings = settings(&town, &[&relay]);
    settings.identity.name_servers = vec![name_server("_atproto.dora.net", "did=did:plc:dora").await];
    let mut dora = Author::new("dora");
    dora.handle = "dora.net".to_owned();
    town.settle(&dora);
    let nexus = Nexus::start(settings).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert_eq!(nexus.introduced(&dora), ["dora.net active"]);
    let handle: Handle = "dora.net".parse().unwrap();
    assert_eq!(nexus.identities.resolve_handle(&handle).await, Ok(dora.did()));
    nexus.stop().await;
}

#[tokio::test]
async fn a_directory_that_is_out_of_order_costs_a_retry_and_nothing_else() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    town.facts().directory = Some(StatusCode::INTERNAL_SERVER_ERROR);
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.sees(&dora, |repo| repo.state == State::Error).await;
    let said = nexus.repo(&dora).unwrap().error;
    assert_eq!(said, "the DID document can't be had: status 500 Internal Server Error");
    town.facts().directory = None;
    clock.advance(130_000);
    nexus.follows(&dora).await;
    nexus.assert_whole(&mut dora);
    nexus.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_no_answer_and_what_was_asked_comes_again() {
    let (town, relay, dora) = dora_at_home(&[]).await;
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert!(until(|| nexus.readiness.is_ready()).await);
    let held = town.hold_directory();
    clock.advance(1_000);
    relay.send(|seq| identity(seq, &dora.did));
    relay.send(|seq| account(seq, &dora.did, Some("suspended")));
    nexus.sees(&dora, |repo| repo.status == Status::Suspended).await;
    let begun = std::time::Instant::now();
    let store = nexus.stop().await;
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    let stored = store.cursor(&format!("firehose {}", relay.url)).unwrap();
    assert_eq!(stored.as_deref(), Some("0"), "the first message isn't done with");
    drop(held);
    let mut renamed = dora;
    renamed.handle = "dorothy.test".to_owned();
    town.settle(&renamed);
    let nexus = Nexus::start_on(store, settings(&town, &[&relay]), Rules::default(), clock).await;
    assert!(until(|| nexus.introduced(&renamed).pop().unwrap() == "dorothy.test suspended").await);
    nexus.stop().await;
}

#[tokio::test]
async fn a_directory_that_asks_for_patience_is_not_asked_again() {
    let (town, relay) = (Town::start().await, Relay::start().await);
    let nexus = Nexus::start(settings(&town, &[&relay])).await;
    town.facts().directory = Some(StatusCode::TOO_MANY_REQUESTS);
    let resolve = async |did: &str| nexus.identities.resolve(&did.parse().unwrap()).await.unwrap_err().to_string();
    assert_eq!(resolve("did:plc:one").await, "status 429 Too Many Requests");
    assert_eq!(resolve("did:plc:two").await, "the directory asks for patience");
    assert_eq!((town.asked("one"), town.asked("two")), (1, 0));
    nexus.stop().await;
}

#[tokio::test]
async fn a_name_that_changed_while_the_directory_was_away_is_told_when_it_is_back() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert!(until(|| nexus.readiness.is_ready()).await);
    town.facts().directory = Some(StatusCode::BAD_GATEWAY);
    clock.advance(1_000);
    relay.send(|seq| identity(seq, &dora.did));
    assert!(until(|| nexus.cursors.firehose() == 1).await);
    assert_eq!(nexus.introduced(&dora), ["dora.test active"]);
    dora.handle = "dorothy.test".to_owned();
    town.settle(&dora);
    town.facts().directory = None;
    clock.advance(130_000);
    let commit = dora.create(POST, &["b"], "x");
    relay.send(|seq| dora.announce(seq, &commit));
    nexus.follows(&dora).await;
    assert!(until(|| nexus.introduced(&dora) == ["dora.test active", "dorothy.test active"]).await);
    nexus.stop().await;
}

#[tokio::test]
async fn an_answer_that_came_late_does_not_undo_a_newer_one() {
    let (town, relay, mut dora) = dora_at_home(&["a"]).await;
    let (nexus, clock) = Nexus::start_by_a_clock(settings(&town, &[&relay])).await;
    nexus.add(&[&dora]).await;
    nexus.follows(&dora).await;
    assert!(until(|| nexus.readiness.is_ready()).await);
    let asked = town.asked(&dora.did);
    let (release, late) = watch::channel(false);
    town.facts().late.insert(dora.did.clone(), late);
    clock.advance(24 * 3_600_000);
    let (identities, did) = (nexus.identities.clone(), dora.did());
    let before = tokio::spawn(async move { identities.resolve(&did).await.unwrap() });
    assert!(until(|| town.asked(&dora.did) > asked).await);
    // The account is renamed while the directory's word on what it was is on its way.
    dora.handle = "dorothy.test".to_owned();
    town.settle(&dora);
    clock.advance(1_000);
    relay.send(|seq| identity(seq, &dora.did));
    let declared = || nexus.store.identity(&dora.did()).unwrap().and_then(|identity| identity.declared());
    let is_renamed = || declared().is_some_and(|handle| handle.as_str() == "dorothy.test");
    // Whoever asks meanwhile may wait for the late answer, or have its own before.
    let _ = tokio::time::timeout(Duration::from_millis(500), until(is_renamed)).await;
    release.send_replace(true);
    before.await.unwrap();
    assert!(until(|| nexus.introduced(&dora) == ["dora.test active", "dorothy.test active"]).await);
    assert!(is_renamed(), "{:?}", declared());
    let known = nexus.identities.resolve(&dora.did()).await.unwrap();
    assert_eq!(known.declared_handle().unwrap().as_str(), "dorothy.test");
    nexus.stop().await;
}
