//! What consumers get: one JSON object for each change of a record or an account.
//!
//! The text is made once, when the event is decided, and stored without its `id`, which only the commit
//! gives; [`with_id`] puts the two together.

use crate::repo::{Name, Status};
use nexus_atproto::{Cid, Did, RecordPath, Tid};
use nexus_model::{Action, Seq};
use serde::Serialize;
use std::fmt::{Display, Write};
use std::sync::Arc;

/// How the texts of records' events begin.
const LIVE: &str = r#""type":"record","record":{"live":true"#;
const HISTORICAL: &str = r#""type":"record","record":{"live":false"#;

/// What the text of a record's event takes beside the record, for most names.
const RECORD_ROOM: usize = 320;

/// What stands before the collection's name in the text of a record's event.
const COLLECTION: &str = "\"collection\":\"";

/// Which consumers are served: the two know account events by different names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The service as it was first published: `user` events.
    #[default]
    Nexus,
    /// The service as it is called now: `identity` events.
    Tap,
}

/// An event, decided and not yet in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose.
    pub did: Did,
    /// How it stands to others of the same account.
    pub kind: Kind,
    /// Everything after the `id`.
    pub body: Arc<str>,
}

/// How an event stands to others of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A change as it happened: it waits for all before it, and all after wait for it.
    Live,
    /// History, or about the account: may travel beside others of its kind.
    Historical,
}

/// A change of a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordChange<'a> {
    /// Whose record.
    pub did: &'a Did,
    /// The revision that it was seen in.
    pub rev: Tid,
    /// Which record.
    pub path: &'a RecordPath,
    /// What happened.
    pub action: Action,
    /// The record's block, unless it was deleted.
    pub cid: Option<Cid>,
    /// The bytes of that block.
    pub block: Option<&'a [u8]>,
}

#[derive(Serialize)]
struct AccountBody<'a> {
    did: &'a str,
    handle: &'a str,
    #[serde(rename = "isActive", skip_serializing_if = "Option::is_none")]
    is_active_of_nexus: Option<bool>,
    is_active: bool,
    status: &'static str,
}

#[derive(Serialize)]
struct StatusBody<'a> {
    did: &'a str,
    active: bool,
    status: &'static str,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    did: &'a str,
    error: &'a str,
    retries: u32,
}

impl Event {
    /// The event of a change of a record. A record that is not valid data is left out; its CID is not.
    pub fn record(change: &RecordChange<'_>, kind: Kind) -> Self {
        let json = change.block.and_then(|block| nexus_atproto::record::to_json(block).ok());
        let mut text = String::with_capacity(RECORD_ROOM + json.as_deref().map_or(0, str::len));
        text.push_str(if kind == Kind::Live { LIVE } else { HISTORICAL });
        push_name(&mut text, "did", change.did);
        push_name(&mut text, "rev", change.rev);
        push_name(&mut text, "collection", change.path.collection());
        push_name(&mut text, "rkey", change.path.rkey());
        push_name(&mut text, "action", change.action.as_str());
        if let Some(json) = json {
            text.push_str(",\"record\":");
            text.push_str(&json);
        }
        if let Some(cid) = change.cid {
            push_name(&mut text, "cid", cid);
        }
        text.push_str("}}");
        Self { did: change.did.clone(), kind, body: text.into() }
    }

    /// The event, beside the one that the originals know, of an account that is in use or not.
    pub fn status(did: &Did, status: Status) -> Self {
        let body = StatusBody { did: did.as_str(), active: status == Status::Active, status: status.as_str() };
        Self { did: did.clone(), kind: Kind::Historical, body: tail("account", &body) }
    }

    /// The event of a repo that can't be fetched: why, and how many tries in a row have failed.
    pub fn resync_error(did: &Did, error: &str, retries: u32) -> Self {
        let body = ErrorBody { did: did.as_str(), error, retries };
        Self { did: did.clone(), kind: Kind::Historical, body: tail("resync_error", &body) }
    }

    /// The event of an account whose handle or status has changed.
    pub fn account(did: &Did, name: &Name, status: Status, dialect: Dialect) -> Self {
        let is_active = status == Status::Active;
        let body = AccountBody {
            did: did.as_str(),
            handle: name.as_str(),
            is_active_of_nexus: (dialect == Dialect::Nexus).then_some(is_active),
            is_active,
            status: status.as_str(),
        };
        let kind = match dialect {
            Dialect::Nexus => "user",
            Dialect::Tap => "identity",
        };
        Self { did: did.clone(), kind: Kind::Historical, body: tail(kind, &body) }
    }
}

/// Appends a field whose value is a name of the protocol: none of them holds anything that JSON would escape.
fn push_name(text: &mut String, field: &str, name: impl Display) {
    // Writing into a `String` can't fail.
    let _ = write!(text, ",\"{field}\":\"{name}\"");
}

fn tail(name: &str, body: &impl Serialize) -> Arc<str> {
    let body = serde_json::to_string(body).expect("strings, numbers and raw JSON always serialise");
    format!("\"type\":\"{name}\",\"{name}\":{body}}}").into()
}

/// The collection of an event's text, if it is about a record. Nothing that comes before it can hold a quote.
pub fn collection(body: &str) -> Option<&str> {
    let record = body.strip_prefix("\"type\":\"record\"")?;
    let (_, rest) = record.split_once(COLLECTION)?;
    rest.split_once('"').map(|(collection, _)| collection)
}

/// The whole text of an event.
pub fn with_id(seq: Seq, body: &str) -> String {
    // The longest number has 20 digits.
    let mut text = String::with_capacity(body.len() + 28);
    text.push_str("{\"id\":");
    text.push_str(&seq.to_string());
    text.push(',');
    text.push_str(body);
    text
}
