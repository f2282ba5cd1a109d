//! How a sleeping session is woken, and how one that has stopped reading is found.
//!
//! A session that has seen everything arms its waiter, under the lock that guards the ring. From then on
//! the tail tells it the first change that can concern it; everything before that one is known not to.

use crate::Limits;
use nexus_filter::Route;
use nexus_model::Seq;
use nexus_runtime::CancellationToken;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// No change has concerned the session since it fell asleep.
const ASLEEP: u64 = u64::MAX;
/// The session hasn't been looked at yet.
const UNSEEN: u64 = u64::MAX;

/// A session as the tail knows it.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) number: u64,
    pub(crate) client: Arc<str>,
    pub(crate) routes: Vec<Route>,
    /// Cancelled when the session is thrown out.
    pub(crate) evicted: CancellationToken,
    woken_by: AtomicU64,
    notify: Notify,
    position: AtomicU64,
    last_seen_at: AtomicU64,
}

impl Waiter {
    pub(crate) fn new(number: u64, client: Arc<str>, routes: Vec<Route>, cursor: Seq) -> Self {
        Self {
            number,
            client,
            routes,
            evicted: CancellationToken::new(),
            woken_by: AtomicU64::new(0),
            notify: Notify::new(),
            position: AtomicU64::new(cursor.get()),
            last_seen_at: AtomicU64::new(UNSEEN),
        }
    }

    /// Falls asleep. Call it with the ring's lock held, having seen everything in the ring.
    pub(crate) fn arm(&self) {
        self.woken_by.store(ASLEEP, Ordering::Release);
    }

    /// Tells a sleeping session that the change at `seq` can concern it. Later ones are not told.
    pub(crate) fn wake(&self, seq: Seq) {
        let woken = self.woken_by.compare_exchange(ASLEEP, seq.get(), Ordering::AcqRel, Ordering::Acquire);
        if woken.is_ok() {
            self.notify.notify_one();
        }
    }

    /// Sleeps until a change can concern the session.
    pub(crate) async fn sleep(&self) {
        while self.is_asleep() {
            self.notify.notified().await;
        }
    }

    /// Up to where nothing concerned the session while it slept; `end` if it still sleeps.
    pub(crate) fn slept_through(&self, end: Seq) -> Seq {
        match self.woken_by.load(Ordering::Acquire) {
            ASLEEP => end,
            woken_by => Seq::new(woken_by.saturating_sub(1)),
        }
    }

    fn is_asleep(&self) -> bool {
        self.woken_by.load(Ordering::Acquire) == ASLEEP
    }

    /// Notes how far the session has got.
    pub(crate) fn moved_to(&self, cursor: Seq) {
        self.position.store(cursor.get(), Ordering::Relaxed);
    }

    /// True if the session is too far behind and has barely moved since the last look.
    pub(crate) fn is_stuck(&self, end: Seq, limits: &Limits) -> bool {
        if self.is_asleep() {
            self.last_seen_at.store(UNSEEN, Ordering::Relaxed);
            return false;
        }
        let position = self.position.load(Ordering::Relaxed);
        let before = self.last_seen_at.swap(position, Ordering::Relaxed);
        let lag = end.get().saturating_sub(position);
        before != UNSEEN && lag > limits.lag && position.saturating_sub(before) < limits.progress
    }
}
