//! Requests over HTTP that an event vouches for (NIP-98). Each event is good for one request, whichever route it is.

use super::Relay;
use crate::ports::{CacheAdapter, RuntimeAdapter, StorageAdapter, WebSocketAdapter};
use nexus_model::Timestamp;
use nexus_nostr::{Error, EventId, PublicKey, nip::nip98};
use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
};

/// For how long an event is remembered: longer than any check lets it pass, in milliseconds.
const KEPT: i64 = 2_000 * nip98::WINDOW as i64;

/// Events that vouched for a request, for as long as they could vouch for another.
#[derive(Debug, Default)]
pub(super) struct Vouchers {
    known: HashSet<EventId>,
    /// The oldest first, each with the end of its time.
    ends: VecDeque<(Timestamp, EventId)>,
}

impl Vouchers {
    /// True if the event has not vouched for anything yet, and there is room to remember that it has now.
    fn take(&mut self, id: EventId, most: usize, now: Timestamp) -> bool {
        while let Some((end, id)) = self.ends.front().copied()
            && end <= now
        {
            self.known.remove(&id);
            self.ends.pop_front();
        }
        let is_new = self.known.len() < most && self.known.insert(id);
        if is_new {
            self.ends.push_back((now.plus_millis(KEPT), id));
        }
        is_new
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Whose event in `header`, the value of `Authorization`, vouches for a request from `ip`. It is good for no other
    /// request from then on.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] with what failed, or the event's own fault. Where as many events are remembered as
    /// [`crate::settings::Rates::remembered`] allows, further ones are refused until the first are forgotten.
    pub fn vouched(&self, header: &str, request: nip98::Request<'_>, ip: Option<IpAddr>) -> Result<PublicKey, Error> {
        let (settings, now) = (self.settings(), self.runtime.now());
        let claimed = nip98::claimed(header, request, &settings.urls, now.into())?;
        let event = self.runtime.verify_signature(claimed).inspect_err(|error| {
            self.note_forgeries(ip, u32::from(*error == Error::BadSignature));
        })?;
        let mut vouchers = self.vouchers.lock().expect("no holder of this lock panics");
        if !vouchers.take(event.get().id, settings.rates.remembered, now) {
            return Err(Error::NotAuthentic("the event has vouched for a request before"));
        }
        Ok(event.get().pubkey)
    }
}
