//! Accounts with repos that are written with the crate `shrike`, not with our own codec: a fault there must not hide.

use axum::body::Bytes;
use serde_json::json;
use shrike::cbor::{Value, cbor_key_cmp, encode_value};
use shrike::crypto::{K256SigningKey, SigningKey};
use shrike::repo::{CommitData, RecordOp, Repo};
use shrike::syntax::{Did, Nsid, RecordKey, TidClock};
use std::collections::BTreeMap;

pub(crate) const POST: &str = "app.bsky.feed.post";
pub(crate) const LIKE: &str = "app.bsky.feed.like";

/// An account and its repo.
pub(crate) struct Author {
    pub(crate) did: String,
    pub(crate) handle: String,
    pub(crate) key: K256SigningKey,
    repo: Repo,
}

impl Author {
    /// An account with an empty repo.
    pub(crate) fn new(name: &str) -> Self {
        Self::with_did(&format!("did:plc:{name}"), name)
    }

    pub(crate) fn with_did(did: &str, name: &str) -> Self {
        let did = did.to_owned();
        let mut repo = Repo::new(Did::try_from(did.as_str()).unwrap(), TidClock::new(3).unwrap());
        let key = K256SigningKey::generate();
        repo.commit(&key).unwrap();
        Self { did, handle: format!("{name}.test"), key, repo }
    }

    pub(crate) fn did(&self) -> nexus_atproto::Did {
        self.did.parse().unwrap()
    }

    /// Creates records in one commit.
    pub(crate) fn create(&mut self, collection: &str, rkeys: &[&str], text: &str) -> CommitData {
        for rkey in rkeys {
            let (collection, rkey) = names(collection, rkey);
            self.repo.create(&collection, &rkey, &record(&collection, text)).unwrap();
        }
        self.repo.commit(&self.key).unwrap()
    }

    pub(crate) fn update(&mut self, collection: &str, rkey: &str, text: &str) -> CommitData {
        let (collection, rkey) = names(collection, rkey);
        self.repo.update(&collection, &rkey, &record(&collection, text)).unwrap();
        self.repo.commit(&self.key).unwrap()
    }

    pub(crate) fn delete(&mut self, collection: &str, rkey: &str) -> CommitData {
        let (collection, rkey) = names(collection, rkey);
        self.repo.delete(&collection, &rkey).unwrap();
        self.repo.commit(&self.key).unwrap()
    }

    /// The repo as its server gives it.
    pub(crate) fn car(&self) -> Bytes {
        self.repo.export_car().unwrap().into()
    }

    pub(crate) fn rev(&self) -> String {
        self.repo.head().unwrap().rev.to_string()
    }

    /// Every record and its CID.
    pub(crate) fn records(&mut self) -> BTreeMap<String, String> {
        let mut records = BTreeMap::new();
        for collection in [POST, LIKE] {
            for (rkey, cid) in self.repo.list(&Nsid::try_from(collection).unwrap()).unwrap() {
                records.insert(format!("{collection}/{rkey}"), cid.to_string());
            }
        }
        records
    }

    /// The account's document, with its server at `pds`.
    pub(crate) fn document(&self, pds: &str) -> serde_json::Value {
        let key = self.key.public_key().did_key();
        json!({
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": self.did,
            "alsoKnownAs": [format!("at://{}", self.handle)],
            "verificationMethod": [{
                "id": format!("{}#atproto", self.did), "type": "Multikey", "controller": self.did,
                "publicKeyMultibase": key.trim_start_matches("did:key:"),
            }],
            "service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": pds}],
        })
    }

    /// The message of a commit.
    pub(crate) fn announce(&self, seq: u64, commit: &CommitData) -> Bytes {
        announce(seq, &self.did, commit, &commit.relevant_car().unwrap())
    }

    /// The message that asserts the repo's state.
    pub(crate) fn assert_state(&self, seq: u64) -> Bytes {
        let car = self.car();
        let (root, block) = first_block(&car);
        let mut slice = nexus_atproto::car::Encoder::new(root);
        slice.block(&root, &block);
        let (blocks, rev) = (slice.into_bytes(), self.rev());
        let body = vec![
            ("seq", Value::Unsigned(seq)),
            ("did", Value::Text(&self.did)),
            ("blocks", Value::Bytes(&blocks)),
            ("rev", Value::Text(&rev)),
            ("time", Value::Text(TIME)),
        ];
        message("#sync", body)
    }
}

