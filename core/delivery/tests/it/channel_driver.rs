//! A running channel, over a journal in memory that can fail.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nexus_delivery::channel::{
    Config, Consumer, Driver, Event, Failure, Handle, Order, Outbox, Page, Settled, Settlement,
};
use nexus_journal::{Head, HeadWatch};
use nexus_model::Seq;
use nexus_runtime::{CancellationToken, Clock};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

#[derive(Clone)]
struct Journal(Arc<Inner>);

struct Inner {
    events: Mutex<Vec<(Arc<str>, Order)>>,
    head: Head,
    settled: Mutex<Settled>,
    /// So many reads and stores fail.
    failures: AtomicUsize,
    /// In this way.
    failure: Mutex<&'static str>,
}

const DAMAGE: &str = "the disk is damaged";

impl Journal {
    fn new() -> Self {
        let (events, settled) = (Mutex::default(), Mutex::default());
        let (failures, failure) = (AtomicUsize::new(0), Mutex::new("the disk is full"));
        Self(Arc::new(Inner { events, head: Head::new(Seq::START), settled, failures, failure }))
    }

    fn append(&self, author: &str, order: Order) {
        let mut events = self.0.events.lock().unwrap();
        events.push((author.into(), order));
        self.0.head.advance(Seq::new(events.len() as u64));
    }

    fn floor(&self) -> u64 {
        self.0.settled.lock().unwrap().floor().get()
    }

    fn fails(&self) -> Result<(), Failure> {
        let left = self.0.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { Err((*self.0.failure.lock().unwrap()).into()) } else { Ok(()) }
    }

    fn page(&self, author: Option<&str>, after: Seq, limit: usize) -> Page<u64> {
        let events = self.0.events.lock().unwrap();
        let all = events.iter().enumerate().skip(after.get() as usize).map(|(at, (who, order))| {
            let seq = Seq::new(at as u64 + 1);
            Event { seq, author: Arc::clone(who), order: *order, bytes: 100, payload: seq.get() }
        });
        let read: Vec<_> =
            all.filter(|event| author.is_none_or(|author| *event.author == *author)).take(limit).collect();
        let is_cut = read.len() == limit;
        let through = read.last().filter(|_| is_cut).map_or(Seq::new(events.len() as u64), |event| event.seq);
        Page { events: read, through }
    }
}

impl Outbox for Journal {
    type Payload = u64;

    fn read(
        &self,
        author: Option<Arc<str>>,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page<u64>, Failure>> {
        let journal = self.clone();
        async move {
            journal.fails()?;
            Ok(journal.page(author.as_deref(), after, limit))
        }
        .boxed()
    }

    fn store(&self, settled: Settled) -> BoxFuture<'static, Result<(), Failure>> {
        let journal = self.clone();
        async move {
            journal.fails()?;
            *journal.0.settled.lock().unwrap() = settled;
            Ok(())
        }
        .boxed()
    }

    fn is_fatal(&self, failure: &Failure) -> bool {
        failure.to_string() == DAMAGE
    }

    fn watch(&self) -> HeadWatch {
        self.0.head.watch()
    }
}

struct Running {
    handle: Handle<u64>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Failure>>,
}

