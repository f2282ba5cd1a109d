//! Finding repos by lists.

use super::author::{Author, LIKE};
use super::town::{Relay, Town};
use super::{Nexus, settings, until};
use nexus_runtime::Clock;
use nexus_sync::rules::{Network, Rules};
use nexus_sync::store::{Memory, Store};
use std::sync::Arc;
use std::time::Duration;

fn full() -> Rules {
    Rules { network: Network::Full, ..Rules::default() }
}

#[tokio::test]
async fn the_whole_network_is_found_page_by_page() {
    let town = Town::start().await;
    let relay = Relay::start().await;
    let authors: Vec<_> = (0..25).map(|n| Author::new(&format!("author{n:02}"))).collect();
    authors.iter().for_each(|author| town.settle(author));
    town.facts().inactive = vec![authors[3].did.clone()];
    let mut settings = settings(&town, &[&relay]);
    // A list is read from the relay, which here is the town.
    settings.relays = vec![town.url.clone()];
    settings.listing.page = 10;
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let rules = Rules { excluded: [authors[4].did()].into(), ..full() };
    let nexus = Nexus::start_on(store, settings.clone(), rules.clone(), Clock::system()).await;
    let found = |nexus: &Nexus| authors.iter().filter(|author| nexus.repo(author).is_some()).count();
    assert!(until(|| found(&nexus) == 23).await);
    assert!(nexus.repo(&authors[3]).is_none() && nexus.repo(&authors[4]).is_none());
    assert!(until(|| town.asked("list") == 3).await);
    assert!(until(|| nexus.cursors.list().is_empty()).await, "it is read to its end");
    let store = nexus.stop().await;
    // It is left alone for a day, and then read from the start.
    let nexus = Nexus::start_on(Arc::clone(&store), settings.clone(), rules.clone(), Clock::system()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(town.asked("list"), 3);
    nexus.stop().await;
    let tomorrow = Clock::fixed(Clock::system().now().plus_millis(24 * 3_600_000 + 1));
    let nexus = Nexus::start_on(store, settings, rules, tomorrow).await;
    assert!(until(|| town.asked("list after= ") == 2).await);
    nexus.stop().await;
}

#[tokio::test]
async fn a_list_is_read_on_where_it_ended() {
    let town = Town::start().await;
    let authors: Vec<_> = (0..9).map(|n| Author::new(&format!("author{n}"))).collect();
    authors.iter().for_each(|author| town.settle(author));
    let mut settings = settings(&town, &[]);
    settings.relays = vec![town.url.clone()];
    settings.listing.page = 2;
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let mut transaction = store.begin().unwrap();
    let list = format!("list {}/xrpc/com.atproto.sync.listReposByCollection?collection={LIKE}&limit=2", town.url);
    transaction.put_cursor(&list, &authors[5].did).unwrap();
    transaction.commit().unwrap();
    let rules = Rules { network: Network::Signal(LIKE.parse().unwrap()), ..Rules::default() };
    let nexus = Nexus::start_on(store, settings, rules, Clock::system()).await;
    assert!(until(|| authors[6..].iter().all(|author| nexus.repo(author).is_some())).await);
    assert!(authors[..6].iter().all(|author| nexus.repo(author).is_none()));
    assert_eq!(town.asked(&format!("list after={} {LIKE}", authors[5].did)), 1);
    nexus.stop().await;
}
