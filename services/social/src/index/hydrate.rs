//! Views of single users and posts, and threads.

use super::{
    Index,
    body::{Parent, Post, Ties},
    columns::{at, kind_of},
    links::Links,
};
use crate::{
    query::{Depth, TagWindow},
    read::TaggerScope,
    row::PostKey,
    shape,
    view::{
        BookmarkView, PostCounts, PostDetails, PostRelationships, PostView, Relationship, Thread, ThreadReply,
        UserCounts, UserDetails, UserView,
    },
};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;

impl Index {
    /// A user whose row there is.
    pub(super) fn known_user(&self, id: &PubkyId) -> Option<u32> {
        self.columns.user(id).filter(|user| self.users[at(*user)].row.is_some())
    }

    /// A post whose row there is.
    pub(super) fn known_post(&self, key: &PostKey) -> Option<u32> {
        self.columns.post(key).filter(|post| self.columns.posts[at(*post)].known)
    }

    pub(super) fn user_details(&self, user: u32) -> Option<UserDetails> {
        let body = &self.users[at(user)];
        body.row.as_deref().map(|row| shape::user_details(row, body.homeserver.as_deref()))
    }

    pub(super) fn counts_of_user(&self, user: u32) -> UserCounts {
        let body = &self.users[at(user)];
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        UserCounts {
            tagged: body.tagged,
            tags: body.tags.tags(),
            unique_tags: body.tags.count(),
            posts: number(body.roots.len() + body.replies.len()),
            replies: number(body.replies.len()),
            collections: body.collections,
            following: body.following.count(),
            followers: body.followers.count(),
            friends: body.friends,
            bookmarks: self.count_bookmarks(user),
        }
    }

    /// Bookmarks of posts that are not collections now.
    fn count_bookmarks(&self, user: u32) -> u32 {
        let kept = self.users[at(user)].bookmarks.as_deref();
        kept.map_or(0, |kept| kept.list.count().saturating_sub(kept.collections))
    }

    pub(super) fn view_user(&self, user: u32, viewer: Option<&PubkyId>, depth: Option<Depth>) -> Option<UserView> {
        let scope = match (viewer, depth) {
            (Some(viewer), Some(depth)) => TaggerScope::Wot { viewer, depth },
            _ => TaggerScope::All { viewer },
        };
        let known = viewer.and_then(|viewer| self.known_user(viewer));
        Some(UserView {
            details: self.user_details(user)?,
            counts: self.counts_of_user(user),
            tags: self.tag_list(&self.users[at(user)].tags, TagWindow::default(), scope),
            relationship: known.map(|viewer| self.relation(user, viewer)).unwrap_or_default(),
        })
    }

    pub(super) fn relation(&self, user: u32, viewer: u32) -> Relationship {
        Relationship {
            following: self.users[at(viewer)].following.contains(user),
            followed_by: self.users[at(user)].following.contains(viewer),
        }
    }

    pub(super) fn post_details(&self, post: u32) -> PostDetails {
        let (facts, body) = (&self.columns.posts[at(post)], &self.posts[at(post)]);
        let key = self.columns.key(post);
        let author = &self.users[at(facts.author)];
        let attachments = body.rare.as_deref().map(|rare| &rare.attachments).filter(|list| !list.is_empty());
        PostDetails {
            content: body.content.to_string(),
            id: key.id,
            indexed_at: Timestamp::from_millis(facts.time),
            author: key.author,
            kind: kind_of(facts.kind),
            uri: key.uri(),
            attachments: attachments.map(|list| list.iter().map(|uri| uri.to_string()).collect()),
            lock: body.rare.as_deref().and_then(|rare| rare.lock.as_deref()).map(str::to_owned),
            homeserver: author.homeserver.as_deref().map(str::to_owned),
            content_hash: body.hash.as_ref().map(shape::hash_text),
        }
    }

    pub(super) fn counts_of_post(&self, post: u32) -> PostCounts {
        let body = &self.posts[at(post)];
        let replies = body.tie_count(|ties| &ties.replies);
        let reposts = body.tie_count(|ties| &ties.reposts);
        PostCounts {
            tags: self.columns.posts[at(post)].engagement.saturating_sub(replies + reposts),
            unique_tags: body.tags.count(),
            replies,
            reposts,
        }
    }

