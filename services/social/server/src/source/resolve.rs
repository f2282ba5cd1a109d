//! Finding out where users live: those whom somebody named (auto-ingest), and everybody again once in a while.

use super::{Followups, Hint, carry::Carrier, fetch::Halt, measure, neighbourhood::LocateError, stored};
use futures_util::{StreamExt, stream};
use nexus_pubky::{Authority, PubkyId};
use nexus_runtime::CancellationToken;
use nexus_social::{
    input::{Input, Verdict},
    row::HostRow,
    store::{self, Store},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

/// Users looked up at once.
const AT_ONCE: usize = 8;

/// Users of one round.
const ROUND: usize = 1000;

/// How long a user who could not be found isn't looked up again on somebody's word, and how many are remembered.
const NOT_AGAIN: Duration = Duration::from_secs(600);
const REMEMBERED: usize = 10_000;

/// What came of an attempt to take in a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// The user's homeserver is known and followed now.
    Bound,
    /// It was known before.
    Known,
    /// Nobody knows where the user lives.
    NotFound,
    /// The user or the homeserver with this key is blacklisted.
    Blacklisted(Arc<str>),
}

/// Why an attempt to take in a user failed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Nobody can be asked now.
    #[error("the user can't be located now: {0}")]
    Unavailable(String),
    /// The program is stopping.
    #[error(transparent)]
    Stopped(#[from] nexus_runtime::groups::Stopped),
}

impl From<LocateError> for IngestError {
    fn from(error: LocateError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Takes in users by their key (spec a.6).
#[derive(Clone)]
pub struct Ingestor(pub(crate) Arc<Carrier>);

impl Ingestor {
    /// Finds out where `user` lives and has them followed there. A user whose home is known is left alone.
    ///
    /// # Errors
    /// If nobody can be asked now.
    pub async fn ingest(&self, user: &PubkyId) -> Result<Ingested, IngestError> {
        let neighbourhood = &self.0.fetcher.neighbourhood;
        if neighbourhood.is_bound(user) {
            return Ok(Ingested::Known);
        }
        if neighbourhood.is_blacklisted(user.as_str()) {
            return Ok(Ingested::Blacklisted(user.as_str().into()));
        }
        let Some(homeserver) = neighbourhood.locate(&self.0.fetcher.client, user).await? else {
            return Ok(Ingested::NotFound);
        };
        if neighbourhood.is_blacklisted(&homeserver) {
            return Ok(Ingested::Blacklisted(homeserver));
        }
        let refused = Ingested::Blacklisted(Arc::clone(&homeserver));
        Ok(if self.bind(user, homeserver).await? { Ingested::Bound } else { refused })
    }

    /// Stores a mapping; false if the operator's rules don't want it.
    async fn bind(&self, user: &PubkyId, homeserver: Arc<str>) -> Result<bool, nexus_runtime::groups::Stopped> {
        let row = HostRow { user: *user, homeserver, resolved_at: self.0.clock.now(), stale: false };
        let is_wanted = !matches!(self.0.writer.ask(Input::Hosted(row.clone())).await?, Verdict::Refused(_));
        if is_wanted {
            self.0.fetcher.neighbourhood.learn(&row);
        }
        Ok(is_wanted)
    }
}

/// Takes in the users whom the writer's verdicts name.
pub(crate) async fn take_in(
    ingestor: Ingestor,
    mut hints: mpsc::Receiver<Hint>,
    followups: Followups,
    stop: CancellationToken,
) -> Result<(), Halt> {
    let mut tried: HashMap<PubkyId, Instant> = HashMap::new();
    let mut named = Vec::new();
    loop {
        let count = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            count = hints.recv_many(&mut named, REMEMBERED) => count,
        };
        if count == 0 {
            return Ok(());
        }
        tried.retain(|_, at| at.elapsed() < NOT_AGAIN);
        named.sort_unstable();
        named.dedup();
        let fresh: Vec<_> = named.drain(..).filter(|user| !tried.contains_key(user)).collect();
        let taken = |user| {
            let ingestor = &ingestor;
            async move { ingestor.ingest(&user).await }
        };
        let outcomes = stream::iter(fresh.clone()).map(taken).buffer_unordered(AT_ONCE);
        let all = outcomes.for_each(|outcome| {
            measure::resolved(label(&outcome));
            std::future::ready(())
        });
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = all => {}
        }
        tried.extend(
            fresh.into_iter().take(REMEMBERED - tried.len().min(REMEMBERED)).map(|user| (user, Instant::now())),
        );
        followups.wake();
    }
}

