//! Gift wraps and private messages: whom they are for.

use crate::{Event, PublicKey};

/// Whom the event names in its `p` tags.
pub fn recipients(event: &Event) -> impl Iterator<Item = PublicKey> + '_ {
    event.tags.values("p").filter_map(|value| value.parse().ok())
}

/// True if `key` is named in a `p` tag.
pub fn is_recipient(event: &Event, key: &PublicKey) -> bool {
    recipients(event).any(|recipient| recipient == *key)
}

/// True if `key` is party to the event: its author, or named in a `p` tag.
pub fn is_party(event: &Event, key: &PublicKey) -> bool {
    event.pubkey == *key || is_recipient(event, key)
}
