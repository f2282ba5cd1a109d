//! The settings of the sync service: what each key means, its default and its range. Nothing acts here.

mod value;

pub use value::{Account, Collection, DatabaseFile, NameHost, Relays, WebUrl};

use nexus_config::{Bind, Bounded, Secret, Size, Span, Switch, choice, section};
use nexus_sync::event;
use nexus_sync::rules::{Collections, Extras, Network, Rules};
use std::collections::HashSet;

section! {
    /// The sync service.
    pub struct Sync {
        /// An address of its own. Without one, it is reached on `server.bind` like the other services.
        pub bind: Option<Bind> = None,
        /// Its database: a path, or a path after `sqlite://`. Without one: `nexus.db`, or in Tap's dialect `tap.db`,
        /// in the data directory.
        pub database: Option<DatabaseFile> = None,
        /// Whose defaults and names of events hold. Without it: `tap` where the program is called so or any `TAP_*`
        /// is set, else `nexus`.
        pub dialect: Option<Dialect> = None,
        /// Relays whose firehose is read. The first is also asked which repos there are.
        pub relay_url: Relays = Relays::public(),
        /// The directory of `did:plc`.
        pub plc_url: WebUrl = WebUrl::plc(),
        /// Whether all repos of the network are tracked.
        pub full_network: Switch = Switch::of(false),
        /// Tracks every repo that has a record in this collection.
        pub signal_collection: Option<Collection> = None,
        /// Collections that are sent on; one that ends in `*` means all that begin so. None: all collections.
        pub collection_filters: Vec<String> = Vec::new(),
        /// Accounts that are not tracked unless somebody asks for them by name.
        pub exclude: Vec<Account> = Vec::new(),
        /// Whether an event counts as settled once it is written to a connection.
        pub disable_acks: Switch = Switch::of(false),
        /// How long a consumer may take to acknowledge an event before it is sent again.
        pub retry_timeout: Span<100, 86_400_000> = Span::of(10_000),
        /// Events of one channel in memory at most; the others wait on disk.
        pub outbox_capacity: Bounded<1_000, 100_000_000> = Bounded::of(1_000_000),
        /// Bytes of events of one channel in memory at most.
        pub outbox_memory: Size<65_536, { u64::MAX }> = Size::of(64 << 20),
        /// Requests of the webhook under way at once, in units of 64.
        pub outbox_parallelism: Bounded<1, 64> = Bounded::of(5),
        /// Delivers what the database holds, and fetches nothing.
        pub outbox_only: Switch = Switch::of(false),
        /// The password of `admin` for every route. Without one, whoever reaches the service may use it.
        pub admin_password: Option<Secret> = None,
        /// Whether `/health` answers without the password.
        pub open_health: Switch = Switch::of(false),
        /// Kinds of events that Tap doesn't have. Its client refuses kinds that it doesn't know.
        pub extra_events: Vec<Extra> = Vec::new(),
        /// Firehose events checked at once, though by no more threads than there are cores.
        pub firehose_parallelism: Bounded<1, 1_024> = Bounded::of(10),
        /// Bytes of messages of one relay in work at most. A relay that sends more waits, and others don't.
        pub firehose_in_work: Size<1_048_576, { 1 << 40 }> = Size::of(32 << 20),
        /// The largest message of a relay. Larger ones are dropped and counted; the protocol allows 5 MB.
        pub firehose_message: Size<65_536, { 1 << 30 }> = Size::of(6 << 20),
        /// Silence after which a connection to a relay is given up. The relay is pinged twice in that time.
        pub firehose_silence: Span<1_000, 3_600_000> = Span::of(60_000),
        /// How often the firehose's cursor is written while there is nothing else to write. 0: it is never stored.
        pub cursor_save_interval: Span<0, 86_400_000> = Span::of(5_000),
        /// Whether a start passes over what the firehose sent since the last one.
        pub no_replay: Switch = Switch::of(false),
        /// Repos fetched at once.
        pub resync_parallelism: Bounded<1, 256> = Bounded::of(5),
        /// Repos fetched at once from one server.
        pub pds_parallelism: Bounded<1, 1_024> = Bounded::of(3),
        /// Requests to the directory of `did:plc` under way at once.
        pub plc_parallelism: Bounded<1, 1_000> = Bounded::of(20),
        /// Requests to the directory of `did:plc` in a second. 0: as many as go.
        pub plc_rate: Bounded<0, 100_000> = Bounded::of(250),
        /// How long fetching one repo may take. 0: half a minute.
        pub repo_fetch_timeout: Span<0, 86_400_000> = Span::of(180_000),
        /// The largest repo that is fetched.
        pub repo_size: Size<1_048_576, { u64::MAX }> = Size::of(2 << 30),
        /// The most blocks that a fetched repo may have: each takes 32 bytes of memory.
        pub repo_blocks: Bounded<1_000, 1_000_000_000> = Bounded::of(8_000_000),
        /// From which size on a fetched repo waits until no other so large is in work.
        pub repo_large: Size<65_536, { u64::MAX }> = Size::of(64 << 20),
        /// Bytes of one fetched repo in memory; a larger one is set aside on disk.
        pub repo_memory: Size<65_536, { u64::MAX }> = Size::of(16 << 20),
        /// Identities kept in memory.
        pub ident_cache_size: Bounded<1_000, 100_000_000> = Bounded::of(2_000_000),
        /// Threads that read the database.
        pub readers: Bounded<1, 256> = Bounded::of(4),
        /// Whether servers of accounts may be on private networks.
        pub private_networks: PrivateNetworks = PrivateNetworks::Auto,
        /// Where handles and `did:web` names are asked for instead of in the DNS, each as `SUFFIX=URL`: for networks
        /// that have no names of their own.
        pub name_hosts: Vec<NameHost> = Vec::new(),
        /// Delivery by webhook.
        pub webhook: WebhookSettings = WebhookSettings::default(),
        /// How long events stay after they are settled, to be read again by named consumers.
        pub retain: Retain = Retain::default(),
        /// Named consumers, `/channel?consumer=NAME`.
        pub consumers: ConsumerLimits = ConsumerLimits::default(),
    }
}

