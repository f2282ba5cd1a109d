//! Delivery: a reader of the journal that passes on what was committed, in its order, one at a time.

use super::{Relay, lane::Ahead};
use crate::{
    ports::{CacheAdapter, Entry, LogLevel, RuntimeAdapter, StorageAdapter, WebSocketAdapter},
    session::{News, Pace},
};
use nexus_model::Seq;
use nexus_nostr::{Event, Kind};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

/// How many entries are read at once.
const BATCH: usize = 512;

/// How far delivery has come, and whether somebody is at it.
pub(super) struct Feed {
    progress: Mutex<Progress>,
    observer: Option<Observer>,
    waker: Option<Waker>,
}

/// Told how far delivery has come, each time it gets further. It must not wait.
#[cfg(not(target_arch = "wasm32"))]
pub type Observer = Box<dyn Fn(Seq) + Send + Sync>;
/// Told how far delivery has come, each time it gets further. It must not wait.
#[cfg(target_arch = "wasm32")]
pub type Observer = Box<dyn Fn(Seq)>;

/// Called when there is something to deliver. It must not wait.
#[cfg(not(target_arch = "wasm32"))]
pub type Waker = Box<dyn Fn() + Send + Sync>;
/// Called when there is something to deliver. It must not wait.
#[cfg(target_arch = "wasm32")]
pub type Waker = Box<dyn Fn()>;

#[derive(Debug)]
struct Progress {
    cursor: Seq,
    /// The newest commit of this relay that may have removed something.
    removed: Seq,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Free,
    Taken,
    /// Somebody is at it, and there is more since they looked.
    Again,
}

/// Whoever delivers. When it ends or is dropped, another may.
struct Deliverer<'a> {
    feed: &'a Feed,
    is_over: bool,
}

impl Feed {
    pub(super) const fn new(cursor: Seq) -> Self {
        Self {
            progress: Mutex::new(Progress { cursor, removed: cursor, turn: Turn::Free }),
            observer: None,
            waker: None,
        }
    }

    pub(super) fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    pub(super) fn wake_with(&mut self, waker: Waker) {
        self.waker = Some(waker);
    }

    /// Takes the turn, or tells whoever has it that there is more.
    fn take(&self) -> Option<Deliverer<'_>> {
        let mut progress = self.progress();
        if progress.turn == Turn::Free {
            progress.turn = Turn::Taken;
            return Some(Deliverer { feed: self, is_over: false });
        }
        progress.turn = Turn::Again;
        None
    }

    /// An event of `kind` was stored at `seq`. To be called before anybody is told.
    pub(super) fn stored(&self, seq: Seq, kind: Kind) {
        if kind.is_versioned() || matches!(kind, Kind::DELETION | Kind::VANISH) {
            let mut progress = self.progress();
            progress.removed = progress.removed.max(seq);
        }
    }

    /// True if what this relay removed was passed on, so that the cache has nothing of it.
    pub(super) fn is_tidy(&self) -> bool {
        let progress = self.progress();
        progress.removed <= progress.cursor
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no holder of this lock panics")
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Deliverer<'_> {
    fn cursor(&self) -> Seq {
        self.feed.progress().cursor
    }

    fn advance(&self, cursor: Seq) {
        self.feed.progress().cursor = cursor;
        if let Some(observer) = &self.feed.observer {
            observer(cursor);
        }
    }

    /// True if nobody asked for more since the last look; then the turn is given up.
    fn end(&mut self) -> bool {
        let mut progress = self.feed.progress();
        self.is_over = progress.turn != Turn::Again;
        progress.turn = if self.is_over { Turn::Free } else { Turn::Taken };
        self.is_over
    }
}

impl Drop for Deliverer<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.feed.progress().turn = Turn::Free;
        }
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Passes on everything that was committed. Whoever writes to the store past this relay calls it too. Only
    /// one caller is at it at a time; the others leave it their work.
    pub async fn deliver(&self) {
        let Some(mut deliverer) = self.feed.take() else { return };
        loop {
            self.pass_ahead(deliverer.cursor()).await;
            let entries = match self.storage.events_after(deliverer.cursor(), BATCH).await {
                Ok(entries) => entries,
                Err(error) => {
                    self.runtime.log(LogLevel::Error, &format!("the journal can't be read: {error}"));
                    return;
                }
            };
            let Some(last) = entries.last().map(Entry::seq) else {
                if deliverer.end() {
                    return;
                }
                continue;
            };
            for entry in entries {
                let seq = entry.seq();
                self.pass(entry).await;
                self.pass_ahead(seq).await;
            }
            self.lane.forget(last);
            deliverer.advance(last);
        }
    }

    /// Has what was committed passed on: by whoever is there for it, or else now.
    pub(super) async fn have_delivered(&self) {
        match &self.feed.waker {
            Some(wake) => wake(),
            None => self.deliver().await,
        }
    }

    async fn pass(&self, entry: Entry) {
        match entry {
            Entry::Created { stored, event } => {
                // Here and not where it was stored: so it comes before its own removal.
                if let Err(error) = self.cache.cache_event(&event, self.cache_seconds).await {
                    self.runtime.log(LogLevel::Warn, &format!("an event can't be cached: {error}"));
                }
                if !self.lane.was_passed(stored.seq) {
                    self.fan_out(Some(stored.seq), &event, &stored.json).await;
                }
            }
            Entry::Removed { id, .. } => {
                if let Err(error) = self.cache.invalidate(&id).await {
                    self.runtime.log(LogLevel::Warn, &format!("an event can't be forgotten: {error}"));
                }
            }
        }
    }

    /// Passes on what may go first, and stands after `reached`.
    async fn pass_ahead(&self, reached: Seq) {
        while let Some(Ahead { seq, event, json }) = self.lane.next(reached) {
            // Whoever deleted it since was told that it is gone.
            if self.storage.event_exists(&event.id).await.unwrap_or(true) {
                self.fan_out(Some(seq), &event, &json).await;
            }
        }
    }

    /// Shows an event to the subscriptions that want it, and gives their number.
    pub(super) async fn fan_out(&self, seq: Option<Seq>, event: &Event, json: &Arc<str>) -> usize {
        let wanted = match self.cache.matching_subscriptions(event).await {
            Ok(wanted) => wanted,
            Err(error) => {
                self.runtime.log(LogLevel::Error, &format!("subscriptions can't be found: {error}"));
                return 0;
            }
        };
        let (now, settings) = (self.runtime.now(), self.settings());
        for (conn, sub) in &wanted {
            if let Some(session) = self.session(*conn) {
                let is_slow = self.sockets.buffered_bytes(*conn) > settings.limits.outbound_bytes;
                let pace = if is_slow { Pace::Slow } else { Pace::Steady };
                let news = News { seq, event, json };
                self.carry_out(&session, |session| session.live(sub, news, pace, &settings, now)).await;
            }
        }
        wanted.len()
    }
}

impl<S, C, W, R> Relay<S, C, W, R> {
    /// How far delivery has come.
    pub fn delivered(&self) -> Seq {
        self.feed.progress().cursor
    }
}
