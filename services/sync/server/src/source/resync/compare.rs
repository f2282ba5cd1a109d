//! Laying a fetched repo beside the record index, and handing what differs to the writer, part by part. The walk runs
//! on a thread that may block; while the writer is busy or consumers have too much, it waits.

use super::fetch::Fetched;
use crate::Stopped;
use crate::WriterHandle;
use crate::source::Room;
use crate::source::identity::{Identities, Known, Need};
use crate::source::settings;
use crate::spool::Spooled;
use nexus_atproto::{Blocks, Did, Error, Limits, RepoState, Rules as Protocol};
use nexus_model::{Raw, Verified};
use nexus_runtime::Clock;
use nexus_sync::decide::{Claim, Outcome};
use nexus_sync::resync::{self, Batch, Resync};
use nexus_sync::rules::Rules;
use nexus_sync::store::{self, KnownRecords, Store};
use nexus_sync::writer::Input;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Compares repos.
#[derive(Clone)]
pub(super) struct Comparer {
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: WriterHandle,
    pub(super) rules: Arc<Rules>,
    pub(super) limits: Limits,
    pub(super) settings: settings::Resync,
    pub(super) identities: Identities,
    pub(super) clock: Clock,
    pub(super) room: watch::Receiver<Room>,
}

/// How a comparison ended, if the repo is not up to date now.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// Nobody wants it any more.
    Void,
    /// The server's copy is older than what consumers were told.
    Stale,
    /// It is not what its owner signed.
    Unsound(String),
    /// The store failed.
    Store(store::Error),
    /// The service stops.
    Stopping,
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Unsound(error.to_string())
    }
}

impl From<Stopped> for Unfinished {
    fn from(_: Stopped) -> Self {
        Self::Stopping
    }
}

type Walked = Result<(), resync::Error<store::Error>>;

impl Comparer {
    /// Brings the index up to date with a fetched repo.
    pub(super) async fn compare(
        &self,
        did: &Did,
        claim: Claim,
        fetched: Fetched,
        known: &Known,
    ) -> Result<(), Unfinished> {
        // The last to go: another large repo may come when this one is out of memory.
        let _large = fetched.large;
        let (root, mut blocks) = (fetched.root, fetched.blocks);
        let (blocks, root) = spawned(move || {
            let mut block = Vec::new();
            let is_there = blocks.read(&root, &mut block)?;
            Ok::<_, Error>((blocks, is_there.then_some(block)))
        })
        .await??;
        let root = root.ok_or_else(|| Unfinished::Unsound("the signed commit is missing".to_owned()))?;
        let state = self.verify(did, &root, known).await?;
        let (batches, mut made) = mpsc::channel(1);
        let walk = self.walk(claim, state.clone(), blocks, batches);
        let mut last: Option<Input> = None;
        while let Some(batch) = made.recv().await {
            if let Some(input) = last.replace(Input::Batch(did.clone(), claim, batch)) {
                self.write(vec![input]).await?;
            }
        }
        match walk.await.map_err(|_| Unfinished::Stopping)? {
            Ok(()) => {}
            Err(resync::Error::Repo(error)) => return Err(error.into()),
            Err(resync::Error::Index(error)) => return Err(Unfinished::Store(error)),
        }
        self.write(last.into_iter().chain([Input::Finish(claim, state)]).collect()).await
    }

    /// The state that the root block is, signed by its owner. A key that doesn't fit is looked up anew, once.
    async fn verify(&self, did: &Did, root: &[u8], known: &Known) -> Result<Verified<RepoState>, Unfinished> {
        match self.check(did, root, known) {
            Err(error) if error.may_be_stale_key() => {
                let now = self.clock.now();
                let known = self.identities.look(did, Need::Document, now).await.ok_or(Unfinished::Stopping)?;
                Ok(self.check(did, root, &known)?)
            }
            checked => Ok(checked?),
        }
    }

    fn check(&self, did: &Did, root: &[u8], known: &Known) -> Result<Verified<RepoState>, Error> {
        let key = known.key().ok_or_else(|| Error::storage("no key"))?;
        let protocol = Protocol { key, now: self.clock.now(), limits: self.limits };
        Raw::new((did, root)).verify(&protocol)
    }

    /// Walks the tree on a thread that may block.
    fn walk(
        &self,
        claim: Claim,
        state: Verified<RepoState>,
        blocks: Spooled,
        batches: mpsc::Sender<Verified<Batch>>,
    ) -> JoinHandle<Walked> {
        let (store, rules, portions) = (Arc::clone(&self.store), Arc::clone(&self.rules), self.settings.portions);
        tokio::task::spawn_blocking(move || {
            let known = KnownRecords::new(&*store, claim.repo());
            let mut resync = Resync::new(state, blocks, known, &rules.collections, portions)?;
            while let Some(batch) = resync.next_batch()? {
                if batches.blocking_send(batch).is_err() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Writes a part, once there is room for it.
    async fn write(&self, inputs: Vec<Input>) -> Result<(), Unfinished> {
        // A sender that is gone says nothing any more: the service stops, or nobody counts.
        let _ = self.room.clone().wait_for(|room| *room == Room::Open).await;
        let told = self.writer.ask(inputs).await?;
        match told.iter().map(|told| told.outcome).find(|outcome| matches!(outcome, Outcome::Void | Outcome::Stale)) {
            Some(Outcome::Stale) => Err(Unfinished::Stale),
            Some(_) => Err(Unfinished::Void),
            None => Ok(()),
        }
    }
}

async fn spawned<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unfinished> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Unfinished::Stopping)
}
