//! How rows become views: what the fast index and the slow model would otherwise both spell out. Anything
//! that needs a second row, a count or an order is not here.

use crate::{
    row::{ContentHash, FileRow, PostKey, PostRow, ResourceRow, UserRow},
    view::{FileDetails, FileUrls, PostDetails, ResourceDetails, UserDetails},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::cmp::Ordering;

/// A profile, with the homeserver that serves it.
pub fn user_details(row: &UserRow, homeserver: Option<&str>) -> UserDetails {
    UserDetails {
        name: row.profile.name.clone(),
        bio: row.profile.bio.clone(),
        id: row.id,
        links: row.profile.links.clone(),
        status: row.profile.status.clone(),
        image: row.profile.image.clone(),
        indexed_at: row.indexed_at,
        homeserver: homeserver.map(str::to_owned),
        content_hash: row.hash.as_ref().map(hash_text),
    }
}

/// A post, with the homeserver that serves it. No attachments at all are null (quirk 16 of the spec).
pub fn post_details(row: &PostRow, homeserver: Option<&str>) -> PostDetails {
    PostDetails {
        content: row.content.clone(),
        id: row.key.id,
        indexed_at: row.indexed_at,
        author: row.key.author,
        kind: row.kind.clone(),
        uri: row.key.uri(),
        attachments: row.attachments.clone().filter(|list| !list.is_empty()),
        lock: row.lock.clone(),
        homeserver: homeserver.map(str::to_owned),
        content_hash: row.hash.as_ref().map(hash_text),
    }
}

/// A file's description.
pub fn file_details(row: &FileRow) -> FileDetails {
    let (owner, id) = (row.key.owner, row.key.id);
    let path = |variant: &str| format!("{owner}/{id}/{variant}");
    let scaled = |variant: &str| row.content_type.starts_with("image/").then(|| path(variant));
    FileDetails {
        id,
        uri: format!("pubky://{owner}/pub/pubky.app/files/{id}"),
        owner_id: owner,
        indexed_at: row.indexed_at,
        created_at: row.created_at,
        src: row.src.clone(),
        name: row.name.clone(),
        size: i64::try_from(row.size).unwrap_or(i64::MAX),
        content_type: row.content_type.clone(),
        urls: FileUrls { main: path("main"), feed: scaled("feed"), small: scaled("small") },
        metadata: None,
    }
}

/// A resource.
pub fn resource_details(row: &ResourceRow) -> ResourceDetails {
    ResourceDetails {
        id: row.id,
        uri: row.uri.clone(),
        scheme: row.uri.split_once(':').map_or("", |(scheme, _)| scheme).to_owned(),
        indexed_at: row.indexed_at,
    }
}

/// Base64 of a hash, as homeservers write it.
pub(crate) fn hash_text(hash: &ContentHash) -> String {
    STANDARD.encode(hash.0)
}

/// Compares a post's place among equal scores with the text of a list's member, `author:id`.
pub(crate) fn compare_member(post: &PostKey, member: &str) -> Ordering {
    let text = post.author.as_bytes().iter().chain(b":").chain(post.id.as_bytes());
    text.cmp(member.as_bytes())
}