pub(crate) const TIME: &str = "2026-01-01T00:00:00.000Z";

/// The commit's block, which comes first.
fn first_block(car: &[u8]) -> (nexus_atproto::Cid, Vec<u8>) {
    let mut decoder = nexus_atproto::Decoder::new(1 << 20);
    decoder.push(car);
    let (cid, block) = decoder.next_block().unwrap().unwrap();
    (cid, block.to_vec())
}

fn names(collection: &str, rkey: &str) -> (Nsid, RecordKey) {
    (Nsid::try_from(collection).unwrap(), RecordKey::try_from(rkey).unwrap())
}

fn record(collection: &Nsid, text: &str) -> Vec<u8> {
    map(vec![("$type", Value::Text(collection.as_str())), ("text", Value::Text(text))])
}

fn map(mut fields: Vec<(&str, Value<'_>)>) -> Vec<u8> {
    fields.sort_by(|(a, _), (b, _)| cbor_key_cmp(a, b));
    encode_value(&Value::Map(fields)).unwrap()
}

/// A message of a relay.
pub(crate) fn message(kind: &str, body: Vec<(&str, Value<'_>)>) -> Bytes {
    let mut bytes = map(vec![("op", Value::Unsigned(1)), ("t", Value::Text(kind))]);
    bytes.extend(map(body));
    bytes.into()
}

/// A word of a relay about its stream.
pub(crate) fn info(name: &str) -> Bytes {
    message("#info", vec![("name", Value::Text(name))])
}

/// The message by which a relay gives up.
pub(crate) fn error(name: &str) -> Bytes {
    let mut bytes = map(vec![("op", Value::Signed(-1))]);
    bytes.extend(map(vec![("error", Value::Text(name)), ("message", Value::Text("as it is"))]));
    bytes.into()
}

/// The message of a commit, with blocks of one's choice.
pub(crate) fn announce(seq: u64, did: &str, commit: &CommitData, blocks: &[u8]) -> Bytes {
    let (rev, since) = (commit.rev().to_string(), commit.since.map(|since| since.to_string()));
    let paths: Vec<_> = commit.ops.iter().map(RecordOp::path).collect();
    let ops = commit.ops.iter().zip(&paths).map(|(op, path)| {
        let mut fields = vec![
            ("action", Value::Text(op.action.as_str())),
            ("path", Value::Text(path)),
            ("cid", op.cid.map_or(Value::Null, Value::Cid)),
        ];
        fields.extend(op.prev.map(|prev| ("prev", Value::Cid(prev))));
        fields.sort_by(|(a, _), (b, _)| cbor_key_cmp(a, b));
        Value::Map(fields)
    });
    let ops = ops.collect();
    let mut body = vec![
        ("seq", Value::Unsigned(seq)),
        ("repo", Value::Text(did)),
        ("rev", Value::Text(&rev)),
        ("since", since.as_deref().map_or(Value::Null, Value::Text)),
        ("commit", Value::Cid(commit.cid)),
        ("blocks", Value::Bytes(blocks)),
        ("ops", Value::Array(ops)),
        ("blobs", Value::Array(Vec::new())),
        ("time", Value::Text(TIME)),
        ("rebase", Value::Bool(false)),
        ("tooBig", Value::Bool(false)),
    ];
    body.extend(commit.prev_data.map(|prev| ("prevData", Value::Cid(prev))));
    message("#commit", body)
}

/// The message that an identity has changed.
pub(crate) fn identity(seq: u64, did: &str) -> Bytes {
    let body = vec![("seq", Value::Unsigned(seq)), ("did", Value::Text(did)), ("time", Value::Text(TIME))];
    message("#identity", body)
}

/// The message of an account's status.
pub(crate) fn account(seq: u64, did: &str, status: Option<&str>) -> Bytes {
    let mut body = vec![
        ("seq", Value::Unsigned(seq)),
        ("did", Value::Text(did)),
        ("time", Value::Text(TIME)),
        ("active", Value::Bool(status.is_none())),
    ];
    body.extend(status.map(|status| ("status", Value::Text(status))));
    message("#account", body)
}
