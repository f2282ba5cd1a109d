//! What decisions ask, and the rows of objects and edges as they are read one by one.

use super::{codec::Cells, session::Session};
use crate::Result;
use nexus_pubky::{HashId, PubkyId, ResourceId};
use nexus_social::{
    effects::{RetryRow, SourceLog},
    notification::Notified,
    row::{
        Bookmark, Edge, Embed, FileKey, FileRow, HostRow, Label, PostKey, PostRow, Profile, ResourceRow, Tag, Target,
        UserEdge, UserRow,
    },
    store::{self, State, sort_by_time},
};
use rusqlite::{Connection, params};
use std::ops::Deref;

/// The columns of a user after its id.
pub(super) const USER: &str = "state, name, bio, image, links, status, indexed_at, hash";
/// The columns of a post after its id.
pub(super) const POST: &str =
    "content, kind, parent, embed_kind, embed_uri, attachments, lock, indexed_at, deleted, hash";
/// The columns of a file after its id.
pub(super) const FILE: &str = "name, created_at, src, content_type, size, indexed_at, hash";

/// A user from [`USER`], which begin at `at`.
pub(super) fn user_row(cells: Cells<'_>, at: usize, id: PubkyId) -> Result<UserRow> {
    let profile = Profile {
        name: cells.text(at + 1)?,
        bio: cells.text_or_null(at + 2)?,
        image: cells.text_or_null(at + 3)?,
        links: cells.json(at + 4)?,
        status: cells.text_or_null(at + 5)?,
    };
    Ok(UserRow { id, state: cells.state(at)?, profile, indexed_at: cells.time(at + 6)?, hash: cells.hash(at + 7)? })
}

/// A post from [`POST`], which begin at `at`.
pub(super) fn post_row(cells: Cells<'_>, at: usize, key: PostKey) -> Result<PostRow> {
    let embed_uri = cells.text_or_null(at + 4)?;
    let embed = embed_uri.map(|uri| Ok::<_, crate::Error>(Embed { kind: cells.kind(at + 3)?, uri })).transpose()?;
    Ok(PostRow {
        key,
        content: cells.text(at)?,
        kind: cells.kind(at + 1)?,
        parent: cells.text_or_null(at + 2)?,
        embed,
        attachments: cells.json(at + 5)?,
        lock: cells.text_or_null(at + 6)?,
        indexed_at: cells.time(at + 7)?,
        deleted: cells.flag(at + 8)?,
        hash: cells.hash(at + 9)?,
    })
}

/// A file from [`FILE`], which begin at `at`.
pub(super) fn file_row(cells: Cells<'_>, at: usize, key: FileKey) -> Result<FileRow> {
    Ok(FileRow {
        key,
        name: cells.text(at)?,
        created_at: cells.int(at + 1)?,
        src: cells.text(at + 2)?,
        content_type: cells.text(at + 3)?,
        size: cells.count(at + 4)?,
        indexed_at: cells.time(at + 5)?,
        hash: cells.hash(at + 6)?,
    })
}

/// What a tag points at, as `kind`, `about` and `post` say it.
pub(super) struct About {
    pub(super) kind: i64,
    pub(super) about: i64,
    pub(super) post: String,
}

const TAG: &str = "t.label, t.app, t.id, t.time, t.created_at";
const TAG_TABLES: &str = "tags t JOIN keys k ON k.n = t.tagger";
const TARGET: &str = "t.kind, t.post, (SELECT id FROM keys WHERE n = t.about AND t.kind < 2), \
                      (SELECT id FROM resources WHERE n = t.about AND t.kind = 2)";

/// A tag with a label, from the columns of [`TAG`] after it, which begin at `at`.
pub(super) fn tag_row(cells: Cells<'_>, at: usize, tagger: PubkyId, target: Target, label: Label) -> Result<Tag> {
    let app = Some(cells.str(at)?).filter(|app| !app.is_empty());
    Ok(Tag {
        tagger,
        app: app.map(Into::into),
        id: cells.id(at + 1)?,
        target,
        label,
        time: cells.time(at + 2)?,
        created_at: cells.int(at + 3)?,
    })
}

fn label_of(cells: Cells<'_>, at: usize) -> Result<Label> {
    cells.str(at).map(Label::from_valid)
}

/// A target from [`TARGET`], which begin at `at`.
fn target_of(cells: Cells<'_>, at: usize) -> Result<Target> {
    Ok(match cells.int(at)? {
        0 => Target::User(cells.user(at + 2)?),
        1 => Target::Post(PostKey { author: cells.user(at + 2)?, id: cells.id(at + 1)? }),
        _ => Target::Resource(cells.id(at + 3)?),
    })
}

