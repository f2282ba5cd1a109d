//! Coherent histories: what a small, busy network could have done, as the effects of one event after the other.
//! Everything that an index must survive happens often: equal times, edits, tombstones and revivals, removals
//! by moderation, records that move to another time, tags that go one by one.

use super::{Model, edge_time};
use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceId, TimestampId};
use nexus_social::{
    dice::Dice,
    effects::{Effects, RowChange},
    row::{
        Bookmark, ContentHash, Edge, Embed, FileKey, FileRow, HostRow, Label, PostKey, PostKind, PostRow, Profile,
        ResourceRow, Tag, Target, UserEdge, UserRow, UserState,
    },
};
use std::sync::Arc;

/// When histories begin, in milliseconds.
const BEGIN: i64 = 1_790_000_000_000;
const DAY: i64 = 86_400_000;
const LABELS: [&str; 6] = ["maps", "mapping", "bitcoin", "art", "straße", "zebra"];
const NAMES: [&str; 6] = ["Ada", "adam", "Ädä", "Bob", "Ada", "İlker"];
const URIS: [&str; 4] = ["https://ex.org/", "https://ex.org/a", "geo:1,2", "isbn:1"];
const APPS: [&str; 2] = ["mapky.app", "eventky.app"];
const KINDS: [PostKind; 8] = [
    PostKind::Short,
    PostKind::Short,
    PostKind::Long,
    PostKind::Image,
    PostKind::Link,
    PostKind::Collection,
    PostKind::Collection,
    PostKind::Unknown,
];

/// An endless history, with the state that it has led to.
#[derive(Clone, Debug)]
pub struct History {
    dice: Dice,
    model: Model,
    now: i64,
    users: Vec<PubkyId>,
}

impl History {
    /// The history of `users` users that belongs to a seed.
    pub fn new(seed: u64, users: usize) -> Self {
        let mut dice = Dice::new(seed);
        let mut keys = Vec::new();
        while keys.len() < users {
            keys.extend(PubkyId::from_key_bytes(&dice.bytes()));
        }
        Self { dice, model: Model::default(), now: BEGIN, users: keys }
    }

    /// Where the history stands.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The time of the last event.
    pub const fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Everybody who may take part, known or not.
    pub fn users(&self) -> &[PubkyId] {
        &self.users
    }

    /// Every post there is.
    pub fn posts(&self) -> Vec<PostKey> {
        self.model.posts.keys().copied().collect()
    }

    /// The labels that may be used.
    pub fn labels(&self) -> Vec<Label> {
        LABELS.into_iter().map(Label::from_valid).collect()
    }

    /// The resources that may be tagged.
    pub fn resources(&self) -> Vec<ResourceId> {
        URIS.into_iter().map(ResourceId::of_normal_form).collect()
    }

    /// The apps that may tag them.
    pub fn apps(&self) -> Vec<Arc<str>> {
        APPS.into_iter().map(Arc::from).collect()
    }

    /// The files there are.
    pub fn files(&self) -> Vec<FileKey> {
        self.model.files.keys().copied().collect()
    }

    /// Mostly a moment, at times an hour, a day, a week; now and then no time passes at all.
    fn tick(&mut self) {
        self.now += match self.dice.below(12) {
            0..4 => 0,
            4..9 => 1,
            9 => DAY / 24,
            10 => DAY / 2,
            _ => {
                if self.dice.percent(20) {
                    8 * DAY
                } else {
                    90_000
                }
            }
        };
    }

    fn user(&mut self) -> PubkyId {
        // Some are busier than others.
        let reach = self.dice.below(self.users.len()) + 1;
        self.users[self.dice.below(reach)]
    }

    fn known_user(&mut self) -> Option<PubkyId> {
        let known: Vec<_> = self.model.users.keys().copied().collect();
        self.dice.pick(&known).copied()
    }

    fn known_post(&mut self) -> Option<PostKey> {
        let posts = self.posts();
        self.dice.pick(&posts).copied()
    }

    fn an_edge(&mut self, wanted: impl Fn(&Edge) -> bool) -> Option<Edge> {
        let edges: Vec<_> = self.model.edges.values().filter(|edge| wanted(edge)).cloned().collect();
        self.dice.pick(&edges).cloned()
    }

