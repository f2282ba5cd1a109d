//! What waits to be sent to one client, bounded in bytes, and the signs of life that the client gave.

use crate::wire::{self, Compression, Opcode};
use futures_util::task::AtomicWaker;
use nexus_relay::ports::{ConnectionMeta, WsError};
use std::{
    cell::Cell,
    future::poll_fn,
    pin::Pin,
    ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub struct OutboxBounds {
    /// Bytes from which on stored events wait.
    pub soft: usize,
    /// Bytes beyond which nothing is taken.
    pub hard: usize,
    /// Seconds between two pings.
    pub ping: u64,
    /// Seconds without a sign of life after which the connection is closed.
    pub idle: u64,
    /// Seconds that a message may take to come.
    pub message: u64,
    /// Bytes from which on a message is compressed, where that was agreed on.
    pub compress_from: usize,
}

/// Seconds that a client gets to take what is left and close its side.
const CLOSING: u64 = 5;

thread_local! {
    /// The outbox whose taker this thread polls next, without being woken.
    static TAKEN_NEXT: Cell<*const Outbox> = const { Cell::new(ptr::null()) };
}

/// One connection's outbox. Times are in beats: seconds since the sockets were made.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    compression: Compression,
    /// Bytes that wait or are being written.
    waiting: AtomicUsize,
    /// Whoever takes: something was put in, or it is closing.
    taker: AtomicWaker,
    /// Something was written.
    drained: Notify,
    /// The connection is over, whatever waits.
    ended: CancellationToken,
    heard_at: AtomicU64,
    pinged_at: AtomicU64,
    /// When the message began that has not ended; 0 if there is none.
    amid_since: AtomicU64,
}

#[derive(Debug)]
struct State {
    queue: Vec<u8>,
    /// When it began to close.
    closing: Option<u64>,
    meta: ConnectionMeta,
}

impl Outbox {
    pub(crate) fn new(compression: Compression, now: u64) -> Self {
        Self {
            state: Mutex::new(State { queue: Vec::new(), closing: None, meta: ConnectionMeta::default() }),
            compression,
            waiting: AtomicUsize::new(0),
            taker: AtomicWaker::new(),
            drained: Notify::new(),
            ended: CancellationToken::new(),
            heard_at: AtomicU64::new(now),
            pinged_at: AtomicU64::new(now),
            amid_since: AtomicU64::new(0),
        }
    }

    pub(crate) const fn compression(&self) -> Compression {
        self.compression
    }

    /// Queues a frame.
    pub(crate) fn push(
        &self,
        opcode: Opcode,
        compression: Compression,
        payload: &[u8],
        hard: usize,
    ) -> Result<(), WsError> {
        let mut state = self.state();
        if state.closing.is_some() || self.ended.is_cancelled() {
            return Err(WsError::Gone);
        }
        if self.waiting() + payload.len() > hard {
            return Err(WsError::Full);
        }
        let before = state.queue.len();
        wire::push_frame(&mut state.queue, opcode, compression, payload);
        self.waiting.fetch_add(state.queue.len() - before, Ordering::Relaxed);
        drop(state);
        self.wake_taker();
        Ok(())
    }