section! {
    /// Delivery by webhook.
    pub struct WebhookSettings {
        /// Where events are posted. With it, `/channel` is closed.
        pub url: Option<WebUrl> = None,
        /// Signs each request: `X-Nexus-Signature: t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`.
        pub secret: Option<Secret> = None,
        /// Events in one request. More than one are sent as a JSON list.
        pub batch: Bounded<1, 1_000> = Bounded::of(1),
    }
}

section! {
    /// How long settled events stay. Whichever bound is met first holds.
    pub struct Retain {
        /// For how long.
        pub age: Span<0, 31_536_000_000> = Span::of(86_400_000),
        /// Bytes of events.
        pub size: Size<0, { u64::MAX }> = Size::of(10 << 30),
    }
}

section! {
    /// Named consumers.
    pub struct ConsumerLimits {
        /// How many there may be.
        pub max: Bounded<0, 10_000> = Bounded::of(64),
        /// Bytes of events of one in memory at most.
        pub memory: Size<65_536, { u64::MAX }> = Size::of(4 << 20),
    }
}

choice! {
    /// Whose defaults and names of events hold.
    pub enum Dialect {
        /// The service as it was first published: `user` events.
        Nexus = "nexus",
        /// The service as it is called now: `identity` events.
        Tap = "tap",
    }
}

choice! {
    /// A kind of events that Tap doesn't have.
    pub enum Extra {
        /// `account`: an account is in use or not, beside the event that Tap knows.
        Account = "account",
        /// `resync_error`: a repo can't be fetched.
        ResyncError = "resync_error",
    }
}

choice! {
    /// Whether servers of accounts may be on private networks.
    pub enum PrivateNetworks {
        /// Where the directory of `did:plc` is on one too.
        Auto = "auto",
        /// Yes.
        Allow = "allow",
        /// No.
        Refuse = "refuse",
    }
}

