//! How many, how large, how long, how often.

use super::{policy::Network, values::KindNumber};
use nexus_config::{Bounded, Size, Span, Tables, section};

section! {
    /// Connections.
    pub struct Connections {
        /// WebSockets open at once. Further ones are refused.
        pub max: Bounded<1, 10_000_000> = Bounded::of(20_000),
        /// WebSockets open at once from one address.
        pub per_address: Bounded<1, 10_000_000> = Bounded::of(64),
        /// Time between two pings of the relay's.
        pub ping: Span<1_000, 3_600_000> = Span::of(55_000),
        /// How long a client may give no sign of life; then its connection is closed.
        pub idle: Span<1_000, 86_400_000> = Span::of(120_000),
        /// How long a message may take from its first byte to its last; then the connection is closed.
        pub message_time: Span<1_000, 3_600_000> = Span::of(60_000),
        /// Whether messages are compressed for clients that want it (permessage-deflate).
        pub compression: bool = true,
        /// The smallest message that is compressed.
        pub compress_from: Size<0, { 1 << 30 }> = Size::of(1 << 10),
        /// Whether a binary message counts as text if it is UTF-8. The protocol knows texts only.
        pub lenient_binary: bool = false,
        /// What may wait to be sent to one client: beyond it, stored events wait and live ones end their
        /// subscription.
        pub outbound: Size<1_024, { 1 << 40 }> = Size::of(4 << 20),
        /// Beyond it, the connection is closed.
        pub outbound_most: Size<1_024, { 1 << 40 }> = Size::of(16 << 20),
        /// How long connections get to take what is left for them when the relay stops.
        pub drain: Span<100, 600_000> = Span::of(8_000),
    }
}

section! {
    /// How much is enough.
    pub struct Limits {
        /// The largest message.
        pub message: Size<1_024, { 1 << 30 }> = Size::of(128 << 10),
        /// The largest event, as JSON.
        pub event: Size<256, { 1 << 30 }> = Size::of(64 << 10),
        /// Tags of an event.
        pub tags: Bounded<0, 1_000_000> = Bounded::of(2_000),
        /// The longest tag value that filters can ask for.
        pub tag_value: Size<64, 65_536> = Size::of(1_024),
        /// Subscriptions of a connection.
        pub subscriptions: Bounded<1, 1_000_000> = Bounded::of(64),
        /// Subscriptions of a connection that has authenticated.
        pub authenticated_subscriptions: Bounded<1, 1_000_000> = Bounded::of(200),
        /// Filters of a subscription.
        pub filters: Bounded<1, 100_000> = Bounded::of(20),
        /// Values of a filter, over all its lists.
        pub filter_values: Bounded<1, 1_000_000> = Bounded::of(2_000),
        /// Words and phrases that a search asks for or excludes.
        pub search_words: Bounded<1, 10_000> = Bounded::of(32),
        /// Values of all subscriptions of a connection, each author with each kind.
        pub subscription_values: Bounded<1, 1_000_000_000> = Bounded::of(100_000),
        /// Conditions on tags of a filter.
        pub tag_conditions: Bounded<0, 52> = Bounded::of(5),
        /// Stored events that a filter can ask for.
        pub limit: Bounded<1, 1_000_000> = Bounded::of(1_000),
        /// Stored events that a filter without a limit gets.
        pub default_limit: Bounded<1, 1_000_000> = Bounded::of(500),
        /// How far ahead an event may be dated.
        pub future: Span<0, 3_153_600_000_000> = Span::of(900_000),
        /// How far back an event may be dated; 0 for any.
        pub past: Span<0, 3_153_600_000_000> = Span::of(0),
        /// How far back an ephemeral event may be dated; 0 for any.
        pub ephemeral_age: Span<0, 3_153_600_000_000> = Span::of(600_000),
        /// Events that a count counts.
        pub count: Bounded<1, 1_000_000_000> = Bounded::of(1_000_000),
        /// Events that a negentropy session covers.
        pub negentropy: Bounded<1, 100_000_000> = Bounded::of(1_000_000),
        /// The largest negentropy message; as text it is twice as long.
        pub negentropy_frame: Size<4_096, { 1 << 30 }> = Size::of(60_000),
        /// How long a negentropy session may be idle.
        pub negentropy_idle: Span<1_000, 86_400_000> = Span::of(60_000),
        /// Live events that wait while a subscription's stored events are sent. More end the subscription.
        pub live_buffer: Bounded<1, 1_000_000> = Bounded::of(1_024),
        /// Unreadable messages a minute; then the connection is closed.
        pub protocol_errors: Bounded<0, 1_000_000> = Bounded::of(20),
        /// Keys that a connection can prove to hold.
        pub keys: Bounded<1, 10_000> = Bounded::of(16),
        /// Events of the second at which the relay's own limit cut that are sent beyond it (NIP-67).
        pub boundary: Bounded<0, 100_000> = Bounded::of(100),
        /// Days that the journal keeps removals.
        pub removal_days: Bounded<1, 36_500> = Bounded::of(7),
        /// Events that rules hold back until administrators have looked at them. Further ones are refused.
        pub held: Bounded<0, 1_000_000> = Bounded::of(1_000),
    }
}

