//! A store with some records, changed by hand and published at once.

use nexus_journal::Head;
use nexus_model::{Action, Seq, Timestamp};
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::{ChangeRow, Effects, RowChange},
    notification::{NotificationBody, Notified},
    row::{ContentHash, Edge, Label, PostKey, PostKind, PostRow, Tag, Target},
    store::{Memory, Store},
};
use nexus_social_server::journal::StoreJournal;
use std::sync::{Arc, atomic::AtomicI64, atomic::Ordering};

pub(crate) const ADA: &str = "operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo";
pub(crate) const BOB: &str = "uo7jgkykft4885n8cruizwy6khw71mnu5pq3ay9i8pw1ymcn85ko";

pub(crate) fn user(key: &str) -> PubkyId {
    PubkyId::from_stored(key).unwrap()
}

pub(crate) fn post_key(author: &str, id: u32) -> PostKey {
    PostKey { author: user(author), id: format!("{id:013}").parse().unwrap() }
}

/// A store whose changes are published as they are committed.
pub(crate) struct Shelf {
    pub(crate) store: Arc<Memory>,
    pub(crate) head: Arc<Head>,
    clock: AtomicI64,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self { store: Arc::new(Memory::new()), head: Arc::new(Head::new(Seq::START)), clock: AtomicI64::new(1_000) }
    }

    pub(crate) fn journal(&self) -> Arc<StoreJournal> {
        Arc::new(StoreJournal::new(self.store.clone(), self.head.clone()))
    }

    /// Commits without publishing.
    pub(crate) fn commit(&self, effects: &Effects) -> Seq {
        let mut group = self.store.begin().unwrap();
        group.apply(effects).unwrap();
        group.commit().unwrap()
    }

    fn publish(&self, effects: &Effects) -> Seq {
        let seq = self.commit(effects);
        self.head.advance(seq);
        seq
    }

    pub(crate) fn change(&self, author: &str, collection: &'static str, key: &str, action: Action) -> ChangeRow {
        let time = Timestamp::from_millis(self.clock.fetch_add(1, Ordering::Relaxed));
        let (author, key) = (user(author), key.into());
        ChangeRow { author, collection, key, action, version: None, live: true, time }
    }

    pub(crate) fn post_effects(&self, key: PostKey, kind: PostKind, content: &str) -> Effects {
        let mut change = self.change(key.author.as_str(), "posts", key.id.as_str(), Action::Create);
        change.version = Some(ContentHash([content.len() as u8; 32]));
        let mut row = PostRow::of_text(key, kind, content.to_owned(), change.time);
        row.hash = change.version;
        Effects { changes: vec![change], rows: vec![RowChange::PutPost(row)], ..Effects::default() }
    }

    pub(crate) fn post(&self, key: PostKey, kind: PostKind, content: &str) -> Seq {
        self.publish(&self.post_effects(key, kind, content))
    }

    pub(crate) fn remove_post(&self, key: PostKey) -> Seq {
        let change = self.change(key.author.as_str(), "posts", key.id.as_str(), Action::Delete);
        let rows = vec![RowChange::RemovePost(key)];
        self.publish(&Effects { changes: vec![change], rows, ..Effects::default() })
    }

    /// `tagger` puts `label` on a post; `number` makes the tag's id.
    pub(crate) fn tag(&self, tagger: &str, number: u32, post: PostKey, label: &str) -> Seq {
        let id = format!("{number:026}");
        let change = self.change(tagger, "tags", &id, Action::Create);
        let tag = Tag {
            tagger: user(tagger),
            app: None,
            id: id.parse().unwrap(),
            target: Target::Post(post),
            label: Label::from_valid(label),
            time: change.time,
            created_at: 0,
        };
        let rows = vec![RowChange::PutEdge(Edge::Tagged(tag))];
        self.publish(&Effects { changes: vec![change], rows, ..Effects::default() })
    }

    /// `receiver` hears that `follower` follows them.
    pub(crate) fn notify(&self, receiver: &str, follower: &str) -> Seq {
        let body = NotificationBody::Follow { followed_by: user(follower) };
        let change = self.change(receiver, "notifications", &body.key(), Action::Create);
        let notifications = vec![Notified { receiver: user(receiver), body, time: change.time }];
        self.publish(&Effects { changes: vec![change], notifications, ..Effects::default() })
    }
}
