//! The second pass: what posts point at, relations between users, bookmarks, tags and trust.

use super::{Draft, Drafted, Reason};
use crate::{
    effects::{Effects, RowChange},
    line::edges_of,
    record::{Aim, post_key},
    row::{Bookmark, Edge, Label, PostKey, Profile, ResourceRow, Tag, Target, UserEdge, UserRow, UserState},
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::{HashId, Path, PubkyId, Record};
use std::sync::Arc;

impl Draft<'_> {
    /// What the line brings in the second pass.
    pub(super) fn edges(&self) -> Drafted {
        match self.path() {
            Path::Post(id) => self.post_edges(PostKey { author: self.address.user, id: *id }),
            Path::Profile => Ok(Ok(Effects::default())),
            Path::File(_) => Ok(Ok(Effects::default())),
            _ => match self.record() {
                Ok(record) => self.edge(&record),
                Err(reason) => Ok(Err(reason)),
            },
        }
    }

    fn edge(&self, record: &Record) -> Drafted {
        match (self.path(), record) {
            (Path::Follow(to), Record::Follow(record)) => self.follow(to, record.created_at),
            (Path::Mute(to), Record::Mute(record)) => {
                let old = self.state.mute(&self.address.user, to)?;
                Ok(Ok(self.relation(to, record.created_at, old, Edge::Mutes)))
            }
            (Path::Bookmark(id), Record::Bookmark(record)) => self.bookmark(*id, &record.uri, record.created_at),
            (Path::Tag { app, id }, Record::Tag(record)) => self.tag(app.as_deref(), *id, record),
            _ => Ok(Err("the value is of another kind than its URI".into())),
        }
    }

    /// What a post that the first pass took points at. An author who has no line of their own becomes a stub.
    fn post_edges(&self, key: PostKey) -> Drafted {
        let Some(row) = self.state.post(&key)? else { return Ok(Ok(Effects::default())) };
        let stated = self.line.edges.as_ref().filter(|_| self.is_trusted());
        let edges: Vec<_> =
            stated.map_or_else(|| edges_of(&row), |edges| edges.iter().filter_map(|edge| edge.to_edge(key)).collect());
        let known = self.state.edges_from_post(&key)?;
        let mut rows = Vec::new();
        if self.state.user(&key.author)?.is_none() {
            rows.push(RowChange::PutUser(self.stub(key.author)));
        }
        rows.extend(edges.into_iter().filter(|edge| !known.contains(edge)).map(RowChange::PutEdge));
        Ok(Ok(Effects { rows, ..Effects::default() }))
    }

    fn stub(&self, id: PubkyId) -> UserRow {
        let profile = Profile::named(id.as_str());
        UserRow { id, state: UserState::Stub, profile, indexed_at: self.importer.now, hash: None }
    }

    /// The reason why a record of this owner can't be taken.
    fn unless_known(&self, user: &PubkyId) -> Result<Option<Reason>> {
        Ok(self.state.user(user)?.is_none().then(|| format!("the user {user} is in no line")))
    }

    fn follow(&self, to: &PubkyId, created_at: i64) -> Drafted {
        for user in [&self.address.user, to] {
            if let Some(reason) = self.unless_known(user)? {
                return Ok(Err(reason));
            }
        }
        if self.address.user == *to {
            return Ok(Err("nobody follows themselves".into()));
        }
        let old = self.state.follow(&self.address.user, to)?;
        Ok(Ok(self.relation(to, created_at, old, Edge::Follows)))
    }

    fn relation(&self, to: &PubkyId, created_at: i64, old: Option<UserEdge>, edge: fn(UserEdge) -> Edge) -> Effects {
        let time = old.filter(|_| !self.is_trusted()).map_or_else(|| self.time(), |old| old.time);
        let new = UserEdge { from: self.address.user, to: *to, time, created_at };
        self.put_edge(edge(new), old.map(edge))
    }

    fn put_edge(&self, new: Edge, old: Option<Edge>) -> Effects {
        if old.as_ref() == Some(&new) {
            return Effects::default();
        }
        let action = if old.is_some() { Action::Update } else { Action::Create };
        self.effects(vec![RowChange::PutEdge(new)], action, None)
    }

    fn bookmark(&self, id: HashId, uri: &str, created_at: i64) -> Drafted {
        let user = self.address.user;
        let Some(post) = post_key(uri) else { return Ok(Err(format!("{uri} is no post"))) };
        if let Some(reason) = self.unless_known(&user)? {
            return Ok(Err(reason));
        }
        if self.state.post(&post)?.is_none() {
            return Ok(Err(format!("the post {uri} is in no line")));
        }
        let old = self.state.bookmark(&user, &post)?;
        let time = old.filter(|_| !self.is_trusted()).map_or_else(|| self.time(), |old| old.time);
        let new = Bookmark { user, post, id, time, created_at };
        Ok(Ok(self.put_edge(Edge::Bookmarked(new), old.map(Edge::Bookmarked))))
    }

    fn tag(&self, app: Option<&str>, id: HashId, record: &pubky_app_specs::PubkyAppTag) -> Drafted {
        let tagger = self.address.user;
        let Some(aim) = Aim::of(app, &record.uri) else { return Ok(Err(format!("{} can't be tagged", record.uri))) };
        if let Some(reason) = self.unless_known(&tagger)? {
            return Ok(Err(reason));
        }
        let is_known = match &aim.target {
            Target::User(id) => self.state.user(id)?.is_some(),
            Target::Post(key) => self.state.post(key)?.is_some(),
            Target::Resource(_) => true,
        };
        if !is_known {
            return Ok(Err(format!("the target {} is in no line", record.uri)));
        }
        let app: Option<Arc<str>> = app.filter(|_| aim.resource.is_some()).map(Into::into);
        let label = Label::from_valid(&record.label);
        let old = self.state.tag_on(&tagger, &aim.target, &label, app.as_deref())?;
        let time = old.as_ref().filter(|_| !self.is_trusted()).map_or_else(|| self.time(), |old| old.time);
        let tag = Tag { tagger, app, id, target: aim.target, label, time, created_at: record.created_at };
        let resource = self.resource(&aim, &tag)?;
        let mut effects = self.put_edge(Edge::Tagged(tag), old.map(Edge::Tagged));
        effects.rows.splice(..0, resource.map(RowChange::PutResource));
        Ok(Ok(effects))
    }

    /// The resource's row, if the tag makes it or is older than its other tags.
    fn resource(&self, aim: &Aim, tag: &Tag) -> Result<Option<ResourceRow>> {
        let Some(uri) = &aim.resource else { return Ok(None) };
        let old = self.state.resource(&uri.id())?;
        let is_known = old.is_some_and(|old| old.indexed_at <= tag.time);
        let row = || ResourceRow { id: uri.id(), uri: uri.as_str().to_owned(), indexed_at: tag.time };
        Ok((!is_known).then(row))
    }
}
