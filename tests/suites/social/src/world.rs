//! A small world of users and their records, and what happens in it: the raw material of random histories.
//!
//! Few users, posts and labels, so that what happens touches what happened before.

use nexus_model::{Timestamp, Verified};
use nexus_pubky::{Address, Path, PubkyId, Record, TimestampId};
use nexus_social::{
    effects::{Operation, RetryRow, SourceCursor, SourceLog},
    input::{Event, EventAction, Input, Verdict},
    row::{ContentHash, HostRow, PostKey, user_uri},
    rules::{Moderation, Policy},
    store::{Result, Store},
    writer::{Committed, Writer},
};
use pubky_app_specs::{
    PubkyAppBookmark, PubkyAppFile, PubkyAppFollow, PubkyAppMute, PubkyAppPost, PubkyAppPostEmbed, PubkyAppPostKind,
    PubkyAppTag, PubkyAppUser, traits::HashId as _,
};
use std::{collections::BTreeMap, sync::Arc};

/// How many users there are; the last one moderates.
const USERS: u8 = 6;
const MODERATOR: u8 = USERS - 1;
const HOME: &str = "https://home.example";
const AWAY: &str = "https://away.example";

/// One thing that happens, told by any bytes: what, who, which, to whom, how.
#[derive(Clone, Copy, Debug)]
pub struct Op(pub [u8; 5]);

/// The key of the `n`th user.
pub fn user(n: u8) -> PubkyId {
    key(u32::from(n))
}

/// The `n`th of very many keys.
pub fn key(n: u32) -> PubkyId {
    const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    // About every second number is the coordinate of a point, and so a key.
    (0_u8..)
        .find_map(|attempt| {
            let [a, b, c, d] = n.to_le_bytes();
            let bytes = *blake3::hash(&[a, b, c, d, attempt]).as_bytes();
            let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
            let digit = |at: usize| (0..5).fold(0, |value, i| value << 1 | bit(5 * at + i));
            let text: String = (0..PubkyId::LENGTH).map(|at| char::from(ALPHABET[usize::from(digit(at))])).collect();
            text.parse().ok()
        })
        .expect("some number of 256 is a key")
}

/// The key of the `n`th post of a user.
pub fn post_key(author: u8, n: u8) -> PostKey {
    PostKey { author: user(author), id: stamp(n) }
}

fn stamp(n: u8) -> TimestampId {
    format!("0034A0X7N{n:03}0").parse().expect("digits are Crockford base32")
}

