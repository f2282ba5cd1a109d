//! From an entry of a log to an input of the writer: may its homeserver speak for the user, what does the record
//! say, does it hold, and where are its bytes. Failures are sorted into the classes of spec a.8 here.

use super::{
    client::{Class, Client, FetchError, patiently},
    directory::DirectoryError,
    homeserver::Homeserver,
    measure,
    neighbourhood::{Neighbourhood, Voice},
};
use crate::blobs::{Blobs, blob_of};
use http::StatusCode;
use nexus_model::{Raw, Verified};
use nexus_pubky::{Address, Content, Fetched, HashId, Path, PubkyId, Record, Schema, Verb};
use nexus_social::{
    effects::Operation,
    input::{Event, EventAction, Input},
    row::{ContentHash, FileKey},
};
use std::{io, path::PathBuf, sync::Arc};

/// An entry of a log that is to be handled.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) verb: Verb,
    pub(crate) address: Address,
    /// The hash that the log states.
    pub(crate) announced: Option<[u8; 32]>,
    pub(crate) live: bool,
}

impl Job {
    fn operation(&self) -> Operation {
        match self.verb {
            Verb::Put => Operation::Put,
            Verb::Delete => Operation::Delete,
        }
    }
}

/// Why the whole source has to stop and replay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    #[error("the homeserver can't be read: {0}")]
    Unreachable(#[from] FetchError),
    #[error("a blob can't be stored: {0}")]
    Disk(#[from] io::Error),
    #[error("the log breaks its rules: {0}")]
    Log(&'static str),
    #[error(transparent)]
    Writer(#[from] nexus_runtime::groups::Stopped),
    #[error("the store can't be read: {0}")]
    Store(#[from] nexus_social::store::Error),
}

/// Why one entry comes to nothing.
enum Trouble {
    Later(String),
    Never(&'static str),
    Halt(Halt),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        match error.class() {
            Class::Unreachable => Self::Halt(error.into()),
            Class::Later => Self::Later(error.to_string()),
            Class::Never => Self::Never(error.reason()),
        }
    }
}

impl From<DirectoryError> for Trouble {
    fn from(error: DirectoryError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Halt(error.into())
    }
}

/// Makes inputs of log entries.
pub(crate) struct Fetcher {
    pub(crate) client: Client,
    pub(crate) neighbourhood: Arc<Neighbourhood>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) schema: Schema,
}

impl Fetcher {
    /// The input that an entry of `at`'s log amounts to; none if it is passed over.
    ///
    /// # Errors
    /// If the source has to stop and replay.
    pub(crate) async fn input(&self, at: &Homeserver, job: Job) -> Result<Option<Input>, Halt> {
        if !job.address.path.is_indexed() {
            measure::rejected("not_indexed");
            return Ok(None);
        }
        let action = match self.action(at, &job).await {
            Ok(action) => action,
            Err(trouble) => return self.without(at, &job, trouble).map(Some),
        };
        let homeserver = Arc::clone(&at.name);
        Ok(Some(Input::Event(Box::new(Event { address: job.address, action, homeserver, live: job.live }))))
    }

    fn without(&self, at: &Homeserver, job: &Job, trouble: Trouble) -> Result<Input, Halt> {
        let (address, homeserver) = (job.address.clone(), Arc::clone(&at.name));
        match trouble {
            Trouble::Halt(halt) => Err(halt),
            Trouble::Never(reason) => {
                measure::rejected(reason);
                tracing::debug!(uri = %address, reason, %homeserver, "an event is dropped");
                Ok(Input::Dropped { uri: address.to_string().into(), homeserver })
            }
            Trouble::Later(error) => {
                measure::rejected("later");
                Ok(Input::Failed { address, operation: job.operation(), homeserver, error })
            }
        }
    }

    async fn action(&self, at: &Homeserver, job: &Job) -> Result<EventAction, Trouble> {
        match self.neighbourhood.voice(at, &job.address.user).await? {
            Voice::Heard => {}
            Voice::Foreign => return Err(Trouble::Never("other_homeserver")),
            Voice::Unknown => return Err(Trouble::Later("nobody knows where the owner lives".into())),
        }
        match job.verb {
            Verb::Put => self.put(at, job).await,
            Verb::Delete => Ok(EventAction::Delete),
        }
    }

    async fn put(&self, at: &Homeserver, job: &Job) -> Result<EventAction, Trouble> {
        let content = self.content(at, job).await?;
        let hash = ContentHash(content.get().hash);
        let blob = match (&content.get().record, &job.address.path) {
            (Record::File(file), Path::File(id)) => {
                let key = FileKey { owner: job.address.user, id: *id };
                self.blob(at, &key, &file.src).await?
            }
            _ => None,
        };
        Ok(EventAction::Put { record: content.map(|content| content.record), hash, blob })
    }

    async fn content(&self, at: &Homeserver, job: &Job) -> Result<Verified<Content>, Trouble> {
        let Address { user, path } = &job.address;
        let path = path.to_string();
        let served = patiently(|| self.client.record(at, user, &path)).await?;
        let fetched = Fetched {
            address: job.address.clone(),
            authority: at.authority,
            body: served.body,
            announced: job.announced.or(served.announced),
        };
        Raw::new(fetched).verify(&self.schema).map_err(|invalid| Trouble::Never(invalid.reason()))
    }

    /// Fetches the blob that a file names. Without room for it in the owner's quota, the file goes without.
    async fn blob(&self, at: &Homeserver, key: &FileKey, src: &str) -> Result<Option<PathBuf>, Trouble> {
        let (owner, blob) = blob_of(src).ok_or(Trouble::Never("file_without_blob"))?;
        if self.neighbourhood.is_blacklisted(owner.as_str()) {
            return Err(Trouble::Never("blacklisted"));
        }
        if owner == key.owner {
            return self.blob_from(at, &owner, &blob, key).await;
        }
        let unknown = || Trouble::Later("nobody knows where the blob's owner lives".into());
        let elsewhere = self.neighbourhood.homeserver_of(&owner).ok_or_else(unknown)?;
        // Another homeserver's outage must not stop this one's log.
        self.blob_from(&elsewhere, &owner, &blob, key).await.map_err(|trouble| match trouble {
            Trouble::Halt(Halt::Unreachable(error)) => Trouble::Later(error.to_string()),
            trouble => trouble,
        })
    }

    async fn blob_from(
        &self,
        at: &Homeserver,
        owner: &PubkyId,
        blob: &HashId,
        key: &FileKey,
    ) -> Result<Option<PathBuf>, Trouble> {
        let path = Path::Blob(*blob).to_string();
        let answer = patiently(|| self.client.blob(at, owner, &path)).await;
        let mut answer = match answer {
            // It may be uploaded after the file that names it.
            Err(error) if error.is_status(StatusCode::NOT_FOUND) => return Err(Trouble::Later("no such blob".into())),
            answer => answer?,
        };
        let mut arriving = self.blobs.receive().await?;
        while let Some(piece) = answer.piece().await? {
            arriving.write(&piece).await?;
            if arriving.size() > self.client.blob_limit() {
                return Err(FetchError::TooLarge { limit: self.client.blob_limit() }.into());
            }
        }
        if arriving.id().await? != *blob {
            return Err(Trouble::Never("blob_hash"));
        }
        let kept = self.blobs.keep(key, blob, arriving).await?;
        if kept.is_none() {
            measure::rejected("blob_quota");
        }
        Ok(kept)
    }
}
