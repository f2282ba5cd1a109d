//! The sources over real sockets: what a network says that does as it should, and what one says that doesn't.

mod author;
mod backfill;
mod firehose;
mod hostile;
mod identity;
mod listing;
mod restart;
mod town;

use author::Author;
use nexus_atproto::Did;
use nexus_http::Readiness;
use nexus_journal::Head;
use nexus_model::Seq;
use nexus_outgoing::ChosenBy;
use nexus_runtime::{Clock, Tasks};
use nexus_sync::repo::{Origin, Repo, State};
use nexus_sync::rules::Rules;
use nexus_sync::store::{Memory, Store};
use nexus_sync::writer::{Input, resume};
use nexus_sync_server::source::settings::Settings;
use nexus_sync_server::source::{Cursors, Identities, Parts, Room, Sources};
use nexus_sync_server::{WriterHandle, start};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use town::{Relay, Town};

/// A service without its outside: sources, writer and store.
pub(crate) struct Nexus {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) writer: WriterHandle,
    pub(crate) cursors: Cursors,
    pub(crate) identities: Identities,
    pub(crate) readiness: Readiness,
    pub(crate) room: watch::Sender<Room>,
    tasks: Tasks,
}

/// What is usual on loopback.
pub(crate) fn settings(town: &Town, relays: &[&Relay]) -> Settings {
    let relays = relays.iter().map(|relay| relay.url.clone()).collect();
    let folder: PathBuf = std::env::temp_dir();
    let mut settings = Settings::new(relays, &town.url, folder, "nexus/test");
    settings.strangers = ChosenBy::Operator;
    settings.firehose.workers = 2;
    settings.identity.name_hosts = vec![(".test".to_owned(), town.url.clone())];
    settings.resync.poll = Duration::from_millis(10);
    settings.listing.pause = Duration::from_millis(50);
    settings
}

/// A town and a relay, and Dora, who lives there and has posted under these keys.
pub(crate) async fn dora_at_home(rkeys: &[&str]) -> (Town, Relay, Author) {
    let (town, relay, mut dora) = (Town::start().await, Relay::start().await, Author::new("dora"));
    if !rkeys.is_empty() {
        dora.create(author::POST, rkeys, "x");
    }
    town.settle(&dora);
    (town, relay, dora)
}

impl Nexus {
    /// Starts with a clock that stands still until the test moves it.
    pub(crate) async fn start_by_a_clock(settings: Settings) -> (Self, Clock) {
        let clock = Clock::fixed(Clock::system().now());
        let store = Arc::new(Memory::default());
        (Self::start_on(store, settings, Rules::default(), clock.clone()).await, clock)
    }

    pub(crate) async fn start(settings: Settings) -> Self {
        Self::start_on(Arc::new(Memory::default()), settings, Rules::default(), Clock::system()).await
    }

    pub(crate) async fn start_on(store: Arc<dyn Store>, settings: Settings, rules: Rules, clock: Clock) -> Self {
        resume(&*store, clock.now()).unwrap();
        let (rules, head) = (Arc::new(rules), Arc::new(Head::new(store.last().unwrap())));
        let (writer, thread) = start(Arc::clone(&store), Arc::clone(&rules), clock.clone(), head).unwrap();
        let (room, room_told) = watch::channel(Room::Open);
        let readiness = Readiness::default();
        let parts = Parts {
            settings,
            rules,
            store: Arc::clone(&store),
            writer: writer.clone(),
            clock,
            random: Arc::new(|below| below / 8),
            readiness: readiness.clone(),
            room: room_told,
        };
        let sources = Sources::new(parts).unwrap();
        let (cursors, identities) = (sources.cursors(), sources.identities());
        let tasks = Tasks::new();
        tasks.spawn("writer", |_| thread.ended());
        sources.run(&tasks);
        Self { store, writer, cursors, identities, readiness, room, tasks }
    }

    /// Stops in the order of the data, and gives the store.
    pub(crate) async fn stop(self) -> Arc<dyn Store> {
        let Self { store, writer, identities, tasks, .. } = self;
        drop((writer, identities));
        tasks.stop();
        tokio::time::timeout(Duration::from_secs(20), tasks.finish()).await.expect("it stops").unwrap();
        store
    }

