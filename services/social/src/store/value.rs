//! The JSON of a record as its row has it now, for whoever reads the journal and for exports.

use super::{Result, State, StoredChange};
use crate::{
    notification::Notification,
    row::{ContentHash, FileKey, FileRow, PostKey, PostRow, Profile, Tag, Target, UserEdge, UserState, user_uri},
};
use nexus_model::Action;
use pubky_app_specs::{PubkyAppFile, PubkyAppPost, PubkyAppPostEmbed, PubkyAppUser, PubkyAppUserLink};
use serde_json::{Value, json};

/// The value that belongs to a journal row: what the record says, if this change made it so. Older changes of
/// a record that changed again have none.
///
/// # Errors
/// If the store fails.
pub fn of_change(state: &dyn State, change: &StoredChange) -> Result<Option<String>> {
    if change.action == Action::Delete {
        return Ok(None);
    }
    let value = match &*change.collection {
        "profile" => of_profile(state, change)?,
        "posts" => of_post(state, change)?,
        "files" => of_file(state, change)?,
        "notifications" => of_notification(state, change)?,
        _ => of_edge(state, change)?,
    };
    Ok(value.map(|value| value.to_string()))
}

fn of_profile(state: &dyn State, change: &StoredChange) -> Result<Option<Value>> {
    let user = state.user(&change.author)?.filter(|u| u.state == UserState::Active && u.hash == change.version);
    Ok(user.map(|user| profile(&user.profile)))
}

fn of_post(state: &dyn State, change: &StoredChange) -> Result<Option<Value>> {
    let Ok(id) = change.key.parse() else { return Ok(None) };
    let row = state.post(&PostKey { author: change.author, id })?;
    Ok(row.filter(|row| !row.deleted && row.hash == change.version).map(|row| post(&row)))
}

fn of_file(state: &dyn State, change: &StoredChange) -> Result<Option<Value>> {
    let Ok(id) = change.key.parse() else { return Ok(None) };
    let row = state.file(&FileKey { owner: change.author, id })?;
    Ok(row.filter(|row| row.hash == change.version).map(|row| file(&row)))
}

fn of_notification(state: &dyn State, change: &StoredChange) -> Result<Option<Value>> {
    let found = state.notification(&change.author, &change.key)?.filter(|n| n.time <= change.time);
    Ok(found.map(|n| json!(Notification { timestamp: n.time, body: n.body })))
}

fn of_edge(state: &dyn State, change: &StoredChange) -> Result<Option<Value>> {
    let (author, key) = (&change.author, &*change.key);
    let relation = |edge: Option<UserEdge>| edge.map(|e| (e.time, user_edge(&e)));
    let found = match &*change.collection {
        "follows" => key.parse().ok().map(|to| state.follow(author, &to)).transpose()?.map(relation),
        "mutes" => key.parse().ok().map(|to| state.mute(author, &to)).transpose()?.map(relation),
        "bookmarks" => key
            .parse()
            .ok()
            .map(|id| state.bookmark_by_id(author, &id))
            .transpose()?
            .map(|bookmark| bookmark.map(|b| (b.time, json!({"uri": b.post.uri(), "created_at": b.created_at})))),
        _ => Some(tag_by_key(state, change)?),
    };
    Ok(found.flatten().filter(|(time, _)| *time <= change.time).map(|(_, value)| value))
}

fn tag_by_key(state: &dyn State, change: &StoredChange) -> Result<Option<(nexus_model::Timestamp, Value)>> {
    let (app, id) = change.key.rsplit_once('/').map_or((None, &*change.key), |(app, id)| (Some(app), id));
    let Ok(id) = id.parse() else { return Ok(None) };
    let found = match state.tag(&change.author, app, &id)? {
        None if app.is_some() => state.tag(&change.author, None, &id)?,
        found => found,
    };
    let Some(found) = found else { return Ok(None) };
    let resource = match &found.target {
        Target::Resource(id) => state.resource(id)?,
        _ => None,
    };
    let uri = target_uri(&found.target, resource.map(|r| r.uri).as_deref());
    Ok(Some((found.time, tag(&found, &uri))))
}

/// The URI that a tag's target is written as.
pub(crate) fn target_uri(target: &Target, resource: Option<&str>) -> String {
    match target {
        Target::User(id) => user_uri(id),
        Target::Post(key) => key.uri(),
        Target::Resource(_) => resource.unwrap_or_default().to_owned(),
    }
}

pub(crate) fn tag(tag: &Tag, uri: &str) -> Value {
    json!({"uri": uri, "label": tag.label, "created_at": tag.created_at})
}

pub(crate) fn user_edge(edge: &UserEdge) -> Value {
    json!({"created_at": edge.created_at})
}

pub(crate) fn profile(profile: &Profile) -> Value {
    let links = profile
        .links
        .as_ref()
        .map(|links| links.iter().map(|l| PubkyAppUserLink { title: l.title.clone(), url: l.url.clone() }).collect());
    json!(PubkyAppUser {
        name: profile.name.clone(),
        bio: profile.bio.clone(),
        image: profile.image.clone(),
        links,
        status: profile.status.clone(),
    })
}

pub(crate) fn post(row: &PostRow) -> Value {
    json!(PubkyAppPost {
        content: row.content.clone(),
        kind: row.kind.clone(),
        parent: row.parent.clone(),
        embed: row.embed.as_ref().map(|e| PubkyAppPostEmbed { kind: e.kind.clone(), uri: e.uri.clone() }),
        attachments: row.attachments.clone(),
        lock: row.lock.clone(),
    })
}

pub(crate) fn file(row: &FileRow) -> Value {
    json!(PubkyAppFile {
        name: row.name.clone(),
        created_at: row.created_at,
        src: row.src.clone(),
        content_type: row.content_type.clone(),
        size: usize::try_from(row.size).unwrap_or(usize::MAX),
    })
}

impl ContentHash {
    /// The hash as 64 hex digits, as exports write it.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}
