//! The right to vanish: to which relays a request is addressed.

use super::nip42::RelayUrl;
use crate::Event;

/// The value that addresses every relay.
const ALL_RELAYS: &str = "ALL_RELAYS";

/// True if the request names one of `relays`, or all there are.
pub fn names_one_of(request: &Event, relays: &[RelayUrl]) -> bool {
    request.tags.values("relay").any(|value| value == ALL_RELAYS || RelayUrl::names_one_of(value, relays))
}
