//! Finding repos that nobody asked for: a relay's list of those that have a collection, or of all. A page and the
//! position behind it are stored together, so that a list is read on where it ended; a list that was read to its end
//! is read again from the start, since what is new may stand anywhere.

use super::settings::{self, Settings};
use super::{BuildError, Random, measure, patience};
use crate::Stopped;
use crate::WriterHandle;
use nexus_atproto::Did;
use nexus_outgoing::{BodyError, ChosenBy, Manners, Outgoing, Refused, read_body};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::decide::Outcome;
use nexus_sync::repo::Origin;
use nexus_sync::rules::{Network, Rules};
use nexus_sync::store::{self, Store};
use nexus_sync::writer::Input;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Bytes of a page.
const MAX_PAGE: usize = 8 << 20;

/// What stands for the end of a list, in the place of a position: when it was reached.
const ENDED: &str = "ended ";

/// Reads one relay's list.
pub(super) struct Listing {
    settings: settings::Listing,
    client: Outgoing,
    page: Url,
    name: String,
    store: Arc<dyn Store>,
    writer: WriterHandle,
    clock: Clock,
    random: Random,
    place: Place,
}

/// Where a list was read to, for those who ask. Clones look at the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(Arc<Mutex<String>>);

/// What listing works with.
pub(super) struct Means {
    pub(super) rules: Arc<Rules>,
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: WriterHandle,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    #[serde(default)]
    repos: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    did: String,
    active: Option<bool>,
}

/// Why a page couldn't be read.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("not a page of a list")]
    Json(#[from] serde_json::Error),
    #[error("the answer came too slowly")]
    Slow,
    #[error("status {status}")]
    Status { status: StatusCode, pause: Option<Duration> },
}

/// Why listing ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fatal {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Place {
    fn set(&self, cursor: &str) {
        cursor.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Listing {
    /// The list of the first relay that the rules ask for, if they do.
    pub(super) fn new(settings: &Settings, manners: &Manners, means: Means) -> Result<Option<Self>, BuildError> {
        let page = |relay: &String| page_url(relay, &means.rules.network, settings.listing.page);
        let Some(page) = settings.relays.first().and_then(page) else { return Ok(None) };
        let Means { store, writer, clock, random, .. } = means;
        let name = format!("list {page}");
        let place = Place::default();
        let stored = store.cursor(&name)?.filter(|cursor| !cursor.starts_with(ENDED));
        place.set(&stored.unwrap_or_default());
        let client = Outgoing::new(ChosenBy::Operator, manners)?;
        Ok(Some(Self { settings: settings.listing.clone(), client, page, name, store, writer, clock, random, place }))
    }

    /// Where it was read to.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Reads the list again and again, until the service stops.
    ///
    /// # Errors
    /// If the store fails or the writer has stopped.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Fatal> {
        tokio::select! {
            ended = self.read() => ended,
            () = stop.cancelled() => Ok(()),
        }
    }

    async fn read(&self) -> Result<(), Fatal> {
        sleep(self.rest().await?).await;
        loop {
            let cursor = self.place.get();
            match timeout(self.settings.patience, self.fetch(&cursor)).await.unwrap_or(Err(Failure::Slow)) {
                Ok(page) => self.take(page, &cursor).await?,
                Err(failure) => {
                    tracing::warn!(list = self.name, error = %failure, "a page of a list can't be read");
                    let asked = if let Failure::Status { pause, .. } = failure { pause } else { None };
                    let pause = asked.unwrap_or_default().max(self.settings.pause);
                    sleep(pause + Duration::from_millis((self.random)(1_000))).await;
                }
            }
        }
    }

    /// How long a list that was read to its end is left alone.
    async fn rest(&self) -> Result<Duration, Fatal> {
        let (store, name) = (Arc::clone(&self.store), self.name.clone());
        let read = tokio::task::spawn_blocking(move || store.cursor(&name)).await;
        let stored = read.map_err(|_| Stopped)??;
        let ended: Option<i64> = stored.and_then(|cursor| cursor.strip_prefix(ENDED)?.parse().ok());
        let passed = ended.map(|ended| self.clock.now().millis().saturating_sub(ended).max(0).unsigned_abs());
        Ok(passed.map_or(Duration::ZERO, |passed| self.settings.again.saturating_sub(Duration::from_millis(passed))))
    }

    async fn fetch(&self, cursor: &str) -> Result<Page, Failure> {
        let mut url = self.page.clone();
        if !cursor.is_empty() {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let answer = self.client.get(url.as_str())?.send().await?;
        let status = answer.status();
        if status != StatusCode::OK {
            let pause = patience::asked(answer.headers(), self.clock.now().millis());
            return Err(Failure::Status { status, pause });
        }
        Ok(serde_json::from_slice(&read_body(answer, MAX_PAGE).await?)?)
    }

    /// Adds what is on a page, together with the position behind it.
    async fn take(&self, page: Page, before: &str) -> Result<(), Fatal> {
        let active = page.repos.iter().filter(|repo| repo.active != Some(false));
        let dids = active.filter_map(|repo| repo.did.parse::<Did>().ok());
        let mut inputs: Vec<_> = dids.map(|did| Input::Add(did, Origin::Found)).collect();
        // A position that doesn't move would be read for ever.
        let next = page.cursor.filter(|cursor| !cursor.is_empty() && cursor != before);
        let stored = next.clone().unwrap_or_else(|| format!("{ENDED}{}", self.clock.now().millis()));
        inputs.push(Input::Cursor(self.name.clone(), stored));
        let told = self.writer.ask(inputs).await?;
        measure::discovered(told.iter().filter(|told| told.outcome == Outcome::Discovered).count());
        self.place.set(next.as_deref().unwrap_or_default());
        if next.is_none() {
            tracing::info!(list = self.name, "a list was read to its end");
            sleep(self.settings.again).await;
        }
        Ok(())
    }
}

/// The first page of the list that `network` asks for.
fn page_url(relay: &str, network: &Network, size: usize) -> Option<Url> {
    let (method, collection) = match network {
        Network::Asked => return None,
        Network::Signal(collection) => ("com.atproto.sync.listReposByCollection", Some(collection.as_str())),
        Network::Full => ("com.atproto.sync.listRepos", None),
    };
    let mut url = Url::parse(relay).ok()?.join(&format!("/xrpc/{method}")).ok()?;
    url.query_pairs_mut().extend_pairs(collection.map(|collection| ("collection", collection)));
    url.query_pairs_mut().append_pair("limit", &size.to_string());
    Some(url)
}
