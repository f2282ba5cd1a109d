//! Every row, for the index that is rebuilt at start. Numbers of users are resolved once, not by a join per row.

use super::{
    codec::Cells,
    session::Session,
    state::{FILE, POST, USER, file_row, post_row, tag_row, user_row},
};
use crate::{Error, Result};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, ResourceId};
use nexus_social::{
    row::{Bookmark, Edge, FileKey, HostRow, PostKey, ResourceRow, Target, UserEdge},
    store::Stored,
};
use rusqlite::Connection;
use std::{collections::HashMap, ops::Deref};

/// A host from `homeserver, resolved_at, stale`, which begin at `at`.
pub(super) fn host_row(cells: Cells<'_>, at: usize, user: PubkyId) -> Result<HostRow> {
    let (resolved_at, stale) = (cells.time(at + 1)?, cells.flag(at + 2)?);
    Ok(HostRow { user, homeserver: cells.str(at)?.into(), resolved_at, stale })
}

/// Users by number.
struct Users(Vec<Option<PubkyId>>);

impl Users {
    fn at(&self, cells: Cells<'_>, column: usize) -> Result<PubkyId> {
        let number = cells.int(column)?;
        let found = usize::try_from(number).ok().and_then(|number| self.0.get(number).copied().flatten());
        found.ok_or_else(|| Error::Damaged(format!("user number {number} has no key")))
    }

    fn post(&self, cells: Cells<'_>, column: usize) -> Result<PostKey> {
        Ok(PostKey { author: self.at(cells, column)?, id: cells.id(column + 1)? })
    }
}

/// Where rows go.
type Sink<'s> = &'s mut dyn FnMut(Stored);

impl<C: Deref<Target = Connection>> Session<'_, C> {
    pub(super) fn load(&self, sink: Sink<'_>) -> Result<()> {
        let users = self.users()?;
        self.load_objects(&users, sink)?;
        let resources = self.load_resources(sink)?;
        self.load_post_edges(&users, sink)?;
        self.load_relations(&users, sink)?;
        self.load_bookmarks(&users, sink)?;
        self.load_tags(&users, &resources, sink)?;
        self.each("SELECT user, score FROM trust", [], |c| {
            sink(Stored::Trust(users.at(c, 0)?, c.real(1)?));
            Ok(())
        })
    }

    fn users(&self) -> Result<Users> {
        let mut users = Users(Vec::new());
        self.each("SELECT n, id FROM keys ORDER BY n", [], |c| {
            let number = usize::try_from(c.int(0)?).map_err(|_| Error::Damaged("a negative number".into()))?;
            users.0.resize(number + 1, None);
            users.0[number] = Some(c.user(1)?);
            Ok(())
        })?;
        Ok(users)
    }

    fn load_objects(&self, users: &Users, sink: Sink<'_>) -> Result<()> {
        self.each("SELECT user, homeserver, resolved_at, stale FROM hosts", [], |c| {
            sink(Stored::Host(host_row(c, 1, users.at(c, 0)?)?));
            Ok(())
        })?;
        self.each(&format!("SELECT user, {USER} FROM users"), [], |c| {
            sink(Stored::User(user_row(c, 1, users.at(c, 0)?)?));
            Ok(())
        })?;
        self.each(&format!("SELECT author, id, {POST} FROM posts ORDER BY indexed_at, n"), [], |c| {
            sink(Stored::Post(post_row(c, 2, users.post(c, 0)?)?));
            Ok(())
        })?;
        self.each(&format!("SELECT owner, id, {FILE} FROM files"), [], |c| {
            let key = users.post(c, 0)?;
            sink(Stored::File(file_row(c, 2, FileKey { owner: key.author, id: key.id })?));
            Ok(())
        })
    }

    /// Resources by number.
    fn load_resources(&self, sink: Sink<'_>) -> Result<HashMap<i64, ResourceId>> {
        let mut resources = HashMap::new();
        self.each("SELECT n, id, uri, indexed_at FROM resources", [], |c| {
            let row = ResourceRow { id: c.id(1)?, uri: c.text(2)?, indexed_at: c.time(3)? };
            resources.insert(c.int(0)?, row.id);
            sink(Stored::Resource(row));
            Ok(())
        })?;
        Ok(resources)
    }

    fn load_post_edges(&self, users: &Users, sink: Sink<'_>) -> Result<()> {
        let columns = "author, id, target_author, target_id, time";
        self.each(&format!("SELECT {columns} FROM replies ORDER BY time"), [], |c| {
            let (post, parent) = (users.post(c, 0)?, users.post(c, 2)?);
            sink(Stored::Edge(Edge::Replied { post, parent, time: c.time(4)? }));
            Ok(())
        })?;
        self.each(&format!("SELECT {columns} FROM reposts ORDER BY time"), [], |c| {
            let (post, target) = (users.post(c, 0)?, users.post(c, 2)?);
            sink(Stored::Edge(Edge::Reposted { post, target, time: c.time(4)? }));
            Ok(())
        })?;
        self.each("SELECT author, id, user, time FROM mentions ORDER BY time", [], |c| {
            let (post, user) = (users.post(c, 0)?, users.at(c, 2)?);
            sink(Stored::Edge(Edge::Mentioned { post, user, time: c.time(3)? }));
            Ok(())
        })
    }

    fn load_relations(&self, users: &Users, sink: Sink<'_>) -> Result<()> {
        for (table, edge) in [("follows", Edge::Follows as fn(UserEdge) -> Edge), ("mutes", Edge::Mutes)] {
            self.each(&format!("SELECT source, target, time, created_at FROM {table} ORDER BY time"), [], |c| {
                let (from, to) = (users.at(c, 0)?, users.at(c, 1)?);
                sink(Stored::Edge(edge(UserEdge { from, to, time: c.time(2)?, created_at: c.int(3)? })));
                Ok(())
            })?;
        }
        Ok(())
    }

    fn load_bookmarks(&self, users: &Users, sink: Sink<'_>) -> Result<()> {
        let sql = "SELECT user, author, post, id, time, created_at FROM bookmarks ORDER BY time";
        self.each(sql, [], |c| {
            let (user, post) = (users.at(c, 0)?, users.post(c, 1)?);
            let (id, time, created_at): (_, Timestamp, _) = (c.id(3)?, c.time(4)?, c.int(5)?);
            sink(Stored::Edge(Edge::Bookmarked(Bookmark { user, post, id, time, created_at })));
            Ok(())
        })
    }

    fn load_tags(&self, users: &Users, resources: &HashMap<i64, ResourceId>, sink: Sink<'_>) -> Result<()> {
        let sql = "SELECT kind, about, post, tagger, label, app, id, time, created_at FROM tags ORDER BY time";
        self.each(sql, [], |c| {
            let target = match c.int(0)? {
                0 => Target::User(users.at(c, 1)?),
                1 => Target::Post(users.post(c, 1)?),
                _ => {
                    let id = resources.get(&c.int(1)?);
                    Target::Resource(*id.ok_or_else(|| Error::Damaged("a tag on a resource without a row".into()))?)
                }
            };
            sink(Stored::Edge(Edge::Tagged(tag_row(c, 4, users.at(c, 3)?, target)?)));
            Ok(())
        })
    }
}
