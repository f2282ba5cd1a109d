//! The port of sockets: an outbox for each connection. Sending writes a frame into the outbox, and the
//! connection's own task writes what is there in one piece.

use super::Outbox;
pub use super::outbox::OutboxBounds;
use crate::{
    meters::RelayVerbs,
    wire::{Compression, Deflater, Opcode},
};
use nexus_relay::ports::{ConnectionId, ConnectionMeta, WebSocketAdapter, WsError};
use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// All open connections.
#[derive(Debug)]
pub struct Sockets {
    open: RwLock<HashMap<ConnectionId, Arc<Outbox>>>,
    bounds: RwLock<OutboxBounds>,
    deflater: Deflater,
    next: AtomicU64,
    /// Seconds since it was made, and one.
    beats: AtomicU64,
    verbs: RelayVerbs,
}

impl Sockets {
    /// No connections yet. At most `compressors` are kept ready.
    pub fn new(bounds: OutboxBounds, compressors: usize) -> Self {
        Self {
            open: RwLock::default(),
            bounds: RwLock::new(bounds),
            deflater: Deflater::new(compressors),
            next: AtomicU64::new(1),
            beats: AtomicU64::new(1),
            verbs: RelayVerbs::new(),
        }
    }

    /// A new connection.
    pub(crate) fn open(&self, compression: Compression) -> (ConnectionId, Arc<Outbox>) {
        let id = ConnectionId::new(self.next.fetch_add(1, Ordering::Relaxed));
        let outbox = Arc::new(Outbox::new(compression, self.now()));
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(id, outbox.clone());
        (id, outbox)
    }

    /// A connection is over.
    pub(crate) fn remove(&self, id: ConnectionId) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// To be called once a second: pings, and ends what gives no sign of life.
    pub(crate) fn beat(&self) {
        let (now, bounds) = (self.beats.fetch_add(1, Ordering::Relaxed) + 1, self.bounds());
        for outbox in self.all() {
            outbox.beat(now, &bounds);
        }
    }

    /// Ends every connection at once.
    pub(crate) fn cut(&self) {
        self.all().iter().for_each(|outbox| outbox.end());
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many of them proved to hold some key.
    pub(crate) fn authenticated(&self) -> usize {
        self.all().iter().filter(|outbox| outbox.is_authenticated()).count()
    }

    /// The time in seconds since these sockets were made, and one.
    pub(crate) fn now(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    pub(crate) fn bounds(&self) -> OutboxBounds {
        *self.bounds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other bounds, for the connections that are open too.
    pub(crate) fn set_bounds(&self, bounds: OutboxBounds) {
        *self.bounds.write().unwrap_or_else(PoisonError::into_inner) = bounds;
    }

    fn all(&self) -> Vec<Arc<Outbox>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn get(&self, id: ConnectionId) -> Option<Arc<Outbox>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

impl WebSocketAdapter for Sockets {
    fn send(&self, conn_id: ConnectionId, message: &str) -> Result<(), WsError> {
        let outbox = self.get(conn_id).ok_or(WsError::Gone)?;
        self.verbs.count(message);
        let bounds = self.bounds();
        let is_large = message.len() >= bounds.compress_from;
        match outbox.compression() {
            Compression::On if is_large => {
                let deflated = self.deflater.deflate(message.as_bytes());
                outbox.push(Opcode::Text, Compression::On, &deflated, bounds.hard)
            }
            _ => outbox.push(Opcode::Text, Compression::Off, message.as_bytes(), bounds.hard),
        }
    }

    fn close(&self, conn_id: ConnectionId, code: u16, reason: &str) -> Result<(), WsError> {
        self.get(conn_id).ok_or(WsError::Gone)?.close(code, reason, self.now());
        if code == 1013 {
            metrics::counter!("nexus_slow_consumers_total").increment(1);
        }
        Ok(())
    }

    fn get_meta(&self, conn_id: ConnectionId) -> Option<ConnectionMeta> {
        self.get(conn_id).map(|outbox| outbox.meta())
    }

    fn set_meta(&self, conn_id: ConnectionId, meta: ConnectionMeta) -> Result<(), WsError> {
        self.get(conn_id).map(|outbox| outbox.set_meta(meta)).ok_or(WsError::Gone)
    }

    fn connections(&self) -> Vec<ConnectionId> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    async fn room(&self, conn_id: ConnectionId) {
        if let Some(outbox) = self.get(conn_id) {
            outbox.room(self.bounds().soft).await;
        }
    }

    fn buffered_bytes(&self, conn_id: ConnectionId) -> usize {
        self.get(conn_id).map_or(0, |outbox| outbox.waiting())
    }
}
