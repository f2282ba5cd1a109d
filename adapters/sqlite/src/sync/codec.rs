//! How values stand in cells, and rows in words.

use crate::{Error, Result};
use nexus_atproto::{Cid, Codec, Did, Document, Tid};
use nexus_model::{Seq, Timestamp};
use nexus_sync::{
    event::Kind,
    identity::{Found, Identity},
    repo::{Head, Name, Origin, Repo, RepoId, Retry, State, Status},
    store::StoredEvent,
};
use rusqlite::{Row, params};
use std::{str::FromStr, sync::Arc};

/// The columns of a repo, `r` being its table and `a` that of accounts.
pub(super) const REPO: &str = "r.n, a.did, r.state, r.status, r.name, r.handle, r.rev, r.data, r.origin, r.claims, \
                               r.error, r.retries, r.retry, r.retry_at";

/// The columns of an event, `e` being its table and `a` that of accounts.
pub(super) const EVENT: &str = "e.seq, a.did, e.live, e.time, e.body";

pub(super) fn damaged(what: &str) -> Error {
    Error::Damaged(what.to_owned())
}

/// Numbers are stored by their bits: what was written comes back.
pub(super) const fn cell(number: u64) -> i64 {
    number.cast_signed()
}

/// A limit as SQLite takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) fn parsed<T: FromStr<Err = nexus_atproto::Error>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: nexus_atproto::Error| damaged(&error.to_string()))
}

fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// A record's CID is 32 bytes; one that is not DAG-CBOR has its codec before them.
pub(super) fn cid_cell(cid: &Cid) -> Vec<u8> {
    match cid.codec() {
        Codec::DagCbor => cid.digest().to_vec(),
        Codec::Raw => [&[0x55], cid.digest().as_slice()].concat(),
    }
}

pub(super) fn cid_of(cell: &[u8]) -> Result<Cid> {
    let (codec, digest) = match cell {
        [0x55, digest @ ..] if digest.len() == 32 => (Codec::Raw, digest),
        digest => (Codec::DagCbor, digest),
    };
    let digest = digest.try_into().map_err(|_| damaged("a CID of another length"))?;
    Ok(Cid::from_parts(codec, digest))
}

/// The two cells of a name.
pub(super) fn name_cells(name: &Name) -> (i64, Option<&str>) {
    match name {
        Name::Unknown => (0, None),
        Name::Invalid => (1, None),
        Name::Handle(handle) => (2, Some(handle.as_str())),
    }
}

pub(super) fn name_of(kind: i64, handle: Option<String>) -> Result<Name> {
    match (kind, handle) {
        (0, _) => Ok(Name::Unknown),
        (1, _) => Ok(Name::Invalid),
        (2, Some(handle)) => parsed(&handle).map(Name::Handle),
        _ => Err(damaged("a name of no known kind")),
    }
}

/// The two cells of a retry.
pub(super) const fn retry_cells(retry: Retry) -> (i64, i64) {
    match retry {
        Retry::Now => (0, 0),
        Retry::At(at) => (1, at.millis()),
        Retry::WhenHeard(at) => (2, at.millis()),
    }
}

fn retry_of(kind: i64, at: i64) -> Result<Retry> {
    match kind {
        0 => Ok(Retry::Now),
        1 => Ok(Retry::At(Timestamp::from_millis(at))),
        2 => Ok(Retry::WhenHeard(Timestamp::from_millis(at))),
        _ => Err(damaged("a retry of no known kind")),
    }
}

