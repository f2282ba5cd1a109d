//! The settings of the relay: what each key means, its default and its range. Nothing acts here.

mod limits;
mod plugin;
mod policies;
mod policy;
mod settings;
mod streams;
mod values;

pub use limits::{Connections, Limits, Rate, RateOfKind, Rates};
pub use plugin::Plugin;
pub use policies::{Auth, Market, Pow, PowOfKind, Profile, Read, Retention, Scrape, Write};
pub use policy::{Action, Condition, Network, Policy, Sender};
pub use streams::{Direction, FilterText, Stream};
pub use values::{KindNumber, KindRange, Pubkey, RelayAddress};

use crate::service::BuildError;
use nexus_config::{Bind, Bounded, Secret, Size, choice, section};
use std::path::PathBuf;

section! {
    /// The relay.
    pub struct Relay {
        /// An address of its own. Without one, it is reached on `server.bind` like the other services.
        pub bind: Option<Bind> = None,
        /// The address under which clients know the relay. Without one nobody can authenticate, and what needs
        /// that is switched off. The original name is `server.relay_url`.
        pub url: Option<RelayAddress> = None,
        /// The relay's own secret key, 64 hexadecimal digits: with it, it authenticates to other relays.
        pub secret_key: Option<Secret> = None,
        /// The keys that may manage the relay (NIP-86).
        pub admin_pubkeys: Vec<Pubkey> = Vec::new(),
        /// Whether banning a key removes the events that are stored of it.
        pub ban_purge: bool = true,
        /// How the relay describes itself (NIP-11). Administrators may change some of it while it runs.
        pub info: Info = Info::default(),
        /// Where events are kept. The original name is `[storage]`.
        pub storage: Storage = Storage::default(),
        /// Recent events in memory. The original name is `[cache]`.
        pub cache: Cache = Cache::default(),
        /// Who must say who they are (NIP-42). The original name is `[auth]`.
        pub auth: Auth = Auth::default(),
        /// Connections.
        pub connections: Connections = Connections::default(),
        /// How much is enough.
        pub limits: Limits = Limits::default(),
        /// How often. Clients on this machine are not limited.
        pub rates: Rates = Rates::default(),
        /// What may be asked.
        pub read: Read = Read::default(),
        /// What may be published.
        pub write: Write = Write::default(),
        /// How much work an event must prove (NIP-13).
        pub pow: Pow = Pow::default(),
        /// The market for jobs (NIP-89, NIP-90).
        pub market: Market = Market::default(),
        /// The operator's own rules about events, in order: the first that applies decides, and what none applies
        /// to is taken.
        pub policy: nexus_config::Tables<Policy> = nexus_config::Tables::none(),
        /// A program that judges events.
        pub plugin: Plugin = Plugin::default(),
        /// How long events of some kinds are kept, counted from when they came, and how many of them: the first rule
        /// that fits decides.
        /// The rules of the market stand after these.
        pub retention: nexus_config::Tables<Retention> = nexus_config::Tables::none(),
        /// Other relays that are followed, or to which events are sent.
        pub streams: nexus_config::Tables<Stream> = nexus_config::Tables::none(),
    }
}

