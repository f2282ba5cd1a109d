//! Posts as answers show them, alone or among others: whole, with the files they attach, or light; and taggers.

use super::{
    cursor,
    params::{Content, PubkyIdText},
};
use nexus_model::Timestamp;
use nexus_pubky::{Address, Path, PubkyId, TimestampId};
use nexus_social::{
    notification::Notification,
    query::{Page, TagWindow},
    read::Read,
    row::{FileKey, PostKey, PostKind},
    view::{
        BookmarkView, Bootstrap, BootstrapIds, FileDetails, PostCounts, PostDetails, PostKindName, PostRelationships,
        PostView, PostViewDetailed, TagDetails, Taggers, Thread, ThreadReply, UserView,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How posts are shown.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Show {
    /// Viewer Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    pub(super) viewer_id: Option<PubkyId>,
    /// Include file metadata for post attachments
    #[serde(default)]
    pub(super) include_attachment_metadata: bool,
    /// `uri`: light views, without texts, for clients that read posts from their homeservers and verify them.
    #[serde(default)]
    #[param(inline)]
    pub(super) content: Content,
}

/// Who put one label on something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaggersInfoResponse)]
pub(super) struct ShownTaggers {
    /// A page of taggers, oldest first.
    #[schema(value_type = Vec<String>)]
    users: Vec<PubkyId>,
    /// True if the viewer is among all of them.
    relationship: bool,
    /// Where the list goes on, to be passed back as `cursor`; left out when the page isn't full.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl ShownTaggers {
    pub(super) fn new(taggers: Taggers, page: Page) -> Self {
        Self {
            next_cursor: cursor::next(&taggers.users, page),
            users: taggers.users.into_iter().map(|tagger| tagger.user).collect(),
            relationship: taggers.relationship,
        }
    }
}

/// A post view, whole or light.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ShownPost {
    Full(Box<PostViewDetailed>),
    Light(Box<PostViewLight>),
}

/// A post view without the post's text: where it is, and what its bytes must hash to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PostViewLight {
    /// The post.
    details: PostDetailsLight,
    /// Numbers.
    counts: PostCounts,
    /// Its first labels.
    tags: Vec<TagDetails>,
    /// What it points at.
    relationships: PostRelationships,
    /// The viewer's bookmark.
    bookmark: Option<BookmarkView>,
}

/// A post without its text.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct PostDetailsLight {
    /// Id among the author's posts.
    #[schema(value_type = String)]
    id: TimestampId,
    /// When it was first handled, in milliseconds.
    #[schema(value_type = i64)]
    indexed_at: Timestamp,
    /// Who wrote it.
    #[schema(value_type = String)]
    author: PubkyId,
    /// What it is.
    #[schema(value_type = PostKindName)]
    kind: PostKind,
    /// Where it lives.
    uri: String,
    /// The homeserver that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    homeserver: Option<String>,
    /// Base64 of the BLAKE3 hash of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<String>,
}

impl From<PostDetails> for PostDetailsLight {
    fn from(details: PostDetails) -> Self {
        let PostDetails { id, indexed_at, author, kind, uri, homeserver, content_hash, .. } = details;
        Self { id, indexed_at, author, kind, uri, homeserver, content_hash }
    }
}

impl From<PostView> for PostViewLight {
    fn from(view: PostView) -> Self {
        let PostView { details, counts, tags, relationships, bookmark } = view;
        Self { details: details.into(), counts, tags, relationships, bookmark }
    }
}

/// A thread, whole or light.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ShownThread {
    Full(Box<Thread>),
    Light(Box<ThreadLight>),
}

/// A thread without the texts of its posts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ThreadLight {
    /// From the root down to the post's parent.
    ancestors: Vec<PostViewLight>,
    /// The post.
    post: PostViewLight,
    /// Replies in depth-first order.
    replies: Vec<ThreadReplyLight>,
    /// True if more replies exist than were asked for.
    truncated: bool,
}

/// A reply without its text.
#[derive(Debug, Serialize, ToSchema)]
struct ThreadReplyLight {
    /// 1 for an answer to the post, 2 for an answer to that, and so on.
    depth: u8,
    /// The reply.
    post: PostViewLight,
}

impl From<Thread> for ThreadLight {
    fn from(thread: Thread) -> Self {
        let reply = |reply: ThreadReply| ThreadReplyLight { depth: reply.depth, post: reply.post.into() };
        Self {
            ancestors: thread.ancestors.into_iter().map(Into::into).collect(),
            post: thread.post.into(),
            replies: thread.replies.into_iter().map(reply).collect(),
            truncated: thread.truncated,
        }
    }
}

impl ShownThread {
    pub(super) fn new(thread: Thread, content: Content) -> Self {
        match content {
            Content::Full => Self::Full(Box::new(thread)),
            Content::Uri => Self::Light(Box::new(thread.into())),
        }
    }
}

/// A first screen, whole or light.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ShownBootstrap {
    Full(Box<Bootstrap>),
    Light(Box<BootstrapLight>),
}

/// A first screen without the texts of its posts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BootstrapLight {
    /// Every user that the rest names.
    users: Vec<UserView>,
    /// The newest posts, then replies to them.
    posts: Vec<PostViewLight>,
    /// What those posts attach.
    files: Vec<FileDetails>,
    /// What to show where.
    ids: BootstrapIds,
    /// True if the user is known.
    indexed: bool,
    /// The newest notifications.
    notifications: Vec<Notification>,
}

impl From<Bootstrap> for BootstrapLight {
    fn from(screen: Bootstrap) -> Self {
        let Bootstrap { users, posts, files, ids, indexed, notifications } = screen;
        Self { users, posts: posts.into_iter().map(Into::into).collect(), files, ids, indexed, notifications }
    }
}

impl ShownBootstrap {
    pub(super) fn new(screen: Bootstrap, content: Content) -> Self {
        match content {
            Content::Full => Self::Full(Box::new(screen)),
            Content::Uri => Self::Light(Box::new(screen.into())),
        }
    }
}

impl Show {
    /// A post as it is to be shown.
    pub(super) fn post(&self, index: &dyn Read, key: &PostKey, tags: TagWindow<'_>) -> Option<ShownPost> {
        let view = index.post_view(key, self.viewer_id.as_ref(), tags)?;
        Some(match self.content {
            Content::Uri => ShownPost::Light(Box::new(view.into())),
            Content::Full => {
                let wanted = self.include_attachment_metadata;
                let attachments_metadata = if wanted { attached(index, &view) } else { Vec::new() };
                ShownPost::Full(Box::new(PostViewDetailed { view, attachments_metadata }))
            }
        })
    }

    /// Known posts, in the order of their keys.
    pub(super) fn posts<'a>(&self, index: &dyn Read, keys: impl IntoIterator<Item = &'a PostKey>) -> Vec<ShownPost> {
        keys.into_iter().filter_map(|key| self.post(index, key, TagWindow::default())).collect()
    }
}

/// Known files among a post's attachments.
pub(super) fn attached(index: &dyn Read, post: &PostView) -> Vec<FileDetails> {
    let uris = post.details.attachments.iter().flatten();
    uris.filter_map(|uri| index.file(&file_key(uri)?)).collect()
}

/// The file that a URI names, if it is a file's.
pub(super) fn file_key(uri: &str) -> Option<FileKey> {
    match uri.parse().ok()? {
        Address { user: owner, path: Path::File(id) } => Some(FileKey { owner, id }),
        _ => None,
    }
}
