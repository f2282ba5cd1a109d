//! A configured homeserver: its whole log, page after page, fetched ahead of what is handled.

use super::{
    carry::{AtHead, Carrier, Step},
    fetch::{Halt, Job},
    homeserver::Homeserver,
    measure,
    pause::{Backoff, Polling},
    stored,
};
use nexus_http::Condition;
use nexus_pubky::Page;
use nexus_runtime::CancellationToken;
use nexus_social::{
    effects::{SourceCursor, SourceLog},
    store::{self, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// Follows one log for as long as the program runs.
pub(crate) struct WholeLog {
    pub(crate) at: Arc<Homeserver>,
    pub(crate) carrier: Arc<Carrier>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) polling: Polling,
    pub(crate) backoff: Backoff,
    /// Entries of a page.
    pub(crate) limit: usize,
    pub(crate) pages_ahead: usize,
    pub(crate) catching_up: Condition,
}

impl AtHead for &mut Condition {
    fn reached(&mut self) {
        Condition::reached(self);
    }

    fn is_known(&self) -> bool {
        self.holds()
    }
}

impl WholeLog {
    /// Reads until `stop`. Failures of the homeserver are waited out, each time longer.
    ///
    /// # Errors
    /// If the writer has stopped or the store fails.
    pub(crate) async fn follow(mut self, stop: CancellationToken) -> Result<(), Halt> {
        loop {
            let halt = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                halt = self.run() => halt,
            };
            let pause = match halt {
                Halt::Unreachable(error) => self.wait_after(error.reason(), &error),
                Halt::Disk(error) => self.wait_after("disk", &error),
                Halt::Store(store::Error::Backend(error)) => self.wait_after("store", &error),
                halt => return if stop.is_cancelled() { Ok(()) } else { Err(halt) },
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn wait_after(&mut self, reason: &'static str, error: &dyn std::fmt::Display) -> Duration {
        let pause = self.backoff.failed();
        measure::rejected(reason);
        tracing::warn!(homeserver = %self.at.name, %error, ?pause, "a homeserver can't be read");
        pause
    }

    /// Reads from the durable cursor on, until something has to stop.
    async fn run(&mut self) -> Halt {
        let log = SourceLog::Homeserver(Arc::clone(&self.at.name));
        let cursor = match stored(&self.store, move |store| store.cursor(&log)).await {
            Ok(cursor) => cursor.unwrap_or_default(),
            Err(error) => return error.into(),
        };
        let (steps, carried) = mpsc::channel(self.pages_ahead);
        let (at, carrier) = (Arc::clone(&self.at), Arc::clone(&self.carrier));
        let reading = Reading {
            at: &at,
            carrier: &carrier,
            polling: self.polling,
            limit: self.limit,
            backoff: &mut self.backoff,
            active: Instant::now(),
            at_head: None,
        };
        let outcome = tokio::select! {
            halt = reading.pages(cursor, steps) => Err(halt),
            outcome = carrier.carry(&at, carried, &mut self.catching_up) => outcome,
        };
        // The steps end only when the reading does, which has told its reason then.
        outcome.err().unwrap_or(Halt::Log("it ended"))
    }
}

/// Reads pages ahead of what is handled.
struct Reading<'a> {
    at: &'a Arc<Homeserver>,
    carrier: &'a Carrier,
    polling: Polling,
    limit: usize,
    backoff: &'a mut Backoff,
    /// When the last page came that held anything.
    active: Instant,
    /// When the head was reached last, if ever.
    at_head: Option<Instant>,
}

impl Reading<'_> {
    async fn pages(mut self, mut cursor: u64, steps: mpsc::Sender<Vec<Step>>) -> Halt {
        let began = Instant::now();
        loop {
            let page = match self.carrier.fetcher.client.page(self.at, cursor, self.limit).await {
                Ok(page) => page,
                Err(error) => return error.into(),
            };
            self.backoff.succeeded();
            cursor = page.cursor;
            let is_head = page.len() < self.limit;
            if !page.is_empty() {
                self.active = Instant::now();
            }
            let is_news = !page.is_empty() || self.at_head.is_none();
            if is_news && steps.send(self.steps(page, is_head)).await.is_err() {
                return Halt::Log("nobody carries it");
            }
            if is_head {
                self.at_head = Some(Instant::now());
                tokio::time::sleep(self.polling.pause(self.active.elapsed())).await;
            }
            measure::lag(&self.at.name, if is_head { Duration::ZERO } else { self.at_head.unwrap_or(began).elapsed() });
        }
    }

    fn steps(&self, page: Page, is_head: bool) -> Vec<Step> {
        measure::received(page.len());
        page.passed_over.iter().for_each(|reason| measure::rejected(reason.reason()));
        let cursor = SourceCursor { log: SourceLog::Homeserver(Arc::clone(&self.at.name)), cursor: page.cursor };
        let live = self.at_head.is_some();
        let job = |event: nexus_pubky::LogEvent| {
            Step::Event(Job { verb: event.verb, address: event.address, announced: None, live })
        };
        let end = if is_head { Step::Head(cursor) } else { Step::Read(cursor) };
        page.events.into_iter().map(job).chain([end]).collect()
    }
}