impl Running {
    fn start(journal: &Journal, settlement: Settlement) -> Self {
        let config = Config { settlement, store_millis: 20, ..Config::default() };
        let settled = journal.0.settled.lock().unwrap().clone();
        let (driver, handle) = Driver::new(journal.clone(), config, settled, Clock::system());
        let stop = CancellationToken::new();
        let task = tokio::spawn(driver.run(stop.clone()));
        Self { handle, stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

const ACKNOWLEDGED: Settlement = Settlement::Acknowledged { retry_millis: None };

async fn take(consumer: &mut Consumer<u64>) -> Seq {
    let (seq, payload) = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await.unwrap().unwrap();
    assert_eq!(payload, seq.get());
    consumer.written(vec![seq]).await;
    seq
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test]
async fn events_arrive_and_what_is_settled_is_stored_while_it_runs() {
    let journal = Journal::new();
    let running = Running::start(&journal, ACKNOWLEDGED);
    let mut consumer = running.handle.join().await.unwrap();
    for n in 0..2_000 {
        journal.append(&format!("author {}", n % 7), if n % 3 == 0 { Order::Together } else { Order::Alone });
    }
    for _ in 0..2_000 {
        let seq = take(&mut consumer).await;
        consumer.acknowledger().acknowledge(vec![seq]).await;
    }
    until(|| journal.floor() == 2_000).await;
    let stats = running.handle.stats().await.unwrap();
    assert_eq!((stats.events, stats.authors, stats.settled, stats.returned), (0, 0, 2_000, 0));
    running.end().await;
}

#[tokio::test]
async fn what_arrives_together_is_taken_one_by_one_and_settled_together() {
    let journal = Journal::new();
    (0..8).for_each(|_| journal.append("a", Order::Together));
    let running = Running::start(&journal, ACKNOWLEDGED);
    let mut consumer = running.handle.join().await.unwrap();
    let mut taken = vec![consumer.next().await.unwrap().0];
    taken.extend(std::iter::from_fn(|| consumer.try_next()).map(|(seq, _)| seq));
    assert_eq!(taken, (1..=8).map(Seq::new).collect::<Vec<_>>());
    consumer.written(taken.clone()).await;
    consumer.acknowledger().acknowledge(taken).await;
    let stats = running.handle.stats().await.unwrap();
    assert_eq!((stats.settled, stats.under_way, stats.floor), (8, 0, Seq::new(8)));
    running.end().await;
}

#[tokio::test]
async fn what_a_consumer_leaves_goes_to_another() {
    let journal = Journal::new();
    let running = Running::start(&journal, ACKNOWLEDGED);
    (0..5).for_each(|_| journal.append("a", Order::Together));
    let mut leaves = running.handle.join().await.unwrap();
    take(&mut leaves).await;
    drop(leaves);
    let mut stays = running.handle.join().await.unwrap();
    for seq in 1..=5 {
        assert_eq!(take(&mut stays).await, Seq::new(seq));
    }
    running.end().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_the_consumer_stood() {
    let journal = Journal::new();
    let running = Running::start(&journal, ACKNOWLEDGED);
    (0..5).for_each(|n| journal.append(&n.to_string(), Order::Alone));
    let mut consumer = running.handle.join().await.unwrap();
    for _ in 0..5 {
        let seq = take(&mut consumer).await;
        if seq != Seq::new(2) {
            consumer.acknowledger().acknowledge(vec![seq]).await;
        }
    }
    // The order of commands makes sure that the acknowledgements were seen.
    assert_eq!(running.handle.stats().await.unwrap().settled, 4);
    running.end().await;
    assert_eq!(consumer.next().await, None);
    let running = Running::start(&journal, ACKNOWLEDGED);
    journal.append("new", Order::Alone);
    let mut consumer = running.handle.join().await.unwrap();
    assert_eq!([take(&mut consumer).await, take(&mut consumer).await], [Seq::new(2), Seq::new(6)]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again() {
    let journal = Journal::new();
    journal.0.failures.store(3, Ordering::Relaxed);
    let running = Running::start(&journal, Settlement::Written);
    let mut consumer = running.handle.join().await.unwrap();
    journal.append("a", Order::Alone);
    assert_eq!(take(&mut consumer).await, Seq::new(1));
    until(|| journal.floor() == 1).await;
    running.end().await;
}

#[tokio::test]
async fn a_failure_for_good_ends_the_channel() {
    let journal = Journal::new();
    *journal.0.failure.lock().unwrap() = DAMAGE;
    let running = Running::start(&journal, ACKNOWLEDGED);
    let mut consumer = running.handle.join().await.unwrap();
    journal.0.failures.store(1, Ordering::Relaxed);
    journal.append("a", Order::Alone);
    let ended = tokio::time::timeout(Duration::from_secs(20), running.task).await.expect("it ends").unwrap();
    assert_eq!(ended.unwrap_err().to_string(), DAMAGE);
    assert_eq!(consumer.next().await, None);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_sends_nothing_more() {
    let journal = Journal::new();
    journal.append("a", Order::Alone);
    journal.append("a", Order::Alone);
    let running = Running::start(&journal, ACKNOWLEDGED);
    let mut consumer = running.handle.join().await.unwrap();
    let first = take(&mut consumer).await;
    running.stop.cancel();
    // The driver has its turn, and sees the stop before the acknowledgement.
    tokio::task::yield_now().await;
    consumer.acknowledger().acknowledge(vec![first]).await;
    running.end().await;
    assert_eq!(journal.floor(), 1, "it was settled after the stop");
    assert_eq!(consumer.next().await, None);
}