section! {
    /// How often. Each bucket is drawn from and fills again; a burst of 0 switches it off.
    pub struct Rates {
        /// New connections of an address.
        pub connections: Rate = Rate { burst: Bounded::of(60), per_minute: Bounded::of(30) },
        /// Messages of an address.
        pub messages: Rate = Rate { burst: Bounded::of(200), per_minute: Bounded::of(3_000) },
        /// Events of an address.
        pub events: Rate = Rate { burst: Bounded::of(200), per_minute: Bounded::of(600) },
        /// Subscriptions and counts of an address.
        pub queries: Rate = Rate { burst: Bounded::of(100), per_minute: Bounded::of(1_200) },
        /// Negentropy sessions of an address.
        pub negentropy: Rate = Rate { burst: Bounded::of(10), per_minute: Bounded::of(10) },
        /// Events of an author.
        pub author_events: Rate = Rate { burst: Bounded::of(100), per_minute: Bounded::of(300) },
        /// Events of an author of single kinds, besides. Without any, kind 0 has a burst of 5 and 1 more each minute.
        pub kinds: Tables<RateOfKind> = vec![RateOfKind::default()].into(),
        /// Gift wraps for a recipient.
        pub gift_wraps: Rate = Rate { burst: Bounded::of(60), per_minute: Bounded::of(60) },
        /// Bytes that an address sends a second. Beyond them and `bytes_burst`, reading waits; 0 for any number.
        pub bytes: Size<0, { 1 << 40 }> = Size::of(256 << 10),
        /// Bytes that an address sends at once.
        pub bytes_burst: Size<1_024, { 1 << 40 }> = Size::of(4 << 20),
        /// Bad signatures of an address in a minute that ban it; 0 for never. Its connections are closed, and new ones
        /// are told why. Clients on this machine are never banned.
        pub bad_signatures: Bounded<0, 1_000_000> = Bounded::of(20),
        /// How long it is banned.
        pub ban: Span<1_000, 86_400_000> = Span::of(600_000),
        /// By how much more authenticated clients may.
        pub authenticated_factor: Bounded<1, 10_000> = Bounded::of(10),
        /// How many addresses and authors are remembered. The ones that waited longest are forgotten. As many signed
        /// requests over HTTP are remembered for two minutes, since each is good once; further ones are refused,
        /// but for those of administrators.
        pub remembered: Bounded<1_024, 100_000_000> = Bounded::of(65_536),
        /// Whether clients on this machine are limited too, in connections and bytes.
        pub loopback: bool = false,
        /// Addresses and networks whose clients are not limited, and never banned for bad signatures.
        pub trusted_ips: Vec<Network> = Vec::new(),
    }
}

section! {
    /// How often an author may publish events of one kind.
    pub struct RateOfKind {
        /// The kind. Gift wraps (1059) are counted for their recipients instead.
        pub kind: KindNumber = KindNumber(0),
        /// How many at once; 0 for any number.
        pub burst: Bounded<0, 4_000_000_000> = Bounded::of(5),
        /// How many more each minute.
        pub per_minute: Bounded<0, 4_000_000_000> = Bounded::of(1),
    }
}

section! {
    /// A bucket.
    pub struct Rate {
        /// How many at once.
        pub burst: Bounded<0, 4_000_000_000> = Bounded::of(0),
        /// How many more each minute.
        pub per_minute: Bounded<0, 4_000_000_000> = Bounded::of(0),
    }
}
