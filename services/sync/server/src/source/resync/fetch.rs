//! Fetching a whole repo from the server of its account: streamed, hashed as it arrives, in bounded memory.

use crate::source::{described, patience, settings};
use crate::spool::{self, Limits, Spool, Spooled};
use bytes::Bytes;
use nexus_atproto::{Cid, Did};
use nexus_outgoing::{Outgoing, read_body};
use nexus_sync::repo::Status;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Bytes of an answer that says why there is no repo.
const MAX_ERROR: usize = 64 << 10;

/// Pieces of a repo between the network and the thread that hashes them.
const PIECES: usize = 16;

/// Fetches repos.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: Outgoing,
    settings: settings::Resync,
    /// Taken by a repo that is large: one at a time.
    large: Arc<Semaphore>,
}

/// A repo that has arrived. Nothing of it is believed yet but the hashes of its blocks.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) root: Cid,
    pub(super) blocks: Spooled,
    /// Given back when the blocks are.
    pub(super) large: Option<OwnedSemaphorePermit>,
    /// How long the server wants to be left alone now.
    pub(super) pause: Option<Duration>,
}

/// Why there is no repo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoRepo {
    /// The server asks for patience.
    Busy(Duration),
    /// The account has none to give.
    Account(Option<Status>, String),
    /// Anything else.
    Failed(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    message: String,
}

impl Fetcher {
    pub(super) fn new(client: Outgoing, settings: settings::Resync) -> Self {
        Self { client, settings, large: Arc::new(Semaphore::new(1)) }
    }

    /// Fetches the repo of `did` from `pds`.
    pub(super) async fn fetch(&self, pds: &str, did: &Did, now_millis: i64) -> Result<Fetched, NoRepo> {
        // Nothing of a DID but `%` has a meaning in a URL.
        let did = did.as_str().replace('%', "%25");
        let request = self.client.get(&format!("{pds}/xrpc/com.atproto.sync.getRepo?did={did}"));
        let request = request.map_err(|refused| NoRepo::Failed(refused.to_string()))?;
        let deadline = Instant::now() + self.settings.timeout;
        let answer = timeout_at(deadline, request.send()).await.map_err(|_| slow())?;
        let answer = answer.map_err(|error| NoRepo::Failed(described(&error)))?;
        if answer.status() != StatusCode::OK {
            return Err(self.refused(answer, now_millis, deadline).await);
        }
        let pause = patience::used_up(answer.headers(), now_millis);
        let (pieces, arriving) = mpsc::channel(PIECES);
        let taken = take_in(self.limits(), arriving);
        let arrived = self.pass_on(answer, pieces, deadline).await;
        let taken = taken.await.map_err(|error| NoRepo::Failed(error.to_string()))?;
        // What the blocks say comes first: the connection may have been closed because of it.
        let (root, blocks) = match (taken, &arrived) {
            (Ok(taken), Ok(_)) => taken,
            (Err(spool::Error::Car(_)), Err(failure)) | (Ok(_), Err(failure)) => return Err(failure.clone()),
            (Err(error), _) => return Err(NoRepo::Failed(described(&error))),
        };
        Ok(Fetched { root, blocks, large: arrived?, pause })
    }

    fn limits(&self) -> Limits {
        let settings::Resync { memory, max_repo, max_blocks, folder, .. } = self.settings.clone();
        Limits { memory, total: max_repo, blocks: max_blocks, folder }
    }

    /// Passes on what arrives. A repo that turns out to be large waits until it is the only one.
    async fn pass_on(
        &self,
        mut answer: Response,
        pieces: mpsc::Sender<Bytes>,
        mut deadline: Instant,
    ) -> Result<Option<OwnedSemaphorePermit>, NoRepo> {
        let (mut received, mut large) = (0, None);
        loop {
            let piece = timeout_at(deadline, answer.chunk()).await.map_err(|_| slow())?;
            let Some(piece) = piece.map_err(|error| NoRepo::Failed(described(&error)))? else { return Ok(large) };
            received += piece.len() as u64;
            if large.is_none() && received > self.settings.large {
                let waits = Instant::now();
                // The semaphore is never closed.
                large = Arc::clone(&self.large).acquire_owned().await.ok();
                deadline += waits.elapsed();
            }
            if pieces.send(piece).await.is_err() {
                // The thread that hashes has given up, and says why.
                return Ok(large);
            }
        }
    }

    async fn refused(&self, answer: Response, now_millis: i64, deadline: Instant) -> NoRepo {
        let status = answer.status();
        let asked = patience::asked(answer.headers(), now_millis);
        if status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::SERVICE_UNAVAILABLE && asked.is_some()) {
            return NoRepo::Busy(asked.unwrap_or(self.settings.pause));
        }
        let body = timeout_at(deadline, read_body(answer, MAX_ERROR)).await.ok().and_then(Result::ok);
        let refusal = body.and_then(|body| serde_json::from_slice::<Refusal>(&body).ok());
        let Some(Refusal { error, message }) = refusal else { return NoRepo::Failed(format!("status {status}")) };
        let shown: String = format!("{error}: {message}").chars().take(300).collect();
        match error.as_str() {
            "RepoDeactivated" => NoRepo::Account(Some(Status::Deactivated), shown),
            "RepoTakendown" => NoRepo::Account(Some(Status::Takendown), shown),
            "RepoSuspended" => NoRepo::Account(Some(Status::Suspended), shown),
            "RepoNotFound" => NoRepo::Account(None, shown),
            _ => NoRepo::Failed(format!("status {status}, {shown}")),
        }
    }
}

type Taken = Result<(Cid, Spooled), spool::Error>;

/// Hashes and sets aside what arrives, on a thread that may block.
fn take_in(limits: Limits, mut arriving: mpsc::Receiver<Bytes>) -> JoinHandle<Taken> {
    tokio::task::spawn_blocking(move || {
        let mut spool = Spool::new(limits);
        while let Some(piece) = arriving.blocking_recv() {
            spool.push(&piece)?;
        }
        spool.finish()
    })
}

fn slow() -> NoRepo {
    NoRepo::Failed("the repo came too slowly".to_owned())
}