    pub(crate) async fn add(&self, authors: &[&Author]) {
        let inputs = authors.iter().map(|author| Input::Add(author.did(), Origin::Asked)).collect();
        self.writer.ask(inputs).await.unwrap();
    }

    pub(crate) fn repo(&self, author: &Author) -> Option<Repo> {
        self.store.repo(&author.did()).unwrap()
    }

    /// Waits until the repo is followed, at the author's revision.
    pub(crate) async fn follows(&self, author: &Author) {
        self.sees(author, |repo| is_at(repo, author)).await;
    }

    /// True if the repo is followed, at the author's revision.
    pub(crate) fn is_at(&self, author: &Author) -> bool {
        self.repo(author).is_some_and(|repo| is_at(&repo, author))
    }

    /// Waits until what is known of the repo is as wished.
    pub(crate) async fn sees(&self, author: &Author, wished: impl Fn(&Repo) -> bool) {
        let seen = || self.repo(author).is_some_and(|repo| wished(&repo));
        if !until(seen).await {
            panic!("{:?} never came to be as wished", self.repo(author));
        }
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&*self.store)
    }

    /// The record events of one account, as `action path`.
    pub(crate) fn told(&self, author: &Author) -> Vec<String> {
        let records = self.events().into_iter().map(|event| event["record"].clone());
        let own = records.filter(|record| record["did"] == author.did.as_str());
        own.map(|r| format!("{} {}/{}", word(&r["action"]), word(&r["collection"]), word(&r["rkey"]))).collect()
    }

    /// The identity events of one account, as `handle status`.
    pub(crate) fn introduced(&self, author: &Author) -> Vec<String> {
        let users = self.events().into_iter().map(|event| event["user"].clone());
        let own = users.filter(|user| user["did"] == author.did.as_str());
        own.map(|user| format!("{} {}", word(&user["handle"]), word(&user["status"]))).collect()
    }

    /// Index and events are what the author has.
    pub(crate) fn assert_whole(&self, author: &mut Author) {
        assert_whole(&*self.store, author);
    }
}

fn is_at(repo: &Repo, author: &Author) -> bool {
    repo.state == State::Active && repo.head.is_some_and(|head| head.rev.to_string() == author.rev())
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn events(store: &dyn Store) -> Vec<Value> {
    let events = store.events(Seq::START, usize::MAX >> 1).unwrap();
    let text = |event: &nexus_sync::store::StoredEvent| nexus_sync::event::with_id(event.seq, &event.body);
    events.iter().map(|event| serde_json::from_str(&text(event)).unwrap()).collect()
}

/// Index and events are what the author has.
pub(crate) fn assert_whole(store: &dyn Store, author: &mut Author) {
    let expected = author.records();
    assert_eq!(indexed(store, &author.did()), expected, "the index of {}", author.did);
    let mut folded = BTreeMap::new();
    for event in events(store) {
        let record = &event["record"];
        if word(&record["did"]) != author.did {
            continue;
        }
        let path = format!("{}/{}", word(&record["collection"]), word(&record["rkey"]));
        match word(&record["action"]) {
            "delete" => drop(folded.remove(&path)),
            _ => drop(folded.insert(path, word(&record["cid"]).to_owned())),
        }
    }
    assert_eq!(folded, expected, "what was told of {}", author.did);
}

fn indexed(store: &dyn Store, did: &Did) -> BTreeMap<String, String> {
    let repo = store.repo(did).unwrap().expect("a tracked repo").id;
    let collections = store.collections(repo).unwrap().into_iter();
    let records = collections.flat_map(|collection| {
        let records = store.records(repo, &collection, "", usize::MAX >> 1).unwrap();
        records.into_iter().map(move |(rkey, cid)| (format!("{collection}/{rkey}"), cid.to_string()))
    });
    records.collect()
}

/// Waits for a condition, and not for a time. False if it never holds.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if condition() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}