    fn step(&mut self) -> Option<Vec<RowChange>> {
        match self.dice.below(28) {
            0 => self.host(),
            1..4 => self.put_user(),
            4 => self.delete_user(),
            5..10 => self.write(),
            10..12 => self.edit(),
            12 => self.delete_post(),
            13 => self.moderate(),
            14..17 => self.follow(),
            17 => self.drop_edge(|edge| matches!(edge, Edge::Follows(_) | Edge::Mutes(_) | Edge::Bookmarked(_))),
            18..23 => self.tag(),
            23 => self.untag(),
            24 => self.bookmark(),
            25 => self.mute(),
            26 => self.file(),
            _ => self.trust(),
        }
    }

    fn put_user(&mut self) -> Option<Vec<RowChange>> {
        let id = self.user();
        let is_stub = !self.model.users.contains_key(&id) && self.dice.percent(20);
        let name = if is_stub { id.to_string() } else { (*self.dice.pick(&NAMES)?).to_owned() };
        let state = if is_stub { UserState::Stub } else { UserState::Active };
        let bio = self.dice.percent(50).then(|| format!("bio {}", self.now));
        Some(vec![RowChange::PutUser(self.profile(id, state, name, bio))])
    }

    fn profile(&self, id: PubkyId, state: UserState, name: String, bio: Option<String>) -> UserRow {
        let profile = Profile { name, bio, image: None, links: None, status: None };
        let hash = (state == UserState::Active).then_some(ContentHash([7; 32]));
        UserRow { id, state, profile, indexed_at: self.now(), hash }
    }

    /// A tombstone if anything points at the user, else nothing is left.
    fn delete_user(&mut self) -> Option<Vec<RowChange>> {
        let id = self.known_user()?;
        let names = |edge: &Edge| edge_users(edge).contains(&id);
        let named = self.model.edges.values().any(names) || self.model.posts.keys().any(|post| post.author == id);
        let kept = named || self.model.hosts.contains_key(&id);
        let tombstone = self.profile(id, UserState::Deleted, "[DELETED]".to_owned(), None);
        Some(vec![if kept { RowChange::PutUser(tombstone) } else { RowChange::RemoveUser(id) }])
    }

    fn host(&mut self) -> Option<Vec<RowChange>> {
        let user = self.known_user()?;
        if self.dice.percent(30) && self.model.hosts.contains_key(&user) {
            return Some(vec![RowChange::RemoveHost(user)]);
        }
        let homeserver: Arc<str> = format!("https://hs{}.example", self.dice.below(2)).into();
        Some(vec![RowChange::PutHost(HostRow { user, homeserver, resolved_at: self.now(), stale: false })])
    }

    fn content(&mut self, kind: &PostKind) -> String {
        if *kind != PostKind::Collection {
            return format!("words {}", self.dice.below(1000));
        }
        let items: Vec<String> = (0..self.dice.below(4)).filter_map(|_| Some(self.known_post()?.uri())).collect();
        serde_json::json!({ "name": "best", "items": items }).to_string()
    }

    fn write(&mut self) -> Option<Vec<RowChange>> {
        let author = self.known_user()?;
        let id = TimestampId::from_micros((BEGIN + self.dice.below(40) as i64) * 1000);
        let key = PostKey { author, id };
        if self.model.posts.contains_key(&key) {
            return self.edit();
        }
        let kind = self.dice.pick(&KINDS)?.clone();
        let parent = if self.dice.percent(40) { self.known_post() } else { None };
        let target = if self.dice.percent(25) { self.known_post() } else { None };
        let time = self.now();
        let row = PostRow {
            key,
            content: self.content(&kind),
            kind,
            parent: parent.map(|parent| parent.uri()),
            embed: target.map(|target| Embed { kind: PostKind::Short, uri: target.uri() }),
            attachments: self.attachments(author),
            lock: self.dice.percent(10).then(|| "https://lock.example/".to_owned()),
            indexed_at: time,
            deleted: false,
            hash: Some(ContentHash([9; 32])),
        };
        let mut changes = vec![RowChange::PutPost(row)];
        changes.extend(parent.map(|parent| RowChange::PutEdge(Edge::Replied { post: key, parent, time })));
        changes.extend(target.map(|target| RowChange::PutEdge(Edge::Reposted { post: key, target, time })));
        changes.extend(self.mentions(key));
        Some(changes)
    }

    fn attachments(&mut self, author: PubkyId) -> Option<Vec<String>> {
        match self.dice.below(4) {
            0 => Some(vec![format!("pubky://{author}/pub/pubky.app/files/0034A0X7Q1B20")]),
            1 => Some(Vec::new()),
            _ => None,
        }
    }

