//! Makes variants on first demand: one at a time for each, a few at a time in all, on threads that may block.

use super::{
    image::{self, Unscalable},
    variant::Variant,
};
use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedMutexGuard, Semaphore};

/// What making variants may cost.
#[derive(Clone, Debug)]
pub struct ImageLimits {
    /// Variants made at the same time.
    pub workers: usize,
    /// Requests that wait for one at most; more are answered with 503.
    pub waiting: usize,
    /// Pixels of an image at most.
    pub max_pixels: u64,
    /// Bytes that decoding one image may take.
    pub max_bytes: u64,
    /// Images that are remembered for having failed, so that they fail at once the next time.
    pub remembered: usize,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { workers: 2, waiting: 256, max_pixels: 50_000_000, max_bytes: 512 << 20, remembered: 4_096 }
    }
}

/// A variant that somebody wants.
pub(super) struct Order {
    /// Where the original lies.
    pub(super) main: PathBuf,
    /// Where the variant is to lie.
    pub(super) place: PathBuf,
    pub(super) variant: Variant,
    /// False once the file is gone: a variant that was made meanwhile must go too.
    pub(super) is_wanted: Box<dyn Fn() -> bool + Send>,
}

/// Why there is no variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The original's format can't be scaled.
    Unknown,
    /// The original is gone.
    Missing,
    /// Too many are waiting.
    Busy,
    /// It can't be made.
    Failed(String),
}

type Bench = Arc<tokio::sync::Mutex<()>>;

/// The workshop.
pub(super) struct Workshop {
    limits: ImageLimits,
    workers: Arc<Semaphore>,
    waiting: Semaphore,
    benches: Mutex<HashMap<PathBuf, Bench>>,
    /// What failed for good, by its place. The place has the hash of the original in it.
    failed: Mutex<HashMap<PathBuf, Mishap>>,
}

/// A request's seat at the bench where one variant is made. Whoever has the `turn` works there alone; the last to
/// leave clears the bench away.
struct Seat {
    workshop: Arc<Workshop>,
    place: PathBuf,
    bench: Bench,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Seat {
    async fn take(workshop: &Arc<Workshop>, place: &Path) -> Self {
        let bench = lock(&workshop.benches).entry(place.to_owned()).or_default().clone();
        let mut seat = Self { workshop: Arc::clone(workshop), place: place.to_owned(), bench, turn: None };
        seat.turn = Some(seat.bench.clone().lock_owned().await);
        seat
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut benches = lock(&self.workshop.benches);
        self.turn = None;
        // One count is the map's, one is ours.
        if Arc::strong_count(&self.bench) <= 2 {
            benches.remove(&self.place);
        }
    }
}

impl Workshop {
    pub(super) fn new(limits: ImageLimits) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(limits.workers)),
            waiting: Semaphore::new(limits.waiting),
            benches: Mutex::default(),
            failed: Mutex::default(),
            limits,
        }
    }

    /// Makes what is ordered unless it is there already. A client that hangs up leaves the work to be finished
    /// for the next one.
    pub(super) async fn make(self: &Arc<Self>, order: Order) -> Result<(), Mishap> {
        if is_there(&order.place).await {
            return Ok(());
        }
        let _waits = self.waiting.try_acquire().map_err(|_| Mishap::Busy)?;
        let seat = Seat::take(self, &order.place).await;
        if let Some(mishap) = lock(&self.failed).get(&order.place) {
            return Err(mishap.clone());
        }
        if is_there(&order.place).await {
            return Ok(());
        }
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Mishap::Busy)?;
        let work = move || {
            let made = produce(&order, &seat.workshop.limits);
            if let Err(mishap @ (Mishap::Unknown | Mishap::Failed(_))) = &made {
                seat.workshop.remember(order.place, mishap.clone());
            }
            drop((worker, seat));
            made
        };
        let made = tokio::task::spawn_blocking(work).await;
        made.unwrap_or_else(|panic| Err(Mishap::Failed(format!("the decoder gave up: {panic}"))))
    }

    fn remember(&self, place: PathBuf, mishap: Mishap) {
        tracing::info!(place = %place.display(), ?mishap, "an image variant can't be made");
        let mut failed = lock(&self.failed);
        if failed.len() >= self.limits.remembered {
            failed.clear();
        }
        failed.insert(place, mishap);
    }
}

async fn is_there(place: &Path) -> bool {
    tokio::fs::try_exists(place).await.unwrap_or(false)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn produce(order: &Order, limits: &ImageLimits) -> Result<(), Mishap> {
    let width = order.variant.width().ok_or(Mishap::Unknown)?;
    let bytes = image::scaled(&order.main, width, limits).map_err(|unscalable| match unscalable {
        Unscalable::Unknown => Mishap::Unknown,
        Unscalable::Missing => Mishap::Missing,
        Unscalable::Refused(why) => Mishap::Failed(why),
    })?;
    store(&order.place, &bytes).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Mishap::Missing,
        _ => Mishap::Failed(error.to_string()),
    })?;
    // Whoever deletes the file takes it out of the index first: either its bytes are swept after this
    // variant is in place, or the index says here that it is gone.
    if (order.is_wanted)() {
        return Ok(());
    }
    fs::remove_file(&order.place).map_err(|error| Mishap::Failed(error.to_string()))?;
    Err(Mishap::Missing)
}

/// Puts bytes in place whole, or not at all.
fn store(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = place.as_os_str().to_owned();
    aside.push(".part");
    let mut file = fs::File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, place)
}
