//! The model's answers, question by question.

use super::{Model, paged, sorted};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, ResourceId};
use nexus_social::{
    query::{
        Depth, HotTagQuery, LabelledQuery, NameQuery, Page, PostQuery, Reach, ResourceQuery, Slice, TagWindow,
        Timeframe, UserQuery,
    },
    read::{Read, TaggerScope},
    row::{Edge, FileKey, Label, PostKey, Target},
    shape,
    view::{
        BookmarkView, FileDetails, HotTag, PostCounts, PostDetails, PostRelationships, PostView, Ranked, RankedUser,
        Relationship, ResourceDetails, ResourceView, TagDetails, Taggers, Thread, UserCounts, UserDetails, UserHit,
        UserView,
    },
};

impl Model {
    fn post_relationships(&self, key: &PostKey) -> PostRelationships {
        let row = self.posts.get(key);
        let reposted = self.edges.values().filter_map(|edge| match edge {
            Edge::Reposted { post, target, time } if post == key => Some((*time, *target)),
            _ => None,
        });
        let mentioned = self.edges.values().filter_map(|edge| match edge {
            Edge::Mentioned { post, user, time } if post == key && *user != key.author => Some((*time, *user)),
            _ => None,
        });
        PostRelationships {
            replied: self.parent_of(key).map(|p| p.uri()).or_else(|| row.and_then(|row| row.parent.clone())),
            reposted: reposted.min().map(|(_, target)| target.uri()),
            mentioned: sorted(mentioned).into_iter().map(|(_, user)| user).collect(),
        }
    }

    fn know(&self, id: &PubkyId) -> Option<()> {
        self.users.contains_key(id).then_some(())
    }
}

impl Read for Model {
    fn user(&self, id: &PubkyId) -> Option<UserDetails> {
        Some(shape::user_details(self.users.get(id)?, self.homeserver(id)))
    }

    fn user_counts(&self, id: &PubkyId) -> Option<UserCounts> {
        self.know(id)?;
        Some(self.counts_of(id))
    }

    fn user_view(&self, id: &PubkyId, viewer: Option<&PubkyId>, depth: Option<Depth>) -> Option<UserView> {
        let scope = match (viewer, depth) {
            (Some(viewer), Some(depth)) => TaggerScope::Wot { viewer, depth },
            _ => TaggerScope::All { viewer },
        };
        Some(UserView {
            details: self.user(id)?,
            counts: self.counts_of(id),
            tags: self.tag_list(&Target::User(*id), TagWindow::default(), scope),
            relationship: viewer.and_then(|viewer| self.relationship(id, viewer)).unwrap_or_default(),
        })
    }

    fn relationship(&self, id: &PubkyId, viewer: &PubkyId) -> Option<Relationship> {
        self.know(id)?;
        self.know(viewer)?;
        Some(Relationship { following: self.follows(viewer, id), followed_by: self.follows(id, viewer) })
    }

