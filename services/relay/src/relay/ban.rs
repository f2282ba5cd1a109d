//! Addresses that are kept out: those that administrators blocked, and for a while those that send what nobody
//! signed.

use super::{Relay, lock};
use crate::ports::{CacheAdapter, ConnectionId, LogLevel, RuntimeAdapter, StorageAdapter, WebSocketAdapter};
use nexus_nostr::{Prefix, Reason, RelayMessage};
use std::net::IpAddr;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Counts bad signatures that came from `ip`. When they are too many, the address is banned and its connections
    /// are closed. Clients that are not limited are not counted.
    pub fn note_forgeries(&self, ip: Option<IpAddr>, count: u32) {
        let (settings, now) = (self.settings(), self.runtime.now());
        let Some(ip) = ip.filter(|ip| count > 0 && !settings.rates.spare(*ip)) else { return };
        let is_banned = {
            let mut bans = self.bans.lock().expect("no holder of this lock panics");
            bans.count(ip, count, &settings.rates, now)
        };
        if is_banned {
            self.runtime.log(LogLevel::Warn, &format!("{ip} is banned for a while: too many bad signatures"));
            self.send_kept_out_away();
        }
    }

    /// Why nobody is let in from `ip`, if that is so.
    pub(super) fn kept_out(&self, ip: IpAddr) -> Option<Reason> {
        if self.lists().blocks(ip) {
            return Some(Reason::new(Prefix::Blocked, "not from there"));
        }
        let bans = self.bans.lock().expect("no holder of this lock panics");
        bans.holds(ip, self.runtime.now()).then(|| Reason::new(Prefix::Blocked, "too many bad signatures"))
    }

    /// Closes the connections that come from where nobody is let in any more.
    pub(super) fn send_kept_out_away(&self) {
        let sessions: Vec<_> = self.sessions().values().cloned().collect();
        for session in sessions {
            let session = lock(&session);
            if let Some(reason) = session.ip().and_then(|ip| self.kept_out(ip)) {
                self.send_away(session.id(), reason);
            }
        }
    }

    /// Tells a client why, and closes its connection.
    pub(super) fn send_away(&self, conn: ConnectionId, reason: Reason) {
        self.send(conn, &RelayMessage::Notice(reason).to_json());
        self.close(conn, 1008, "blocked");
    }
}