/// What homeservers hold now, and the clock. Keys and ids are made once, they are dear in debug builds.
pub struct World {
    users: Vec<PubkyId>,
    records: BTreeMap<String, (Address, Record)>,
    now: Timestamp,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let users = (0..USERS).map(user).collect();
        Self { users, records: BTreeMap::new(), now: Timestamp::from_millis(1_790_000_000_000) }
    }

    /// The policy of this world: the last user moderates with the label `bad`.
    pub fn policy() -> Policy {
        let moderation = Moderation { moderator: Some(user(MODERATOR)), labels: ["bad".to_owned()].into() };
        Policy { moderation, ..Policy::default() }
    }

    /// The time now.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What homeservers hold now.
    pub fn records(&self) -> impl Iterator<Item = &(Address, Record)> {
        self.records.values()
    }

    /// Lets things happen, hands what homeservers report to `writer` in groups of `size`, and brings freed retries
    /// at once, as a source does. Gives everything that was handed in.
    ///
    /// # Errors
    /// If the store fails.
    pub fn run(
        &mut self,
        writer: &Writer,
        store: &dyn Store,
        ops: &[Op],
        size: usize,
        publish: &mut dyn FnMut(Committed),
    ) -> Result<Vec<Input>> {
        let mut sent = Vec::new();
        for ops in ops.chunks(size.max(1)) {
            let mut group: Vec<_> = ops.iter().map(|op| self.happen(*op)).collect();
            while !group.is_empty() {
                self.now = self.now.plus_millis(1000);
                let verdicts = writer.run(store, &group, self.now, &mut *publish)?;
                sent.append(&mut group);
                group = verdicts.iter().flat_map(freed).map(|row| self.fetch(row)).collect();
            }
        }
        Ok(sent)
    }

    /// What a source hands in for a retry: the record as it is now.
    pub fn fetch(&self, row: &RetryRow) -> Input {
        match (row.operation, self.records.get(&*row.uri)) {
            (Operation::Put, Some((address, record))) => put(address.clone(), record.clone()),
            (Operation::Put, None) => {
                Input::Dropped { uri: Arc::clone(&row.uri), homeserver: Arc::clone(&row.homeserver) }
            }
            (Operation::Delete, _) => {
                let address = Address::from_canonical(&row.uri).expect("retries of this world are canonical");
                event(address, EventAction::Delete)
            }
        }
    }

    /// Lets one thing happen and gives what is reported of it.
    pub fn happen(&mut self, op: Op) -> Input {
        let Op([what, who, ..]) = op;
        let owner = self.users[usize::from(who % USERS)];
        if what % 16 == 15 {
            return self.rare(op, owner);
        }
        let (path, record) = self.record(op);
        let address = Address { user: owner, path };
        if is_put(op) {
            self.records.insert(address.to_string(), (address.clone(), record.clone()));
            put(address, record)
        } else {
            self.records.remove(&address.to_string());
            event(address, EventAction::Delete)
        }
    }

    fn record(&self, op: Op) -> (Path, Record) {
        let Op([what, _, which, whom, how]) = op;
        let whom = usize::from(whom % USERS);
        let other = PostKey { author: self.users[whom], id: stamp(which / 4 % 4) };
        match what % 16 {
            0..=2 => (Path::Profile, Record::User(profile(how))),
            3..=6 => (Path::Post(stamp(which % 4)), Record::Post(self.post(&other, how))),
            7 | 8 => {
                (Path::Follow(self.users[whom]), Record::Follow(PubkyAppFollow { created_at: i64::from(how % 2) }))
            }
            9..=11 => tag(&other, how),
            12 => {
                let bookmark = PubkyAppBookmark { uri: other.uri(), created_at: i64::from(how % 2) };
                (Path::Bookmark(parsed(&bookmark.create_id())), Record::Bookmark(bookmark))
            }
            13 => (Path::Mute(self.users[whom]), Record::Mute(PubkyAppMute { created_at: i64::from(how % 2) })),
            _ => (Path::File(stamp(which % 4)), Record::File(file(how))),
        }
    }

    fn post(&self, other: &PostKey, how: u8) -> PubkyAppPost {
        let mentioned = self.users[usize::from(how % USERS)];
        let content = match how % 5 {
            0 => format!("hello pk:{mentioned}"),
            1 => format!("hello pubky{mentioned} and pk:{}", self.users[0]),
            2 => format!(r#"{{"name":"best","items":["{}"]}}"#, other.uri()),
            _ => format!("text {how}"),
        };
        let kind = [PubkyAppPostKind::Short, PubkyAppPostKind::Long, PubkyAppPostKind::Collection];
        let uri = other.uri();
        PubkyAppPost {
            content,
            kind: kind[usize::from(if how % 5 == 2 { 2 } else { how % 2 })].clone(),
            parent: (how / 5 % 4 == 1).then(|| uri.clone()),
            embed: (how / 20 % 4 == 1).then_some(PubkyAppPostEmbed { kind: PubkyAppPostKind::Short, uri }),
            attachments: how.is_multiple_of(7).then(|| vec!["pubky://a/pub/pubky.app/files/0034A0X7N0010".into()]),
            lock: None,
        }
    }

    /// What isn't a record: homes, cursors, failures, trust, revived letters.
    fn rare(&self, op: Op, owner: PubkyId) -> Input {
        let Op([_, _, which, whom, how]) = op;
        match which % 8 {
            0 | 1 => Input::Hosted(HostRow {
                user: owner,
                homeserver: if how % 4 == 0 { AWAY } else { HOME }.into(),
                resolved_at: Timestamp::from_millis(i64::from(how)),
                stale: false,
            }),
            2 => Input::HostDoubtful(owner),
            3 => Input::Read(SourceCursor { log: SourceLog::Homeserver(HOME.into()), cursor: u64::from(how) }),
            4 => {
                let log = SourceLog::User { homeserver: AWAY.into(), user: owner };
                Input::Read(SourceCursor { log, cursor: u64::from(how) })
            }
            5 => Input::Failed {
                address: Address { user: self.users[usize::from(whom % USERS)], path: Path::Profile },
                operation: Operation::Put,
                homeserver: HOME.into(),
                error: "no answer".into(),
            },
            6 => Input::Trust([(owner, f64::from(how) / 256.0)].into()),
            _ => Input::Revive(None),
        }
    }
}

fn freed(verdict: &Verdict) -> &[RetryRow] {
    if let Verdict::Done { freed, .. } = verdict { freed } else { &[] }
}

/// A third of what happens to records is that they go; profiles go less often.
const fn is_put(Op([what, _, _, _, how]): Op) -> bool {
    if what % 16 <= 2 { how % 8 != 0 } else { how % 3 != 0 }
}

fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no id"))
}

fn profile(how: u8) -> PubkyAppUser {
    let name = format!("name {}", how % 4);
    PubkyAppUser { name, bio: how.is_multiple_of(3).then(|| "bio".into()), image: None, links: None, status: None }
}

fn tag(other: &PostKey, how: u8) -> (Path, Record) {
    let uri = match how / 3 % 4 {
        0 => user_uri(&other.author),
        1 => format!("https://Ex.Org/{}#f", how % 2),
        _ => other.uri(),
    };
    let app: Option<Box<str>> = (how / 36).is_multiple_of(3).then(|| "mapky".into());
    // One edge has one record: what another app says of posts and users it says with a label of its own.
    let is_foreign = app.is_some() && uri.starts_with("pubky");
    let label = if is_foreign { "mapky" } else { ["maps", "art", "bad"][usize::from(how / 12 % 3)] };
    let tag = PubkyAppTag { uri, label: label.into(), created_at: i64::from(how / 128) };
    (Path::Tag { app, id: parsed(&tag.create_id()) }, Record::Tag(tag))
}

fn file(how: u8) -> PubkyAppFile {
    PubkyAppFile {
        name: format!("{how}.png"),
        created_at: i64::from(how),
        src: format!("pubky://a/pub/pubky.app/blobs/{}", how % 2),
        content_type: "image/png".into(),
        size: usize::from(how),
    }
}

fn put(address: Address, record: Record) -> Input {
    let hash = ContentHash(*blake3::hash(format!("{record:?}").as_bytes()).as_bytes());
    event(address, EventAction::Put { record: Verified::by_operator(record), hash, blob: None })
}

fn event(address: Address, action: EventAction) -> Input {
    Input::Event(Box::new(Event { address, action, homeserver: HOME.into(), live: true }))
}
