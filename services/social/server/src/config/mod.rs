//! The settings of the social service: what each key means, its default and its range. Nothing acts here.

mod api;
mod jobs;
mod key;
mod keyed;
mod limits;
mod policy;
mod readers;
mod rules;
mod watcher;

pub use api::{Api, ApiKey, Bucket, RateLimit};
pub use jobs::{Job, Jobs, TrustRank};
pub use key::{HomeserverAt, Key};
pub use keyed::Keyed;
pub use readers::{Live, Search};
pub use rules::{Rule, Verdict};
pub use watcher::{Network, Pkarr, Retry, Watcher};

use nexus_config::{Bind, Bounded, Size, Span, Tables, section};
use std::path::PathBuf;

section! {
    /// The social service.
    pub struct Social {
        /// An address of its own. Without one, it is reached on `server.bind` like the other services.
        pub bind: Option<Bind> = None,
        /// Its database. Without one: `social.sqlite` in the data directory.
        pub database: Option<PathBuf> = None,
        /// Where files of users are kept. Without one: `files` in the data directory.
        pub files: Option<PathBuf> = None,
        /// Whether a post that is mentioned becomes a tombstone when its author deletes it, as replies and
        /// reposts make it; false: it is deleted.
        pub mention_blocks_delete: bool = true,
        /// Whose tags moderate. Without `moderated_tags`, nobody moderates.
        pub moderation_id: Option<Key> = Some(Key::moderator()),
        /// Labels by which the moderator removes what they are put on.
        pub moderated_tags: Vec<String> = [
            "hatespeech",
            "harassement",
            "terrorism",
            "violence",
            "illegal_activities",
            "il_adult_nu_sex_act",
        ].map(str::to_owned).to_vec(),
        /// How long `/v0/live` can be resumed: older changes are dropped from the journal.
        pub keep_changes: Span<60_000, 31_536_000_000> = Span::of(7 * 86_400_000),
        /// How many bytes of files are kept for one user. A file that would pass it is indexed without its
        /// content.
        pub blob_quota: Size<0, { u64::MAX }> = Size::of(1 << 30),
        /// How many events one transaction takes at most. More is faster while catching up; each commit waits
        /// for the disk once.
        pub group_limit: Bounded<1, 10_000> = Bounded::of(1_000),
        /// How many events may wait for the writer. When they are that many, the sources wait.
        pub queue: Bounded<1, 100_000> = Bounded::of(4_096),
        /// Threads that read the database for the API.
        pub readers: Bounded<1, 64> = Bounded::of(4),
        /// Time between two clearings of what deletions left in the database's write-ahead log.
        pub scrub: Span<100, 86_400_000> = Span::of(60_000),
        /// Following homeservers.
        pub watcher: Watcher = Watcher::default(),
        /// The REST API.
        pub api: Api = Api::default(),
        /// The API over TLS with a raw public key (RFC 7250), for clients that know the server by its key.
        pub keyed: Keyed = Keyed::default(),
        /// Live changes, `/v0/live`.
        pub live: Live = Live::default(),
        /// Full text.
        pub search: Search = Search::default(),
        /// What is let in, in order: the first rule that matches decides, and what none matches is allowed. Each
        /// condition of a rule must hold by any of its values; one that isn't given always does.
        pub rules: Tables<Rule> = Tables::none(),
    }
}