    fn relationships(&self, post: u32) -> PostRelationships {
        let body = &self.posts[at(post)];
        let author = self.columns.posts[at(post)].author;
        let first = |kind: fn(&Ties) -> &Links| body.tie(kind).and_then(Links::oldest).map(|link| link.id);
        let mentioned = body.tie(|ties| &ties.mentioned).into_iter().flat_map(Links::ids);
        PostRelationships {
            replied: self.parent_uri(body, first(|ties| &ties.replied)),
            reposted: first(|ties| &ties.reposted).map(|target| self.columns.key(target).uri()),
            mentioned: self.ids(mentioned.filter(|user| *user != author)),
        }
    }

    /// What the edge says, else what the author wrote.
    fn parent_uri(&self, body: &Post, replied: Option<u32>) -> Option<String> {
        match (replied, &body.parent) {
            (Some(parent), _) => Some(self.columns.key(parent).uri()),
            (None, Parent::Post(parent)) => Some(self.columns.key(*parent).uri()),
            (None, Parent::Other(uri)) => Some(uri.to_string()),
            (None, Parent::None) => None,
        }
    }

    pub(super) fn bookmark_of(&self, post: u32, viewer: u32) -> Option<BookmarkView> {
        let (id, time) = self.users[at(viewer)].bookmarks.as_deref()?.records.get(&post)?;
        Some(BookmarkView { id: *id, indexed_at: Timestamp::from_millis(*time) })
    }

    pub(super) fn view_post(&self, post: u32, viewer: Option<&PubkyId>, tags: TagWindow<'_>) -> PostView {
        let looker = viewer.and_then(|viewer| self.columns.user(viewer));
        PostView {
            details: self.post_details(post),
            counts: self.counts_of_post(post),
            tags: self.tag_list(&self.posts[at(post)].tags, tags, TaggerScope::All { viewer }),
            relationships: self.relationships(post),
            bookmark: looker.and_then(|looker| self.bookmark_of(post, looker)),
        }
    }

    pub(super) fn view_thread(
        &self,
        post: u32,
        viewer: Option<&PubkyId>,
        ancestors: usize,
        limit: usize,
        depth: u8,
    ) -> Thread {
        let view = |post: u32| self.view_post(post, viewer, TagWindow::default());
        let (below, truncated) = self.descendants(post, limit, depth);
        let replies = below.into_iter().map(|(depth, reply)| ThreadReply { depth, post: view(reply) });
        Thread {
            ancestors: self.ancestors(post, ancestors).into_iter().map(view).collect(),
            post: view(post),
            replies: replies.collect(),
            truncated,
        }
    }

    /// From the root down. It ends where a parent isn't known.
    fn ancestors(&self, post: u32, limit: usize) -> Vec<u32> {
        let mut chain = Vec::new();
        let mut last = post;
        while chain.len() < limit {
            let parent = self.posts[at(last)].tie(|ties| &ties.replied).and_then(Links::oldest).map(|link| link.id);
            let Some(parent) = parent.filter(|parent| self.columns.posts[at(*parent)].known) else { break };
            if parent == post || chain.contains(&parent) {
                break;
            }
            chain.push(parent);
            last = parent;
        }
        chain.reverse();
        chain
    }

    /// Replies below a post, depth first, and whether there are more than these.
    fn descendants(&self, post: u32, limit: usize, depth: u8) -> (Vec<(u8, u32)>, bool) {
        let mut found: Vec<(u8, u32)> = Vec::new();
        let mut truncated = false;
        let mut levels = vec![self.replies_to(post)];
        while let Some(level) = levels.last_mut() {
            let Some(reply) = level.next() else {
                levels.pop();
                continue;
            };
            let place = u8::try_from(levels.len()).unwrap_or(u8::MAX);
            if place > depth || found.len() == limit {
                truncated = true;
                levels.pop();
                continue;
            }
            found.push((place, reply));
            levels.push(self.replies_to(reply));
        }
        (found, truncated)
    }

    fn replies_to(&self, post: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        let replies = self.posts[at(post)].tie(|ties| &ties.replies).into_iter().flat_map(Links::ids);
        Box::new(replies.filter(|reply| self.columns.posts[at(*reply)].known))
    }
}
