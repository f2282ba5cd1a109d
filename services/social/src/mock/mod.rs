//! Synthetic networks: people, posts, replies, follows and tags as a real network might have them, from a seed.
//! For `nexus db mock` and for benchmarks. Popularity falls as Zipf's law has it, follows and tags come in
//! neighbourhoods, and everything has a time in the year before the network's end.
//!
//! The same size, seed and end give the same rows. Nothing here is decided or verified, and no record exists
//! on any homeserver.

mod words;

use crate::{
    dice::Dice,
    effects::RowChange,
    row::{
        Bookmark, ContentHash, Edge, Embed, FileKey, FileRow, Label, PostKey, PostKind, PostRow, Profile, ResourceRow,
        Tag, Target, UserEdge, UserRow, UserState,
    },
};
use hashbrown::HashSet;
use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceId, TimestampId};
use std::sync::Arc;

/// How long a network has existed, in milliseconds.
const SPAN: i64 = 365 * 24 * 60 * 60 * 1000;
/// Users who live near one another: half of all follows stay among them.
const NEIGHBOURS: usize = 150;
/// Distinct labels in use.
const LABELS: usize = 5000;
/// The app whose users tag resources.
const APP: &str = "mapky.app";

/// How large a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Users with a profile.
    pub users: usize,
    /// Posts, a third of them replies.
    pub posts: usize,
    /// Follows. A few fewer come out, where chance repeats itself; the same holds for what follows.
    pub follows: usize,
    /// Tags: six of seven on posts, most others on profiles, some on resources.
    pub tags: usize,
    /// Bookmarks.
    pub bookmarks: usize,
    /// Mutes.
    pub mutes: usize,
}

impl Size {
    /// A network of so many users and posts with as many of everything else as is usual.
    pub const fn of(users: usize, posts: usize) -> Self {
        Self { users, posts, follows: users * 20, tags: posts * 3, bookmarks: posts / 5, mutes: users / 10 }
    }
}

/// A synthetic network.
#[derive(Clone, Debug)]
pub struct Network {
    size: Size,
    seed: u64,
    end: Timestamp,
    users: Vec<PubkyId>,
}

/// A place below `count` that is the likelier the lower it is, as in Zipf's law.
fn zipf(dice: &mut Dice, count: usize) -> usize {
    let place = ((count + 1) as f64).powf(dice.fraction()) - 1.0;
    (place as usize).min(count.saturating_sub(1))
}

impl Network {
    /// The network that belongs to a size and a seed, as it is at `end`. Makes a key for each user: with 10^5
    /// of them this takes some seconds.
    pub fn new(size: Size, seed: u64, end: Timestamp) -> Self {
        let mut dice = Dice::new(seed);
        let keys = std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten();
        let users = keys.take(size.users).collect();
        Self { size, seed, end, users }
    }

    /// Its users, those with most followers first.
    pub fn users(&self) -> &[PubkyId] {
        &self.users
    }

