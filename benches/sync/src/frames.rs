//! Firehose frames: two DAG-CBOR values, a header and a body, as `com.atproto.sync.subscribeRepos` sends them.

use crate::Error;
use shrike::{
    cbor::{Cid, Encoder, encode_text_map},
    repo::{CommitData, RecordOp},
};

const BODY: [&str; 12] =
    ["seq", "repo", "rev", "since", "commit", "blocks", "ops", "blobs", "time", "rebase", "tooBig", "prevData"];

/// The message for one commit.
pub(crate) fn commit(seq: u64, did: &str, commit: &CommitData) -> Result<Vec<u8>, Error> {
    let blocks = commit.relevant_car()?;
    let mut out = Encoder::new(Vec::with_capacity(blocks.len() + 512));
    header(&mut out, "#commit")?;
    let keys = if commit.prev_data.is_some() { &BODY[..] } else { &BODY[..BODY.len() - 1] };
    encode_text_map(&mut out, keys, |out, key| match key {
        "seq" => out.encode_u64(seq),
        "repo" => out.encode_text(did),
        "rev" => out.encode_text(&commit.rev().to_string()),
        "since" => match &commit.since {
            Some(since) => out.encode_text(&since.to_string()),
            None => out.encode_null(),
        },
        "commit" => out.encode_cid(&commit.cid),
        "blocks" => out.encode_bytes(&blocks),
        "ops" => operations(out, &commit.ops),
        "blobs" => out.encode_array_header(0),
        "time" => out.encode_text("2026-01-01T00:00:00.000Z"),
        "prevData" => link(out, commit.prev_data.as_ref()),
        _ => out.encode_bool(false),
    })?;
    Ok(out.into_inner())
}

fn header(out: &mut Encoder<Vec<u8>>, name: &str) -> Result<(), shrike::cbor::CborError> {
    encode_text_map(out, &["t", "op"], |out, key| match key {
        "t" => out.encode_text(name),
        _ => out.encode_u64(1),
    })
}

fn operations(out: &mut Encoder<Vec<u8>>, ops: &[RecordOp]) -> Result<(), shrike::cbor::CborError> {
    out.encode_array_header(ops.len() as u64)?;
    for op in ops {
        let keys = ["action", "path", "cid", "prev"];
        let keys = if op.prev.is_some() { &keys[..] } else { &keys[..3] };
        encode_text_map(out, keys, |out, key| match key {
            "action" => out.encode_text(op.action.as_str()),
            "path" => out.encode_text(&op.path()),
            "cid" => link(out, op.cid.as_ref()),
            _ => link(out, op.prev.as_ref()),
        })?;
    }
    Ok(())
}

fn link(out: &mut Encoder<Vec<u8>>, cid: Option<&Cid>) -> Result<(), shrike::cbor::CborError> {
    match cid {
        Some(cid) => out.encode_cid(cid),
        None => out.encode_null(),
    }
}