    fn mentions(&mut self, post: PostKey) -> Vec<RowChange> {
        let time = self.now();
        let named: Vec<_> = (0..self.dice.below(3)).map(|_| self.user()).collect();
        let known = |user: &PubkyId| self.model.edges.contains_key(&super::EdgeKey::Mentioned(post, *user));
        let new = named.into_iter().filter(|user| !known(user));
        new.map(|user| RowChange::PutEdge(Edge::Mentioned { post, user, time })).collect()
    }

    /// Edits keep the time of indexing, parent and edges, and may revive a tombstone.
    fn edit(&mut self) -> Option<Vec<RowChange>> {
        let key = self.known_post()?;
        let mut row = self.model.posts.get(&key)?.clone();
        if self.dice.percent(40) {
            row.kind = self.dice.pick(&KINDS)?.clone();
        }
        row.content = self.content(&row.kind.clone());
        row.attachments = self.attachments(key.author);
        row.deleted = false;
        let mut changes = vec![RowChange::PutPost(row)];
        changes.extend(self.mentions(key));
        Some(changes)
    }

    fn edges_of(&self, key: &PostKey) -> (Vec<Edge>, Vec<Edge>) {
        let touches = |edge: &&Edge| edge_posts(edge).contains(key);
        let touching = self.model.edges.values().filter(touches).cloned();
        touching
            .partition(|edge| matches!(edge, Edge::Replied { post, .. } | Edge::Reposted { post, .. } if post == key))
    }

    /// Nothing is left of a post that nobody answered, kept or tagged and that names nobody; else a tombstone.
    fn delete_post(&mut self) -> Option<Vec<RowChange>> {
        let key = self.known_post()?;
        let (own, foreign) = self.edges_of(&key);
        if foreign.is_empty() {
            return Some(removal(own, key));
        }
        let row = self.model.posts.get(&key)?.clone();
        let tombstone = PostRow {
            content: "[DELETED]".to_owned(),
            kind: PostKind::Short,
            embed: None,
            attachments: None,
            lock: None,
            deleted: true,
            hash: None,
            ..row
        };
        Some(vec![RowChange::PutPost(tombstone)])
    }

    /// Nothing is left, whatever pointed at it.
    fn moderate(&mut self) -> Option<Vec<RowChange>> {
        let key = self.known_post()?;
        let (own, foreign) = self.edges_of(&key);
        Some(removal([own, foreign].concat(), key))
    }

    fn pair(&mut self) -> Option<UserEdge> {
        let (from, to) = (self.known_user()?, self.known_user()?);
        (from != to).then(|| UserEdge { from, to, time: self.now(), created_at: self.now * 1000 })
    }

    fn follow(&mut self) -> Option<Vec<RowChange>> {
        let edge = self.pair()?;
        (!self.model.follows(&edge.from, &edge.to)).then(|| vec![RowChange::PutEdge(Edge::Follows(edge))])
    }

    fn mute(&mut self) -> Option<Vec<RowChange>> {
        let edge = self.pair()?;
        (!self.model.mutes(&edge.from, &edge.to)).then(|| vec![RowChange::PutEdge(Edge::Mutes(edge))])
    }

    fn drop_edge(&mut self, wanted: impl Fn(&Edge) -> bool) -> Option<Vec<RowChange>> {
        Some(vec![RowChange::RemoveEdge(self.an_edge(wanted)?)])
    }

    /// A repeat overwrites id and time.
    fn bookmark(&mut self) -> Option<Vec<RowChange>> {
        let (user, post) = (self.known_user()?, self.known_post()?);
        let id = HashId::of_hash(&self.dice.bytes());
        let bookmark = Bookmark { user, post, id, time: self.now(), created_at: self.now * 1000 };
        Some(vec![RowChange::PutEdge(Edge::Bookmarked(bookmark))])
    }

