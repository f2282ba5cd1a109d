//! Requests over HTTP that an event vouches for (NIP-98). Each event is good for one request, whichever route it is.

use super::Relay;
use crate::ports::{CacheAdapter, RuntimeAdapter, StorageAdapter, WebSocketAdapter};
use nexus_model::Timestamp;
use nexus_nostr::{Error, EventId, PublicKey, nip::nip98};
use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
};

/// For how long an event is remembered: longer than any check lets it pass, in milliseconds. The check counts whole
/// seconds, so one more.
const KEPT: i64 = 2_000 * nip98::WINDOW as i64 + 1_000;

/// Events that vouched for a request, for as long as they could vouch for another.
#[derive(Debug, Default)]
pub(super) struct Vouchers {
    known: HashSet<EventId>,
    /// The oldest first, each with the end of its time.
    ends: VecDeque<(Timestamp, EventId)>,
}

impl Vouchers {
    /// True if the event has not vouched for anything yet, and there is room to remember that it has now. For `most`
    /// of `None` there always is.
    fn take(&mut self, id: EventId, most: Option<usize>, now: Timestamp) -> bool {
        while let Some((end, id)) = self.ends.front().copied()
            && end <= now
        {
            self.known.remove(&id);
            self.ends.pop_front();
        }
        let is_new = most.is_none_or(|most| self.known.len() < most) && self.known.insert(id);
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
    /// [`crate::settings::Rates::remembered`] allows, further ones are refused until the first are forgotten, but
    /// for those of [`crate::settings::Auth::trusted`] keys: strangers can't keep administrators out.
    pub fn vouched(&self, header: &str, request: nip98::Request<'_>, ip: Option<IpAddr>) -> Result<PublicKey, Error> {
        let (settings, now) = (self.settings(), self.runtime.now());
        let claimed = nip98::claimed(header, request, &settings.urls, now.into())?;
        let event = self.runtime.verify_signature(claimed).inspect_err(|error| {
            self.note_forgeries(ip, u32::from(*error == Error::BadSignature));
        })?;
        let is_trusted = settings.auth.trusted.contains(&event.get().pubkey);
        let most = (!is_trusted).then_some(settings.rates.remembered);
        let mut vouchers = self.vouchers.lock().expect("no holder of this lock panics");
        if !vouchers.take(event.get().id, most, now) {
            return Err(Error::NotAuthentic("the event has vouched for a request before"));
        }
        Ok(event.get().pubkey)
    }
}
