//! The tail that all sessions of a journal share: one reader pulls pages when the head moves, renders each
//! change once, and wakes the sessions that it can concern.

use crate::{Entry, Limits, Session, ring::Ring, waiter::Waiter};
use bytes::Bytes;
use nexus_filter::{Route, Routed, Router};
use nexus_journal::{Error, Journal, Page};
use nexus_model::{Change, Seq};
use nexus_runtime::CancellationToken;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How a service shows its changes to listeners.
pub trait Presentation: Send + Sync {
    /// The change as JSON.
    fn render(&self, change: &Change) -> Bytes;

    /// The routes that the change takes to the filters that may want it.
    fn routes(&self, change: &Change) -> Vec<Route>;
}

/// Where a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what comes next.
    Now,
    /// With the first change after this position.
    After(Seq),
}

/// Why a session can't begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// [`Limits::sessions`] is reached.
    #[error("too many live sessions")]
    Full,
    /// [`Limits::sessions_per_client`] is reached.
    #[error("too many live sessions from this client")]
    ClientFull,
}

/// The shared tail of one journal. Clones share it.
#[derive(Clone)]
pub struct Tail(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) presentation: Arc<dyn Presentation>,
    pub(crate) limits: Limits,
    /// Turns at reading the journal, for sessions that are behind the ring.
    pub(crate) readers: Semaphore,
    pub(crate) stop: CancellationToken,
    state: RwLock<State>,
}

pub(crate) struct State {
    pub(crate) ring: Ring,
    router: Router<Arc<Waiter>>,
    sessions: HashMap<u64, Arc<Waiter>>,
    per_client: HashMap<Arc<str>, usize>,
    next_number: u64,
}

impl Tail {
    /// A tail that begins at the journal's newest change.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn open(
        journal: Arc<dyn Journal>,
        presentation: Arc<dyn Presentation>,
        limits: Limits,
    ) -> Result<Self, Error> {
        let state = State {
            ring: Ring::new(journal.last().await?, &limits),
            router: Router::default(),
            sessions: HashMap::new(),
            per_client: HashMap::new(),
            next_number: 0,
        };
        let readers = Semaphore::new(limits.readers);
        let stop = CancellationToken::new();
        Ok(Self(Arc::new(Shared { journal, presentation, limits, readers, stop, state: RwLock::new(state) })))
    }

    /// Follows the journal until `stop` is cancelled, then ends every session. A journal that fails is tried
    /// again each second; sessions meanwhile show that they live.
    ///
    /// # Errors
    /// Never; the result is what a task gives back.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let _end = self.0.stop.clone().drop_guard();
        let mut head = self.0.journal.watch();
        let mut watch = tokio::time::interval(self.0.limits.patience);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = watch.tick() => self.evict_stuck(),
                more = head.after(self.position()) => match more {
                    Some(_) => self.follow().await,
                    None => { stop.cancelled().await; return Ok(()) }
                },
            }
        }
    }

    /// Takes in what the journal has, at most a page.
    ///
    /// # Errors
    /// If the journal can't be read; nothing was taken in then.
    pub async fn pull(&self) -> Result<(), Error> {
        match self.0.journal.read(self.position(), self.0.limits.page).await {
            Ok(page) => self.0.take_in(page),
            Err(Error::Expired { after, oldest }) => {
                tracing::warn!(%after, %oldest, "the journal dropped changes before live sessions saw them");
                self.0.write().skip_to(oldest);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Begins a session of `client` for what `filter` wants.
    ///
    /// # Errors
    /// If there are too many sessions.
    pub fn subscribe(&self, client: &str, filter: Arc<dyn Routed<Change>>, start: Start) -> Result<Session, Refusal> {
        let mut state = self.0.write();
        let cursor = match start {
            Start::Now => state.ring.end(),
            Start::After(seq) => seq,
        };
        let waiter = state.enter(client, filter.routes(), cursor, &self.0.limits)?;
        metrics::gauge!("nexus_live_sessions").increment(1);
        Ok(Session::new(self.0.clone(), filter, waiter, cursor))
    }

    /// The position up to which the journal has been followed.
    pub fn position(&self) -> Seq {
        self.0.read().ring.end()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.0.read().sessions.len()
    }

    async fn follow(&self) {
        let before = self.position();
        match self.pull().await {
            Ok(()) if self.position() > before => return,
            Ok(()) => tracing::warn!(position = %before, "the journal's head moved but there is nothing to read"),
            Err(error) => tracing::error!(%error, "live sessions wait for the journal"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// Throws out the sessions that are far behind and barely move.
    fn evict_stuck(&self) {
        let mut state = self.0.write();
        let end = state.ring.end();
        let stuck: Vec<_> = state.sessions.values().filter(|w| w.is_stuck(end, &self.0.limits)).cloned().collect();
        for waiter in stuck {
            waiter.evicted.cancel();
            state.leave(&waiter);
        }
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("position", &self.position()).field("sessions", &self.sessions()).finish()
    }
}

impl Shared {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leave(&self, waiter: &Waiter) {
        self.write().leave(waiter);
    }

    fn take_in(&self, page: Page) {
        let presentation = &*self.presentation;
        let render = |change| Entry::new(change, presentation);
        let entries: Vec<_> = page.changes.into_iter().map(render).collect();
        let mut state = self.write();
        for entry in entries {
            state.announce(&entry.change, presentation);
            state.ring.push(entry, presentation);
        }
        state.ring.advance(page.next);
    }
}

impl State {
    fn announce(&self, change: &Change, presentation: &dyn Presentation) {
        if self.router.is_empty() {
            return;
        }
        for waiter in self.router.candidates(&presentation.routes(change)) {
            waiter.wake(change.seq);
        }
    }

    /// Goes on from `oldest`, waking everybody: what lies before it is lost, and each session must learn that.
    fn skip_to(&mut self, oldest: Seq) {
        let lost = self.ring.end().next();
        self.ring.reset(oldest);
        self.sessions.values().for_each(|waiter| waiter.wake(lost));
    }

    fn enter(
        &mut self,
        client: &str,
        routes: Vec<Route>,
        cursor: Seq,
        limits: &Limits,
    ) -> Result<Arc<Waiter>, Refusal> {
        if self.sessions.len() >= limits.sessions {
            return Err(Refusal::Full);
        }
        let client: Arc<str> = client.into();
        let count = self.per_client.entry(client.clone()).or_default();
        if *count >= limits.sessions_per_client {
            return Err(Refusal::ClientFull);
        }
        *count += 1;
        self.next_number += 1;
        let waiter = Arc::new(Waiter::new(self.next_number, client, routes, cursor));
        self.router.insert(&waiter.routes, waiter.number, &waiter);
        self.sessions.insert(waiter.number, waiter.clone());
        Ok(waiter)
    }

    fn leave(&mut self, waiter: &Waiter) {
        if self.sessions.remove(&waiter.number).is_none() {
            return;
        }
        self.router.remove(&waiter.routes, waiter.number);
        metrics::gauge!("nexus_live_sessions").decrement(1);
        if let Some(count) = self.per_client.get_mut(&waiter.client) {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(&waiter.client);
            }
        }
    }
}
