//! What a socket remembers while its object sleeps. Cloudflare keeps at most 16 KiB with each socket; the
//! subscriptions that don't fit go to the object's own table `sub`.

use nexus_nostr::{Filter, PublicKey};
use nexus_relay::ports::{ConnectionId, ConnectionMeta};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// How long an attachment may be, in bytes, as the platform has it.
pub const MAX_ATTACHMENT: usize = 16_384;
/// How many bytes of an attachment subscriptions take at most.
const MAX_INLINE: usize = 8_192;
/// What the platform adds when it stores bytes.
const FRAME: usize = 64;
/// The version that is written.
const VERSION: u8 = 1;

/// A connection, as it is when its object sleeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The connection.
    pub conn: ConnectionId,
    /// What is known about it. Its `subscriptions` are those below.
    pub meta: ConnectionMeta,
    /// When it began, in milliseconds since the epoch.
    pub connected_at: i64,
    /// What it waits for.
    pub subscriptions: Vec<Subscription>,
}

/// A subscription: its name and what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The name that the client gave.
    pub name: String,
    /// The filters.
    pub filters: Vec<Filter>,
}

/// A row of the table `sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// The connection's number, in decimal digits.
    pub conn: String,
    /// The subscription's name, as inside a JSON string.
    pub name: String,
    /// Its filters, a JSON array.
    pub filters: String,
}

impl Overflow {
    /// Writes a row, over that of the same subscription. Parameters: the members, in order.
    pub const PUT: &str = "INSERT OR REPLACE INTO sub (conn, name, filters) VALUES (?1, ?2, ?3)";
    /// Removes the rows of a connection, before its new ones are written or when it is gone. Parameter: `conn`.
    pub const CLEAR: &str = "DELETE FROM sub WHERE conn = ?1";
    /// Reads the rows of a connection. Parameter: `conn`.
    pub const READ: &str = "SELECT conn, name, filters FROM sub WHERE conn = ?1 ORDER BY name";
    /// Removes the rows of all connections but those of a JSON array, after a sleep in which some ended.
    pub const KEEP: &str = "DELETE FROM sub WHERE conn NOT IN (SELECT value FROM json_each(?1))";
}

/// Why an attachment can't be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// Even without subscriptions it is too long.
    #[error("{0} bytes are too many for a socket's attachment")]
    TooLong(usize),
    /// It was written by a newer version.
    #[error("version {0} of attachments is not known")]
    Newer(u8),
    /// It isn't what was written.
    #[error("a socket's attachment can't be read")]
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Written {
    v: u8,
    conn: u64,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<std::net::IpAddr>,
    challenge: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    keys: BTreeSet<PublicKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subs: Vec<(String, Box<RawValue>)>,
}

/// The version alone: what follows it is another version's business.
#[derive(Deserialize)]
struct Versioned {
    v: u8,
}

impl Attachment {
    /// The bytes for the socket, and the rows for the table.
    ///
    /// # Errors
    /// [`AttachmentError::TooLong`] if the keys and the challenge alone are.
    pub fn encode(&self) -> Result<(Vec<u8>, Vec<Overflow>), AttachmentError> {
        let mut written = Written {
            v: VERSION,
            conn: self.conn.get(),
            at: self.connected_at,
            ip: self.meta.ip,
            challenge: self.meta.challenge.clone(),
            keys: self.meta.pubkeys.clone(),
            subs: Vec::new(),
        };
        let bare = bytes(&written)?.len() + FRAME;
        let room = MAX_ATTACHMENT.checked_sub(bare).ok_or(AttachmentError::TooLong(bare))?.min(MAX_INLINE);
        let mut rows = Vec::new();
        let mut used = "\"subs\":[],".len();
        for subscription in &self.subscriptions {
            let filters = subscription.filters_json();
            let name = quoted(&subscription.name);
            let size = name.len() + filters.get().len() + "[,],".len();
            if used + size <= room {
                used += size;
                written.subs.push((subscription.name.clone(), filters));
            } else {
                let name = name[1..name.len() - 1].to_owned();
                rows.push(Overflow { conn: self.conn.to_string(), name, filters: filters.get().to_owned() });
            }
        }
        Ok((bytes(&written)?, rows))
    }

    /// The connection again, from the socket's bytes and the rows of the table.
    ///
    /// # Errors
    /// [`AttachmentError::Newer`] or [`AttachmentError::Damaged`].
    pub fn decode(attachment: &[u8], rows: &[Overflow]) -> Result<Self, AttachmentError> {
        let Versioned { v } = serde_json::from_slice(attachment).map_err(|_| AttachmentError::Damaged)?;
        if v > VERSION {
            return Err(AttachmentError::Newer(v));
        }
        let written: Written = serde_json::from_slice(attachment).map_err(|_| AttachmentError::Damaged)?;
        let inline = written.subs.iter().map(|(name, filters)| Subscription::read(name.clone(), filters.get()));
        let others = rows.iter().map(|row| Subscription::read(unquoted(&row.name)?, &row.filters));
        let subscriptions = inline.chain(others).collect::<Result<Vec<_>, _>>()?;
        let names = subscriptions.iter().map(|subscription| subscription.name.clone()).collect();
        let Written { conn, at, ip, challenge, keys, .. } = written;
        let meta = ConnectionMeta { ip, challenge, pubkeys: keys, subscriptions: names };
        Ok(Self { conn: ConnectionId::new(conn), meta, connected_at: at, subscriptions })
    }
}

impl Subscription {
    fn filters_json(&self) -> Box<RawValue> {
        let filters: Vec<String> = self.filters.iter().map(Filter::to_json).collect();
        RawValue::from_string(format!("[{}]", filters.join(","))).expect("a filter's own text is JSON")
    }

    fn read(name: String, filters: &str) -> Result<Self, AttachmentError> {
        let texts: Vec<&RawValue> = serde_json::from_str(filters).map_err(|_| AttachmentError::Damaged)?;
        let read = |text: &&RawValue| Filter::parse(text.get()).map_err(|_| AttachmentError::Damaged);
        Ok(Self { name, filters: texts.iter().map(read).collect::<Result<_, _>>()? })
    }
}

fn bytes(written: &Written) -> Result<Vec<u8>, AttachmentError> {
    serde_json::to_vec(written).map_err(|_| AttachmentError::Damaged)
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

fn unquoted(name: &str) -> Result<String, AttachmentError> {
    serde_json::from_str(&format!("\"{name}\"")).map_err(|_| AttachmentError::Damaged)
}
