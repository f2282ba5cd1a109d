//! Bringing repos up to date from whole copies: choosing those that are due, asking each server as often as it likes,
//! and nobody twice at the same time.
//!
//! Fetching begins after the claim is durable, so that whatever the relay sends from then on is set aside, and
//! whatever it sent before is in the copy.

mod compare;
mod fetch;
mod servers;

use super::alarm::Alarm;
use super::identity::{Account, Identities, Known, Need};
use super::settings::Settings;
use super::{BuildError, Parts, Random, measure};
use crate::Stopped;
use crate::WriterHandle;
use compare::{Comparer, Unfinished};
use fetch::{Fetcher, NoRepo};
use nexus_atproto::Did;
use nexus_outgoing::{Manners, Outgoing};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::decide::{Claim, Failure};
use nexus_sync::store::{self, Store};
use nexus_sync::writer::Input;
use servers::Servers;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Repos for each worker whose documents and names are looked up and whose servers are waited for. Many, since a name
/// that nobody tells takes seconds, and none of them holds a place at a server meanwhile.
const AHEAD: usize = 32;

/// A document that was fetched this lately is not fetched again for a resync.
const FRESH_MILLIS: i64 = 60_000;

/// Fetches what is due.
pub(super) struct Resyncer(Arc<Worker>);

struct Worker {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    clock: Clock,
    random: Random,
    alarm: Alarm,
    identities: Identities,
    servers: Servers,
    slots: Semaphore,
    fetcher: Fetcher,
    comparer: Comparer,
    poll: Duration,
    ahead: usize,
}

/// Why fetching ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fatal {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Resyncer {
    pub(super) fn new(
        parts: &Parts,
        manners: &Manners,
        identities: &Identities,
        alarm: &Alarm,
    ) -> Result<Self, BuildError> {
        let Settings { strangers, resync: settings, firehose, .. } = parts.settings.clone();
        let comparer = Comparer {
            store: Arc::clone(&parts.store),
            writer: parts.writer.clone(),
            rules: Arc::clone(&parts.rules),
            limits: firehose.limits,
            settings: settings.clone(),
            identities: identities.clone(),
            clock: parts.clock.clone(),
            room: parts.room.clone(),
        };
        Ok(Self(Arc::new(Worker {
            store: Arc::clone(&parts.store),
            writer: parts.writer.clone(),
            clock: parts.clock.clone(),
            random: Arc::clone(&parts.random),
            alarm: alarm.clone(),
            identities: identities.clone(),
            servers: Servers::new(settings.per_server),
            slots: Semaphore::new(settings.workers.max(1)),
            poll: settings.poll,
            ahead: settings.workers.max(1) * AHEAD,
            fetcher: Fetcher::new(Outgoing::new(strangers, manners)?, settings),
            comparer,
        })))
    }

    /// Works until the service stops. What is under way then begins anew after the next start.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Fatal> {
        tokio::select! {
            ended = self.work() => ended,
            () = stop.cancelled() => Ok(()),
        }
    }

    async fn work(&self) -> Result<(), Fatal> {
        let mut under_way: JoinSet<Did> = JoinSet::new();
        let mut chosen = HashSet::new();
        loop {
            for repo in self.due(chosen.len()).await? {
                if under_way.len() >= self.0.ahead {
                    break;
                }
                if chosen.insert(repo.clone()) {
                    let worker = Arc::clone(&self.0);
                    under_way.spawn(async move {
                        worker.bring_up_to_date(&repo).await;
                        repo
                    });
                }
            }
            tokio::select! {
                Some(ended) = under_way.join_next() => forget(&mut chosen, ended),
                () = sleep(self.0.poll) => {}
            }
            while let Some(ended) = under_way.try_join_next() {
                forget(&mut chosen, ended);
            }
        }
    }

    /// The most urgent repos, more than are under way.
    async fn due(&self, under_way: usize) -> Result<Vec<Did>, Fatal> {
        let (store, now, most) = (Arc::clone(&self.0.store), self.0.clock.now(), under_way + self.0.ahead);
        let read = tokio::task::spawn_blocking(move || store.due(now, most)).await;
        Ok(read.map_err(|_| Stopped)??.into_iter().map(|repo| repo.did).collect())
    }
}

fn forget(chosen: &mut HashSet<Did>, ended: Result<Did, tokio::task::JoinError>) {
    match ended {
        Ok(did) => drop(chosen.remove(&did)),
        // It is not known which: it is chosen again after the next start.
        Err(error) => tracing::error!(%error, "a resync died"),
    }
}

