//! The connections. Sending only queues, so that what is sent in order under one lock arrives in order.

use super::{MaybeSend, MaybeSync};
use nexus_nostr::PublicKey;
use std::{collections::BTreeSet, fmt, future::Future};

/// A connection, as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The connection of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known about a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionMeta {
    /// Where it comes from, as far as it is known.
    pub ip: Option<std::net::IpAddr>,
    /// What its client must sign to authenticate.
    pub challenge: String,
    /// The keys that it proved to hold.
    pub pubkeys: BTreeSet<PublicKey>,
    /// The names of its subscriptions.
    pub subscriptions: Vec<String>,
}

impl ConnectionMeta {
    /// True if the client proved to hold some key.
    pub fn authenticated(&self) -> bool {
        !self.pubkeys.is_empty()
    }
}

/// The sockets behind the connections.
pub trait WebSocketAdapter: MaybeSend + MaybeSync {
    /// Queues a message for a connection.
    ///
    /// # Errors
    /// [`WsError::Full`] if more is queued than may be, [`WsError::Gone`] if there is no such connection.
    fn send(&self, conn_id: ConnectionId, message: &str) -> Result<(), WsError>;

    /// Queues a message for all connections that `filter` names, and gives their number.
    fn broadcast(&self, message: &str, filter: impl Fn(ConnectionId) -> bool) -> usize {
        let wanted = self.connections().into_iter().filter(|conn_id| filter(*conn_id));
        wanted.filter(|conn_id| self.send(*conn_id, message).is_ok()).count()
    }

    /// Closes a connection once what is queued was sent.
    fn close(&self, conn_id: ConnectionId, code: u16, reason: &str) -> Result<(), WsError>;

    /// What is known about a connection.
    fn get_meta(&self, conn_id: ConnectionId) -> Option<ConnectionMeta>;

    /// Keeps what is known about a connection, where it outlives this process's memory.
    fn set_meta(&self, conn_id: ConnectionId, meta: ConnectionMeta) -> Result<(), WsError>;

    /// All connections.
    fn connections(&self) -> Vec<ConnectionId>;

    /// Waits until there is room for more stored events in a connection's queue, or the connection is gone.
    fn room(&self, conn_id: ConnectionId) -> impl Future<Output = ()> + MaybeSend;

    /// How many bytes are queued for a connection.
    fn buffered_bytes(&self, conn_id: ConnectionId) -> usize;
}

/// Why a message could not be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WsError {
    /// The connection is gone.
    #[error("no such connection")]
    Gone,
    /// The client reads slower than it asks.
    #[error("the connection's queue is full")]
    Full,
}