    fn tag(&mut self) -> Option<Vec<RowChange>> {
        let tagger = self.known_user()?;
        let label = Label::from_valid(self.dice.pick(&LABELS)?);
        let mut changes = Vec::new();
        let (target, app) = match self.dice.below(6) {
            0 => (Target::User(self.known_user()?), None),
            1 => {
                let uri = *self.dice.pick(&URIS)?;
                let id = ResourceId::of_normal_form(uri);
                if !self.model.resources.contains_key(&id) {
                    let row = ResourceRow { id, uri: uri.to_owned(), indexed_at: self.now() };
                    changes.push(RowChange::PutResource(row));
                }
                (Target::Resource(id), Some(Arc::from(*self.dice.pick(&APPS)?)))
            }
            _ => (Target::Post(self.known_post()?), None),
        };
        let id = HashId::of_hash(&self.dice.bytes());
        let tag = Tag { tagger, app, id, target, label, time: self.now(), created_at: self.now * 1000 };
        let is_new = !self.model.edges.contains_key(&super::EdgeKey::of(&Edge::Tagged(tag.clone())));
        changes.push(RowChange::PutEdge(Edge::Tagged(tag)));
        // A tag that is there is left alone, or, as an import may do, moved to another time.
        (is_new || self.dice.percent(10)).then_some(changes)
    }

    fn untag(&mut self) -> Option<Vec<RowChange>> {
        let edge = self.an_edge(|edge| matches!(edge, Edge::Tagged(_)))?;
        let mut changes = vec![RowChange::RemoveEdge(edge.clone())];
        if let Edge::Tagged(Tag { target: Target::Resource(id), .. }) = &edge
            && self.model.tags().filter(|tag| tag.target == Target::Resource(*id)).count() == 1
        {
            changes.push(RowChange::RemoveResource(*id));
        }
        Some(changes)
    }

    fn file(&mut self) -> Option<Vec<RowChange>> {
        let owner = self.known_user()?;
        let key = FileKey { owner, id: TimestampId::from_micros(BEGIN + self.dice.below(3) as i64) };
        if self.model.files.contains_key(&key) {
            return Some(vec![RowChange::RemoveFile(key)]);
        }
        let content_type = if self.dice.percent(50) { "image/png" } else { "text/plain" };
        Some(vec![RowChange::PutFile(FileRow {
            key,
            name: "map".to_owned(),
            created_at: self.now * 1000,
            src: format!("pubky://{owner}/pub/pubky.app/blobs/X"),
            content_type: content_type.to_owned(),
            size: 5,
            indexed_at: self.now(),
            hash: None,
        })])
    }

    fn trust(&mut self) -> Option<Vec<RowChange>> {
        let known: Vec<_> = self.model.users.keys().copied().collect();
        let scored: Vec<_> = known.into_iter().filter(|_| self.dice.percent(60)).collect();
        let scores: Vec<_> = scored.into_iter().map(|user| (user, self.dice.below(4) as f64 / 8.0)).collect();
        Some(vec![RowChange::SetTrust(scores.into())])
    }
}

fn removal(edges: Vec<Edge>, key: PostKey) -> Vec<RowChange> {
    let gone = edges.into_iter().map(RowChange::RemoveEdge);
    gone.chain([RowChange::RemovePost(key)]).collect()
}

/// The users that an edge names.
fn edge_users(edge: &Edge) -> Vec<PubkyId> {
    let posts = edge_posts(edge).into_iter().map(|post| post.author);
    let named = match edge {
        Edge::Mentioned { user, .. } => vec![*user],
        Edge::Follows(edge) | Edge::Mutes(edge) => vec![edge.from, edge.to],
        Edge::Bookmarked(bookmark) => vec![bookmark.user],
        Edge::Tagged(Tag { tagger, target: Target::User(user), .. }) => vec![*tagger, *user],
        Edge::Tagged(tag) => vec![tag.tagger],
        Edge::Replied { .. } | Edge::Reposted { .. } => Vec::new(),
    };
    posts.chain(named).collect()
}

/// The posts at the ends of an edge.
fn edge_posts(edge: &Edge) -> Vec<PostKey> {
    match edge {
        Edge::Replied { post, parent: other, .. } | Edge::Reposted { post, target: other, .. } => vec![*post, *other],
        Edge::Mentioned { post, .. } => vec![*post],
        Edge::Bookmarked(bookmark) => vec![bookmark.post],
        Edge::Tagged(Tag { target: Target::Post(post), .. }) => vec![*post],
        Edge::Tagged(_) | Edge::Follows(_) | Edge::Mutes(_) => Vec::new(),
    }
}

impl Iterator for History {
    type Item = Effects;

    fn next(&mut self) -> Option<Effects> {
        self.tick();
        let rows = loop {
            if let Some(rows) = self.step() {
                break rows;
            }
        };
        let effects = Effects { rows, ..Effects::default() };
        self.model.apply(&effects);
        debug_assert!(self.model.edges.values().all(|edge| edge_time(edge).millis() <= self.now));
        Some(effects)
    }
}
