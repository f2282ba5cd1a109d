//! Who an account is: its document, its key, its server and its name, looked up once for all who ask at the same
//! time, believed for a while, kept across restarts. What can't be had again now is believed for longer.
//!
//! Of one account one document is fetched at a time, and one name is looked up at a time, by the document that is known
//! then. Each writes what it has found and nothing else, so that neither undoes the other.
//!
//! Checking a signature needs the document alone ([`Need::Document`]); verifying the name costs a name look-up and a
//! request, and holds up nobody who doesn't ask for it.

mod directory;
mod known;
mod names;

pub(super) use known::{Account, Known};

use super::alarm::Alarm;
use super::{BuildError, settings};
use crate::WriterHandle;
use directory::Directory;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use known::Servers;
use names::{Leads, NameHosts, Names};
use nexus_atproto::{Did, Document, Handle};
use nexus_model::Timestamp;
use nexus_outgoing::Manners;
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::generations::Generations;
use nexus_sync::identity::{Found, Identity, Lifetimes, Step};
use nexus_sync::repo::Name;
use nexus_sync::store::{self, Store};
use nexus_sync::writer::Input;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Looks up identities. Clones share what was found.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    clock: Clock,
    alarm: Alarm,
    directory: Directory,
    names: Names,
    lifetimes: Lifetimes,
    memory: Mutex<Generations<Did, Arc<Known>>>,
    /// Held while something is read to be remembered: who reads later remembers later.
    remembering: Mutex<Servers>,
    under_way: Mutex<HashMap<(Did, Need), LookUp>>,
    closing: CancellationToken,
}

type LookUp = Shared<BoxFuture<'static, Option<Arc<Known>>>>;

/// What is asked of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// Key and server.
    Document,
    /// Those, and the name.
    Name,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The directory says so.
    #[error("DID not found")]
    Nothing,
    /// It could not be had.
    #[error("{0}")]
    Failed(String),
    /// The service stops, or its store fails.
    #[error("the service is stopping")]
    Stopping,
}

/// What identities are looked up with.
pub(super) struct Means {
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: WriterHandle,
    pub(super) clock: Clock,
    pub(super) alarm: Alarm,
}

impl Identities {
    pub(super) fn new(settings: &settings::Settings, manners: &Manners, means: Means) -> Result<Self, BuildError> {
        let Means { store, writer, clock, alarm } = means;
        let hosts = NameHosts::new(settings, manners)?;
        let directory = Directory::new(&settings.identity, manners, hosts.clone(), clock.clone())?;
        let names = Names::new(&settings.identity, hosts);
        let lifetimes = settings.identity.lifetimes;
        let memory = Mutex::new(Generations::new(settings.identity.cache));
        let (remembering, under_way) = (Mutex::default(), Mutex::default());
        let closing = CancellationToken::new();
        Ok(Self(Arc::new(Inner {
            store,
            writer,
            clock,
            alarm,
            directory,
            names,
            lifetimes,
            memory,
            remembering,
            under_way,
            closing,
        })))
    }

    /// The document of an account, as fresh as the lifetimes demand.
    ///
    /// # Errors
    /// If there is none, or it can't be had.
    pub async fn resolve(&self, did: &Did) -> Result<Arc<Document>, Unresolved> {
        let known = self.look(did, Need::Document, self.oldest()).await.ok_or(Unresolved::Stopping)?;
        match &known.account {
            Account::Nothing => return Err(Unresolved::Nothing),
            Account::Failed(reason) => return Err(Unresolved::Failed(reason.to_string())),
            Account::Found { .. } => {}
        }
        let stored = self.0.stored(did).await.flatten();
        stored.and_then(|(identity, _)| identity.document().cloned()).ok_or(Unresolved::Stopping)
    }

    /// The account that a handle leads to.
    ///
    /// # Errors
    /// If it leads to none, or that can't be found out.
    pub async fn resolve_handle(&self, handle: &Handle) -> Result<Did, Unresolved> {
        match self.0.names.look_up(handle).await {
            Leads::To(did) => Ok(did),
            Leads::Nowhere => Err(Unresolved::Nothing),
            Leads::Unknown => Err(Unresolved::Failed("the handle can't be looked up now".to_owned())),
        }
    }

    /// Gives up what is being looked up, and looks up nothing from now on: the service stops.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// A moment that documents may be as old as.
    pub(super) fn oldest(&self) -> Timestamp {
        self.0.clock.now().plus_millis(-self.0.lifetimes.good)
    }

    /// What is remembered and not older than `since`, without asking anybody.
    pub(super) fn remembered(&self, did: &Did, need: Need, since: Timestamp) -> Option<Arc<Known>> {
        let known = self.0.memory().get(did)?;
        let now = self.0.clock.now();
        let is_fresh = known.fetched >= since && now < known.expiry.document;
        let is_named = need == Need::Document || (known.verified >= since && now < known.expiry.name);
        (is_fresh && is_named).then_some(known)
    }

    /// What is known, not older than `since` unless it can't be had. `None` if the service stops.
    ///
    /// What was fetched is durable when this returns.
    pub(super) async fn look(&self, did: &Did, need: Need, since: Timestamp) -> Option<Arc<Known>> {
        loop {
            if let Some(known) = self.remembered(did, need, since) {
                return Some(known);
            }
            let (look_up, is_ours) = match self.0.under_way().entry((did.clone(), need)) {
                Entry::Occupied(other) => (other.get().clone(), false),
                Entry::Vacant(place) => (place.insert(self.begin(did.clone(), need, since)).clone(), true),
            };
            let known = look_up.await?;
            // Somebody else may have been content with less.
            if is_ours || known.fetched >= since {
                return Some(known);
            }
        }
    }