    fn user_tags(&self, id: &PubkyId, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Option<Vec<TagDetails>> {
        self.know(id)?;
        Some(self.tag_list(&Target::User(*id), window, scope))
    }

    fn user_taggers(&self, id: &PubkyId, label: &str, slice: Slice<'_>, scope: TaggerScope<'_>) -> Taggers {
        self.tagger_page(&Target::User(*id), label, slice, scope)
    }

    fn path(&self, from: &PubkyId, to: &PubkyId, max: u8) -> Option<Vec<PubkyId>> {
        self.know(from)?;
        self.know(to)?;
        self.chain(from, to, max)
    }

    fn post(&self, key: &PostKey) -> Option<PostDetails> {
        Some(shape::post_details(self.posts.get(key)?, self.homeserver(&key.author)))
    }

    fn post_counts(&self, key: &PostKey) -> Option<PostCounts> {
        self.posts.get(key)?;
        Some(self.counts_of_post(key))
    }

    fn post_view(&self, key: &PostKey, viewer: Option<&PubkyId>, tags: TagWindow<'_>) -> Option<PostView> {
        Some(PostView {
            details: self.post(key)?,
            counts: self.counts_of_post(key),
            tags: self.tag_list(&Target::Post(*key), tags, TaggerScope::All { viewer }),
            relationships: self.post_relationships(key),
            bookmark: viewer.and_then(|viewer| self.bookmark(key, viewer)),
        })
    }

    fn bookmark(&self, key: &PostKey, viewer: &PubkyId) -> Option<BookmarkView> {
        let kept = self.bookmarks().find(|bookmark| bookmark.user == *viewer && bookmark.post == *key);
        kept.map(|bookmark| BookmarkView { id: bookmark.id, indexed_at: bookmark.time })
    }

    fn post_tags(&self, key: &PostKey, window: TagWindow<'_>, scope: TaggerScope<'_>) -> Option<Vec<TagDetails>> {
        self.posts.get(key)?;
        Some(self.tag_list(&Target::Post(*key), window, scope))
    }

    fn post_taggers(&self, key: &PostKey, label: &str, slice: Slice<'_>, scope: TaggerScope<'_>) -> Taggers {
        self.tagger_page(&Target::Post(*key), label, slice, scope)
    }

    fn reposts(&self, key: &PostKey, slice: Slice<'_>) -> Option<Vec<Ranked>> {
        self.posts.get(key)?;
        let reposts = self.reposts_of(key).into_iter().map(|(time, post)| Ranked { post, score: time.millis() });
        let place = |repost: &Ranked| (repost.score, repost.post.to_string());
        let after = slice.after.map(|after| (after.score, after.member.to_string()));
        Some(paged(reposts.filter(|repost| after.as_ref().is_none_or(|after| place(repost) > *after)), slice.page))
    }

    fn thread(
        &self,
        key: &PostKey,
        viewer: Option<&PubkyId>,
        ancestors: usize,
        replies: usize,
        depth: u8,
    ) -> Option<Thread> {
        let view = |key: &PostKey| self.post_view(key, viewer, TagWindow::default());
        self.thread_of(key, view, ancestors, replies, depth)
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
        self.taggers_of_label(label, around, timeframe, now, page)
    }

    fn file(&self, key: &FileKey) -> Option<FileDetails> {
        self.files.get(key).map(shape::file_details)
    }

    fn resource(&self, id: &ResourceId) -> Option<ResourceDetails> {
        self.resources.get(id).map(shape::resource_details)
    }

    fn resource_tags(
        &self,
        id: &ResourceId,
        window: TagWindow<'_>,
        viewer: Option<&PubkyId>,
    ) -> Option<Vec<TagDetails>> {
        self.resource(id)?;
        Some(self.tag_list(&Target::Resource(*id), window, TaggerScope::All { viewer }))
    }

    fn resource_taggers(&self, id: &ResourceId, label: &str, slice: Slice<'_>, viewer: Option<&PubkyId>) -> Taggers {
        self.tagger_page(&Target::Resource(*id), label, slice, TaggerScope::All { viewer })
    }

    fn resources(&self, query: &ResourceQuery) -> Vec<(ResourceId, i64)> {
        self.resource_stream(query)
    }

    fn resource_view(&self, id: &ResourceId, viewer: Option<&PubkyId>) -> Option<ResourceView> {
        let window = TagWindow { labels: Slice::first(5), taggers: 3 };
        let tags = self.tag_list(&Target::Resource(*id), window, TaggerScope::All { viewer });
        let taggers_count = tags.iter().map(|tag| tag.taggers_count).sum();
        Some(ResourceView { details: self.resource(id)?, tags, taggers_count })
    }

    fn users_by_name(&self, query: &NameQuery) -> Vec<PubkyId> {
        self.named_users(query)
    }

    fn users_by_id(&self, prefix: &str, after: Option<&PubkyId>, page: Page) -> Vec<PubkyId> {
        paged(self.keyed(prefix).into_iter().filter(|id| after.is_none_or(|after| id > after)), page)
    }

    fn users_by_tags(&self, labels: &[Label], after: Option<&UserHit>, page: Page) -> Vec<UserHit> {
        let is_after =
            |hit: &UserHit| after.is_none_or(|after| (hit.score, hit.user_id) < (after.score, after.user_id));
        paged(self.tagged_with(labels).into_iter().filter(is_after), page)
    }

    fn posts_by_tag(&self, query: &LabelledQuery) -> Vec<Ranked> {
        self.labelled_posts(query)
    }

    fn labels(&self, prefix: &str, page: Page) -> Vec<Label> {
        paged(self.labels_in_use(prefix), page)
    }
}
