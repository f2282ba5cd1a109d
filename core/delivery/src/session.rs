//! One listener: a cursor and a filter over the shared tail.

use crate::{End, Entry, Frame, tail::Shared, waiter::Waiter};
use nexus_filter::Routed;
use nexus_journal::Error;
use nexus_model::{Change, Seq};
use nexus_runtime::CancellationToken;
use std::{fmt, sync::Arc};
use tokio::time::Instant;

/// A listener's place in the journal. Whoever holds it asks for the [`next`](Session::next) frames when the
/// wire can take them; nothing happens in between. Dropping it ends the subscription.
pub struct Session {
    shared: Arc<Shared>,
    filter: Arc<dyn Routed<Change>>,
    waiter: Arc<Waiter>,
    cursor: Seq,
    ended: bool,
}

/// What a look at the ring found.
enum Look {
    /// Wanted changes, or at least progress.
    Seen(Vec<Frame>),
    /// The cursor is older than the ring, which ends here.
    Behind(Seq),
    /// The cursor lies after everything that the journal has.
    Ahead,
    /// Everything has been seen and the waiter is armed.
    Asleep,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, filter: Arc<dyn Routed<Change>>, waiter: Arc<Waiter>, cursor: Seq) -> Self {
        Self { shared, filter, waiter, cursor, ended: false }
    }

    /// Everything up to here has been handed out or wasn't wanted.
    pub fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Cancelled when the session is thrown out while its wire is stuck.
    pub fn evicted(&self) -> CancellationToken {
        self.waiter.evicted.clone()
    }

    /// The next frames: changes in the order of the journal, at most [`batch_bytes`](crate::Limits::batch_bytes) of
    /// them unless one alone is larger; a beat after [`heartbeat`](crate::Limits::heartbeat) without any; or the
    /// end. `None` after the end.
    ///
    /// Waiting can be given up at any point without losing a change.
    pub async fn next(&mut self) -> Option<Vec<Frame>> {
        if self.ended {
            return None;
        }
        let beat = Instant::now() + self.shared.limits.heartbeat;
        let frames = tokio::select! {
            biased;
            () = self.waiter.evicted.clone().cancelled_owned() => vec![Frame::End(End::TooSlow)],
            () = self.shared.stop.clone().cancelled_owned() => vec![Frame::End(End::Stopping)],
            frames = self.advance(beat) => frames.unwrap_or_else(|end| vec![Frame::End(end)]),
        };
        if let Some(Frame::End(end)) = frames.last() {
            self.ended = true;
            metrics::counter!("nexus_live_ended_total", "reason" => end.as_str()).increment(1);
        }
        Some(frames)
    }

    async fn advance(&mut self, beat: Instant) -> Result<Vec<Frame>, End> {
        loop {
            let frames = match self.look() {
                Look::Seen(frames) => frames,
                Look::Behind(end) => self.catch_up(end).await?,
                Look::Ahead => return Err(self.expired().await),
                Look::Asleep if Instant::now() < beat => {
                    // Whether woken or silent for too long: the next look tells.
                    let _ = tokio::time::timeout_at(beat, self.waiter.sleep()).await;
                    continue;
                }
                Look::Asleep => Vec::new(),
            };
            self.waiter.moved_to(self.cursor);
            if !frames.is_empty() {
                return Ok(frames);
            }
            if Instant::now() >= beat {
                return Ok(vec![Frame::Beat(self.cursor)]);
            }
            tokio::task::consume_budget().await;
        }
    }

    /// Looks through at most a page of the ring, from where the session stands or slept through to.
    fn look(&mut self) -> Look {
        let shared = self.shared.clone();
        let state = shared.read();
        self.cursor = self.cursor.max(self.waiter.slept_through(state.ring.end()));
        if self.cursor < state.ring.start() {
            return Look::Behind(state.ring.end());
        }
        if self.cursor > shared.journal.watch().get() {
            return Look::Ahead;
        }
        if self.cursor >= state.ring.end() {
            self.waiter.arm();
            return Look::Asleep;
        }
        let (entries, end) = state.ring.page(self.cursor, shared.limits.page);
        Look::Seen(self.pick(entries, end, |entry| &entry.change, Entry::clone))
    }

    /// Looks through a page of the journal, and never past `end`: what the ring doesn't have yet comes from it.
    async fn catch_up(&mut self, end: Seq) -> Result<Vec<Frame>, End> {
        let shared = self.shared.clone();
        let _turn = shared.readers.acquire().await.map_err(|_| End::Stopping)?;
        match shared.journal.read(self.cursor, shared.limits.page).await {
            Ok(page) if page.next > self.cursor => {
                let render = |change: &Arc<Change>| Entry::new(change.clone(), &*shared.presentation);
                let changes = page.changes.iter().take_while(|change| change.seq <= end);
                Ok(self.pick(changes, page.next.min(end), |change| change, render))
            }
            Ok(_) => Err(End::Unavailable),
            Err(Error::Expired { oldest, .. }) => Err(End::Expired { oldest }),
            Err(error) => {
                tracing::error!(%error, "a live session can't read the journal");
                Err(End::Unavailable)
            }
        }
    }

    /// Takes what the filter wants of the consecutive `items` that end at `end`, until a batch is full.
    fn pick<'a, T: 'a>(
        &mut self,
        items: impl Iterator<Item = &'a T>,
        end: Seq,
        change: impl Fn(&T) -> &Arc<Change>,
        entry: impl Fn(&T) -> Entry,
    ) -> Vec<Frame> {
        let (mut frames, mut bytes) = (Vec::new(), 0);
        for item in items {
            if self.filter.matches(change(item)) {
                let entry = entry(item);
                bytes += entry.text.len();
                if bytes > self.shared.limits.batch_bytes && !frames.is_empty() {
                    return frames;
                }
                frames.push(Frame::Change(entry));
            }
            self.cursor = change(item).seq;
        }
        self.cursor = end;
        frames
    }

    async fn expired(&self) -> End {
        let oldest = self.shared.journal.oldest().await;
        oldest.map_or(End::Unavailable, |oldest| End::Expired { oldest })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.leave(&self.waiter);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("cursor", &self.cursor).field("ended", &self.ended).finish_non_exhaustive()
    }
}
