//! What the crate makes of real bytes, of the protocol's own test vectors, and of noise.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod codecs;
mod documents;
mod forged;
mod fuzz;
mod messages;
mod names;
mod recorded;
mod records;
mod scenarios;
mod syntax;
mod trees;

use nexus_atproto::{Cid, PublicKey};
use serde_json::Value;
use std::path::PathBuf;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fixture(name)).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn cid(value: &Value) -> Option<Cid> {
    let text = value["$link"].as_str().or_else(|| value.as_str())?;
    Some(text.parse().unwrap())
}

fn base64(text: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).unwrap()
}

fn key_of(identity: &Value) -> PublicKey {
    let key = &identity["keys"]["atproto"];
    PublicKey::from_method(text(key, "type"), text(key, "publicKeyMultibase")).unwrap()
}
