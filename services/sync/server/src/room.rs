//! Whether there is room for more history: fetched repos wait while consumers have too much to catch up with. Live
//! events never do.

use crate::source::Room;
use nexus_delivery::channel::Handle;
use nexus_runtime::CancellationToken;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Looks at how much is not settled.
pub(crate) struct Gauge {
    channel: Handle<Arc<str>>,
    capacity: u64,
    room: watch::Sender<Room>,
}

impl Gauge {
    /// A gauge that says full from `capacity` events on, and who is told.
    pub(crate) fn new(channel: Handle<Arc<str>>, capacity: u64) -> (Self, watch::Receiver<Room>) {
        let (room, told) = watch::channel(Room::Open);
        (Self { channel, capacity, room }, told)
    }

    /// Looks, again and again, until `stop`.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        while stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
            let Some(stats) = self.channel.stats().await else { break };
            let now = if stats.unsettled >= self.capacity { Room::Full } else { Room::Open };
            self.room.send_if_modified(|room| std::mem::replace(room, now) != now);
        }
        Ok(())
    }
}