/// Reads the columns [`REPO`].
pub(super) fn repo(row: &Row<'_>) -> Result<Repo> {
    let state = State::from_name(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?);
    let status = Status::from_name(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?);
    let (rev, data): (Option<i64>, Option<Vec<u8>>) = (row.get(6)?, row.get(7)?);
    let head = match (rev, data) {
        (Some(rev), Some(data)) => Some(Head { rev: Tid::from_number(rev.cast_unsigned()), data: cid_of(&data)? }),
        _ => None,
    };
    Ok(Repo {
        id: RepoId(number(row, 0)?),
        did: did(row, 1)?,
        state: state.ok_or_else(|| damaged("a repo in no known state"))?,
        status: status.ok_or_else(|| damaged("a repo of no known status"))?,
        name: name_of(row.get(4)?, row.get(5)?)?,
        head,
        origin: if row.get::<_, i64>(8)? == 0 { Origin::Asked } else { Origin::Found },
        claims: number(row, 9)?,
        error: row.get(10)?,
        retries: row.get(11)?,
        retry: retry_of(row.get(12)?, row.get(13)?)?,
    })
}

fn did(row: &Row<'_>, column: usize) -> Result<Did> {
    parsed(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// Writes the revision and the tree of a repo that has a row.
pub(super) fn write_head(connection: &rusqlite::Connection, repo: &Repo) -> Result<()> {
    let (rev, data) = head_cells(repo);
    let sql = "UPDATE repos SET rev = ?2, data = ?3 WHERE n = ?1";
    connection.prepare_cached(sql)?.execute(params![cell(repo.id.0), rev, data])?;
    Ok(())
}

fn head_cells(repo: &Repo) -> (Option<i64>, Option<Vec<u8>>) {
    (repo.head.map(|head| cell(head.rev.number())), repo.head.map(|head| cid_cell(&head.data)))
}

/// Writes a repo's row: a statement whose first cells are number and account.
pub(super) fn write_repo(connection: &rusqlite::Connection, repo: &Repo, account: i64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO repos (n, account, state, status, name, handle, rev, data, origin, claims, error, \
               retries, retry, retry_at, urgency) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let ((name, handle), (retry, retry_at)) = (name_cells(&repo.name), retry_cells(repo.retry));
    let id = (repo.id != RepoId::default()).then(|| cell(repo.id.0));
    let (rev, data) = head_cells(repo);
    let waits = repo.is_due(Timestamp::from_millis(i64::MAX));
    connection.prepare_cached(sql)?.execute(params![
        id,
        account,
        repo.state.as_str(),
        repo.status.as_str(),
        name,
        handle,
        rev,
        data,
        i64::from(repo.origin == Origin::Found),
        cell(repo.claims),
        repo.error,
        repo.retries,
        retry,
        retry_at,
        waits.then(|| repo.urgency()),
    ])?;
    Ok(())
}

/// Reads the columns [`EVENT`].
pub(super) fn event(row: &Row<'_>) -> Result<StoredEvent> {
    Ok(StoredEvent {
        seq: Seq::new(number(row, 0)?),
        did: row.get::<_, Arc<str>>(1)?,
        kind: if row.get(2)? { Kind::Live } else { Kind::Historical },
        time: Timestamp::from_millis(row.get(3)?),
        body: row.get::<_, Arc<str>>(4)?,
    })
}

/// The two cells of what was found.
pub(super) fn found_cells(found: &Found) -> Result<(i64, String)> {
    match found {
        Found::Nothing => Ok((0, String::new())),
        Found::Document(document) => {
            let json = serde_json::to_string(document).map_err(|error| damaged(&error.to_string()))?;
            Ok((1, json))
        }
        Found::Failed(why) => Ok((2, why.clone())),
    }
}

/// Reads found, answer, fetched, name, handle, verified.
pub(super) fn identity(row: &Row<'_>, did: &Did) -> Result<Identity> {
    let answer: String = row.get(1)?;
    let document = match row.get(0)? {
        0 => Found::Nothing,
        1 => {
            let read = Document::parse(did, answer.as_bytes()).map_err(|error| damaged(&error.to_string()))?;
            Found::Document(Arc::new(read))
        }
        2 => Found::Failed(answer),
        _ => return Err(damaged("an identity of no known kind")),
    };
    Ok(Identity {
        did: did.clone(),
        document,
        fetched: Timestamp::from_millis(row.get(2)?),
        name: name_of(row.get(3)?, row.get(4)?)?,
        verified: Timestamp::from_millis(row.get(5)?),
    })
}