impl Worker {
    async fn bring_up_to_date(&self, did: &Did) {
        let since = self.clock.now().plus_millis(-FRESH_MILLIS);
        let Some(known) = self.identities.look(did, Need::Name, since).await else { return };
        let pds = match &known.account {
            Account::Found { key: Some(_), pds: Some(pds) } => Arc::clone(pds),
            account => return self.give_up(did, without_server(account)).await,
        };
        let server = self.servers.at(&pds);
        let _place = match server.enter().await {
            Ok(place) => place,
            Err(left) => return self.give_up(did, self.busy(left)).await,
        };
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let Some(claim) = self.claim(did).await else { return };
        measure::resync_started();
        let begun = Instant::now();
        let outcome = match self.fetch_and_compare(did, claim, &pds, &known).await {
            Ok(()) => "done",
            Err(Ended::Quietly) => return,
            Err(Ended::Failed(failure, outcome)) => {
                if let Failure::Busy { until } = &failure {
                    let left = until.millis() - self.clock.now().millis();
                    server.pause(Duration::from_millis(left.max(0).unsigned_abs()));
                }
                self.fail(did, claim, failure).await;
                outcome
            }
        };
        measure::resync_ended(outcome, begun.elapsed());
    }

    /// The name is told before the records.
    async fn fetch_and_compare(&self, did: &Did, claim: Claim, pds: &str, known: &Known) -> Result<(), Ended> {
        self.identities.tell(did).await.ok_or(Ended::Quietly)?;
        let fetched = self.fetcher.fetch(pds, did, self.clock.now().millis()).await;
        let fetched = fetched.map_err(|no_repo| self.without_repo(no_repo))?;
        if let Some(pause) = fetched.pause {
            self.servers.at(pds).pause(pause);
        }
        self.comparer.compare(did, claim, fetched, known).await.map_err(|unfinished| match unfinished {
            Unfinished::Void | Unfinished::Stopping => Ended::Quietly,
            Unfinished::Stale => {
                let why = "the server's copy is older than what is known".to_owned();
                Ended::Failed(Failure::Error(why), "stale")
            }
            Unfinished::Unsound(why) => Ended::Failed(Failure::Error(why), "unsound"),
            Unfinished::Store(error) => {
                self.alarm.raise(error);
                Ended::Quietly
            }
        })
    }

    fn without_repo(&self, no_repo: NoRepo) -> Ended {
        match no_repo {
            NoRepo::Busy(pause) => Ended::Failed(self.busy(pause), "busy"),
            NoRepo::Account(status, message) => Ended::Failed(Failure::Account { status, message }, "account"),
            NoRepo::Failed(why) => Ended::Failed(Failure::Error(why), "failed"),
        }
    }

    fn busy(&self, left: Duration) -> Failure {
        let millis = i64::try_from(left.as_millis()).unwrap_or(i64::MAX / 4);
        let jitter = (self.random)(1_000).cast_signed();
        Failure::Busy { until: self.clock.now().plus_millis(millis + jitter) }
    }

    async fn claim(&self, did: &Did) -> Option<Claim> {
        self.writer.ask(vec![Input::Claim(did.clone())]).await.ok()?.first()?.claim
    }

    /// Notes a failure for which nothing had to be fetched.
    async fn give_up(&self, did: &Did, failure: Failure) {
        if let Some(claim) = self.claim(did).await {
            self.fail(did, claim, failure).await;
        }
    }

    async fn fail(&self, did: &Did, claim: Claim, failure: Failure) {
        tracing::debug!(%did, ?failure, "a repo can't be brought up to date");
        let jitter = (self.random)(60_000).cast_signed();
        // A writer that has stopped leaves the claim, which ends with the next start.
        let _ = self.writer.ask(vec![Input::Fail(did.clone(), claim, failure, jitter)]).await;
    }
}

/// How a resync ended that brought nothing.
enum Ended {
    /// There is nothing to note.
    Quietly,
    /// With this to be noted, under this name in metrics.
    Failed(Failure, &'static str),
}

fn without_server(account: &Account) -> Failure {
    match account {
        Account::Nothing => Failure::Account { status: None, message: "DID not found".to_owned() },
        Account::Failed(why) => Failure::Error(format!("the DID document can't be had: {why}")),
        Account::Found { key: None, .. } => Failure::Error("the DID document has no signing key".to_owned()),
        Account::Found { .. } => Failure::Error("the DID document names no server".to_owned()),
    }
}
