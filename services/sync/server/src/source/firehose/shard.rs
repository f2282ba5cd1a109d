//! A thread that verifies. All messages about one account come to the same thread, whichever relay they are from, and
//! are handled in the order of their arrival; while an identity is looked up, what follows about that account waits,
//! and nothing else does.
//!
//! What waits is bounded by the relays' own bounds: see [`super::relay`].

use super::doubts::Doubts;
use super::stream::{Attempt, Done, Job};
use crate::source::identity::{Identities, Known, Need};
use crate::source::measure;
use nexus_atproto::{
    AccountMessage, CommitMessage, Did, Error, Frame, Limits, Reason, Rules as Protocol, SyncMessage, Tid,
};
use nexus_model::{Raw, Timestamp};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::decide::Notice;
use nexus_sync::repo::{Origin, Repo, Retry, State};
use nexus_sync::rules::{Network, Rules};
use nexus_sync::store::{self, Store};
use nexus_sync::writer::Input;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Messages that are handled before what became of them is handed on.
const AT_ONCE: usize = 64;

/// A key that was fetched this lately is not fetched again because a signature doesn't fit.
const FRESH_MILLIS: i64 = 2_000;

/// What a shard is told.
#[derive(Debug)]
pub(super) enum Told {
    /// A message has arrived.
    Job(Job),
    /// An identity was looked up; `None` if the service stops.
    Found(Did, Option<Arc<Known>>),
}

/// What all shards share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) store: Arc<dyn Store>,
    pub(super) rules: Arc<Rules>,
    pub(super) limits: Limits,
    pub(super) identities: Identities,
    pub(super) clock: Clock,
    pub(super) done: mpsc::Sender<Vec<Done>>,
    pub(super) runtime: Handle,
    pub(super) stop: CancellationToken,
}

/// One thread's part.
pub(super) struct Shard {
    common: Common,
    inbox: mpsc::UnboundedReceiver<Told>,
    own: mpsc::WeakUnboundedSender<Told>,
    waiting: HashMap<Did, VecDeque<Job>>,
    doubts: Doubts,
    finished: Vec<Done>,
}

/// What became of a message for now.
enum Verdict {
    /// It is finished.
    Done(Option<Input>),
    /// It needs an identity that is not older than this.
    Needs(Timestamp, Attempt),
    /// It says that the identity has changed: that is looked up beside everything else.
    Identity,
}

const DROPPED: Verdict = Verdict::Done(None);

impl Shard {
    pub(super) fn new(common: Common) -> (Self, mpsc::UnboundedSender<Told>) {
        let (tell, inbox) = mpsc::unbounded_channel();
        let own = tell.downgrade();
        let (waiting, doubts, finished) = (HashMap::new(), Doubts::default(), Vec::new());
        (Self { common, inbox, own, waiting, doubts, finished }, tell)
    }

    /// Verifies until all relays and look-ups are gone.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn run(mut self) -> store::Result<()> {
        while let Some(first) = self.inbox.blocking_recv() {
            self.take(first)?;
            for _ in 1..AT_ONCE {
                let Ok(next) = self.inbox.try_recv() else { break };
                self.take(next)?;
            }
            let finished = std::mem::take(&mut self.finished);
            if !finished.is_empty() && self.common.done.blocking_send(finished).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, told: Told) -> store::Result<()> {
        match told {
            Told::Job(job) => self.arrive(job),
            Told::Found(did, known) => self.go_on(&did, known.as_ref()),
        }
    }

    fn arrive(&mut self, job: Job) -> store::Result<()> {
        let did = job.did.clone();
        if let Some(waiting) = self.waiting.get_mut(&did) {
            waiting.push_back(job);
            return Ok(());
        }
        let known = self.common.identities.remembered(&did, Need::Document, self.common.identities.oldest());
        if let Some((job, since)) = self.handle(&did, job, known.as_ref())? {
            self.waiting.insert(did.clone(), VecDeque::from([job]));
            self.look_up(did, since);
        }
        Ok(())
    }

