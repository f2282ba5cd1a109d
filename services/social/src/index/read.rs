//! The index's answers, question by question.

use super::{Index, columns::at, links::Link};
use crate::{
    query::{
        Depth, HotTagQuery, LabelledQuery, NameQuery, Order, Page, PostQuery, Reach, ResourceQuery, Slice, TagWindow,
        Timeframe, UserQuery,
    },
    read::{Read, TaggerScope},
    row::{FileKey, Label, PostKey},
    shape,
    view::{
        BookmarkView, FileDetails, HotTag, PostCounts, PostDetails, PostView, Ranked, RankedUser, Relationship,
        ResourceDetails, ResourceView, TagDetails, Taggers, Thread, UserCounts, UserDetails, UserHit, UserView,
    },
};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, ResourceId};

impl Read for Index {
    fn user(&self, id: &PubkyId) -> Option<UserDetails> {
        self.user_details(self.columns.user(id)?)
    }

    fn user_counts(&self, id: &PubkyId) -> Option<UserCounts> {
        self.known_user(id).map(|user| self.counts_of_user(user))
    }

    fn user_view(&self, id: &PubkyId, viewer: Option<&PubkyId>, depth: Option<Depth>) -> Option<UserView> {
        self.view_user(self.known_user(id)?, viewer, depth)
    }

    fn relationship(&self, id: &PubkyId, viewer: &PubkyId) -> Option<Relationship> {
        Some(self.relation(self.known_user(id)?, self.known_user(viewer)?))
    }

    fn user_tags(&self, id: &PubkyId, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Option<Vec<TagDetails>> {
        self.known_user(id).map(|user| self.tag_list(&self.users[at(user)].tags, window, scope))
    }

    fn user_taggers(&self, id: &PubkyId, label: &str, slice: Slice<'_>, scope: TaggerScope<'_>) -> Taggers {
        let user = self.columns.user(id);
        user.map(|user| self.tagger_page(&self.users[at(user)].tags, label, slice, scope)).unwrap_or_default()
    }

    fn path(&self, from: &PubkyId, to: &PubkyId, max: u8) -> Option<Vec<PubkyId>> {
        let chain = self.chain(self.known_user(from)?, self.known_user(to)?, max)?;
        Some(self.ids(chain.into_iter()))
    }

    fn post(&self, key: &PostKey) -> Option<PostDetails> {
        self.known_post(key).map(|post| self.post_details(post))
    }

    fn post_counts(&self, key: &PostKey) -> Option<PostCounts> {
        self.known_post(key).map(|post| self.counts_of_post(post))
    }

    fn post_view(&self, key: &PostKey, viewer: Option<&PubkyId>, tags: TagWindow<'_>) -> Option<PostView> {
        self.known_post(key).map(|post| self.view_post(post, viewer, tags))
    }

    fn bookmark(&self, key: &PostKey, viewer: &PubkyId) -> Option<BookmarkView> {
        self.bookmark_of(self.columns.post(key)?, self.columns.user(viewer)?)
    }

    fn post_tags(&self, key: &PostKey, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Option<Vec<TagDetails>> {
        self.known_post(key).map(|post| self.tag_list(&self.posts[at(post)].tags, window, scope))
    }

    fn post_taggers(&self, key: &PostKey, label: &str, slice: Slice<'_>, scope: TaggerScope<'_>) -> Taggers {
        let post = self.columns.post(key);
        post.map(|post| self.tagger_page(&self.posts[at(post)].tags, label, slice, scope)).unwrap_or_default()
    }

    fn reposts(&self, key: &PostKey, slice: Slice<'_>) -> Option<Vec<Ranked>> {
        let links = self.posts[at(self.known_post(key)?)].tie(|ties| &ties.reposts);
        let is_past = |link: &Link| {
            let member = self.columns.key(link.id).to_string();
            slice.after.is_some_and(|after| (link.time(), &*member) <= (after.score, &*after.member))
        };
        let reposts = links.into_iter().flat_map(|links| links.walk(is_past, Order::Ascending));
        let ranked = |link: Link| Ranked { post: self.columns.key(link.id), score: link.time() };
        Some(reposts.skip(slice.page.skip).take(slice.page.limit).map(ranked).collect())
    }

    fn thread(
        &self,
        key: &PostKey,
        viewer: Option<&PubkyId>,
        ancestors: usize,
        replies: usize,
        depth: u8,
    ) -> Option<Thread> {
        self.known_post(key).map(|post| self.view_thread(post, viewer, ancestors, replies, depth))
    }

    fn posts(&self, query: &PostQuery) -> Vec<Ranked> {
        self.post_stream(query)
    }

    fn users(&self, query: &UserQuery) -> Vec<RankedUser> {
        self.user_stream(query)
    }

    fn hot_tags(&self, query: &HotTagQuery) -> Vec<HotTag> {
        self.hot(query)
    }

    fn label_taggers(
        &self,
        label: &str,
        around: Option<(&PubkyId, Reach)>,
        timeframe: Timeframe,
        now: Timestamp,
        page: Page,
    ) -> Vec<PubkyId> {
        self.taggers_of_label(label, around, timeframe.start(now).millis(), page)
    }

    fn file(&self, key: &FileKey) -> Option<FileDetails> {
        self.files.get(key).map(|row| shape::file_details(row))
    }

    fn resource(&self, id: &ResourceId) -> Option<ResourceDetails> {
        self.resource_details(id)
    }

    fn resource_tags(
        &self,
        id: &ResourceId,
        window: TagWindow<'_>,
        viewer: Option<&PubkyId>,
    ) -> Option<Vec<TagDetails>> {
        self.resource_details(id)?;
        Some(self.resource_tag_list(id, window, viewer))
    }

    fn resource_taggers(&self, id: &ResourceId, label: &str, slice: Slice<'_>, viewer: Option<&PubkyId>) -> Taggers {
        self.resource_tagger_page(id, label, slice, viewer)
    }

    fn resources(&self, query: &ResourceQuery) -> Vec<(ResourceId, i64)> {
        self.resource_stream(query)
    }

    fn resource_view(&self, id: &ResourceId, viewer: Option<&PubkyId>) -> Option<ResourceView> {
        let details = self.resource_details(id)?;
        let window = TagWindow { labels: Slice::first(5), taggers: 3 };
        let tags = self.resource_tag_list(id, window, viewer);
        let taggers_count = tags.iter().map(|tag| tag.taggers_count).sum();
        Some(ResourceView { details, tags, taggers_count })
    }

    fn users_by_name(&self, query: &NameQuery) -> Vec<PubkyId> {
        self.named(query)
    }

    fn users_by_id(&self, prefix: &str, after: Option<&PubkyId>, page: Page) -> Vec<PubkyId> {
        self.keyed(prefix, after, page)
    }

    fn users_by_tags(&self, labels: &[Label], after: Option<&UserHit>, page: Page) -> Vec<UserHit> {
        self.tagged_with(labels, after, page)
    }

    fn posts_by_tag(&self, query: &LabelledQuery) -> Vec<Ranked> {
        self.labelled_posts(query)
    }

    fn labels(&self, prefix: &str, page: Page) -> Vec<Label> {
        self.labels_from(prefix).skip(page.skip).take(page.limit).cloned().collect()
    }
}
