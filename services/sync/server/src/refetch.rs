//! Fetching every tracked repo anew: when somebody asks for it, and by itself when the collection filters are others
//! than those that the record index was made by.

use crate::writer::ask_each;
use crate::{Stopped, WriterHandle};
use nexus_runtime::CancellationToken;
use nexus_sync::repo::RepoId;
use nexus_sync::rules::Rules;
use nexus_sync::store::{self, Store};
use nexus_sync::writer::Input;
use std::sync::Arc;
use tokio::task::JoinError;

/// Where the store keeps which filters the index was made by.
const FILTERS: &str = "collection-filters";

/// Repos that are read at once.
const PAGE: usize = 1_000;

/// Why not every repo is fetched anew.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The writer.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A panic.
    #[error("reading the store panicked")]
    Panic(#[from] JoinError),
}

/// Hands in `input` for every tracked repo, and gives how many changed.
///
/// # Errors
/// If the store or the writer fails; what was handed in holds.
pub async fn every_repo(
    store: &Arc<dyn Store>,
    writer: &WriterHandle,
    input: fn(nexus_atproto::Did) -> Input,
) -> Result<usize, Error> {
    let (mut after, mut count) = (RepoId::default(), 0);
    loop {
        let source = Arc::clone(store);
        let repos = tokio::task::spawn_blocking(move || source.repos(after, PAGE)).await??;
        let Some(last) = repos.last() else { return Ok(count) };
        after = last.id;
        count += ask_each(writer, repos.into_iter().map(|repo| repo.did).collect(), input).await?;
    }
}

/// Fetches every repo anew if the filters have changed, and remembers them once all are marked. Also gives up repos that
/// nobody asked for and that are excluded by now.
///
/// # Errors
/// If the store or the writer fails: the next start tries again.
pub async fn follow_settings(
    store: Arc<dyn Store>,
    writer: WriterHandle,
    rules: Arc<Rules>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let excluded = rules.excluded.iter().cloned().collect();
    ask_each(&writer, excluded, Input::Exclude).await?;
    let filters = rules.collections.fingerprint();
    let source = Arc::clone(&store);
    let (before, repos) =
        tokio::task::spawn_blocking(move || Ok::<_, store::Error>((source.cursor(FILTERS)?, source.counts()?.repos)))
            .await??;
    if before.as_deref() == Some(&*filters) {
        return Ok(());
    }
    if before.is_some() && repos > 0 {
        tracing::info!(repos, "the collection filters have changed: every repo is fetched again");
        let all = every_repo(&store, &writer, Input::Resync);
        if stop.run_until_cancelled(all).await.transpose()?.is_none() {
            return Ok(());
        }
    }
    writer.ask(vec![Input::Cursor(FILTERS.to_owned(), filters)]).await?;
    Ok(())
}