impl<C: Deref<Target = Connection>> Session<'_, C> {
    /// How a target is written; `None` if it was never seen.
    pub(super) fn about(&self, target: &Target) -> Result<Option<About>> {
        let (kind, about, post) = match target {
            Target::User(id) => (0, self.number(id)?, String::new()),
            Target::Post(key) => (1, self.number(&key.author)?, key.id.to_string()),
            Target::Resource(id) => {
                let found = self.one("SELECT n FROM resources WHERE id = ?1", [id.as_str()], |c| c.int(0))?;
                (2, found, String::new())
            }
        };
        Ok(about.map(|about| About { kind, about, post }))
    }

    fn relation(&self, sql: &str, from: &PubkyId, to: &PubkyId) -> Result<Option<UserEdge>> {
        let ends = params![self.number_or_none(from)?, self.number_or_none(to)?];
        self.one(sql, ends, |c| Ok(UserEdge { from: *from, to: *to, time: c.time(0)?, created_at: c.int(1)? }))
    }

    fn bookmark_where(
        &self,
        condition: &str,
        user: &PubkyId,
        params: impl rusqlite::Params,
    ) -> Result<Option<Bookmark>> {
        let sql = format!(
            "SELECT k.id, b.post, b.id, b.time, b.created_at FROM bookmarks b JOIN keys k ON k.n = b.author \
             WHERE b.user = ?1 AND {condition}"
        );
        self.one(&sql, params, |c| {
            let post = PostKey { author: c.user(0)?, id: c.id(1)? };
            Ok(Bookmark { user: *user, post, id: c.id(2)?, time: c.time(3)?, created_at: c.int(4)? })
        })
    }

    fn tag_by_id(&self, tagger: &PubkyId, app: Option<&str>, id: &HashId) -> Result<Option<Tag>> {
        let sql = format!("SELECT {TARGET}, {TAG} FROM tags t WHERE t.tagger = ?1 AND t.id = ?2 AND t.app = ?3");
        let params = params![self.number_or_none(tagger)?, id.as_str(), app.unwrap_or_default()];
        self.one(&sql, params, |c| tag_row(c, 5, *tagger, target_of(c, 0)?, label_of(c, 4)?))
    }

    pub(super) fn tag_of_any_app(&self, tagger: &PubkyId, id: &HashId) -> Result<Option<Tag>> {
        let sql =
            format!("SELECT {TARGET}, {TAG} FROM tags t WHERE t.tagger = ?1 AND t.id = ?2 ORDER BY t.app LIMIT 1");
        self.one(&sql, params![self.number_or_none(tagger)?, id.as_str()], |c| {
            tag_row(c, 5, *tagger, target_of(c, 0)?, label_of(c, 4)?)
        })
    }

    fn tags_on(&self, target: &Target, take: &mut dyn FnMut(Tag)) -> Result<()> {
        let Some(about) = self.about(target)? else { return Ok(()) };
        let sql = format!(
            "SELECT k.id, {TAG} FROM {TAG_TABLES} WHERE t.kind = ?1 AND t.about = ?2 AND t.post = ?3 ORDER BY t.time"
        );
        self.each(&sql, params![about.kind, about.about, about.post], |c| {
            take(tag_row(c, 2, c.user(0)?, *target, label_of(c, 1)?)?);
            Ok(())
        })
    }

    /// Edges between `key` and other posts, from the side that `sql` looks at.
    fn post_edges(
        &self,
        sql: &str,
        key: &PostKey,
        edges: &mut Vec<Edge>,
        edge: impl Fn(PostKey, nexus_model::Timestamp) -> Edge,
    ) -> Result<()> {
        self.each(sql, params![self.number_or_none(&key.author)?, key.id.as_str()], |c| {
            edges.push(edge(PostKey { author: c.user(0)?, id: c.id(1)? }, c.time(2)?));
            Ok(())
        })
    }

    fn outgoing(&self, key: &PostKey) -> Result<Vec<Edge>> {
        let mut edges = Vec::new();
        let post = *key;
        let sql = |table: &str| {
            format!(
                "SELECT k.id, e.target_id, e.time FROM {table} e JOIN keys k ON k.n = e.target_author \
                 WHERE e.author = ?1 AND e.id = ?2"
            )
        };
        self.post_edges(&sql("replies"), key, &mut edges, |parent, time| Edge::Replied { post, parent, time })?;
        self.post_edges(&sql("reposts"), key, &mut edges, |target, time| Edge::Reposted { post, target, time })?;
        let mentions =
            "SELECT k.id, e.time FROM mentions e JOIN keys k ON k.n = e.user WHERE e.author = ?1 AND e.id = ?2";
        self.each(mentions, params![self.number_or_none(&key.author)?, key.id.as_str()], |c| {
            edges.push(Edge::Mentioned { post, user: c.user(0)?, time: c.time(1)? });
            Ok(())
        })?;
        sort_by_time(&mut edges);
        Ok(edges)
    }

    fn incoming(&self, key: &PostKey) -> Result<Vec<Edge>> {
        let mut edges = Vec::new();
        let to = *key;
        let sql = |table: &str| {
            format!(
                "SELECT k.id, e.id, e.time FROM {table} e JOIN keys k ON k.n = e.author \
                 WHERE e.target_author = ?1 AND e.target_id = ?2"
            )
        };
        self.post_edges(&sql("replies"), key, &mut edges, |post, time| Edge::Replied { post, parent: to, time })?;
        self.post_edges(&sql("reposts"), key, &mut edges, |post, time| Edge::Reposted { post, target: to, time })?;
        let bookmarks = "SELECT k.id, b.id, b.time, b.created_at FROM bookmarks b JOIN keys k ON k.n = b.user \
                         WHERE b.author = ?1 AND b.post = ?2";
        self.each(bookmarks, params![self.number_or_none(&key.author)?, key.id.as_str()], |c| {
            let (user, id, time, created_at) = (c.user(0)?, c.id(1)?, c.time(2)?, c.int(3)?);
            edges.push(Edge::Bookmarked(Bookmark { user, post: to, id, time, created_at }));
            Ok(())
        })?;
        self.tags_on(&Target::Post(to), &mut |tag| edges.push(Edge::Tagged(tag)))?;
        sort_by_time(&mut edges);
        Ok(edges)
    }

    fn is_named(&self, id: &PubkyId) -> Result<bool> {
        let Some(number) = self.number(id)? else { return Ok(false) };
        for sql in [
            "SELECT 1 FROM hosts WHERE user = ?1",
            "SELECT 1 FROM posts WHERE author = ?1 LIMIT 1",
            "SELECT 1 FROM files WHERE owner = ?1 LIMIT 1",
            "SELECT 1 FROM follows WHERE source = ?1 LIMIT 1",
            "SELECT 1 FROM follows WHERE target = ?1 LIMIT 1",
            "SELECT 1 FROM mutes WHERE source = ?1 LIMIT 1",
            "SELECT 1 FROM mutes WHERE target = ?1 LIMIT 1",
            "SELECT 1 FROM tags WHERE tagger = ?1 LIMIT 1",
            "SELECT 1 FROM tags WHERE kind = 0 AND about = ?1 LIMIT 1",
            "SELECT 1 FROM tags WHERE kind = 1 AND about = ?1 LIMIT 1",
            "SELECT 1 FROM bookmarks WHERE user = ?1 LIMIT 1",
            "SELECT 1 FROM bookmarks WHERE author = ?1 LIMIT 1",
            "SELECT 1 FROM mentions WHERE user = ?1 LIMIT 1",
            "SELECT 1 FROM mentions WHERE author = ?1 LIMIT 1",
            "SELECT 1 FROM replies WHERE author = ?1 LIMIT 1",
            "SELECT 1 FROM replies WHERE target_author = ?1 LIMIT 1",
            "SELECT 1 FROM reposts WHERE author = ?1 LIMIT 1",
            "SELECT 1 FROM reposts WHERE target_author = ?1 LIMIT 1",
        ] {
            if self.exists(sql, [number])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<C: Deref<Target = Connection>> State for Session<'_, C> {
    fn user(&self, id: &PubkyId) -> store::Result<Option<UserRow>> {
        let sql = format!("SELECT {USER} FROM users WHERE user = ?1");
        Ok(self.one(&sql, [self.number_or_none(id)?], |c| user_row(c, 0, *id))?)
    }

    fn is_referenced(&self, id: &PubkyId) -> store::Result<bool> {
        Ok(self.is_named(id)?)
    }

    fn post(&self, key: &PostKey) -> store::Result<Option<PostRow>> {
        let sql = format!("SELECT {POST} FROM posts WHERE author = ?1 AND id = ?2");
        let params = params![self.number_or_none(&key.author)?, key.id.as_str()];
        Ok(self.one(&sql, params, |c| post_row(c, 0, *key))?)
    }

    fn file(&self, key: &FileKey) -> store::Result<Option<FileRow>> {
        let sql = format!("SELECT {FILE} FROM files WHERE owner = ?1 AND id = ?2");
        let params = params![self.number_or_none(&key.owner)?, key.id.as_str()];
        Ok(self.one(&sql, params, |c| file_row(c, 0, *key))?)
    }

    fn resource(&self, id: &ResourceId) -> store::Result<Option<ResourceRow>> {
        let sql = "SELECT uri, indexed_at FROM resources WHERE id = ?1";
        Ok(self.one(sql, [id.as_str()], |c| Ok(ResourceRow { id: *id, uri: c.text(0)?, indexed_at: c.time(1)? }))?)
    }

    fn host(&self, user: &PubkyId) -> store::Result<Option<HostRow>> {
        let sql = "SELECT homeserver, resolved_at, stale FROM hosts WHERE user = ?1";
        Ok(self.one(sql, [self.number_or_none(user)?], |c| super::load::host_row(c, 0, *user))?)
    }

    fn follow(&self, from: &PubkyId, to: &PubkyId) -> store::Result<Option<UserEdge>> {
        Ok(self.relation("SELECT time, created_at FROM follows WHERE source = ?1 AND target = ?2", from, to)?)
    }

    fn mute(&self, from: &PubkyId, to: &PubkyId) -> store::Result<Option<UserEdge>> {
        Ok(self.relation("SELECT time, created_at FROM mutes WHERE source = ?1 AND target = ?2", from, to)?)
    }

    fn bookmark(&self, user: &PubkyId, post: &PostKey) -> store::Result<Option<Bookmark>> {
        let ends = params![self.number_or_none(user)?, self.number_or_none(&post.author)?, post.id.as_str()];
        Ok(self.bookmark_where("b.author = ?2 AND b.post = ?3", user, ends)?)
    }

    fn bookmark_by_id(&self, user: &PubkyId, id: &HashId) -> store::Result<Option<Bookmark>> {
        Ok(self.bookmark_where("b.id = ?2", user, params![self.number_or_none(user)?, id.as_str()])?)
    }

    fn tag(&self, tagger: &PubkyId, app: Option<&str>, id: &HashId) -> store::Result<Option<Tag>> {
        Ok(self.tag_by_id(tagger, app, id)?)
    }

    fn tag_on(
        &self,
        tagger: &PubkyId,
        target: &Target,
        label: &Label,
        app: Option<&str>,
    ) -> store::Result<Option<Tag>> {
        let Some(about) = self.about(target)? else { return Ok(None) };
        let sql = format!(
            "SELECT {TAG} FROM tags t WHERE t.kind = ?1 AND t.about = ?2 AND t.post = ?3 AND t.label = ?4 \
             AND t.tagger = ?5 AND t.app = ?6"
        );
        let (tagger_number, app) = (self.number_or_none(tagger)?, app.unwrap_or_default());
        let params = params![about.kind, about.about, about.post, label.as_str(), tagger_number, app];
        Ok(self.one(&sql, params, |c| tag_row(c, 1, *tagger, *target, label_of(c, 0)?))?)
    }

    fn other_tag(&self, tag: &Tag) -> store::Result<Option<Tag>> {
        let mut others = Vec::new();
        let own = Edge::Tagged(tag.clone()).key();
        self.tags_on(&tag.target, &mut |other| {
            let edge = Edge::Tagged(other);
            if edge.key() != own && others.first().is_none_or(|first: &Edge| first.time() == edge.time()) {
                others.push(edge);
            }
        })?;
        sort_by_time(&mut others);
        Ok(others.into_iter().find_map(|edge| if let Edge::Tagged(tag) = edge { Some(tag) } else { None }))
    }

    fn edges_from_post(&self, key: &PostKey) -> store::Result<Vec<Edge>> {
        Ok(self.outgoing(key)?)
    }

    fn edges_to_post(&self, key: &PostKey) -> store::Result<Vec<Edge>> {
        Ok(self.incoming(key)?)
    }

    fn notification(&self, receiver: &PubkyId, key: &str) -> store::Result<Option<Notified>> {
        let sql = "SELECT time, body FROM notifications WHERE receiver = ?1 AND id = ?2";
        let params = params![self.number_or_none(receiver)?, super::queue::notification_id(key)];
        Ok(self.one(sql, params, |c| super::queue::notified(c, 0, *receiver))?)
    }

    fn retry(&self, uri: &str) -> store::Result<Option<RetryRow>> {
        Ok(self.retry_row(uri)?)
    }

    fn waiting_for(&self, uri: &str, limit: usize) -> store::Result<Vec<RetryRow>> {
        Ok(self.retries_for(uri, limit)?)
    }

    fn cursor(&self, log: &SourceLog) -> store::Result<Option<u64>> {
        Ok(self.cursor_of(log)?)
    }
}