const fn label(outcome: &Result<Ingested, IngestError>) -> &'static str {
    match outcome {
        Ok(Ingested::Bound) => "bound",
        Ok(Ingested::Known) => "known",
        Ok(Ingested::NotFound) => "not_found",
        Ok(Ingested::Blacklisted(_)) => "blacklisted",
        Err(_) => "failed",
    }
}

/// Looks everybody up again whose mapping is missing or old.
pub(crate) struct Resolver {
    pub(crate) ingestor: Ingestor,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) interval: Duration,
    pub(crate) ttl: Duration,
}

impl Resolver {
    /// Looks users up, a round at each tick, until `stop`.
    ///
    /// # Errors
    /// If the writer has stopped or the store is damaged.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Halt> {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut after = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                next = self.round(after) => match next {
                    // The same users are asked for at the next tick.
                    Err(Halt::Store(store::Error::Backend(error))) => {
                        tracing::warn!(%error, "who is to be looked up can't be read");
                    }
                    next => after = next?,
                },
            }
        }
    }

    /// One round: gives where the next one begins.
    async fn round(&self, after: Option<PubkyId>) -> Result<Option<PubkyId>, Halt> {
        let before = self.ingestor.0.clock.now().plus_millis(-i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX));
        let users = stored(&self.store, move |store| store.unresolved(before, after.as_ref(), ROUND)).await?;
        let next = users.last().copied().filter(|_| users.len() == ROUND);
        let mut outcomes =
            stream::iter(users).map(|user| async move { self.one(&user).await }).buffer_unordered(AT_ONCE);
        let mut failures = 0;
        while let Some(outcome) = outcomes.next().await {
            let outcome = outcome?;
            failures += usize::from(outcome == "failed");
            measure::resolved(outcome);
        }
        measure::resolver_round(failures);
        Ok(next)
    }

    async fn one(&self, user: &PubkyId) -> Result<&'static str, Halt> {
        let Carrier { fetcher, writer, .. } = &*self.ingestor.0;
        let bound = fetcher.neighbourhood.bound_to(user);
        if self.is_configured(bound.as_deref()) {
            return Ok("configured");
        }
        match fetcher.neighbourhood.locate(&fetcher.client, user).await {
            Err(_) => Ok("failed"),
            Ok(Some(homeserver)) if fetcher.neighbourhood.is_blacklisted(&homeserver) => Ok("blacklisted"),
            Ok(Some(homeserver)) => {
                let moved = bound.is_some_and(|bound| bound != homeserver);
                self.ingestor.bind(user, homeserver).await?;
                Ok(if moved { "moved" } else { "bound" })
            }
            Ok(None) if bound.is_some() => {
                writer.send(Input::HostDoubtful(*user)).await?;
                fetcher.neighbourhood.doubt(user);
                Ok("lost")
            }
            Ok(None) => Ok("not_found"),
        }
    }

    /// True if the operator says where the user lives: pkarr isn't asked then.
    fn is_configured(&self, bound: Option<&str>) -> bool {
        let primaries = &self.ingestor.0.fetcher.neighbourhood.primaries;
        primaries.iter().any(|at| at.authority == Authority::Configured && Some(&*at.name) == bound)
    }
}
