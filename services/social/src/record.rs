//! From records as homeservers serve them to rows as they are stored. The way back is [`crate::store::value`].

use crate::row::{ContentHash, Embed, FileKey, FileRow, PostKey, PostRow, Profile, ProfileLink, Target};
use nexus_model::Timestamp;
use nexus_pubky::{Address, Path, ResourceUri};
use pubky_app_specs::{PubkyAppFile, PubkyAppPost, PubkyAppUser, PubkyAppUserLink};

/// What a row has besides its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) indexed_at: Timestamp,
    pub(crate) hash: Option<ContentHash>,
}

impl Profile {
    /// A profile that is only a name.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), bio: None, image: None, links: None, status: None }
    }

    pub(crate) fn of(record: &PubkyAppUser) -> Self {
        let link = |l: &PubkyAppUserLink| ProfileLink { title: l.title.clone(), url: l.url.clone() };
        Self {
            name: record.name.clone(),
            bio: record.bio.clone(),
            image: record.image.clone(),
            links: record.links.as_ref().map(|links| links.iter().map(link).collect()),
            status: record.status.clone(),
        }
    }
}

impl PostRow {
    pub(crate) fn of(key: PostKey, record: &PubkyAppPost, stamp: Stamp) -> Self {
        let embed = record.embed.as_ref().map(|e| Embed { kind: e.kind.clone(), uri: e.uri.clone() });
        Self {
            key,
            content: record.content.clone(),
            kind: record.kind.clone(),
            parent: record.parent.clone(),
            embed,
            // An empty list says the same as none; clients are shown `null` (quirk 16).
            attachments: record.attachments.clone().filter(|list| !list.is_empty()),
            lock: record.lock.clone(),
            indexed_at: stamp.indexed_at,
            deleted: false,
            hash: stamp.hash,
        }
    }
}

impl FileRow {
    pub(crate) fn of(key: FileKey, record: &PubkyAppFile, stamp: Stamp) -> Self {
        Self {
            key,
            name: record.name.clone(),
            created_at: record.created_at,
            src: record.src.clone(),
            content_type: record.content_type.clone(),
            size: record.size as u64,
            indexed_at: stamp.indexed_at,
            hash: stamp.hash,
        }
    }
}

/// The post that a URI names, if it names one.
pub(crate) fn post_key(uri: &str) -> Option<PostKey> {
    match uri.parse() {
        Ok(Address { user: author, path: Path::Post(id) }) => Some(PostKey { author, id }),
        _ => None,
    }
}

/// What a tag is put on, and under which app it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) target: Target,
    /// The normal form, if the target is a resource.
    pub(crate) resource: Option<ResourceUri>,
}

impl Aim {
    /// Spec b.4: posts and profiles can be tagged from every folder, anything else from another app's only.
    pub(crate) fn of(app: Option<&str>, uri: &str) -> Option<Self> {
        match uri.parse() {
            Ok(Address { user, path: Path::Profile }) => Some(Self { target: Target::User(user), resource: None }),
            Ok(Address { user: author, path: Path::Post(id) }) => {
                Some(Self { target: Target::Post(PostKey { author, id }), resource: None })
            }
            _ => {
                let resource = app.and_then(|_| ResourceUri::normalize(uri).ok())?;
                Some(Self { target: Target::Resource(resource.id()), resource: Some(resource) })
            }
        }
    }
}
