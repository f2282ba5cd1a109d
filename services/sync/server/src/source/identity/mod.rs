//! Who an account is: its document, its key, its server and its name, looked up once for all who ask at the same
//! time, believed for a while, kept across restarts. What can't be had again now is believed for longer.
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
    servers: Mutex<Servers>,
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
        let (servers, under_way) = (Mutex::default(), Mutex::default());
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
            servers,
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
        stored.and_then(|identity| identity.document().cloned()).ok_or(Unresolved::Stopping)
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
        let read = tokio::task::spawn_blocking(move || Ok((store.repo(&account)?, store.identity(&account)?)));
        let read = read.await.ok()?.map_err(|error: store::Error| self.0.alarm.raise(error)).ok()?;
        if let (Some(repo), Some(identity)) = read
            && repo.name == Name::Unknown
        {
            self.0.writer.ask(vec![Input::Identity(Box::new(identity))]).await.ok()?;
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
        let inner = &*self.0;
        let before = inner.stored(did).await?;
        let now = inner.clock.now();
        let usable =
            |found: &Identity| found.fetched >= since && found.step(now, inner.lifetimes) != Step::FetchDocument;
        let (mut identity, mut is_new) = match before {
            Some(before) if usable(&before) => (before, false),
            before => (inner.fetch(did, before).await, true),
        };
        let is_unnamed = identity.verified < since || identity.step(inner.clock.now(), inner.lifetimes) != Step::Use;
        if need == Need::Name && is_unnamed && identity.document().is_some() {
            inner.name(&mut identity).await;
            is_new = true;
        }
        let known = inner.known(&identity);
        let is_renamed = identity.is_renamed() && is_unnamed;
        if is_new {
            inner.writer.ask(vec![told(identity, need)]).await.ok()?;
        }
        // Only now: what is remembered is durable.
        inner.memory().put(did.clone(), Arc::clone(&known));
        if need == Need::Document && is_renamed {
            self.name_beside(did.clone());
        }
        Some(known)
    }

    /// Looks up the new name of an account. Whoever waits for its document doesn't wait for that.
    fn name_beside(&self, did: Did) {
        let identities = self.clone();
        tokio::spawn(async move { identities.look(&did, Need::Name, identities.oldest()).await });
    }
}

/// A document that was fetched says nothing of the name, which may have been looked up meanwhile.
fn told(identity: Identity, need: Need) -> Input {
    match need {
        Need::Document => Input::Document(identity.did, identity.document, identity.fetched),
        Need::Name => Input::Identity(Box::new(identity)),
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

    /// What the store has; the outer `None` if it fails.
    async fn stored(&self, did: &Did) -> Option<Option<Identity>> {
        let (store, did) = (Arc::clone(&self.store), did.clone());
        let read = tokio::task::spawn_blocking(move || store.identity(&did)).await.ok()?;
        read.map_err(|error: store::Error| self.alarm.raise(error)).ok()
    }

    fn known(&self, identity: &Identity) -> Arc<Known> {
        // Nothing panics between two halves of a change.
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(Known::of(identity, self.lifetimes, &mut servers))
    }

    /// A fresh document. If it can't be had, the one before is believed for a while longer.
    async fn fetch(&self, did: &Did, before: Option<Identity>) -> Identity {
        let document = self.directory.document(did).await;
        let now = self.clock.now();
        match (document, before) {
            (Found::Failed(reason), Some(before)) if before.document().is_some() => {
                tracing::debug!(%did, reason, "a document can't be had, the one before is used");
                let fetched = now.plus_millis(self.lifetimes.failed - self.lifetimes.good);
                Identity { fetched, ..before }
            }
            (document, Some(before)) => Identity { document, fetched: now, ..before },
            (document, None) => Identity::unnamed(did.clone(), document, now),
        }
    }

    /// Verifies the declared handle: it must lead back.
    async fn name(&self, identity: &mut Identity) {
        let declared = identity.declared();
        let leads = match &declared {
            Some(handle) => self.names.look_up(handle).await,
            None => Leads::Nowhere,
        };
        let now = self.clock.now();
        identity.verified = now;
        identity.name = match (leads, declared) {
            (Leads::To(did), Some(handle)) if did == identity.did => Name::Handle(handle),
            (Leads::Unknown, Some(handle)) if identity.name == Name::Handle(handle.clone()) => {
                identity.verified = now.plus_millis(self.lifetimes.invalid - self.lifetimes.good);
                Name::Handle(handle)
            }
            _ => Name::Invalid,
        };
    }
}
