//! The program ends at any moment: nothing is lost, and nobody is told what isn't so.

use super::author::{Author, LIKE, POST, announce};
use super::town::{Answer, Relay, Town};
use super::{Nexus, assert_whole, settings, until};
use nexus_runtime::Clock;
use nexus_sqlite::sync::SyncStore;
use nexus_sync::repo::State;
use nexus_sync::rules::Rules;
use nexus_sync::store::Store;
use nexus_sync::writer::Input;
use nexus_sync_server::source::settings::Settings;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;
use std::time::Duration;

/// What a relay does next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Create(usize),
    Update(usize),
    Delete(usize),
    /// A commit that the relay never sees.
    Hidden(usize),
    /// A commit that arrives broken.
    Broken(usize),
    /// The next fetch of the repo fails.
    Fails(usize),
    /// The program ends here, as if the power went, with what is on disk at this moment.
    Kill,
    Wait(u64),
}

const AUTHORS: usize = 3;

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..AUTHORS).prop_map(Deed::Create),
        2 => (0..AUTHORS).prop_map(Deed::Update),
        2 => (0..AUTHORS).prop_map(Deed::Delete),
        1 => (0..AUTHORS).prop_map(Deed::Hidden),
        1 => (0..AUTHORS).prop_map(Deed::Broken),
        1 => (0..AUTHORS).prop_map(Deed::Fails),
        1 => Just(Deed::Kill),
        2 => (0_u64..8).prop_map(Deed::Wait),
    ]
}

struct Story {
    town: Town,
    relay: Relay,
    authors: Vec<Author>,
    /// Posts that each author has.
    posts: Vec<Vec<String>>,
    folder: tempfile::TempDir,
    lives: usize,
}

impl Story {
    async fn begin() -> Self {
        let (town, relay) = (Town::start().await, Relay::start().await);
        let mut authors: Vec<_> = (0..AUTHORS).map(|n| Author::new(&format!("author{n}"))).collect();
        for author in &mut authors {
            author.create(LIKE, &["a", "b"], "history");
            town.settle(author);
        }
        let posts = vec![Vec::new(); AUTHORS];
        Self { town, relay, authors, posts, folder: tempfile::tempdir().unwrap(), lives: 0 }
    }

    fn settings(&self) -> Settings {
        let mut settings = settings(&self.town, &[&self.relay]);
        settings.firehose.cursor = nexus_sync_server::source::settings::CursorSaving::Every(Duration::from_millis(3));
        settings
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("life{}.db", self.lives))
    }

    async fn live(&self) -> (Nexus, Arc<SyncStore>) {
        let store = Arc::new(SyncStore::open(&self.path()).unwrap());
        let held: Arc<dyn Store> = store.clone();
        (Nexus::start_on(held, self.settings(), Rules::default(), Clock::system()).await, store)
    }

    /// One commit of an author's; the server has it before the relay.
    fn write(&mut self, n: usize, deed: Deed, count: usize) {
        let (author, posts) = (&mut self.authors[n], &mut self.posts[n]);
        let commit = match (deed, posts.last().cloned()) {
            (Deed::Update(_), Some(rkey)) => author.update(POST, &rkey, &format!("text {count}")),
            (Deed::Delete(_), Some(rkey)) => {
                posts.pop();
                author.delete(POST, &rkey)
            }
            _ => {
                let rkey = format!("post{count}");
                posts.push(rkey.clone());
                author.create(POST, &[&rkey], "new")
            }
        };
        self.town.settle(author);
        match deed {
            Deed::Hidden(_) => {}
            Deed::Broken(_) => self.relay.send(|seq| announce(seq, &author.did, &commit, b"broken")),
            _ => self.relay.send(|seq| author.announce(seq, &commit)),
        }
    }
}

async fn tell(deeds: Vec<Deed>) {
    let mut story = Story::begin().await;
    let (mut nexus, mut store) = story.live().await;
    nexus.add(&story.authors.iter().collect::<Vec<_>>()).await;
    for (count, deed) in deeds.into_iter().enumerate() {
        match deed {
            Deed::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Deed::Fails(n) => story.town.answer(&story.authors[n], Answer::Broken(100)),
            Deed::Kill => {
                story.lives += 1;
                // What is committed now is all that the next life has; the old one ends unheard.
                store.backup(&story.path()).unwrap();
                nexus.stop().await;
                (nexus, store) = story.live().await;
            }
            Deed::Create(n) | Deed::Update(n) | Deed::Delete(n) | Deed::Hidden(n) | Deed::Broken(n) => {
                story.write(n, deed, count);
            }
        }
    }
    // A last word of each, so that what is missing is noticed.
    story.town.facts().answers.clear();
    // A life that never heard the relay begins at its newest message: that must not be before the last word.
    assert!(until(|| nexus.readiness.is_ready()).await);
    for n in 0..AUTHORS {
        story.write(n, Deed::Create(n), 1_000);
    }
    for author in &story.authors {
        // Who waits a minute after a failure needn't wait here.
        while !nexus.is_at(author) {
            if nexus.repo(author).is_none_or(|repo| repo.state == State::Error) {
                nexus.add(&[author]).await;
                nexus.writer.ask(vec![Input::Resync(author.did())]).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let store = nexus.stop().await;
    for author in &mut story.authors {
        assert_whole(&*store, author);
    }
}

#[test]
fn whenever_it_is_killed_consumers_end_up_with_what_authors_have() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 12, max_shrink_iters: 40, ..Config::default() });
    let stories = prop::collection::vec(deed(), 0..60);
    runner
        .run(&stories, |deeds| {
            let ended = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), tell(deeds)).await });
            assert!(ended.is_ok(), "it never came to an end");
            Ok(())
        })
        .unwrap();
}
