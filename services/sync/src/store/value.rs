//! How a commit that is set aside is written down, the same in every store.

use super::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use nexus_atproto::{Op, RepoCommit};
use nexus_model::Action;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

#[derive(Serialize, Deserialize)]
struct Commit {
    did: String,
    rev: String,
    data: String,
    prev_data: Option<String>,
    ops: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
struct Change {
    action: Action,
    path: String,
    cid: Option<String>,
    record: Option<String>,
}

/// The stored form of a commit.
pub fn encode(commit: &RepoCommit) -> String {
    let change = |op: &Op| Change {
        action: op.action,
        path: op.path.to_string(),
        cid: op.cid.map(|cid| cid.to_string()),
        record: op.record.as_ref().map(|record| STANDARD_NO_PAD.encode(record)),
    };
    let stored = Commit {
        did: commit.did.to_string(),
        rev: commit.rev.to_string(),
        data: commit.data.to_string(),
        prev_data: commit.prev_data.map(|cid| cid.to_string()),
        ops: commit.ops.iter().map(change).collect(),
    };
    serde_json::to_string(&stored).expect("strings always serialise")
}

/// The commit of a stored form.
///
/// # Errors
/// [`Error::Damaged`] if `stored` is not what [`encode`] wrote.
pub fn decode(stored: &str) -> Result<RepoCommit> {
    let commit: Commit = serde_json::from_str(stored).map_err(|error| damaged(&error.to_string()))?;
    let op = |change: Change| {
        let record = change.record.map(|record| STANDARD_NO_PAD.decode(record));
        Ok(Op {
            action: change.action,
            path: parse(&change.path)?,
            cid: change.cid.map(|cid| parse(&cid)).transpose()?,
            record: record.transpose().map_err(|error| damaged(&error.to_string()))?.map(Vec::into),
        })
    };
    Ok(RepoCommit {
        did: parse(&commit.did)?,
        rev: parse(&commit.rev)?,
        data: parse(&commit.data)?,
        prev_data: commit.prev_data.map(|cid| parse(&cid)).transpose()?,
        ops: commit.ops.into_iter().map(op).collect::<Result<_>>()?,
    })
}

fn parse<T: FromStr<Err = nexus_atproto::Error>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: nexus_atproto::Error| damaged(&error.to_string()))
}

fn damaged(what: &str) -> Error {
    Error::Damaged { what: format!("a commit that was set aside: {what}") }
}
