//! The questions that the API asks, as one trait. The in-memory index answers them fast; the model in its
//! tests answers them slowly and obviously, and the two must agree on every history.

use crate::{
    query::{
        Depth, HotTagQuery, LabelledQuery, NameQuery, Page, PostQuery, Reach, ResourceQuery, Slice, TagWindow,
        Timeframe, UserQuery,
    },
    row::{FileKey, Label, PostKey},
    view::{
        BookmarkView, FileDetails, HotTag, PostCounts, PostDetails, PostView, Ranked, RankedUser, Relationship,
        ResourceDetails, ResourceView, TagDetails, Taggers, Thread, UserCounts, UserDetails, UserHit, UserView,
    },
};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, ResourceId};

/// What to do with taggers: all of them, or those within some steps of the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaggerScope<'a> {
    /// Everybody; the viewer only colours `relationship`.
    All {
        /// Who looks.
        viewer: Option<&'a PubkyId>,
    },
    /// Users within `depth` follow steps of the viewer, the viewer left out.
    Wot {
        /// Who looks.
        viewer: &'a PubkyId,
        /// How far.
        depth: Depth,
    },
}

/// Every question of the API. `None` means that the object isn't known, where 404 is the answer.
pub trait Read {
    /// A profile.
    fn user(&self, id: &PubkyId) -> Option<UserDetails>;
    /// Numbers about a user.
    fn user_counts(&self, id: &PubkyId) -> Option<UserCounts>;
    /// A user as `viewer` sees them, with the tags that `scope` lets through.
    fn user_view(&self, id: &PubkyId, viewer: Option<&PubkyId>, depth: Option<Depth>) -> Option<UserView>;
    /// How a user and a viewer stand to each other; both must be known.
    fn relationship(&self, id: &PubkyId, viewer: &PubkyId) -> Option<Relationship>;
    /// Labels on a profile, most taggers first.
    fn user_tags(&self, id: &PubkyId, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Option<Vec<TagDetails>>;
    /// Who put a label on a profile. Nobody, if either is unknown.
    fn user_taggers(&self, id: &PubkyId, label: &str, slice: Slice<'_>, scope: TaggerScope<'_>) -> Taggers;
    /// The shortest chain of follows from one user to another, both included, of at most `max` steps.
    fn path(&self, from: &PubkyId, to: &PubkyId, max: u8) -> Option<Vec<PubkyId>>;

    /// A post.
    fn post(&self, key: &PostKey) -> Option<PostDetails>;
    /// Numbers about a post.
    fn post_counts(&self, key: &PostKey) -> Option<PostCounts>;
    /// A post as `viewer` sees it.
    fn post_view(&self, key: &PostKey, viewer: Option<&PubkyId>, tags: TagWindow<'_>) -> Option<PostView>;
    /// A user's bookmark of a post.
    fn bookmark(&self, key: &PostKey, viewer: &PubkyId) -> Option<BookmarkView>;
    /// Labels on a post, most taggers first.
    fn post_tags(&self, key: &PostKey, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Option<Vec<TagDetails>>;
    /// Who put a label on a post. Nobody, if either is unknown.
    fn post_taggers(&self, key: &PostKey, label: &str, slice: Slice<'_>, scope: TaggerScope<'_>) -> Taggers;
    /// Posts that embed a post, oldest first.
    fn reposts(&self, key: &PostKey, slice: Slice<'_>) -> Option<Vec<Ranked>>;
    /// A post with its ancestors (at most `ancestors`) and replies (at most `replies`, `depth` levels).
    fn thread(
        &self,
        key: &PostKey,
        viewer: Option<&PubkyId>,
        ancestors: usize,
        replies: usize,
        depth: u8,
    ) -> Option<Thread>;

    /// A stream of posts.
    fn posts(&self, query: &PostQuery) -> Vec<Ranked>;
    /// A stream of users.
    fn users(&self, query: &UserQuery) -> Vec<RankedUser>;
    /// Labels by the number of distinct posts that carry them.
    fn hot_tags(&self, query: &HotTagQuery) -> Vec<HotTag>;
    /// Who used a label on posts, newest use first, within the window and around a user where one is given.
    fn label_taggers(
        &self,
        label: &str,
        around: Option<(&PubkyId, Reach)>,
        timeframe: Timeframe,
        now: Timestamp,
        page: Page,
    ) -> Vec<PubkyId>;

    /// A file.
    fn file(&self, key: &FileKey) -> Option<FileDetails>;

    /// A resource.
    fn resource(&self, id: &ResourceId) -> Option<ResourceDetails>;
    /// Labels on a resource, most taggers first.
    fn resource_tags(
        &self,
        id: &ResourceId,
        window: TagWindow<'_>,
        viewer: Option<&PubkyId>,
    ) -> Option<Vec<TagDetails>>;
    /// Who put a label on a resource.
    fn resource_taggers(&self, id: &ResourceId, label: &str, slice: Slice<'_>, viewer: Option<&PubkyId>) -> Taggers;
    /// A stream of resources, with their scores.
    fn resources(&self, query: &ResourceQuery) -> Vec<(ResourceId, i64)>;
    /// A resource as streams show it.
    fn resource_view(&self, id: &ResourceId, viewer: Option<&PubkyId>) -> Option<ResourceView>;

    /// Users whose name begins with `prefix`, whatever its case, by lower-case name and id; without those whom
    /// `muted_by` mutes.
    fn users_by_name(&self, query: &NameQuery) -> Vec<PubkyId>;
    /// Users whose key begins with `prefix`, by key.
    fn users_by_id(&self, prefix: &str, after: Option<&PubkyId>, page: Page) -> Vec<PubkyId>;
    /// Users whose profile carries any of the labels, most taggers first.
    fn users_by_tags(&self, labels: &[Label], after: Option<&UserHit>, page: Page) -> Vec<UserHit>;
    /// Posts that carry a label.
    fn posts_by_tag(&self, query: &LabelledQuery) -> Vec<Ranked>;
    /// Labels in use that begin with `prefix`, in order.
    fn labels(&self, prefix: &str, page: Page) -> Vec<Label>;
}
