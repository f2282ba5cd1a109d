//! Which repos are tracked.

use super::{Api, Refusal};
use crate::refetch::every_repo;
use crate::writer::ask_each;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use nexus_atproto::Did;
use nexus_sync::repo::{Name, Origin};
use nexus_sync::writer::Input;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A body that could be read, or why it can't be.
type Body = Result<Bytes, BytesRejection>;

#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    dids: Vec<String>,
}

/// What is to be fetched anew. The original has no such call.
#[derive(Default, Deserialize)]
struct Refetch {
    #[serde(flatten)]
    wanted: Wanted,
    /// Every tracked repo.
    #[serde(default)]
    all: bool,
    /// Tells all records again, not only what has changed.
    #[serde(default)]
    reemit: bool,
}

/// Begins to track repos. Those that are tracked stay as they are.
pub(super) async fn add(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<(), Refusal> {
    let dids = dids(read::<Wanted>(&headers, &body?)?)?;
    ask_each(&api.means.writer, dids, |did| Input::Add(did, Origin::Asked)).await?;
    api.means.added.notify_one();
    Ok(())
}

/// Gives up repos. What is in the outbox is still delivered.
pub(super) async fn remove(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<(), Refusal> {
    let dids = dids(read::<Wanted>(&headers, &body?)?)?;
    ask_each(&api.means.writer, dids, Input::Remove).await?;
    Ok(())
}

/// Fetches tracked repos anew, those that are named or all.
pub(super) async fn resync(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Json<Value>, Refusal> {
    let Refetch { wanted, all, reemit } = read(&headers, &body?)?;
    let input = if reemit { Input::Reemit } else { Input::Resync };
    let dids = dids(wanted)?;
    let mut count = ask_each(&api.means.writer, dids, input).await?;
    if all {
        count += every_repo(&api.means.store, &api.means.writer, input).await?;
    }
    Ok(Json(json!({"repos": count})))
}

/// The JSON of a body. An empty one wants nothing.
fn read<T: Default + DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refusal> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("application/json") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// The DIDs, all of them well formed.
fn dids(wanted: Wanted) -> Result<Vec<Did>, Refusal> {
    let (mut dids, mut strange) = (Vec::with_capacity(wanted.dids.len()), Vec::new());
    for text in wanted.dids {
        match text.parse() {
            Ok(did) => dids.push(did),
            Err(_) => strange.push(text),
        }
    }
    if strange.is_empty() {
        return Ok(dids);
    }
    strange.truncate(10);
    Err(Refusal::new(StatusCode::BAD_REQUEST, format!("not a DID: {}", strange.join(", "))))
}

/// What is known of a repo.
pub(super) async fn info(
    State(api): State<Api>,
    did: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(did) = did?;
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, "repo not found");
    let did: Did = did.parse().map_err(|_| unknown())?;
    let found = api.ask(move |store| {
        let repo = store.repo(&did)?;
        let records = repo.as_ref().map_or(Ok(0), |repo| store.record_count(repo.id))?;
        Ok(repo.map(|repo| (repo, records)))
    });
    let (repo, records) = found.await?.ok_or_else(unknown)?;
    let handle = if repo.name == Name::Unknown { "" } else { repo.name.as_str() };
    Ok(Json(json!({
        "did": repo.did.as_str(),
        "handle": handle,
        "state": repo.state.as_str(),
        "rev": repo.head.map(|head| head.rev.to_string()).unwrap_or_default(),
        "error": repo.error,
        "retries": repo.retries,
        "records": records,
        "status": repo.status.as_str(),
    })))
}