    /// Its posts, oldest first.
    pub fn posts(&self) -> impl Iterator<Item = PostKey> + '_ {
        let mut dice = self.dice(2);
        (0..self.size.posts).map(move |place| self.post(&mut dice, place))
    }

    /// A label's name, by its place in the order of popularity.
    pub fn label(place: usize) -> Label {
        Label::from_valid(&words::label(place))
    }

    /// Every row: users and their files, posts with their edges, follows, tags, bookmarks and mutes, each in
    /// the order of time. What a row names comes before it.
    pub fn rows(&self) -> impl Iterator<Item = RowChange> + '_ {
        let posts: Arc<[PostKey]> = self.posts().collect();
        let people = self.people();
        let written = self.writing(posts.clone());
        people.chain(written).chain(self.follows()).chain(self.tags(posts.clone())).chain(self.kept(posts))
    }

    fn dice(&self, part: u64) -> Dice {
        Dice::new(self.seed.rotate_left(17) ^ part)
    }

    /// The time of one of `count` things that happen evenly over the year, in microseconds.
    fn micros(&self, place: usize, count: usize) -> i64 {
        let step = SPAN * 1000 / count.max(1) as i64;
        (self.end.millis() - SPAN) * 1000 + step * place as i64
    }

    fn time(&self, place: usize, count: usize) -> Timestamp {
        Timestamp::from_millis(self.micros(place, count) / 1000)
    }

    fn popular(&self, dice: &mut Dice) -> PubkyId {
        self.users[zipf(dice, self.users.len())]
    }

    /// Half the time somebody popular, half the time anybody.
    fn somebody(&self, dice: &mut Dice) -> PubkyId {
        if dice.percent(50) { self.popular(dice) } else { self.users[dice.below(self.users.len())] }
    }

    fn post(&self, dice: &mut Dice, place: usize) -> PostKey {
        PostKey { author: self.somebody(dice), id: TimestampId::from_micros(self.micros(place, self.size.posts)) }
    }

    fn people(&self) -> impl Iterator<Item = RowChange> + '_ {
        let mut dice = self.dice(1);
        self.users.iter().enumerate().flat_map(move |(place, id)| {
            let time = self.time(place, self.users.len());
            let portrait = dice.percent(60).then(|| self.image(*id, time, "portrait.png"));
            let profile = Profile {
                name: words::name(&mut dice),
                bio: dice.percent(70).then(|| words::text(&mut dice, 8)),
                image: portrait.as_ref().map(file_uri),
                links: None,
                status: dice.percent(20).then(|| words::text(&mut dice, 3)),
            };
            let hash = Some(ContentHash(dice.bytes()));
            let user = UserRow { id: *id, state: UserState::Active, profile, indexed_at: time, hash };
            [RowChange::PutUser(user)].into_iter().chain(portrait.map(RowChange::PutFile))
        })
    }

    fn image(&self, owner: PubkyId, time: Timestamp, name: &str) -> FileRow {
        let micros = time.millis() * 1000;
        let blob = HashId::of_hash(blake3::hash(owner.as_bytes()).as_bytes());
        FileRow {
            key: FileKey { owner, id: TimestampId::from_micros(micros) },
            name: name.to_owned(),
            created_at: micros,
            src: format!("pubky://{owner}/pub/pubky.app/blobs/{blob}"),
            content_type: "image/png".to_owned(),
            size: 40_000,
            indexed_at: time,
            hash: None,
        }
    }

    fn writing(&self, posts: Arc<[PostKey]>) -> impl Iterator<Item = RowChange> + '_ {
        let mut dice = self.dice(3);
        (0..posts.len()).flat_map(move |place| self.written(&mut dice, &posts, place))
    }

    /// A post with what belongs to it.
    fn written(&self, dice: &mut Dice, posts: &[PostKey], place: usize) -> Vec<RowChange> {
        let (post, time) = (posts[place], self.time(place, posts.len()));
        let parent = if dice.percent(33) { earlier(dice, &posts[..place]) } else { None };
        let target = if dice.percent(8) { earlier(dice, &posts[..place]) } else { None };
        let named = dice.percent(6).then(|| self.popular(dice)).filter(|user| *user != post.author);
        let kind = if parent.is_some() { PostKind::Short } else { kind(dice) };
        // A collection embeds nothing.
        let target = target.filter(|_| kind != PostKind::Collection);
        let picture = (kind == PostKind::Image).then(|| self.image(post.author, time, "picture.png"));
        let row = PostRow {
            key: post,
            content: content(dice, &kind, &posts[..place], named),
            kind,
            parent: parent.map(|parent| parent.uri()),
            embed: target.map(|target| Embed { kind: PostKind::Short, uri: target.uri() }),
            attachments: picture.as_ref().map(|file| vec![file_uri(file)]),
            lock: None,
            indexed_at: time,
            deleted: false,
            hash: Some(ContentHash(dice.bytes())),
        };
        let mut rows: Vec<RowChange> = picture.map(RowChange::PutFile).into_iter().collect();
        rows.push(RowChange::PutPost(row));
        let edges = [
            parent.map(|parent| Edge::Replied { post, parent, time }),
            target.map(|target| Edge::Reposted { post, target, time }),
            named.map(|user| Edge::Mentioned { post, user, time }),
        ];
        rows.extend(edges.into_iter().flatten().map(RowChange::PutEdge));
        rows
    }

    fn follows(&self) -> impl Iterator<Item = RowChange> + '_ {
        let (mut dice, mut seen) = (self.dice(4), HashSet::new());
        let count = self.size.follows;
        (0..count).filter_map(move |place| {
            let edge = self.user_edge(&mut dice, self.time(place, count))?;
            seen.insert((edge.from, edge.to)).then_some(RowChange::PutEdge(Edge::Follows(edge)))
        })
    }

    /// Half of them among neighbours, half to somebody popular.
    fn user_edge(&self, dice: &mut Dice, time: Timestamp) -> Option<UserEdge> {
        let all = self.users.len();
        let from = if dice.percent(70) { dice.below(all) } else { zipf(dice, all) };
        // Neighbours are strewn over the order of popularity.
        let blocks = (all / NEIGHBOURS).max(1);
        let neighbour = from % blocks + blocks * dice.below(NEIGHBOURS);
        let to = if dice.percent(50) { zipf(dice, all) } else { neighbour };
        let (from, to) = (*self.users.get(from)?, *self.users.get(to)?);
        (from != to).then(|| UserEdge { from, to, time, created_at: time.millis() * 1000 })
    }

    fn tags(&self, posts: Arc<[PostKey]>) -> impl Iterator<Item = RowChange> + '_ {
        let (mut dice, mut seen, mut resources) = (self.dice(5), HashSet::new(), HashSet::new());
        let count = self.size.tags;
        (0..count).flat_map(move |place| {
            let before = posts.len() * place / count + 1;
            let written = &posts[..before.min(posts.len())];
            let tag = self.tag(&mut dice, written, self.time(place, count));
            // The record's id stands for target and label.
            let tag = tag.filter(|(tag, _)| seen.insert((tag.tagger, tag.id)));
            let new = tag.as_ref().and_then(|(_, row)| row.clone()).filter(|row| resources.insert(row.id));
            let edge = tag.map(|(tag, _)| RowChange::PutEdge(Edge::Tagged(tag)));
            new.map(RowChange::PutResource).into_iter().chain(edge)
        })
    }

    /// A tag, with its target's row if that is a resource.
    fn tag(&self, dice: &mut Dice, posts: &[PostKey], time: Timestamp) -> Option<(Tag, Option<ResourceRow>)> {
        let tagger = self.somebody(dice);
        let label = Self::label(zipf(dice, LABELS));
        let (target, uri, resource) = match dice.below(100) {
            0..12 => {
                let user = self.somebody(dice);
                (Target::User(user), format!("pubky://{user}/pub/pubky.app/profile.json"), None)
            }
            12..14 => {
                let uri = format!("https://example.org/places/{}", zipf(dice, self.size.users / 2 + 1));
                let id = ResourceId::of_normal_form(&uri);
                (Target::Resource(id), uri.clone(), Some(ResourceRow { id, uri, indexed_at: time }))
            }
            _ => {
                let post = earlier(dice, posts)?;
                (Target::Post(post), post.uri(), None)
            }
        };
        let app = resource.as_ref().map(|_| Arc::from(APP));
        let id = record_id(&format!("{uri}:{label}"));
        let created_at = time.millis() * 1000;
        Some((Tag { tagger, app, id, target, label, time, created_at }, resource))
    }

    fn kept(&self, posts: Arc<[PostKey]>) -> impl Iterator<Item = RowChange> + '_ {
        let (mut dice, mut seen) = (self.dice(6), HashSet::new());
        let Size { bookmarks, mutes, .. } = self.size;
        let bookmarks = (0..bookmarks).filter_map(move |place| {
            let (user, post) = (self.somebody(&mut dice), earlier(&mut dice, &posts)?);
            let time = self.time(place, bookmarks);
            let bookmark = Bookmark { user, post, id: record_id(&post.uri()), time, created_at: time.millis() * 1000 };
            seen.insert((user, post)).then_some(RowChange::PutEdge(Edge::Bookmarked(bookmark)))
        });
        let (mut dice, mut seen) = (self.dice(7), HashSet::new());
        let mutes = (0..mutes).filter_map(move |place| {
            let edge = self.user_edge(&mut dice, self.time(place, mutes))?;
            seen.insert((edge.from, edge.to)).then_some(RowChange::PutEdge(Edge::Mutes(edge)))
        });
        bookmarks.chain(mutes)
    }
}

