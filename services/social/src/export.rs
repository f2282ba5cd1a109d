//! A store as lines: everything that can't be derived from anything else, one object a line.
//!
//! Cursors, queues, the journal and the event log stay behind: they belong to one instance, not to its data.

use crate::{
    line::{Line, PostEdge, edges_of},
    notification::Notified,
    row::{ContentHash, Edge, HostRow, PostKey, PostRow, Tag, UserEdge, UserRow, UserState, user_uri},
    store::{Error, Store, Stored, sort_by_time, value},
};
use nexus_pubky::{Address, Path, PubkyId, ResourceId};
use serde_json::{Value, value::RawValue};
use std::{collections::HashMap, io};

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store can't be read.
    #[error("the store can't be read")]
    Store(#[from] Error),
    /// The lines can't be written.
    #[error("the lines can't be written")]
    Write(#[from] io::Error),
}

/// Writes every object, edge and notification, and gives how many lines there are. What is written meanwhile may
/// be in it or not.
///
/// # Errors
/// If the store can't be read or a line can't be written.
pub fn write(store: &dyn Store, out: &mut dyn io::Write) -> Result<u64, ExportError> {
    let mut edges: HashMap<PostKey, Vec<Edge>> = HashMap::new();
    store.load(&mut |row| {
        if let Stored::Edge(edge) = row
            && let Edge::Replied { post, .. } | Edge::Reposted { post, .. } | Edge::Mentioned { post, .. } = edge
        {
            edges.entry(post).or_default().push(edge);
        }
    })?;
    let mut lines = Lines { out, written: 0, failed: None, edges, resources: HashMap::new() };
    store.load(&mut |row| lines.row(row))?;
    store.load_notifications(&mut |notified| lines.notification(notified))?;
    lines.failed.map_or(Ok(lines.written), |error| Err(error.into()))
}

struct Lines<'a> {
    out: &'a mut dyn io::Write,
    written: u64,
    /// Rows come by callback, so the first failure waits here for the end.
    failed: Option<io::Error>,
    edges: HashMap<PostKey, Vec<Edge>>,
    resources: HashMap<ResourceId, String>,
}

impl Lines<'_> {
    fn put(&mut self, line: &Line) {
        if self.failed.is_some() {
            return;
        }
        let mut text = serde_json::to_vec(line).expect("a line has only strings, numbers and checked JSON");
        text.push(b'\n');
        match self.out.write_all(&text) {
            Ok(()) => self.written += 1,
            Err(error) => self.failed = Some(error),
        }
    }

    fn row(&mut self, row: Stored) {
        let line = match row {
            Stored::Host(row) => host(row),
            Stored::User(row) => user(&row),
            Stored::Post(row) => self.post(&row),
            Stored::File(row) => {
                let (value, hash) = (raw(&value::file(&row)), hex(row.hash));
                Line { uri: Some(row.key.uri()), indexed_at: Some(row.indexed_at), value, hash, ..Line::default() }
            }
            Stored::Resource(row) => return drop(self.resources.insert(row.id, row.uri)),
            Stored::Edge(Edge::Follows(edge)) => relation(&edge, Path::Follow(edge.to)),
            Stored::Edge(Edge::Mutes(edge)) => relation(&edge, Path::Mute(edge.to)),
            Stored::Edge(Edge::Bookmarked(edge)) => {
                let value = serde_json::json!({"uri": edge.post.uri(), "created_at": edge.created_at});
                Line { uri: Some(edge.uri()), indexed_at: Some(edge.time), value: raw(&value), ..Line::default() }
            }
            Stored::Edge(Edge::Tagged(tag)) => self.tag(&tag),
            Stored::Edge(_) => return,
            Stored::Trust(id, score) => trust(&id, score),
        };
        self.put(&line);
    }

    fn post(&mut self, row: &PostRow) -> Line {
        let mut edges = self.edges.remove(&row.key).unwrap_or_default();
        let mut derived = edges_of(row);
        sort_by_time(&mut edges);
        sort_by_time(&mut derived);
        let is_derived = edges == derived;
        let edges = (!is_derived).then(|| edges.iter().filter_map(PostEdge::of).collect());
        let (uri, indexed_at, value) = (Some(row.key.uri()), Some(row.indexed_at), raw(&value::post(row)));
        Line { uri, indexed_at, value, hash: hex(row.hash), deleted: row.deleted, edges, ..Line::default() }
    }

    fn tag(&self, tag: &Tag) -> Line {
        let resource = match &tag.target {
            crate::row::Target::Resource(id) => self.resources.get(id).map(String::as_str),
            _ => None,
        };
        let value = raw(&value::tag(tag, &value::target_uri(&tag.target, resource)));
        Line { uri: Some(tag.uri()), indexed_at: Some(tag.time), value, ..Line::default() }
    }

    fn notification(&mut self, notified: Notified) {
        let (notification, receiver) = (Some(notified.body), Some(notified.receiver));
        self.put(&Line { notification, receiver, indexed_at: Some(notified.time), ..Line::default() });
    }
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

fn hex(hash: Option<ContentHash>) -> Option<String> {
    hash.map(ContentHash::to_hex)
}

fn host(row: HostRow) -> Line {
    let (homeserver, resolved_at) = (Some(row.homeserver.to_string()), Some(row.resolved_at));
    Line { uri: Some(user_uri(&row.user)), homeserver, resolved_at, stale: row.stale, ..Line::default() }
}

fn user(row: &UserRow) -> Line {
    let value = (row.state == UserState::Active).then(|| raw(&value::profile(&row.profile))).flatten();
    let (deleted, stub) = (row.state == UserState::Deleted, row.state == UserState::Stub);
    let (uri, indexed_at, hash) = (Some(user_uri(&row.id)), Some(row.indexed_at), hex(row.hash));
    Line { uri, indexed_at, value, hash, deleted, stub, ..Line::default() }
}

fn relation(edge: &UserEdge, path: Path) -> Line {
    let uri = Address { user: edge.from, path }.to_string();
    Line { uri: Some(uri), indexed_at: Some(edge.time), value: raw(&value::user_edge(edge)), ..Line::default() }
}

fn trust(id: &PubkyId, score: f64) -> Line {
    Line { uri: Some(user_uri(id)), trust: raw(&score.into()), ..Line::default() }
}