impl Relay {
    /// Keys that are read at the start only, with all below them.
    pub const FIXED: [&'static str; 4] = ["bind", "secret_key", "storage", "cache"];

    /// Every broken rule over several keys.
    pub fn conflicts(&self) -> Vec<String> {
        let pairs = [
            (
                "relay.storage.recent",
                self.storage.recent.get(),
                "relay.storage.recent_most",
                self.storage.recent_most.get(),
            ),
            (
                "relay.connections.outbound",
                self.connections.outbound.get(),
                "relay.connections.outbound_most",
                self.connections.outbound_most.get(),
            ),
            (
                "relay.limits.default_limit",
                self.limits.default_limit.get(),
                "relay.limits.limit",
                self.limits.limit.get(),
            ),
        ];
        let broken = pairs.into_iter().filter(|(_, low, _, high)| low > high);
        let broken = broken.map(|(low, is, high, most)| format!("`{low}` = {is} is above `{high}` = {most}"));
        let key = match self.own_key() {
            Ok(None) if self.market.notify_expiry => Some(BuildError::NoKey),
            key => key.err(),
        };
        broken.chain(key.map(|error| error.to_string())).collect()
    }

    /// These settings, with those that are read at the start only as they were in `other`.
    #[must_use]
    pub(crate) fn with_fixed_of(self, other: &Self) -> Self {
        let Self { bind, secret_key, storage, cache, .. } = other.clone();
        Self { bind, secret_key, storage, cache, ..self }
    }
}

section! {
    /// How the relay describes itself.
    pub struct Info {
        /// Its name, shorter than 30 characters.
        pub name: String = "Nexus".to_owned(),
        /// What it is for.
        pub description: Option<String> = None,
        /// A wide picture, as a URL.
        pub banner: Option<String> = None,
        /// A small picture, as a URL.
        pub icon: Option<String> = None,
        /// The key of whoever runs it.
        pub pubkey: Option<Pubkey> = None,
        /// How to reach whoever runs it, as a URI.
        pub contact: Option<String> = None,
        /// The terms of service, as a URL.
        pub terms_of_service: Option<String> = None,
        /// What may be posted, as a URL.
        pub posting_policy: Option<String> = None,
        /// What becomes of data, as a URL.
        pub privacy_policy: Option<String> = None,
    }
}

section! {
    /// Where events are kept.
    pub struct Storage {
        /// The kind of store.
        pub kind as "type": StorageKind = StorageKind::Sqlite,
        /// Its file. Without one: `relay.sqlite` in the data directory.
        pub path: Option<PathBuf> = None,
        /// Threads that answer queries.
        pub readers: Bounded<1, 64> = Bounded::of(4),
        /// After how long a query lets others go first.
        pub query_slice: nexus_config::Span<1, 60_000> = nexus_config::Span::of(10),
        /// How long a query may work in all; then its subscription is closed.
        pub query_time: nexus_config::Span<10, 3_600_000> = nexus_config::Span::of(5_000),
        /// Queries that may wait for a thread; whoever asks more waits before them.
        pub queries: Bounded<1, 1_000_000> = Bounded::of(1_024),
        /// Changes that may wait to be written; whoever brings more waits, and is not read meanwhile.
        pub queue: Bounded<1, 1_000_000> = Bounded::of(4_096),
        /// So many events are committed together without looking for more.
        pub group: Bounded<1, 100_000> = Bounded::of(1_000),
        /// From how many events on what the index has in memory is written to a file: with the usual events 16 MB for
        /// 32768 of them.
        pub recent: Bounded<256, 100_000_000> = Bounded::of(32_768),
        /// At how many of them commits wait for that file.
        pub recent_most: Bounded<256, 1_000_000_000> = Bounded::of(131_072),
        /// How much of the events that were written or asked for lately is in memory.
        pub near: Size<0, { 1 << 40 }> = Size::of(128 << 20),
    }
}

choice! {
    /// A kind of store.
    pub enum StorageKind {
        /// A file of SQLite.
        Sqlite = "sqlite",
    }
}

section! {
    /// Recent events in memory.
    pub struct Cache {
        /// The kind of cache.
        pub kind as "type": CacheKind = CacheKind::Memory,
        /// How many events it has at most; 0 switches it off.
        pub max_events: Bounded<0, 100_000_000> = Bounded::of(10_000),
        /// For how many seconds it has them.
        pub ttl_secs: Bounded<0, 31_536_000> = Bounded::of(300),
    }
}

choice! {
    /// A kind of cache.
    pub enum CacheKind {
        /// In this process.
        Memory = "memory",
    }
}
