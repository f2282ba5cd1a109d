//! Every row, for the index that is rebuilt at start. Numbers of users are resolved once, not by a join per row, and
//! tables are read as they lie on the disk: sorting is for those who need it. Reading has a thread of its own, so
//! that whoever takes the rows works meanwhile.

use super::{
    codec::Cells,
    session::Session,
    state::{FILE, POST, USER, file_row, post_row, tag_row, user_row},
};
use crate::{Error, Result};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, ResourceId};
use nexus_social::{
    row::{Bookmark, Edge, FileKey, HostRow, Label, PostKey, ResourceRow, Target, UserEdge},
    store::Stored,
};
use rusqlite::Connection;
use std::{
    collections::HashMap,
    ops::Deref,
    sync::mpsc::{self, SyncSender},
    thread,
};

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

/// How many rows are handed over at a time.
const BATCH: usize = 1024;
/// How many batches wait for whoever takes them; then reading waits.
const WAITING: usize = 16;

/// Where rows go: batch by batch to another thread.
pub(super) struct Sink {
    batch: Vec<Stored>,
    batches: SyncSender<Vec<Stored>>,
}

impl Sink {
    fn put(&mut self, row: Stored) -> Result<()> {
        self.batch.push(row);
        if self.batch.len() == BATCH {
            self.hand_over();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // Nobody takes it only if whoever did has panicked, which is told elsewhere.
        let _ = self.batches.send(batch);
    }
}

/// Labels by their text, so that each is made once.
#[derive(Default)]
struct Labels(HashMap<Box<str>, Label>);

impl Labels {
    fn of(&mut self, text: &str) -> Label {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let label = Label::from_valid(text);
        self.0.insert(text.into(), label.clone());
        label
    }
}

/// Runs `read` on a thread of its own and hands the rows to `take` on this one.
pub(super) fn rows<T: Send, E: From<Error> + Send>(
    take: &mut dyn FnMut(Stored),
    read: impl FnOnce(Sink) -> std::result::Result<T, E> + Send,
) -> std::result::Result<T, E> {
    thread::scope(|scope| {
        let (batches, taken) = mpsc::sync_channel(WAITING);
        let reader = scope.spawn(move || read(Sink { batch: Vec::with_capacity(BATCH), batches }));
        taken.into_iter().flatten().for_each(take);
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl<C: Deref<Target = Connection>> Session<'_, C> {
    /// Hands every row over.
    pub(super) fn load(&self, mut sink: Sink) -> Result<()> {
        self.load_all(&mut sink)?;
        sink.hand_over();
        Ok(())
    }

    fn load_all(&self, sink: &mut Sink) -> Result<()> {
        let users = self.users()?;
        self.load_objects(&users, sink)?;
        let resources = self.load_resources(sink)?;
        self.load_post_edges(&users, sink)?;
        self.load_relations(&users, sink)?;
        self.load_bookmarks(&users, sink)?;
        self.load_tags(&users, &resources, sink)?;
        self.each("SELECT user, score FROM trust", [], |c| sink.put(Stored::Trust(users.at(c, 0)?, c.real(1)?)))
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

    fn load_objects(&self, users: &Users, sink: &mut Sink) -> Result<()> {
        self.each("SELECT user, homeserver, resolved_at, stale FROM hosts", [], |c| {
            sink.put(Stored::Host(host_row(c, 1, users.at(c, 0)?)?))
        })?;
        self.each(&format!("SELECT user, {USER} FROM users"), [], |c| {
            sink.put(Stored::User(user_row(c, 1, users.at(c, 0)?)?))
        })?;
        self.each(&format!("SELECT author, id, {POST} FROM posts"), [], |c| {
            sink.put(Stored::Post(post_row(c, 2, users.post(c, 0)?)?))
        })?;
        self.each(&format!("SELECT owner, id, {FILE} FROM files"), [], |c| {
            let key = users.post(c, 0)?;
            sink.put(Stored::File(file_row(c, 2, FileKey { owner: key.author, id: key.id })?))
        })
    }

    /// Resources by number.
    fn load_resources(&self, sink: &mut Sink) -> Result<HashMap<i64, ResourceId>> {
        let mut resources = HashMap::new();
        self.each("SELECT n, id, uri, indexed_at FROM resources", [], |c| {
            let row = ResourceRow { id: c.id(1)?, uri: c.text(2)?, indexed_at: c.time(3)? };
            resources.insert(c.int(0)?, row.id);
            sink.put(Stored::Resource(row))
        })?;
        Ok(resources)
    }

    fn load_post_edges(&self, users: &Users, sink: &mut Sink) -> Result<()> {
        let columns = "author, id, target_author, target_id, time";
        self.each(&format!("SELECT {columns} FROM replies"), [], |c| {
            let (post, parent) = (users.post(c, 0)?, users.post(c, 2)?);
            sink.put(Stored::Edge(Edge::Replied { post, parent, time: c.time(4)? }))
        })?;
        self.each(&format!("SELECT {columns} FROM reposts"), [], |c| {
            let (post, target) = (users.post(c, 0)?, users.post(c, 2)?);
            sink.put(Stored::Edge(Edge::Reposted { post, target, time: c.time(4)? }))
        })?;
        self.each("SELECT author, id, user, time FROM mentions", [], |c| {
            let (post, user) = (users.post(c, 0)?, users.at(c, 2)?);
            sink.put(Stored::Edge(Edge::Mentioned { post, user, time: c.time(3)? }))
        })
    }

    fn load_relations(&self, users: &Users, sink: &mut Sink) -> Result<()> {
        for (table, edge) in [("follows", Edge::Follows as fn(UserEdge) -> Edge), ("mutes", Edge::Mutes)] {
            self.each(&format!("SELECT source, target, time, created_at FROM {table}"), [], |c| {
                let (from, to) = (users.at(c, 0)?, users.at(c, 1)?);
                sink.put(Stored::Edge(edge(UserEdge { from, to, time: c.time(2)?, created_at: c.int(3)? })))
            })?;
        }
        Ok(())
    }

    fn load_bookmarks(&self, users: &Users, sink: &mut Sink) -> Result<()> {
        let sql = "SELECT user, author, post, id, time, created_at FROM bookmarks";
        self.each(sql, [], |c| {
            let (user, post) = (users.at(c, 0)?, users.post(c, 1)?);
            let (id, time, created_at): (_, Timestamp, _) = (c.id(3)?, c.time(4)?, c.int(5)?);
            sink.put(Stored::Edge(Edge::Bookmarked(Bookmark { user, post, id, time, created_at })))
        })
    }

    fn load_tags(&self, users: &Users, resources: &HashMap<i64, ResourceId>, sink: &mut Sink) -> Result<()> {
        let sql = "SELECT kind, about, post, tagger, label, app, id, time, created_at FROM tags";
        let mut labels = Labels::default();
        self.each(sql, [], |c| {
            let target = match c.int(0)? {
                0 => Target::User(users.at(c, 1)?),
                1 => Target::Post(users.post(c, 1)?),
                _ => {
                    let id = resources.get(&c.int(1)?);
                    Target::Resource(*id.ok_or_else(|| Error::Damaged("a tag on a resource without a row".into()))?)
                }
            };
            sink.put(Stored::Edge(Edge::Tagged(tag_row(c, 5, users.at(c, 3)?, target, labels.of(c.str(4)?))?)))
        })
    }
}