/// A post among those before: often a recent one, at times a popular one.
fn earlier(dice: &mut Dice, posts: &[PostKey]) -> Option<PostKey> {
    let back = zipf(dice, posts.len());
    let place = if dice.percent(70) { posts.len().checked_sub(1 + back)? } else { dice.below(posts.len()) };
    posts.get(place).copied()
}

fn kind(dice: &mut Dice) -> PostKind {
    match dice.below(100) {
        0..70 => PostKind::Short,
        70..75 => PostKind::Long,
        75..85 => PostKind::Image,
        85..87 => PostKind::Video,
        87..97 => PostKind::Link,
        97..98 => PostKind::File,
        _ => PostKind::Collection,
    }
}

fn content(dice: &mut Dice, kind: &PostKind, posts: &[PostKey], named: Option<PubkyId>) -> String {
    let mut text = match kind {
        PostKind::Collection => {
            let items: Vec<String> = (0..12).filter_map(|_| earlier(dice, posts)).map(|post| post.uri()).collect();
            return serde_json::json!({ "name": words::text(dice, 3), "items": items }).to_string();
        }
        PostKind::Long => words::text(dice, 200),
        PostKind::Link => format!("{} https://example.org/{}", words::text(dice, 5), dice.below(10_000)),
        _ => {
            let words = 4 + dice.below(26);
            words::text(dice, words)
        }
    };
    if let Some(user) = named {
        text.push_str(&format!(" pk:{user}"));
    }
    text
}

fn file_uri(file: &FileRow) -> String {
    format!("pubky://{}/pub/pubky.app/files/{}", file.key.owner, file.key.id)
}

/// The id of a record that stands for a text (spec b.1).
fn record_id(text: &str) -> HashId {
    HashId::of_hash(blake3::hash(text.as_bytes()).as_bytes())
}
