//! Bringing two relays level: by negentropy (NIP-77), which tells what either lacks without listing what both
//! have; where the other relay can't do that, by reading all of it page by page.

use super::{
    Direction,
    link::{Link, LinkError},
    paging::{self, Pages},
    upload::{self, Sent},
    watch::Watch,
};
use crate::backend::{Backend, RelayOn};
use nexus_model::Raw;
use nexus_nostr::{
    Ask, Event, EventId, Filter, Reply, Seconds,
    nip::nip77::{DEFAULT_FRAME, Progress, Reconciliation},
};
use nexus_relay::{
    Asker, Intake, Protected, Terms,
    ports::{Scope, Source, StorageAdapter, StorageError},
};
use std::{collections::HashSet, sync::Arc};

/// The name of the negentropy session.
const SESSION: &str = "nexus-sync";
/// The name of the subscription that missing events are asked for with.
const SUB: &str = "nexus-fetch";
/// Events that are asked for by id at once.
const FETCH: usize = 250;

/// What is brought level, and how.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    /// Which events. Kinds that only their parties may see are left alone, unless the filter names kinds.
    pub filter: Filter,
    /// In which direction.
    pub direction: Direction,
    /// Whether events are taken that only their author may publish.
    pub protected: Protected,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How differences were found.
    pub method: Method,
    /// Events that came and were stored.
    pub new: u64,
    /// Events that came and were not wanted.
    pub refused: u64,
    /// What became of events that went.
    pub sent: Sent,
}

/// How differences were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// By negentropy.
    #[default]
    Negentropy,
    /// By reading everything.
    Paging,
}

/// Why a sync ended early. What was done until then holds.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// This relay's store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the other relay says doesn't follow the protocol.
    #[error(transparent)]
    Protocol(#[from] nexus_nostr::Error),
    /// The other relay doesn't answer the question.
    #[error("the other relay refuses: {0}")]
    Refused(String),
}

/// Brings this relay and the one at the other end of `link` level.
///
/// # Errors
/// The link's, the store's, or the other relay's refusal.
pub async fn sync<B: Backend>(relay: &RelayOn<B>, link: &mut Link, options: &SyncOptions) -> Result<Report, SyncError> {
    sync_watched::<B>(relay, link, options, &mut Watch::new(None, None)).await
}

/// The same while somebody watches the link.
pub(super) async fn sync_watched<B: Backend>(
    relay: &RelayOn<B>,
    link: &mut Link,
    options: &SyncOptions,
    watch: &mut Watch,
) -> Result<Report, SyncError> {
    let scope = scope::<B>(relay, &options.filter);
    let local = relay.storage().ids(&options.filter, usize::MAX, &scope).await?;
    let source = Source::Sync(link.url().to_owned());
    let mut work = Work::<B> { relay, link, options, source, watch, report: Report::default() };
    match work.negotiate(&local).await? {
        Some(differences) => work.settle(differences, &scope).await?,
        None => work.page(&local, &scope).await?,
    }
    Ok(work.report)
}

/// What may be shown to another relay: everything that the filter names, but nothing private by the way.
pub(super) fn scope<B: Backend>(relay: &RelayOn<B>, filter: &Filter) -> Scope {
    let everybody = relay.scope_of(&Asker::default());
    if filter.kinds().is_some() { Scope { now: everybody.now, ..Scope::operator() } } else { everybody }
}

/// What one side has and the other lacks.
#[derive(Debug, Default)]
struct Differences {
    have: Vec<EventId>,
    need: Vec<EventId>,
}

struct Work<'a, B: Backend> {
    relay: &'a RelayOn<B>,
    link: &'a mut Link,
    options: &'a SyncOptions,
    source: Source,
    watch: &'a mut Watch,
    report: Report,
}

