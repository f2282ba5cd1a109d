//! The reader that keeps full text in step with the journal.

use crate::shelf::{ADA, Shelf, post_key};
use nexus_journal::Journal;
use nexus_model::{Seq, Timestamp};
use nexus_runtime::CancellationToken;
use nexus_social::{
    row::{PostKey, PostKind},
    search::{ContentHit, ContentQuery, Error, FullText, TextChange},
    store::Store,
};
use nexus_social_server::text::{Pace, TextReader};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// An engine that remembers what it was told.
#[derive(Default)]
struct Notebook(Mutex<Notes>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Notes {
    texts: BTreeMap<PostKey, String>,
    cursor: Seq,
    commits: usize,
    compactions: usize,
    failures_to_come: usize,
}

impl Notebook {
    fn notes(&self) -> Notes {
        self.0.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        self.notes().texts.into_values().collect()
    }
}

impl FullText for Notebook {
    fn search(&self, _: &ContentQuery) -> Result<Vec<ContentHit>, Error> {
        Ok(Vec::new())
    }

    fn cursor(&self) -> Result<Seq, Error> {
        Ok(self.notes().cursor)
    }

    fn commit(&self, changes: &[TextChange], cursor: Seq) -> Result<(), Error> {
        let mut notes = self.0.lock().unwrap();
        if notes.failures_to_come > 0 {
            notes.failures_to_come -= 1;
            return Err(Error("no disk".into()));
        }
        for change in changes {
            match change {
                TextChange::Put(post) => drop(notes.texts.insert(post.key, post.content.clone())),
                TextChange::Remove(key) => drop(notes.texts.remove(key)),
            }
        }
        notes.cursor = cursor;
        notes.commits += 1;
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        let mut notes = self.0.lock().unwrap();
        *notes = Notes { commits: notes.commits, failures_to_come: notes.failures_to_come, ..Notes::default() };
        Ok(())
    }

    fn compact(&self) -> Result<(), Error> {
        self.0.lock().unwrap().compactions += 1;
        Ok(())
    }
}

struct Running {
    shelf: Shelf,
    engine: Arc<Notebook>,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    fn start(shelf: Shelf, engine: Arc<Notebook>, batch: usize) -> Self {
        let stop = CancellationToken::new();
        let pace = Pace { batch, ..Pace::default() };
        let reader = TextReader::new(engine.clone(), shelf.store.clone(), shelf.journal(), pace);
        tokio::spawn(reader.run(stop.clone()));
        Self { shelf, engine, stop }
    }

    /// Waits until the engine has everything. The clock is held and moves only while nothing else happens.
    async fn caught_up(&self) {
        let last = self.shelf.journal().last().await.unwrap();
        self.until(|notes| notes.cursor == last).await;
    }

    async fn until(&self, holds: impl Fn(&Notes) -> bool) {
        let waiting = async {
            while !holds(&self.engine.notes()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3_600), waiting).await.unwrap();
    }
}

fn posts(shelf: &Shelf, count: u32) {
    for id in 0..count {
        shelf.post(post_key(ADA, id), PostKind::Short, &format!("text {id}"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_built_and_what_comes_is_followed() {
    let shelf = Shelf::new();
    posts(&shelf, 3);
    shelf.remove_post(post_key(ADA, 1));
    let running = Running::start(shelf, Arc::default(), 2);
    running.caught_up().await;
    assert_eq!(running.engine.texts(), ["text 0", "text 2"]);

    running.shelf.post(post_key(ADA, 3), PostKind::Long, "news");
    running.shelf.post(post_key(ADA, 0), PostKind::Short, "another text");
    running.shelf.tag(ADA, 1, post_key(ADA, 0), "maps");
    running.shelf.remove_post(post_key(ADA, 2));
    running.caught_up().await;
    assert_eq!(running.engine.texts(), ["another text", "news"]);
}

#[tokio::test(start_paused = true)]
async fn many_changes_share_a_commit() {
    let running = Running::start(Shelf::new(), Arc::default(), 10_000);
    running.caught_up().await;
    running.until(|notes| notes.commits == 1).await;
    for id in 0..50 {
        running.shelf.post(post_key(ADA, id), PostKind::Short, "text");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    running.caught_up().await;
    let commits = running.engine.notes().commits;
    assert!((3..=8).contains(&commits), "5 s of changes took {commits} commits");
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_on_where_the_engine_stands() {
    let shelf = Shelf::new();
    posts(&shelf, 3);
    let engine = Arc::new(Notebook::default());
    engine.commit(&[], Seq::new(2)).unwrap();
    let running = Running::start(shelf, engine, 100);
    running.caught_up().await;
    assert_eq!(running.engine.texts(), ["text 2"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_the_journal_has_left_behind_is_built_anew() {
    let shelf = Shelf::new();
    posts(&shelf, 3);
    shelf.store.expire_changes(Timestamp::from_millis(1_002)).unwrap();
    for stale in [Seq::new(1), Seq::new(77)] {
        let engine = Arc::new(Notebook::default());
        engine.commit(&[], stale).unwrap();
        let mut running = Running::start(shelf_again(&shelf), engine, 100);
        running.caught_up().await;
        assert_eq!(running.engine.texts(), ["text 0", "text 1", "text 2"], "{stale}");
        running.stop = CancellationToken::new();
    }
}

fn shelf_again(shelf: &Shelf) -> Shelf {
    let mut again = Shelf::new();
    (again.store, again.head) = (shelf.store.clone(), shelf.head.clone());
    again
}

#[tokio::test(start_paused = true)]
async fn failures_are_waited_out() {
    let shelf = Shelf::new();
    posts(&shelf, 3);
    let engine = Arc::new(Notebook::default());
    engine.0.lock().unwrap().failures_to_come = 5;
    let running = Running::start(shelf, engine, 1);
    running.caught_up().await;
    assert_eq!(running.engine.texts().len(), 3);
    running.engine.0.lock().unwrap().failures_to_come = 2;
    running.shelf.remove_post(post_key(ADA, 0));
    running.caught_up().await;
    assert_eq!(running.engine.texts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_still_holds_deleted_words_is_rewritten_in_time_and_not_for_nothing() {
    let running = Running::start(Shelf::new(), Arc::default(), 100);
    running.until(|notes| notes.compactions == 1).await;
    tokio::time::sleep(Duration::from_secs(3_000)).await;
    assert_eq!(running.engine.notes().compactions, 1, "nothing has changed");
    posts(&running.shelf, 1);
    running.shelf.remove_post(post_key(ADA, 0));
    running.until(|notes| notes.compactions == 2).await;
}