    /// Runs what serves the connection, in a task that afterwards polls [`Outbox::take`] each time. What it puts in
    /// wakes nobody then, which would send another thread after a task that is running.
    pub(crate) fn before_taking<F: Future>(&self, mut serving: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |context| {
            let _until_polled = TakenNext(TAKEN_NEXT.replace(self));
            serving.as_mut().poll(context)
        })
    }

    fn wake_taker(&self) {
        if !ptr::eq(TAKEN_NEXT.get(), self) {
            self.taker.wake();
        }
    }

    /// Closes once what waits was sent. Where too much waits (1013), it is dropped instead.
    pub(crate) fn close(&self, code: u16, reason: &str, now: u64) {
        let mut state = self.state();
        if state.closing.is_some() {
            return;
        }
        state.closing = Some(now);
        let before = state.queue.len();
        if code == 1013 {
            state.queue = Vec::new();
        }
        wire::push_close(&mut state.queue, code, reason);
        let after = state.queue.len();
        self.waiting.fetch_add(after, Ordering::Relaxed);
        self.waiting.fetch_sub(before, Ordering::Relaxed);
        drop(state);
        self.wake_taker();
        self.drained.notify_one();
    }

    /// Everything that waits, as soon as there is something; `None` when nothing more will come.
    pub(crate) async fn take(&self) -> Option<Vec<u8>> {
        let taken = poll_fn(|context| {
            self.taker.register(context.waker());
            let mut state = self.state();
            if !state.queue.is_empty() {
                return Poll::Ready(Some(std::mem::take(&mut state.queue)));
            }
            if state.closing.is_some() { Poll::Ready(None) } else { Poll::Pending }
        });
        tokio::select! {
            biased;
            taken = taken => taken,
            () = self.ended.cancelled() => None,
        }
    }

    /// So many bytes were written.
    pub(crate) fn written(&self, bytes: usize, now: u64, soft: usize) {
        let before = self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        // More waits, so the system's buffer was full, and it is the client that made room.
        if before > bytes {
            self.heard(now);
        }
        if before - bytes <= soft {
            self.drained.notify_one();
        }
    }

    /// Waits until no more than `soft` bytes wait, or the connection ends.
    pub(crate) async fn room(&self, soft: usize) {
        while self.waiting() > soft && !self.is_closing() {
            tokio::select! {
                () = self.drained.notified() => {}
                () = self.ended.cancelled() => return,
            }
        }
    }

    /// The client gave a sign of life.
    pub(crate) fn heard(&self, now: u64) {
        self.heard_at.store(now, Ordering::Relaxed);
    }

    /// A message has begun that has not ended, or none has.
    pub(crate) fn amid(&self, is_amid: bool, now: u64) {
        let since = self.amid_since.load(Ordering::Relaxed);
        if is_amid != (since != 0) {
            self.amid_since.store(if is_amid { now.max(1) } else { 0 }, Ordering::Relaxed);
        }
    }

    /// A second has passed.
    pub(crate) fn beat(&self, now: u64, bounds: &OutboxBounds) {
        let since = |at: &AtomicU64| now.saturating_sub(at.load(Ordering::Relaxed));
        let closing = self.state().closing;
        let amid = self.amid_since.load(Ordering::Relaxed);
        if let Some(closing) = closing {
            if now.saturating_sub(closing) >= CLOSING {
                self.end();
            }
        } else if since(&self.heard_at) >= bounds.idle {
            self.close(1001, "no sign of life", now);
        } else if amid != 0 && now.saturating_sub(amid) >= bounds.message {
            self.close(1008, "a message took too long", now);
        } else if since(&self.pinged_at) >= bounds.ping {
            self.pinged_at.store(now, Ordering::Relaxed);
            // A full outbox needs no ping: the idle time counts what is written.
            let _ = self.push(Opcode::Ping, Compression::Off, &[], bounds.hard);
        }
    }

    /// Ends the connection, whatever waits.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// True from when on nothing more is taken.
    pub(crate) fn is_closing(&self) -> bool {
        self.ended.is_cancelled() || self.state().closing.is_some()
    }

    /// Bytes that wait or are being written.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn meta(&self) -> ConnectionMeta {
        self.state().meta.clone()
    }

    /// True if the client proved to hold some key.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.state().meta.authenticated()
    }

    pub(crate) fn set_meta(&self, meta: ConnectionMeta) {
        self.state().meta = meta;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was taken next before, and is again.
struct TakenNext(*const Outbox);

impl Drop for TakenNext {
    fn drop(&mut self) {
        TAKEN_NEXT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::{
        pin::pin,
        sync::Arc,
        task::{Context, Wake},
    };

    const BOUNDS: OutboxBounds =
        OutboxBounds { soft: 100, hard: 1_000, ping: 55, idle: 120, message: 60, compress_from: 0 };

    fn outbox() -> Outbox {
        Outbox::new(Compression::Off, 1)
    }

    fn push(outbox: &Outbox, bytes: usize) -> Result<(), WsError> {
        outbox.push(Opcode::Text, Compression::Off, &vec![b'a'; bytes], BOUNDS.hard)
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often a taker was woken while `put` ran.
    fn wakes(outbox: &Outbox, put: impl FnOnce()) -> usize {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        assert!(pin!(outbox.take()).poll(&mut Context::from_waker(&waker)).is_pending());
        put();
        wakes.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_taker_is_woken_by_others_and_not_by_the_task_that_polls_it_next() {
        let outbox = outbox();
        assert_eq!(wakes(&outbox, || push(&outbox, 10).unwrap()), 1);
        assert!(outbox.take().now_or_never().flatten().is_some());
        let own = || outbox.before_taking(pin!(async { push(&outbox, 10).unwrap() })).now_or_never().unwrap();
        assert_eq!(wakes(&outbox, own), 0);
        assert!(outbox.take().now_or_never().flatten().is_some());
        let other = Outbox::new(Compression::Off, 1);
        let foreign = || other.before_taking(pin!(async { push(&outbox, 10).unwrap() })).now_or_never().unwrap();
        assert_eq!(wakes(&outbox, foreign), 1, "another connection's outbox is taken from by another task");
        assert!(outbox.take().now_or_never().flatten().is_some());
        let failing =
            std::panic::AssertUnwindSafe(|| outbox.before_taking(pin!(async { panic!("as told") })).now_or_never());
        assert!(std::panic::catch_unwind(failing).is_err());
        assert_eq!(wakes(&outbox, || outbox.close(1000, "", 1)), 1, "a panic leaves nothing behind");
    }

    #[test]
    fn stored_events_wait_for_room_and_too_much_is_refused() {
        let outbox = outbox();
        push(&outbox, 90).unwrap();
        assert!(outbox.room(BOUNDS.soft).now_or_never().is_some());
        push(&outbox, 90).unwrap();
        assert!(outbox.room(BOUNDS.soft).now_or_never().is_none());
        assert_eq!(push(&outbox, 900), Err(WsError::Full));
        let taken = outbox.take().now_or_never().flatten().unwrap();
        assert_eq!((taken.len(), outbox.waiting()), (184, 184));
        outbox.written(100, 2, BOUNDS.soft);
        assert!(outbox.room(BOUNDS.soft).now_or_never().is_some());
    }

    #[test]
    fn a_close_comes_after_what_waits_and_before_nothing() {
        let outbox = outbox();
        push(&outbox, 5).unwrap();
        outbox.close(1000, "", 1);
        assert_eq!(push(&outbox, 5), Err(WsError::Gone));
        let taken = outbox.take().now_or_never().flatten().unwrap();
        assert_eq!(taken[7..], [0x88, 2, 3, 232]);
        assert_eq!(outbox.take().now_or_never(), Some(None));
    }

    #[test]
    fn a_slow_consumer_loses_what_waits() {
        let outbox = outbox();
        push(&outbox, 900).unwrap();
        outbox.close(1013, "slow consumer", 1);
        let taken = outbox.take().now_or_never().flatten().unwrap();
        assert_eq!((taken[0], taken.len(), outbox.waiting()), (0x88, 17, 17));
        assert!(outbox.room(0).now_or_never().is_some(), "nobody waits for who is closing");
    }

    #[test]
    fn silence_is_asked_and_then_ends() {
        let outbox = outbox();
        (2..=56).for_each(|now| outbox.beat(now, &BOUNDS));
        assert_eq!(outbox.take().now_or_never().flatten().unwrap(), [0x89, 0]);
        (57..=120).for_each(|now| outbox.beat(now, &BOUNDS));
        assert!(!outbox.is_closing());
        outbox.beat(121, &BOUNDS);
        assert!(outbox.is_closing() && outbox.ended().now_or_never().is_none());
        (122..=126).for_each(|now| outbox.beat(now, &BOUNDS));
        assert!(outbox.ended().now_or_never().is_some());
    }

    #[test]
    fn a_message_that_never_ends_ends_the_connection() {
        let outbox = outbox();
        for now in 2..=70 {
            outbox.heard(now);
            outbox.amid(now >= 10, now);
            outbox.beat(now, &BOUNDS);
            assert_eq!(outbox.is_closing(), now >= 70, "{now}");
        }
    }
}
