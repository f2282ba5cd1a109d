//! What a change looks like to a live client, and along which routes it travels.

use bytes::Bytes;
use nexus_delivery::Presentation;
use nexus_filter::Route;
use nexus_model::{Action, Change};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveFrame)]
pub struct Frame<'a> {
    /// Its place in the journal: what a client resumes after.
    seq: u64,
    /// The record's URI. Null for a notification, which has none.
    uri: Option<String>,
    /// What happened.
    #[schema(value_type = String, examples("create", "update", "delete"))]
    action: Action,
    /// `profile`, `posts`, `follows`, `mutes`, `bookmarks`, `tags`, `files` or `notifications`.
    collection: &'a str,
    /// Whose record it is; the receiver of a notification.
    author: &'a str,
    /// When it was handled, in milliseconds.
    indexed_at: i64,
    /// False for history that was read later, true for what came as it happened.
    live: bool,
    /// Base64 of the BLAKE3 hash of the record's bytes as its homeserver served them.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<&'a str>,
    /// The record. Null when it is gone, or a newer change of it follows.
    #[schema(value_type = Option<Object>)]
    value: Option<&'a RawValue>,
}

/// The presentation of the social service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Social;

impl Presentation for Social {
    fn render(&self, change: &Change) -> Bytes {
        let frame = Frame {
            seq: change.seq.get(),
            uri: uri(change),
            action: change.action,
            collection: &change.collection,
            author: &change.author,
            indexed_at: change.time.millis(),
            live: change.live,
            content_hash: change.version.as_deref(),
            value: change.value.as_deref(),
        };
        serde_json::to_vec(&frame).expect("text, numbers and JSON can be written as JSON").into()
    }

    fn routes(&self, change: &Change) -> Vec<Route> {
        if &*change.collection == "notifications" {
            return vec![Route::new("receiver", &change.author)];
        }
        let facet = match Facet::of(change) {
            Facet::Kind(kind) => Route::new("kind", &kind),
            Facet::Label(label) => Route::new("label", &label),
            Facet::Unsaid(collection) => Route::new("unsaid", collection),
        };
        vec![Route::new("author", &change.author), Route::new("collection", &change.collection), facet]
    }
}

/// What distinguishes a record within its collection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Facet<'a> {
    /// A post's kind.
    Kind(String),
    /// A tag's label.
    Label(String),
    /// Nothing, or it can't be told any more: the collection.
    Unsaid(&'a str),
}

impl<'a> Facet<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        #[derive(Deserialize)]
        struct Post {
            kind: String,
        }
        #[derive(Deserialize)]
        struct Tag {
            label: String,
        }
        let value = change.value.as_deref().map_or("null", RawValue::get);
        let facet = match &*change.collection {
            "posts" => serde_json::from_str(value).ok().map(|post: Post| Self::Kind(post.kind)),
            "tags" => serde_json::from_str(value).ok().map(|tag: Tag| Self::Label(tag.label)),
            _ => None,
        };
        facet.unwrap_or(Self::Unsaid(&change.collection))
    }
}

fn uri(change: &Change) -> Option<String> {
    let (author, collection, key) = (&change.author, &change.collection, &change.key);
    match &**collection {
        "notifications" => None,
        "profile" => Some(format!("pubky://{author}/pub/pubky.app/{key}")),
        _ => {
            let (app, id) = key.rsplit_once('/').unwrap_or(("pubky.app", key));
            Some(format!("pubky://{author}/pub/{app}/{collection}/{id}"))
        }
    }
}