impl Dialect {
    /// The defaults that differ from those of the sections: the key below `sync`, and its value as text.
    pub const fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Nexus => &[],
            Self::Tap => &[
                ("cursor_save_interval", "1s"),
                ("outbox_capacity", "100000"),
                ("outbox_parallelism", "1"),
                ("repo_fetch_timeout", "300s"),
                ("retry_timeout", "60s"),
            ],
        }
    }

    /// The port of the original.
    pub const fn port(self) -> u16 {
        match self {
            Self::Nexus => 8080,
            Self::Tap => 2480,
        }
    }

    /// The database's name in the data directory.
    pub const fn database(self) -> &'static str {
        match self {
            Self::Nexus => "nexus.db",
            Self::Tap => "tap.db",
        }
    }

    /// How the service calls itself.
    pub const fn user_agent(self) -> &'static str {
        match self {
            Self::Nexus => concat!("nexus/", env!("CARGO_PKG_VERSION")),
            Self::Tap => concat!("tap/", env!("CARGO_PKG_VERSION")),
        }
    }
}

impl Sync {
    /// The dialect that holds.
    pub fn spoken(&self) -> Dialect {
        self.dialect.unwrap_or(Dialect::Nexus)
    }

    /// What the operator wants tracked and told.
    pub fn rules(&self) -> Rules {
        let network = match (&self.signal_collection, self.full_network.is_on()) {
            (Some(signal), _) => Network::Signal(signal.0.clone()),
            (None, true) => Network::Full,
            (None, false) => Network::Asked,
        };
        Rules {
            network,
            collections: Collections::new(self.collection_filters.iter().map(String::as_str)),
            excluded: self.exclude.iter().map(|account| account.0.clone()).collect::<HashSet<_>>(),
            dialect: match self.spoken() {
                Dialect::Nexus => event::Dialect::Nexus,
                Dialect::Tap => event::Dialect::Tap,
            },
            extras: Extras {
                account: self.extra_events.contains(&Extra::Account),
                resync_error: self.extra_events.contains(&Extra::ResyncError),
            },
            ..Rules::default()
        }
    }

    /// True if servers of accounts may be on private networks.
    pub fn allows_private_networks(&self) -> bool {
        match self.private_networks {
            PrivateNetworks::Auto => self.plc_url.is_private(),
            PrivateNetworks::Allow => true,
            PrivateNetworks::Refuse => false,
        }
    }

    /// The rules over several keys that are broken, in words.
    pub fn conflicts(&self) -> Vec<String> {
        let no_replay = self.no_replay.is_on() && self.full_network.is_on();
        let no_replay = no_replay.then_some("`sync.no_replay` and `sync.full_network` exclude each other");
        let private = self.private_networks == PrivateNetworks::Refuse && self.plc_url.is_private();
        let private = private.then_some("`sync.private_networks` refuses the directory in `sync.plc_url`");
        no_replay.into_iter().chain(private).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_wins_over_the_full_network() {
        let mut sync = Sync { full_network: Switch::of(true), ..Sync::default() };
        assert_eq!(sync.rules().network, Network::Full);
        sync.signal_collection = Some("app.bsky.actor.profile".to_owned().try_into().unwrap());
        assert!(matches!(sync.rules().network, Network::Signal(_)));
    }

    #[test]
    fn a_private_directory_means_a_private_network() {
        let mut sync = Sync::default();
        assert!(!sync.allows_private_networks());
        sync.plc_url = "http://localhost:2582".to_owned().try_into().unwrap();
        assert!(sync.allows_private_networks());
        sync.private_networks = PrivateNetworks::Refuse;
        assert!(!sync.allows_private_networks());
        assert_eq!(sync.conflicts().len(), 1);
    }

    #[test]
    fn replay_is_not_passed_over_on_the_full_network() {
        let sync = Sync { full_network: Switch::of(true), no_replay: Switch::of(true), ..Sync::default() };
        assert!(sync.conflicts()[0].contains("no_replay"));
    }
}