impl<B: Backend> Work<'_, B> {
    /// Finds the differences; `None` if the other relay can't take part.
    async fn negotiate(&mut self, local: &[(Seconds, EventId)]) -> Result<Option<Differences>, SyncError> {
        let mut reconciliation = Reconciliation::new(local.iter().copied(), DEFAULT_FRAME)?;
        let first = reconciliation.begin()?;
        let mut differences = Differences::default();
        let mut may_retry = true;
        self.link.send(Ask::NegOpen(SESSION, &self.options.filter, &first)).await?;
        loop {
            match self.move_of_other().await? {
                Move::Made(message) => {
                    let Progress { have, need, next } = reconciliation.proceed(&message)?;
                    differences.have.extend(have);
                    differences.need.extend(need);
                    let Some(next) = next else { break };
                    self.link.send(Ask::NegMsg(SESSION, &next)).await?;
                }
                Move::MustAuthenticate if may_retry && self.link.authenticate().await? => {
                    may_retry = false;
                    self.link.send(Ask::NegOpen(SESSION, &self.options.filter, &first)).await?;
                }
                Move::MustAuthenticate | Move::Refused => return Ok(None),
            }
        }
        self.link.send(Ask::NegClose(SESSION)).await?;
        Ok(Some(differences))
    }

    /// Relays that don't know negentropy answer with a notice, with `CLOSED`, or not at all.
    async fn move_of_other(&mut self) -> Result<Move, LinkError> {
        let refused = |message: String| {
            tracing::debug!(message, "another relay doesn't negotiate");
            if message.starts_with("auth-required") { Move::MustAuthenticate } else { Move::Refused }
        };
        let wanted = |reply| match reply {
            Reply::NegMsg { sub, message } if sub == SESSION => Ok(Move::Made(message)),
            Reply::NegErr { sub, message } | Reply::Closed { sub, message } if sub == SESSION => Ok(refused(message)),
            Reply::Notice(message) => Ok(refused(message)),
            other => Err(other),
        };
        match self.link.answer_to(wanted).await {
            Err(LinkError::Silent) => Ok(Move::Refused),
            answer => answer,
        }
    }

    async fn settle(&mut self, differences: Differences, scope: &Scope) -> Result<(), SyncError> {
        if self.options.direction.is_down() {
            for ids in differences.need.chunks(FETCH) {
                let filter = Filter::new().with_ids(ids.iter().copied()).with_limit(ids.len());
                let events = paging::events(self.link, SUB, &filter).await?;
                self.take_in(events).await?;
            }
        }
        if self.options.direction.is_up() { self.send(differences.have, scope).await } else { Ok(()) }
    }

    async fn page(&mut self, local: &[(Seconds, EventId)], scope: &Scope) -> Result<(), SyncError> {
        self.report.method = Method::Paging;
        let mut pages = Pages::new(self.options.filter.clone());
        loop {
            let events = pages.next(self.link).await?;
            if events.is_empty() {
                break;
            }
            if self.options.direction.is_down() {
                self.take_in(events).await?;
            }
        }
        let theirs: &HashSet<EventId> = pages.seen();
        let have: Vec<EventId> = local.iter().map(|(_, id)| *id).filter(|id| !theirs.contains(id)).collect();
        if self.options.direction.is_up() { self.send(have, scope).await } else { Ok(()) }
    }

    async fn take_in(&mut self, events: Vec<Raw<Event>>) -> Result<(), SyncError> {
        self.watch.note(&events);
        let terms = Terms { source: &self.source, protected: self.options.protected, judge: self.watch.down() };
        for intake in self.relay.take_in(events, terms).await? {
            match intake {
                Intake::New => self.report.new += 1,
                Intake::Known => {}
                Intake::Refused(reason) => {
                    self.report.refused += 1;
                    tracing::debug!(%reason, "an event of another relay is refused");
                }
            }
        }
        Ok(())
    }

    /// Sends what the other lacks, as far as it is still there and may be shown.
    async fn send(&mut self, ids: Vec<EventId>, scope: &Scope) -> Result<(), SyncError> {
        for ids in ids.chunks(FETCH) {
            let filter = Filter::new().with_ids(ids.iter().copied()).with_limit(ids.len());
            let page = self.relay.storage().query(&[filter], scope).await?;
            let wanted = self.watch.let_up(page.events, &self.source, scope.now).await?;
            let events: Vec<(EventId, Arc<str>)> = wanted.into_iter().map(|one| (one.id, one.json)).collect();
            let sent = upload::upload(self.link, &events).await?;
            self.report.sent.taken += sent.taken;
            self.report.sent.refused += sent.refused;
        }
        Ok(())
    }
}

/// What the other relay does in a negotiation.
#[derive(Debug)]
enum Move {
    Made(Vec<u8>),
    MustAuthenticate,
    Refused,
}
