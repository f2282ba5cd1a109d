//! What failed before, tried again: when it is due, or at once when what it waited for has arrived.

use super::{
    Followups,
    carry::Carrier,
    fetch::{Halt, Job},
    stored,
};
use nexus_pubky::{Address, Verb};
use nexus_runtime::CancellationToken;
use nexus_social::{
    effects::{Operation, RetryRow},
    input::Input,
    store::{self, Store},
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Records tried again at once.
const AT_ONCE: usize = 32;

/// Tries again what is due.
pub(crate) struct Retries {
    pub(crate) carrier: Arc<Carrier>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) interval: Duration,
    pub(crate) followups: Followups,
}

impl Retries {
    /// Tries again what is due, until `stop`.
    ///
    /// # Errors
    /// If the writer has stopped or the store is damaged.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Halt> {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut under_way = JoinSet::new();
        let mut uris: HashSet<Arc<str>> = HashSet::new();
        loop {
            let is_full = self.begin(&mut under_way, &mut uris).await?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(ended) = under_way.join_next() => {
                    let (uri, outcome) = ended.map_err(|_| Halt::Log("a retry panicked"))?;
                    uris.remove(&uri);
                    match outcome {
                        // The writer is gone because everything stops, or it has told why itself.
                        Err(Halt::Writer(_)) if stop.is_cancelled() => return Ok(()),
                        outcome => outcome?,
                    }
                }
                () = self.followups.freed(), if !is_full => {}
                _ = ticks.tick() => {}
            }
        }
    }

    /// Begins as many as there is room for; true if there is no room left.
    async fn begin(
        &self,
        under_way: &mut JoinSet<(Arc<str>, Result<(), Halt>)>,
        uris: &mut HashSet<Arc<str>>,
    ) -> Result<bool, Halt> {
        if uris.len() >= AT_ONCE {
            return Ok(true);
        }
        let (now, limit) = (self.carrier.clock.now(), AT_ONCE + uris.len());
        let due = match stored(&self.store, move |store| store.due(now, limit)).await {
            // It is asked again at the next tick.
            Err(store::Error::Backend(error)) => {
                tracing::warn!(%error, "what is due to be tried again can't be read");
                Vec::new()
            }
            due => due?,
        };
        let room = AT_ONCE - uris.len();
        let new: Vec<_> = due.into_iter().filter(|row| !uris.contains(&row.uri)).take(room).collect();
        for row in new {
            uris.insert(Arc::clone(&row.uri));
            let carrier = Arc::clone(&self.carrier);
            under_way.spawn(async move { (Arc::clone(&row.uri), again(&carrier, row).await) });
        }
        Ok(uris.len() >= AT_ONCE)
    }
}

/// Tries one record again.
async fn again(carrier: &Carrier, row: RetryRow) -> Result<(), Halt> {
    let (address, at) = (row.uri.parse::<Address>(), carrier.fetcher.neighbourhood.homeserver(&row.homeserver));
    let (Ok(address), Some(at)) = (address, at) else {
        carrier.writer.ask(Input::Dropped { uri: row.uri, homeserver: row.homeserver }).await?;
        return Ok(());
    };
    if !carrier.in_flight.begin(&address) {
        return Ok(());
    }
    let verb = match row.operation {
        Operation::Put => Verb::Put,
        Operation::Delete => Verb::Delete,
    };
    let job = Job { verb, address: address.clone(), announced: None, live: false };
    let input = match carrier.fetcher.input(&at, job).await {
        Ok(input) => Ok(input.unwrap_or(Input::Dropped { uri: row.uri, homeserver: row.homeserver })),
        // A homeserver that is down now, or a disk that is full, is one more try, not the end of all retries.
        Err(halt @ (Halt::Unreachable(_) | Halt::Disk(_))) => {
            let RetryRow { operation, homeserver, .. } = row;
            Ok(Input::Failed { address: address.clone(), operation, homeserver, error: halt.to_string() })
        }
        Err(halt) => Err(halt),
    };
    let outcome = hand_over(carrier, &address, input).await;
    carrier.in_flight.end(&address);
    outcome
}

async fn hand_over(carrier: &Carrier, address: &Address, input: Result<Input, Halt>) -> Result<(), Halt> {
    let (input, place) = (input?, carrier.writer.place().await?);
    if let Some(verdict) = carrier.in_flight.hand_over(address, || place.ask(input)) {
        verdict.await?;
    }
    Ok(())
}
