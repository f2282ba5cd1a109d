//! How fast the social service's file takes events in, and gives its rows back.
//!
//! `cargo bench -p nexus-sqlite --bench social -- [USERS [EVENTS [GROUP]]]`: synthetic events with Zipf-like popular
//! targets, each decided, applied and committed in groups; then a load of every row, an export and its import.
#![expect(clippy::unwrap_used, reason = "what fails here ends the measurement")]

use nexus_model::{Timestamp, Verified};
use nexus_pubky::{Address, Path, PubkyId, Record, TimestampId};
use nexus_social::{
    dice::Dice,
    export,
    import::{Importer, Options, Trust},
    input::{Event, EventAction, Input},
    row::{ContentHash, PostKey, PostKind, user_uri},
    rules::Policy,
    store::Store,
    writer::Writer,
};
use nexus_social_suite as suite;
use nexus_sqlite::social::SocialStore;
use pubky_app_specs::{PubkyAppFollow, PubkyAppPost, PubkyAppTag, PubkyAppUser, traits::HashId as _};
use std::{sync::Arc, time::Instant};

const HOME: &str = "https://home.example";

struct Feed {
    dice: Dice,
    users: Vec<PubkyId>,
    posts: Vec<PostKey>,
    home: Arc<str>,
}

impl Feed {
    fn new(users: u32) -> Self {
        let users = (0..users).map(suite::key).collect();
        Self { dice: Dice::new(1), users, posts: Vec::new(), home: HOME.into() }
    }

    fn event(&self, user: PubkyId, path: Path, record: Record) -> Input {
        let hash = ContentHash([7; 32]);
        let action = EventAction::Put { record: Verified::by_operator(record), hash, blob: None };
        let address = Address { user, path };
        Input::Event(Box::new(Event { address, action, homeserver: Arc::clone(&self.home), live: false }))
    }

    fn profile(&self, n: usize) -> Input {
        let user = PubkyAppUser { name: format!("user {n}"), bio: None, image: None, links: None, status: None };
        self.event(self.users[n], Path::Profile, Record::User(user))
    }

    /// Popular things are named more often: the square of a fraction is nearer to the first.
    fn popular(&mut self, count: usize) -> usize {
        let fraction = self.dice.fraction();
        ((fraction * fraction * count as f64) as usize).min(count - 1)
    }

    /// One post, two follows and three tags in six.
    fn next(&mut self, n: usize) -> Input {
        let who = self.dice.below(self.users.len());
        let user = self.users[who];
        match n % 6 {
            0 => self.post(user, n),
            1 | 2 => {
                let to = self.popular(self.users.len());
                self.event(user, Path::Follow(self.users[to]), Record::Follow(PubkyAppFollow { created_at: 1 }))
            }
            _ => {
                let at = self.popular(self.posts.len());
                let uri = if n % 60 == 3 { user_uri(&self.users[at % self.users.len()]) } else { self.posts[at].uri() };
                let label = format!("label{}", self.popular(2000));
                let tag = PubkyAppTag { uri, label, created_at: 1 };
                let id = tag.create_id().parse().unwrap();
                self.event(user, Path::Tag { app: None, id }, Record::Tag(tag))
            }
        }
    }

    fn post(&mut self, user: PubkyId, n: usize) -> Input {
        let id: TimestampId = format!("0034A0X{n:06}").parse().unwrap();
        let parent = (n.is_multiple_of(18) && !self.posts.is_empty()).then(|| {
            let at = self.popular(self.posts.len());
            self.posts[at].uri()
        });
        self.posts.push(PostKey { author: user, id });
        let content = "a post of about the usual length that says nothing in particular but takes its room ".repeat(2);
        let (kind, embed, attachments, lock) = (PostKind::Short, None, None, None);
        let post = PubkyAppPost { content, kind, parent, embed, attachments, lock };
        self.event(user, Path::Post(id), Record::Post(post))
    }
}

fn report(what: &str, count: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what:<22} {count:>9}  {:>8.2} s  {:>9.0}/s  {:>6.2} µs each",
        seconds,
        count as f64 / seconds,
        seconds * 1e6 / count as f64
    );
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (users, events, group) =
        (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(300_000), numbers.next().unwrap_or(200));
    let folder = tempfile::tempdir().unwrap();
    let store = SocialStore::open(&folder.path().join("a.db")).unwrap();
    let writer = Writer::new(Arc::new(Policy::default()));
    let mut feed = Feed::new(u32::try_from(users).unwrap());
    let mut clock = 1_790_000_000_000;
    let mut run = |inputs: &[Input]| {
        clock += 10;
        writer.run(&store, inputs, Timestamp::from_millis(clock), |_| ()).unwrap();
    };
    let start = Instant::now();
    let profiles: Vec<_> = (0..users).map(|n| feed.profile(n)).collect();
    profiles.chunks(group).for_each(&mut run);
    report("profiles", users, start);
    let inputs: Vec<_> = (0..events).map(|n| feed.next(n)).collect();
    let start = Instant::now();
    inputs.chunks(group).for_each(&mut run);
    report("events", events, start);
    println!("{:<22} {:>9} bytes, {} each", "file", store.size().unwrap(), store.size().unwrap() / events as u64);
    let (start, mut rows) = (Instant::now(), 0);
    store.load(&mut |_| rows += 1).unwrap();
    report("rows loaded", rows, start);
    let (start, mut lines) = (Instant::now(), Vec::new());
    let count = export::write(&store, &mut lines).unwrap();
    report("lines exported", usize::try_from(count).unwrap(), start);
    let copy = SocialStore::open(&folder.path().join("b.db")).unwrap();
    let importer =
        Importer::new(Options { trust: Trust::Trusted, ..Options::default() }, Timestamp::from_millis(clock));
    let start = Instant::now();
    let summary = importer.run(&copy, || Ok(lines.as_slice()), &mut |line| println!("{line}")).unwrap();
    report("lines imported", usize::try_from(summary.lines).unwrap(), start);
}
