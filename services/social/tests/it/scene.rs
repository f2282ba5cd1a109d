//! A store with a writer before it, and short words for what happens.

use nexus_model::{Timestamp, Verified};
use nexus_pubky::{Address, Path, PubkyId, Record};
use nexus_social::{
    input::{Event, EventAction, Input, Verdict},
    notification::NotificationBody,
    query::{Page, ScoreRange},
    row::{ContentHash, Edge, HostRow, PostKey, PostKind, PostRow, UserRow, user_uri},
    rules::Policy,
    store::{Memory, Store, Stored},
    writer::Writer,
};
use nexus_social_suite as suite;
use pubky_app_specs::{
    PubkyAppBookmark, PubkyAppFollow, PubkyAppPost, PubkyAppPostEmbed, PubkyAppTag, PubkyAppUser, traits::HashId as _,
};
use std::sync::Arc;

pub(crate) use nexus_social_suite::{post_key, user};

/// Where everybody lives unless a test says otherwise.
pub(crate) const HOME: &str = "https://home.example";

/// Where a user may move.
pub(crate) const AWAY: &str = "https://away.example";

pub(crate) struct Scene {
    pub(crate) store: Memory,
    writer: Writer,
    pub(crate) now: Timestamp,
}

impl Scene {
    /// Users 0 to 3 with profiles.
    pub(crate) fn new(policy: Policy) -> Self {
        let mut scene = Self::empty(policy);
        (0..4).for_each(|n| drop(scene.put(n, Path::Profile, profile("name"))));
        scene
    }

    pub(crate) fn empty(policy: Policy) -> Self {
        let (writer, now) = (Writer::new(Arc::new(policy)), Timestamp::from_millis(1_000_000));
        Self { store: Memory::new(), writer, now }
    }

    /// Hands one input in, a second after the one before.
    pub(crate) fn send(&mut self, input: Input) -> Verdict {
        self.now = self.now.plus_millis(1000);
        self.writer.run(&self.store, &[input], self.now, |_| ()).unwrap().remove(0)
    }

    pub(crate) fn put(&mut self, who: u8, path: Path, record: Record) -> Verdict {
        self.send(put_from(HOME, who, path, record))
    }

    pub(crate) fn delete(&mut self, who: u8, path: Path) -> Verdict {
        self.send(delete_from(HOME, who, path))
    }

    pub(crate) fn post(&mut self, key: PostKey, record: PubkyAppPost) -> Verdict {
        let address = Address { user: key.author, path: Path::Post(key.id) };
        self.send(put(HOME, address, Record::Post(record)))
    }

    /// A short post with nothing special.
    pub(crate) fn short(&mut self, key: PostKey) {
        assert!(is_done(&self.post(key, text("hello"))));
    }

    pub(crate) fn tag(&mut self, who: u8, uri: &str, label: &str) -> Verdict {
        let (path, record) = tag(None, uri, label);
        self.put(who, path, record)
    }

    pub(crate) fn bookmark(&mut self, who: u8, key: PostKey, created_at: i64) -> Verdict {
        let record = PubkyAppBookmark { uri: key.uri(), created_at };
        self.put(who, Path::Bookmark(record.create_id().parse().unwrap()), Record::Bookmark(record))
    }

    pub(crate) fn follow(&mut self, who: u8, whom: u8) -> Verdict {
        self.put(who, Path::Follow(user(whom)), Record::Follow(PubkyAppFollow { created_at: 1 }))
    }

    pub(crate) fn hosted(&mut self, who: u8, homeserver: &str) -> Verdict {
        let resolved_at = self.now;
        self.send(Input::Hosted(HostRow { user: user(who), homeserver: homeserver.into(), resolved_at, stale: false }))
    }

    pub(crate) fn row(&self, key: PostKey) -> Option<PostRow> {
        self.store.begin().unwrap().state().post(&key).unwrap()
    }

    pub(crate) fn user_row(&self, n: u8) -> Option<UserRow> {
        self.store.begin().unwrap().state().user(&user(n)).unwrap()
    }

    pub(crate) fn edges(&self) -> Vec<Edge> {
        let edges = suite::rows(&self.store).into_iter();
        edges.filter_map(|row| if let Stored::Edge(edge) = row { Some(edge) } else { None }).collect()
    }

    /// What a user was told, the latest first.
    pub(crate) fn told(&self, n: u8) -> Vec<NotificationBody> {
        let all = Page { skip: 0, limit: 99 };
        let told = self.store.notifications(&user(n), ScoreRange::default(), None, all).unwrap();
        told.into_iter().map(|notification| notification.body).collect()
    }
}

pub(crate) fn put_from(homeserver: &str, who: u8, path: Path, record: Record) -> Input {
    put(homeserver, Address { user: user(who), path }, record)
}

fn put(homeserver: &str, address: Address, record: Record) -> Input {
    let hash = ContentHash(*blake3::hash(format!("{record:?}").as_bytes()).as_bytes());
    let action = EventAction::Put { record: Verified::by_operator(record), hash, blob: None };
    Input::Event(Box::new(Event { address, action, homeserver: homeserver.into(), live: true }))
}

pub(crate) fn delete_from(homeserver: &str, who: u8, path: Path) -> Input {
    let (address, action) = (Address { user: user(who), path }, EventAction::Delete);
    Input::Event(Box::new(Event { address, action, homeserver: homeserver.into(), live: true }))
}

pub(crate) fn profile(name: &str) -> Record {
    Record::User(PubkyAppUser { name: name.into(), bio: None, image: None, links: None, status: None })
}

pub(crate) fn text(content: &str) -> PubkyAppPost {
    let (content, kind) = (content.into(), PostKind::Short);
    PubkyAppPost { content, kind, parent: None, embed: None, attachments: None, lock: None }
}

pub(crate) fn reply(to: PostKey) -> PubkyAppPost {
    PubkyAppPost { parent: Some(to.uri()), ..text("a reply") }
}

pub(crate) fn repost(of: PostKey) -> PubkyAppPost {
    PubkyAppPost { embed: Some(PubkyAppPostEmbed { kind: PostKind::Short, uri: of.uri() }), ..text("a repost") }
}

pub(crate) fn tag(app: Option<&str>, uri: &str, label: &str) -> (Path, Record) {
    let record = PubkyAppTag { uri: uri.into(), label: label.into(), created_at: 1 };
    (Path::Tag { app: app.map(Into::into), id: record.create_id().parse().unwrap() }, Record::Tag(record))
}

pub(crate) fn profile_uri(n: u8) -> String {
    user_uri(&user(n))
}

pub(crate) const fn is_done(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Done { .. })
}

/// What a waiting input waits for, and whom it would like to know.
pub(crate) fn waits(verdict: Verdict) -> (String, Vec<PubkyId>) {
    match verdict {
        Verdict::Waits { on, ingest } => (on.to_string(), ingest),
        other => panic!("{other:?} doesn't wait"),
    }
}

/// Whose homeserver is worth looking up.
pub(crate) fn ingest(verdict: Verdict) -> Vec<PubkyId> {
    if let Verdict::Done { ingest, .. } = verdict { ingest } else { panic!("{verdict:?} isn't done") }
}

/// URIs of the retries that came free.
pub(crate) fn freed(verdict: Verdict) -> Vec<String> {
    let Verdict::Done { freed, .. } = verdict else { panic!("{verdict:?} isn't done") };
    freed.into_iter().map(|row| row.uri.to_string()).collect()
}
