//! The environment: the system's clock and randomness, and a pool of threads that check signatures.

use metrics::Histogram;
use nexus_model::{Raw, Timestamp, Verified};
use nexus_nostr::{Error, Event, KnownPoints, Signed};
use nexus_relay::ports::{LogLevel, RuntimeAdapter};
use nexus_runtime::Clock;
use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};
use tokio::sync::{mpsc, oneshot};

/// Fewer events than this are checked where they are: handing them over would take longer.
const ALONE: usize = 2;
/// Batches that may wait for a thread. When they are that many, connections wait.
const QUEUE: usize = 256;
/// Authors whose points are remembered, about 400 KiB.
const AUTHORS: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

type Checked = Vec<Result<Verified<Event>, Error>>;

/// Events for a thread, and where its answer goes.
struct Batch {
    events: Vec<Raw<Event>>,
    answer: oneshot::Sender<Checked>,
}

/// The native environment.
#[derive(Debug)]
pub struct NativeRuntime {
    clock: Clock,
    points: Arc<KnownPoints>,
    batches: mpsc::Sender<Batch>,
    threads: usize,
    seconds: Histogram,
}

impl NativeRuntime {
    /// Starts `threads` threads that check signatures. They end with it.
    ///
    /// # Errors
    /// If a thread can't be started.
    pub fn start(clock: Clock, threads: usize) -> io::Result<Self> {
        let (batches, waiting) = mpsc::channel(QUEUE);
        let (points, waiting) = (Arc::new(KnownPoints::new(AUTHORS)), Arc::new(Mutex::new(waiting)));
        for number in 0..threads {
            let (points, waiting) = (Arc::clone(&points), Arc::clone(&waiting));
            thread::Builder::new().name(format!("relay-verify-{number}")).spawn(move || work(&waiting, &points))?;
        }
        let seconds = metrics::histogram!("nexus_verify_seconds");
        Ok(Self { clock, points, batches, threads, seconds })
    }

    async fn hand_over(&self, events: Vec<Raw<Event>>) -> oneshot::Receiver<Checked> {
        let (answer, answered) = oneshot::channel();
        self.batches.send(Batch { events, answer }).await.expect("the threads run as long as the pool lasts");
        answered
    }
}

/// A thread's life: one batch after the other.
fn work(waiting: &Mutex<mpsc::Receiver<Batch>>, points: &KnownPoints) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Batch { events, answer }) = next else { return };
        let checked = events.into_iter().map(|event| check(event, points)).collect();
        // Whoever asked may have gone meanwhile.
        let _ = answer.send(checked);
    }
}

fn check(event: Raw<Event>, points: &KnownPoints) -> Result<Verified<Event>, Error> {
    event.verify(&Signed(points))
}

impl RuntimeAdapter for NativeRuntime {
    fn random_bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        bytes
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn verify_signature(&self, event: Raw<Event>) -> Result<Verified<Event>, Error> {
        check(event, &self.points)
    }

    async fn verify_batch(&self, mut events: Vec<Raw<Event>>) -> Checked {
        let started = Instant::now();
        let share = events.len().div_ceil(self.threads).max(ALONE);
        if events.len() <= ALONE {
            return events.into_iter().map(|event| check(event, &self.points)).collect();
        }
        let mut parts = Vec::with_capacity(self.threads);
        while !events.is_empty() {
            let rest = events.split_off(share.min(events.len()));
            parts.push(self.hand_over(std::mem::replace(&mut events, rest)).await);
        }
        let mut checked = Vec::new();
        for part in parts {
            checked.append(&mut part.await.expect("a thread answers each batch"));
        }
        self.seconds.record(started.elapsed().as_secs_f64());
        checked
    }

    fn log(&self, level: LogLevel, message: &str) {
        match level {
            LogLevel::Debug => tracing::debug!("{message}"),
            LogLevel::Info => tracing::info!("{message}"),
            LogLevel::Warn => tracing::warn!("{message}"),
            LogLevel::Error => tracing::error!("{message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_nostr::{Kind, Seconds, SigningKey, Tags};

    #[tokio::test]
    async fn a_batch_is_answered_in_order_however_it_is_shared_out() {
        let runtime = NativeRuntime::start(Clock::system(), 3).unwrap();
        let key = SigningKey::from_bytes([1; 32]).unwrap();
        for count in [0, 1, 2, 3, 7, 64] {
            let events: Vec<Event> = (0..count)
                .map(|number| {
                    let mut event = key.sign(Kind::new(1), Seconds::new(number), Tags::default(), "x");
                    if number % 3 == 1 {
                        event.content.push('!');
                    }
                    event
                })
                .collect();
            let checked = runtime.verify_batch(events.iter().cloned().map(Raw::new).collect()).await;
            assert_eq!(checked.len(), events.len());
            for (number, (event, checked)) in events.iter().zip(&checked).enumerate() {
                assert_eq!(checked.as_ref().ok().map(Verified::get), Some(event).filter(|_| number % 3 != 1));
            }
        }
    }

    #[test]
    fn randomness_differs() {
        let runtime = NativeRuntime::start(Clock::system(), 1).unwrap();
        assert_ne!(runtime.random_bytes(16), runtime.random_bytes(16));
    }
}
