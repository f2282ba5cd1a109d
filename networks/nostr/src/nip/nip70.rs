//! Protected events: only their author may publish them, and nobody may embed them in a repost.

use crate::{Event, Kind};

/// True if the event carries the tag `-`.
pub fn is_protected(event: &Event) -> bool {
    event.tags.first("-").is_some()
}

/// True if the event is a repost whose content is an event with the tag `-`, in whatever spelling.
pub fn reposts_protected(event: &Event) -> bool {
    if !matches!(event.kind, Kind::REPOST | Kind::GENERIC_REPOST) {
        return false;
    }
    let embedded = serde_json::from_str::<serde_json::Value>(&event.content).unwrap_or_default();
    let tags = embedded.get("tags").and_then(serde_json::Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|tag| tag.get(0).and_then(|name| name.as_str()) == Some("-")))
}