    /// What has waited for an identity goes on, in order, until something needs a fresher one.
    fn go_on(&mut self, did: &Did, known: Option<&Arc<Known>>) -> store::Result<()> {
        let Some(mut waiting) = self.waiting.remove(did) else { return Ok(()) };
        // Without an answer the service stops: what waits is not finished, and comes again after the start.
        let Some(known) = known else { return Ok(()) };
        while let Some(job) = waiting.pop_front() {
            if let Some((job, since)) = self.handle(did, job, Some(known))? {
                waiting.push_front(job);
                self.waiting.insert(did.clone(), waiting);
                self.look_up(did.clone(), since);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks up an identity; the answer comes to the inbox, which stays open until then.
    fn look_up(&self, did: Did, since: Timestamp) {
        let Some(tell) = self.own.upgrade() else { return };
        let (identities, stop) = (self.common.identities.clone(), self.common.stop.clone());
        self.common.runtime.spawn(async move {
            let known = tokio::select! {
                known = identities.look(&did, Need::Document, since) => known,
                () = stop.cancelled() => None,
            };
            // A shard that has ended needs no answer.
            let _ = tell.send(Told::Found(did, known));
        });
    }

    /// Handles a message. Gives it back if it needs an identity first.
    fn handle(
        &mut self,
        did: &Did,
        mut job: Job,
        known: Option<&Arc<Known>>,
    ) -> store::Result<Option<(Job, Timestamp)>> {
        let repo = self.common.store.repo(did)?;
        let message = job.message.clone();
        let verdict = match Frame::parse(&message) {
            Ok(Frame::Commit(commit)) => self.commit(did, &commit, repo.as_ref(), known, job.attempt),
            Ok(Frame::Sync(sync)) => self.sync(did, &sync, repo.as_ref(), known, job.attempt),
            Ok(Frame::Identity(_)) => self.identity(did, repo.as_ref()),
            Ok(Frame::Account(account)) => self.account(did, &account, repo.as_ref()),
            Ok(Frame::Info(_) | Frame::Error(_) | Frame::Unknown(_)) | Err(_) => DROPPED,
        };
        match verdict {
            Verdict::Done(input) => self.finished.push(job.done(input)),
            Verdict::Identity => self.refresh(did.clone(), job),
            Verdict::Needs(since, attempt) => {
                job.attempt = attempt;
                return Ok(Some((job, since)));
            }
        }
        Ok(None)
    }

    fn commit(
        &mut self,
        did: &Did,
        message: &CommitMessage<'_>,
        repo: Option<&Repo>,
        known: Option<&Arc<Known>>,
        attempt: Attempt,
    ) -> Verdict {
        let Some(repo) = repo else {
            let collections = message.ops.iter().map(|op| op.path.split_once('/').map_or("", |(name, _)| name));
            return self.discover(did, self.common.rules.is_signalled(did, collections));
        };
        if !is_heard(repo, message.rev) {
            return DROPPED;
        }
        let verify = |key: &_, now, limits| Raw::new(message).verify(&Protocol { key, now, limits }).map(Input::Commit);
        self.verify(did, known, attempt, verify)
    }

    fn sync(
        &mut self,
        did: &Did,
        message: &SyncMessage<'_>,
        repo: Option<&Repo>,
        known: Option<&Arc<Known>>,
        attempt: Attempt,
    ) -> Verdict {
        let Some(repo) = repo else {
            return self.discover(did, self.common.rules.network == Network::Full);
        };
        if !is_heard(repo, message.rev) {
            return DROPPED;
        }
        let verify = |key: &_, now, limits| Raw::new(message).verify(&Protocol { key, now, limits }).map(Input::State);
        self.verify(did, known, attempt, verify)
    }

    /// A repo that nobody asked for: what it says is not believed, since it is fetched anyway.
    fn discover(&self, did: &Did, is_wanted: bool) -> Verdict {
        if is_wanted { Verdict::Done(Some(Input::Add(did.clone(), Origin::Found))) } else { DROPPED }
    }

    fn identity(&self, did: &Did, repo: Option<&Repo>) -> Verdict {
        match repo {
            Some(_) => Verdict::Identity,
            None => self.discover(did, self.common.rules.network == Network::Full),
        }
    }

    fn account(&self, did: &Did, message: &AccountMessage<'_>, repo: Option<&Repo>) -> Verdict {
        if repo.is_none() && self.common.rules.network != Network::Full {
            return DROPPED;
        }
        Verdict::Done(Some(Input::Account(Notice::new(did.clone(), message.active, message.status))))
    }

    fn verify(
        &mut self,
        did: &Did,
        known: Option<&Arc<Known>>,
        attempt: Attempt,
        verify: impl FnOnce(&nexus_atproto::PublicKey, Timestamp, Limits) -> Result<Input, Error>,
    ) -> Verdict {
        let now = self.common.clock.now();
        let Some(known) = known else {
            return Verdict::Needs(self.common.identities.oldest(), attempt);
        };
        let Some(key) = known.key() else {
            // It can't be verified now, so something is missing from now on.
            measure::rejected("no_key");
            return Verdict::Done(Some(Input::Doubt(did.clone())));
        };
        match verify(key, now, self.common.limits) {
            Ok(input) => Verdict::Done(Some(input)),
            Err(error) if error.may_be_stale_key() && attempt != Attempt::WithFreshKey && is_old(known, now) => {
                Verdict::Needs(now.plus_millis(-FRESH_MILLIS), Attempt::WithFreshKey)
            }
            Err(error) => self.refuse(did, &error, now),
        }
    }

    /// What is not signed by the account says nothing about it. What is broken below the signature may have been
    /// theirs: then something is missing, and the repo is fetched again.
    fn refuse(&mut self, did: &Did, error: &Error, now: Timestamp) -> Verdict {
        measure::rejected(error.reason().as_str());
        tracing::debug!(%did, %error, "a message is refused");
        let is_forged = matches!(error.reason(), Reason::Signature | Reason::FutureRev | Reason::Syntax);
        if is_forged || !self.doubts.may(did, now) {
            return DROPPED;
        }
        Verdict::Done(Some(Input::Doubt(did.clone())))
    }

    /// Looks the identity up anew. The message is finished when what was found is durable.
    fn refresh(&self, did: Did, job: Job) {
        let Common { identities, done, stop, clock, .. } = self.common.clone();
        self.common.runtime.spawn(async move {
            let known = tokio::select! {
                known = identities.look(&did, Need::Name, clock.now()) => known,
                () = stop.cancelled() => None,
            };
            if known.is_some() {
                // Who no longer listens has stopped: then the message comes again after the start.
                let _ = done.send(vec![job.done(None)]).await;
            }
        });
    }
}

/// True unless the repo waits for a fetch, which will bring what the message says, or knows the revision already.
fn is_heard(repo: &Repo, rev: &str) -> bool {
    match repo.state {
        State::Pending | State::Desynchronized => false,
        State::Error => matches!(repo.retry, Retry::WhenHeard(_)),
        State::Active | State::Resyncing => {
            let is_known = |rev: Tid| repo.head.is_some_and(|head| rev <= head.rev);
            !rev.parse().is_ok_and(is_known)
        }
    }
}

fn is_old(known: &Known, now: Timestamp) -> bool {
    known.fetched < now.plus_millis(-FRESH_MILLIS)
}