    /// Tells the name of a repo that doesn't know it, though it was looked up: one that was given up and is tracked again.
    /// `None` if the service stops.
    pub(super) async fn tell(&self, did: &Did) -> Option<()> {
        let (store, account) = (Arc::clone(&self.0.store), did.clone());
        let repo = tokio::task::spawn_blocking(move || store.repo(&account)).await.ok()?;
        let repo = repo.map_err(|error| self.0.alarm.raise(error)).ok()?;
        if repo.is_some_and(|repo| repo.name == Name::Unknown) {
            self.0.writer.ask(vec![Input::Introduce(did.clone())]).await.ok()?;
        }
        Some(())
    }

    fn begin(&self, did: Did, need: Need, since: Timestamp) -> LookUp {
        let identities = self.clone();
        let task = tokio::spawn(async move {
            let known = tokio::select! {
                known = identities.find(&did, need, since) => known,
                () = identities.0.closing.cancelled() => None,
            };
            identities.0.under_way().remove(&(did, need));
            known
        });
        async move { task.await.ok().flatten() }.boxed().shared()
    }

    async fn find(&self, did: &Did, need: Need, since: Timestamp) -> Option<Arc<Known>> {
        match need {
            Need::Document => self.find_document(did, since).await,
            Need::Name => self.find_name(did, since).await,
        }
    }

    async fn find_document(&self, did: &Did, since: Timestamp) -> Option<Arc<Known>> {
        let inner = &self.0;
        let now = inner.clock.now();
        let usable =
            |found: &Identity| found.fetched >= since && found.step(now, inner.lifetimes) != Step::FetchDocument;
        let (identity, known) = match inner.stored(did).await? {
            Some((before, known)) if usable(&before) => (before, known),
            before => {
                let (document, fetched) = inner.fetch(did, before.map(|(before, _)| before)).await;
                inner.writer.ask(vec![Input::Document(did.clone(), document, fetched)]).await.ok()?;
                inner.stored(did).await??
            }
        };
        if identity.is_renamed() && inner.is_unnamed(&identity, since) {
            self.name_beside(did.clone());
        }
        Some(known)
    }

    async fn find_name(&self, did: &Did, since: Timestamp) -> Option<Arc<Known>> {
        let inner = &self.0;
        self.look(did, Need::Document, since).await?;
        let mut looked_up = None;
        loop {
            let (identity, known) = inner.stored(did).await??;
            let declared = identity.declared();
            let is_done = match &looked_up {
                None => identity.document().is_none() || !inner.is_unnamed(&identity, since),
                // Another document may have come meanwhile.
                Some(before) => *before == declared,
            };
            if is_done {
                return Some(known);
            }
            let (name, verified) = inner.name(&identity).await;
            inner.writer.ask(vec![Input::Name(did.clone(), name, verified)]).await.ok()?;
            looked_up = Some(declared);
        }
    }

    /// Looks up the new name of an account. Whoever waits for its document doesn't wait for that.
    fn name_beside(&self, did: Did) {
        let identities = self.clone();
        tokio::spawn(async move { identities.look(&did, Need::Name, identities.oldest()).await });
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Generations<Did, Arc<Known>>> {
        // Nothing panics between two halves of a change.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<(Did, Need), LookUp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store has, which is remembered from now on; the outer `None` if it fails.
    async fn stored(self: &Arc<Self>, did: &Did) -> Option<Option<(Identity, Arc<Known>)>> {
        let (inner, did) = (Arc::clone(self), did.clone());
        let read = tokio::task::spawn_blocking(move || inner.remember(&did)).await.ok()?;
        read.map_err(|error| self.alarm.raise(error)).ok()
    }

    fn remember(&self, did: &Did) -> store::Result<Option<(Identity, Arc<Known>)>> {
        // Nothing panics between two halves of a change.
        let mut servers = self.remembering.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(identity) = self.store.identity(did)? else { return Ok(None) };
        let known = Arc::new(Known::of(&identity, self.lifetimes, &mut servers));
        self.memory().put(did.clone(), Arc::clone(&known));
        Ok(Some((identity, known)))
    }

    /// True if its name is to be looked up.
    fn is_unnamed(&self, identity: &Identity, since: Timestamp) -> bool {
        identity.verified < since || identity.step(self.clock.now(), self.lifetimes) != Step::Use
    }

    /// A fresh document, and since when it is known. If it can't be had, the one before is believed for a while longer.
    async fn fetch(&self, did: &Did, before: Option<Identity>) -> (Found, Timestamp) {
        // What is answered may be as old as the question.
        let asked = self.clock.now();
        let document = self.directory.document(did).await;
        match (document, before.map(|before| before.document)) {
            (Found::Failed(reason), Some(Found::Document(before))) => {
                tracing::debug!(%did, reason, "a document can't be had, the one before is used");
                let Lifetimes { failed, good, .. } = self.lifetimes;
                (Found::Document(before), self.clock.now().plus_millis(failed - good))
            }
            (document, _) => (document, asked),
        }
    }

    /// Verifies the declared handle, which must lead back: what the account is called, and since when that is known.
    async fn name(&self, identity: &Identity) -> (Name, Timestamp) {
        let (declared, asked) = (identity.declared(), self.clock.now());
        let leads = match &declared {
            Some(handle) => self.names.look_up(handle).await,
            None => Leads::Nowhere,
        };
        match (leads, declared) {
            (Leads::To(did), Some(handle)) if did == identity.did => (Name::Handle(handle), asked),
            (Leads::Unknown, Some(handle)) if identity.name == Name::Handle(handle.clone()) => {
                let Lifetimes { invalid, good, .. } = self.lifetimes;
                (Name::Handle(handle), asked.plus_millis(invalid - good))
            }
            _ => (Name::Invalid, asked),
        }
    }
}
