//! Settings of the sources: which homeservers are read, and how eagerly.

use super::{HomeserverAt, Key};
use nexus_config::{Bounded, Size, Span, choice, section};

section! {
    /// Following homeservers.
    pub struct Watcher {
        /// Homeservers whose whole log is read, each by its key or base URL. `[]` follows nobody at all.
        pub homeservers: Vec<HomeserverAt> = vec![HomeserverAt::production()],
        /// Users and homeservers that are never ingested or fetched from.
        pub blacklist: Vec<Key> = Vec::new(),
        /// Whether users of other homeservers are followed there, once somebody here names them.
        pub follow_external: bool = true,
        /// Events in one page of a homeserver's log.
        pub events_limit: Bounded<1, 1000> = Bounded::of(1000),
        /// Events of an external homeserver that are checked and handled together: one that is out of order
        /// rejects all of them.
        pub key_based_events_limit: Bounded<1, 100> = Bounded::of(50),
        /// External homeservers read at once, those with most users first.
        pub monitored_homeservers_limit: Bounded<0, 10_000> = Bounded::of(50),
        /// Records fetched at once from one homeserver.
        pub fetches: Bounded<1, 256> = Bounded::of(16),
        /// Pages of a log fetched ahead of what is handled.
        pub pages_ahead: Bounded<1, 16> = Bounded::of(2),
        /// Time between looks at a log right after something happened there.
        pub poll_min: Span<1, 60_000> = Span::of(20),
        /// Time between looks at a log where nothing happens.
        pub poll_max: Span<10, 3_600_000> = Span::of(5_000),
        /// Time between looks at external homeservers that can't stream.
        pub external_interval: Span<10, 3_600_000> = Span::of(5_000),
        /// Users on one live connection to an external homeserver.
        pub stream_users: Bounded<1, 50> = Bounded::of(50),
        /// Time between rounds of asking where users live.
        pub resolver_interval: Span<10, 3_600_000> = Span::of(10_000),
        /// How long an answer to that holds.
        pub resolver_ttl: Span<1_000, 604_800_000> = Span::of(3_600_000),
        /// First pause after a homeserver failed; it doubles each time.
        pub initial_backoff: Span<10, 3_600_000> = Span::of(60_000),
        /// Longest pause after a homeserver failed.
        pub max_backoff: Span<10, 86_400_000> = Span::of(3_600_000),
        /// How long a request may take until its answer begins, and between two pieces of the answer.
        pub request_timeout: Span<100, 600_000> = Span::of(10_000),
        /// The largest page of a log.
        pub max_page_size: Size<1024, { 1 << 30 }> = Size::of(5 << 20),
        /// The largest record.
        pub max_record_size: Size<1024, { 1 << 30 }> = Size::of(2 << 20),
        /// The largest file.
        pub max_file_size: Size<1, { 1 << 40 }> = Size::of(50 << 20),
        /// Whether homeservers that strangers name may be at private addresses. Those in `homeservers` may.
        pub private_networks: Network = Network::Refuse,
        /// The public network's DHT and relays, a test network, or none.
        pub pkarr: Pkarr = Pkarr::Public,
        /// Where the test network runs, for `pkarr = "testnet"`.
        pub testnet_host: String = "localhost".to_owned(),
        /// pkarr relays used in place of the public ones.
        pub pkarr_relays: Vec<String> = Vec::new(),
        /// What failed and is tried again.
        pub retry: Retry = Retry::default(),
    }
}

section! {
    /// What failed and is tried again.
    pub struct Retry {
        /// Time between looks for what is due.
        pub interval: Span<10, 3_600_000> = Span::of(10_000),
        /// Tries after failures that may pass; then it is a dead letter.
        pub max_retries: Bounded<0, 1000> = Bounded::of(10),
        /// Tries of what waits for another record; then it is a dead letter.
        pub max_dependency_retries: Bounded<0, 1000> = Bounded::of(50),
        /// First pause after a failure that may pass; it doubles each time.
        pub initial_backoff: Span<10, 3_600_000> = Span::of(10_000),
        /// Longest pause after a failure that may pass.
        pub max_backoff: Span<10, 86_400_000> = Span::of(3_600_000),
        /// First pause of what waits for another record, should that not wake it; it doubles each time.
        pub initial_missing_dep_backoff: Span<10, 3_600_000> = Span::of(60_000),
        /// Longest pause of what waits for another record.
        pub max_missing_dep_backoff: Span<10, 86_400_000> = Span::of(3_600_000),
    }
}

choice! {
    /// What happens to requests whose address a stranger chose.
    pub enum Network {
        /// Never to loopback, link-local and private addresses.
        Refuse = "refuse",
        /// Anywhere.
        Allow = "allow",
    }
}

choice! {
    /// How keys are looked up.
    pub enum Pkarr {
        /// On the public network.
        Public = "public",
        /// On a test network.
        Testnet = "testnet",
        /// Only through the relays that are given.
        Relays = "relays",
        /// Not at all: only homeservers with a base URL are read.
        Off = "off",
    }
}
