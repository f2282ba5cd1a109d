//! What posts name in their text: users, and the items of collections.

use crate::{Address, Path, PubkyId, TimestampId};
use pubky_app_specs::PubkyAppCollectionContent;

/// What announces a key in a text, in the order in which mentions are listed.
const PREFIXES: [&str; 2] = ["pk:", "pubky"];

/// The users that a post's text mentions: `pk:` or `pubky`, immediately followed by a valid key. Each once,
/// those after `pk:` first, otherwise in the order of the text (spec c.4).
pub fn mentions(content: &str) -> Vec<PubkyId> {
    let mut users = Vec::new();
    for prefix in PREFIXES {
        for (at, _) in content.match_indices(prefix) {
            let start = at + prefix.len();
            let key = content.get(start..start + PubkyId::LENGTH).and_then(|text| text.parse().ok());
            users.extend(key.filter(|user| !users.contains(user)));
        }
    }
    users
}

/// The posts that a collection's content lists, in the curator's order. Content that isn't a collection's
/// lists none.
pub fn collection_items(content: &str) -> Vec<(PubkyId, TimestampId)> {
    let collection: Option<PubkyAppCollectionContent> = serde_json::from_str(content).ok();
    collection.map_or_else(Vec::new, |c| c.items.iter().filter_map(|uri| post(uri)).collect())
}

fn post(uri: &str) -> Option<(PubkyId, TimestampId)> {
    match Address::from_canonical(uri).ok()? {
        Address { user, path: Path::Post(id) } => Some((user, id)),
        _ => None,
    }
}
