//! Effects to rows.

use super::{
    codec::{action_number, collection_number, hash_bytes, kind_number, state_number},
    session::Session,
    state::{About, FILE, POST, USER},
};
use crate::{Error, Group, Result};
use nexus_model::Seq;
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::{ChangeRow, Effects, RowChange},
    row::{Bookmark, Edge, FileRow, HostRow, PostKey, PostRow, ResourceRow, Tag, UserEdge, UserRow},
};
use rusqlite::params;

impl<'a> Session<'a, Group<'a>> {
    /// Writes effects; journal rows go to the positions after `last`, which it moves.
    pub(super) fn apply_effects(&self, effects: &Effects, last: &mut Seq) -> Result<()> {
        effects.rows.iter().try_for_each(|row| self.apply_row(row))?;
        effects.notifications.iter().try_for_each(|notified| self.put_notification(notified))?;
        for change in &effects.changes {
            *last = last.next();
            self.put_change(*last, change)?;
        }
        for line in &effects.log {
            self.run("INSERT INTO log (line) VALUES (?1)", [line])?;
        }
        effects.retries.iter().try_for_each(|change| self.apply_retry(change))?;
        effects.cursors.iter().try_for_each(|cursor| self.put_cursor(cursor))
    }

    fn put_change(&self, seq: Seq, change: &ChangeRow) -> Result<()> {
        let sql = "INSERT INTO changes (seq, author, collection, key, action, version, live, time) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let params = params![
            seq.get().cast_signed(),
            self.intern(&change.author)?,
            collection_number(change.collection),
            &*change.key,
            action_number(change.action),
            hash_bytes(change.version.as_ref()),
            change.live,
            change.time.millis()
        ];
        self.run(sql, params).map(drop)
    }

    fn apply_row(&self, change: &RowChange) -> Result<()> {
        match change {
            RowChange::PutUser(row) => self.put_user(row),
            RowChange::RemoveUser(id) => self.remove_by_user("DELETE FROM users WHERE user = ?1", id),
            RowChange::PutPost(row) => self.put_post(row),
            RowChange::RemovePost(key) => self.remove_object("DELETE FROM posts WHERE author = ?1 AND id = ?2", key),
            RowChange::PutFile(row) => self.put_file(row),
            RowChange::RemoveFile(key) => {
                let key = PostKey { author: key.owner, id: key.id };
                self.remove_object("DELETE FROM files WHERE owner = ?1 AND id = ?2", &key)
            }
            RowChange::PutResource(row) => self.put_resource(row),
            RowChange::RemoveResource(id) => self.run("DELETE FROM resources WHERE id = ?1", [id.as_str()]).map(drop),
            RowChange::PutEdge(edge) => self.put_edge(edge),
            RowChange::RemoveEdge(edge) => self.remove_edge(edge),
            RowChange::PutHost(row) => self.put_host(row),
            RowChange::RemoveHost(user) => self.remove_by_user("DELETE FROM hosts WHERE user = ?1", user),
            RowChange::SetTrust(scores) => self.set_trust(scores),
        }
    }

    fn remove_by_user(&self, sql: &str, id: &PubkyId) -> Result<()> {
        self.run(sql, [self.number_or_none(id)?]).map(drop)
    }

    fn remove_object(&self, sql: &str, key: &PostKey) -> Result<()> {
        self.run(sql, params![self.number_or_none(&key.author)?, key.id.as_str()]).map(drop)
    }

    fn put_user(&self, row: &UserRow) -> Result<()> {
        let sql = format!("INSERT OR REPLACE INTO users (user, {USER}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
        let profile = &row.profile;
        let params = params![
            self.intern(&row.id)?,
            state_number(row.state),
            profile.name,
            profile.bio,
            profile.image,
            json(profile.links.as_ref())?,
            profile.status,
            row.indexed_at.millis(),
            hash_bytes(row.hash.as_ref())
        ];
        self.run(&sql, params).map(drop)
    }

    fn put_post(&self, row: &PostRow) -> Result<()> {
        let sql = format!(
            "INSERT INTO posts (author, id, {POST}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (author, id) DO UPDATE SET content = excluded.content, kind = excluded.kind, \
             parent = excluded.parent, embed_kind = excluded.embed_kind, embed_uri = excluded.embed_uri, \
             attachments = excluded.attachments, lock = excluded.lock, indexed_at = excluded.indexed_at, \
             deleted = excluded.deleted, hash = excluded.hash"
        );
        let params = params![
            self.intern(&row.key.author)?,
            row.key.id.as_str(),
            row.content,
            kind_number(&row.kind),
            row.parent,
            row.embed.as_ref().map(|embed| kind_number(&embed.kind)),
            row.embed.as_ref().map(|embed| &embed.uri),
            json(row.attachments.as_ref())?,
            row.lock,
            row.indexed_at.millis(),
            row.deleted,
            hash_bytes(row.hash.as_ref())
        ];
        self.run(&sql, params).map(drop)
    }

    fn put_file(&self, row: &FileRow) -> Result<()> {
        let sql =
            format!("INSERT OR REPLACE INTO files (owner, id, {FILE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
        let params = params![
            self.intern(&row.key.owner)?,
            row.key.id.as_str(),
            row.name,
            row.created_at,
            row.src,
            row.content_type,
            i64::try_from(row.size).unwrap_or(i64::MAX),
            row.indexed_at.millis(),
            hash_bytes(row.hash.as_ref())
        ];
        self.run(&sql, params).map(drop)
    }

    fn put_resource(&self, row: &ResourceRow) -> Result<()> {
        let sql = "INSERT INTO resources (id, uri, indexed_at) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (id) DO UPDATE SET uri = excluded.uri, indexed_at = excluded.indexed_at";
        self.run(sql, params![row.id.as_str(), row.uri, row.indexed_at.millis()]).map(drop)
    }

    fn put_host(&self, row: &HostRow) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO hosts (user, homeserver, resolved_at, stale) VALUES (?1, ?2, ?3, ?4)";
        let params = params![self.intern(&row.user)?, &*row.homeserver, row.resolved_at.millis(), row.stale];
        self.run(sql, params).map(drop)
    }

    fn set_trust(&self, scores: &[(PubkyId, f64)]) -> Result<()> {
        self.run("DELETE FROM trust", [])?;
        for (user, score) in scores {
            let sql = "INSERT OR REPLACE INTO trust (user, score) VALUES (?1, ?2)";
            self.run(sql, params![self.intern(user)?, score])?;
        }
        Ok(())
    }

    fn put_edge(&self, edge: &Edge) -> Result<()> {
        match edge {
            Edge::Replied { post, parent, time } => self.link_posts("replies", post, parent, time.millis()),
            Edge::Reposted { post, target, time } => self.link_posts("reposts", post, target, time.millis()),
            Edge::Mentioned { post, user, time } => {
                let sql = "INSERT OR REPLACE INTO mentions (author, id, user, time) VALUES (?1, ?2, ?3, ?4)";
                let (author, user) = (self.intern(&post.author)?, self.intern(user)?);
                self.run(sql, params![author, post.id.as_str(), user, time.millis()]).map(drop)
            }
            Edge::Follows(edge) => self.relate("follows", edge),
            Edge::Mutes(edge) => self.relate("mutes", edge),
            Edge::Bookmarked(bookmark) => self.put_bookmark(bookmark),
            Edge::Tagged(tag) => self.put_tag(tag),
        }
    }

    fn link_posts(&self, table: &str, from: &PostKey, to: &PostKey, time: i64) -> Result<()> {
        let sql = format!(
            "INSERT OR REPLACE INTO {table} (author, id, target_author, target_id, time) VALUES (?1, ?2, ?3, ?4, ?5)"
        );
        let (author, target) = (self.intern(&from.author)?, self.intern(&to.author)?);
        self.run(&sql, params![author, from.id.as_str(), target, to.id.as_str(), time]).map(drop)
    }

    fn relate(&self, table: &str, edge: &UserEdge) -> Result<()> {
        let sql = format!("INSERT OR REPLACE INTO {table} (source, target, time, created_at) VALUES (?1, ?2, ?3, ?4)");
        let (from, to) = (self.intern(&edge.from)?, self.intern(&edge.to)?);
        self.run(&sql, params![from, to, edge.time.millis(), edge.created_at]).map(drop)
    }

    fn put_bookmark(&self, bookmark: &Bookmark) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO bookmarks (user, author, post, id, time, created_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (user, author) = (self.intern(&bookmark.user)?, self.intern(&bookmark.post.author)?);
        let (post, id) = (bookmark.post.id.as_str(), bookmark.id.as_str());
        self.run(sql, params![user, author, post, id, bookmark.time.millis(), bookmark.created_at]).map(drop)
    }

    fn put_tag(&self, tag: &Tag) -> Result<()> {
        let about = self.intern_target(tag)?;
        let sql = "INSERT OR REPLACE INTO tags (kind, about, post, label, tagger, app, id, time, created_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let params = params![
            about.kind,
            about.about,
            about.post,
            tag.label.as_str(),
            self.intern(&tag.tagger)?,
            tag.app.as_deref().unwrap_or_default(),
            tag.id.as_str(),
            tag.time.millis(),
            tag.created_at
        ];
        self.run(sql, params).map(drop)
    }

    fn intern_target(&self, tag: &Tag) -> Result<About> {
        use nexus_social::row::Target;
        match &tag.target {
            Target::User(user) | Target::Post(PostKey { author: user, .. }) => self.intern(user)?,
            Target::Resource(_) => 0,
        };
        self.about(&tag.target)?
            .ok_or_else(|| Error::Damaged(format!("a tag on a resource without a row: {}", tag.uri())))
    }

    fn remove_edge(&self, edge: &Edge) -> Result<()> {
        match edge {
            Edge::Replied { post, parent, .. } => self.unlink_posts("replies", post, parent),
            Edge::Reposted { post, target, .. } => self.unlink_posts("reposts", post, target),
            Edge::Mentioned { post, user, .. } => {
                let sql = "DELETE FROM mentions WHERE author = ?1 AND id = ?2 AND user = ?3";
                let (author, user) = (self.number_or_none(&post.author)?, self.number_or_none(user)?);
                self.run(sql, params![author, post.id.as_str(), user]).map(drop)
            }
            Edge::Follows(edge) => self.unrelate("DELETE FROM follows WHERE source = ?1 AND target = ?2", edge),
            Edge::Mutes(edge) => self.unrelate("DELETE FROM mutes WHERE source = ?1 AND target = ?2", edge),
            Edge::Bookmarked(bookmark) => {
                let sql = "DELETE FROM bookmarks WHERE user = ?1 AND author = ?2 AND post = ?3";
                let (user, post) = (self.number_or_none(&bookmark.user)?, &bookmark.post);
                self.run(sql, params![user, self.number_or_none(&post.author)?, post.id.as_str()]).map(drop)
            }
            Edge::Tagged(tag) => self.remove_tag(tag),
        }
    }

    fn unlink_posts(&self, table: &str, from: &PostKey, to: &PostKey) -> Result<()> {
        let sql =
            format!("DELETE FROM {table} WHERE author = ?1 AND id = ?2 AND target_author = ?3 AND target_id = ?4");
        let (author, target) = (self.number_or_none(&from.author)?, self.number_or_none(&to.author)?);
        self.run(&sql, params![author, from.id.as_str(), target, to.id.as_str()]).map(drop)
    }

    fn unrelate(&self, sql: &str, edge: &UserEdge) -> Result<()> {
        self.run(sql, params![self.number_or_none(&edge.from)?, self.number_or_none(&edge.to)?]).map(drop)
    }

    fn remove_tag(&self, tag: &Tag) -> Result<()> {
        let Some(about) = self.about(&tag.target)? else { return Ok(()) };
        let sql = "DELETE FROM tags WHERE kind = ?1 AND about = ?2 AND post = ?3 AND label = ?4 AND tagger = ?5 \
                   AND app = ?6";
        let (tagger, app) = (self.number_or_none(&tag.tagger)?, tag.app.as_deref().unwrap_or_default());
        self.run(sql, params![about.kind, about.about, about.post, tag.label.as_str(), tagger, app]).map(drop)
    }
}

fn json<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>> {
    let text = value.map(serde_json::to_string).transpose();
    text.map_err(|error| Error::Damaged(format!("a value without JSON: {error}")))
}
