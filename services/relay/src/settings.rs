//! What the operator can choose, with the defaults. All times are in seconds, all sizes in bytes.

use crate::{
    market::Profile,
    rules::{lists::Network, policies::Policy},
};
use nexus_nostr::{
    Kind, PublicKey,
    nip::{nip13::Commitment, nip42::RelayUrl, nip77},
};
use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

/// All choices.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The addresses under which clients know this relay. Without one nobody can authenticate.
    pub urls: Vec<RelayUrl>,
    /// How much is enough.
    pub limits: Limits,
    /// Who must say who they are.
    pub auth: Auth,
    /// What may be asked.
    pub read: ReadPolicy,
    /// What may be published.
    pub write: WritePolicy,
    /// How much work an event must prove.
    pub pow: Pow,
    /// How often.
    pub rates: Rates,
    /// The market for jobs.
    pub market: Market,
    /// How long events are kept; the first that fits counts.
    pub retention: Vec<Retention>,
}

/// How much is enough.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a message (131,072).
    pub message_bytes: usize,
    /// Bytes of an event as canonical JSON (65,536).
    pub event_bytes: usize,
    /// Tags of an event (2,000).
    pub tags: usize,
    /// Bytes of a tag value that filters can ask for (1,024).
    pub tag_value_bytes: usize,
    /// Subscriptions of a connection (64).
    pub subscriptions: usize,
    /// Subscriptions of a connection that has authenticated (200).
    pub authenticated_subscriptions: usize,
    /// Filters of a subscription (20).
    pub filters: usize,
    /// Values of a filter, over all its lists (2,000).
    pub filter_values: usize,
    /// Words and phrases that a search asks for or excludes (32).
    pub search_words: usize,
    /// Values of all subscriptions of a connection, by which they are filed (100,000).
    pub subscription_values: usize,
    /// Conditions on tags of a filter (5).
    pub tag_conditions: usize,
    /// Stored events that a filter can ask for (1,000).
    pub limit: usize,
    /// Stored events that a filter without a limit gets (500).
    pub default_limit: usize,
    /// Seconds that an event may be dated ahead (900).
    pub future: i64,
    /// Seconds that an event may be dated back; 0 for any (0).
    pub past: i64,
    /// Seconds that an ephemeral event may be dated back (600).
    pub ephemeral_age: i64,
    /// Events that a count counts (1,000,000).
    pub count: u64,
    /// Events that a negentropy session covers (1,000,000).
    pub negentropy: usize,
    /// Bytes of a negentropy move (60,000).
    pub negentropy_frame: u64,
    /// Seconds after which an idle negentropy session ends (60).
    pub negentropy_idle: i64,
    /// Live events that wait while a subscription's stored events are sent (1,024).
    pub live_buffer: usize,
    /// Bytes that may wait to be sent before live events end their subscription (4 MiB).
    pub outbound_bytes: usize,
    /// Unreadable messages a minute before a connection is closed (20).
    pub protocol_errors: u32,
    /// Keys that a connection can prove to hold (16).
    pub keys: usize,
    /// Events of the second at which the relay's own limit cut that are sent beyond it (100). (NIP-67)
    pub boundary: usize,
    /// Days that the journal keeps removals (7).
    pub removal_days: i64,
    /// Events that are held back for administrators (1,000). Further ones are refused.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 131_072,
            event_bytes: 65_536,
            tags: 2_000,
            tag_value_bytes: 1_024,
            subscriptions: 64,
            authenticated_subscriptions: 200,
            filters: 20,
            filter_values: 2_000,
            search_words: 32,
            subscription_values: 100_000,
            tag_conditions: 5,
            limit: 1_000,
            default_limit: 500,
            future: 900,
            past: 0,
            ephemeral_age: 600,
            count: 1_000_000,
            negentropy: 1_000_000,
            negentropy_frame: nip77::DEFAULT_FRAME,
            negentropy_idle: 60,
            live_buffer: 1_024,
            outbound_bytes: 4 << 20,
            protocol_errors: 20,
            keys: 16,
            boundary: 100,
            removal_days: 7,
            held: 1_000,
        }
    }
}

/// Who must say who they are.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether clients must authenticate before anything else (optional).
    pub required: Requirement,
    /// Seconds that a client has for it where it must; 0 for any (60).
    pub timeout: i64,
    /// Keys whose signed requests over HTTP are taken however many are remembered: the administrators' (none).
    pub trusted: Vec<PublicKey>,
}

impl Default for Auth {
    fn default() -> Self {
        Self { required: Requirement::Optional, timeout: 60, trusted: Vec::new() }
    }
}

/// Whether something must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requirement {
    /// It must be.
    Required,
    /// It may be.
    #[default]
    Optional,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It isn't.
    #[default]
    Off,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub struct ReadPolicy {
    /// Kinds that only their author and those they name may see (4, 62, 1059, 21059).
    pub restricted_kinds: Arc<[Kind]>,
    /// What happens to filters without ids, authors and tags (allowed).
    pub scrape: Scrape,
    /// The kinds that may be asked for; a filter must name kinds then. Empty for any (empty).
    pub allowed_kinds: Vec<RangeInclusive<u16>>,
    /// Whether filters must name ids, authors or a tag (they needn't).
    pub author_or_tag: Requirement,
    /// Kinds that only clients may ask for that said who they are (none).
    pub auth_kinds: Vec<RangeInclusive<u16>>,
    /// Search (on). (NIP-50)
    pub search: Switch,
    /// The filter member `intent` of the first Nexus relay (on).
    pub intent: Switch,
    /// Whether the end of stored events says if there are more (on). (NIP-67)
    pub eose_hint: Switch,
}

impl Default for ReadPolicy {
    fn default() -> Self {
        Self {
            restricted_kinds: [Kind::DIRECT_MESSAGE, Kind::VANISH, Kind::GIFT_WRAP, Kind::EPHEMERAL_GIFT_WRAP].into(),
            scrape: Scrape::Allowed,
            allowed_kinds: Vec::new(),
            author_or_tag: Requirement::Optional,
            auth_kinds: Vec::new(),
            search: Switch::On,
            intent: Switch::On,
            eose_hint: Switch::On,
        }
    }
}

/// What happens to filters that ask for whatever there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrape {
    /// They are answered.
    Allowed,
    /// They are answered if they ask for at most 100 events or for at most two hours.
    Limited,
    /// They are refused.
    Denied,
}

/// What may be published.
#[derive(Clone, Debug)]
pub struct WritePolicy {
    /// Kinds that anybody may publish, whoever else is let in (0, 3, 10002, 10050).
    pub always_kinds: Vec<Kind>,
    /// Seals outside of a gift wrap (accepted). (NIP-59)
    pub bare_seals: Switch,
    /// Ephemeral events that nobody waits for are answered with `mute:` (off).
    pub mute: Switch,
    /// The operator's own rules, in order (none).
    pub policies: Vec<Policy>,
}

impl Default for WritePolicy {
    fn default() -> Self {
        Self {
            always_kinds: vec![Kind::METADATA, Kind::FOLLOWS, Kind::RELAY_LIST, Kind::DM_RELAY_LIST],
            bare_seals: Switch::On,
            mute: Switch::Off,
            policies: Vec::new(),
        }
    }
}

/// How much work an event must prove. (NIP-13)
#[derive(Clone, Debug)]
pub struct Pow {
    /// Leading zero bits (0).
    pub min: u32,
    /// Leading zero bits of single kinds, in place of `min`.
    pub kinds: Vec<(Kind, u32)>,
    /// Whether luck counts (it doesn't).
    pub commitment: Commitment,
}

impl Default for Pow {
    fn default() -> Self {
        Self { min: 0, kinds: Vec::new(), commitment: Commitment::Required }
    }
}

/// So many at once, and so many more each minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once. 0 switches the limit off.
    pub burst: u32,
    /// How many more each minute.
    pub per_minute: u32,
}

/// How often.
#[derive(Clone, Debug)]
pub struct Rates {
    /// Messages of an address (200, 3,000).
    pub messages: Rate,
    /// Events of an address (200, 600).
    pub events: Rate,
    /// Subscriptions and counts of an address (100, 1,200).
    pub queries: Rate,
    /// Negentropy sessions of an address (10, 10).
    pub negentropy: Rate,
    /// Events of an author (100, 300).
    pub author_events: Rate,
    /// Events of an author of single kinds, besides (kind 0: 5, 1). Gift wraps have their own.
    pub kinds: Vec<(Kind, Rate)>,
    /// Gift wraps for a recipient (60, 60).
    pub gift_wraps: Rate,
    /// Bad signatures of an address in a minute that ban it (20); 0 for never.
    pub bad_signatures: u32,
    /// Seconds for which it is banned (600).
    pub ban: i64,
    /// Networks from which clients are not limited; those on this machine never are (none).
    pub trusted: Vec<Network>,
    /// By how much more authenticated clients may (10).
    pub authenticated_factor: u32,
    /// How many addresses and authors are remembered (65,536). The ones that waited longest are forgotten. As many
    /// signed requests are remembered; further ones are refused, unless [`Auth::trusted`] keys sign them.
    pub remembered: usize,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |burst, per_minute| Rate { burst, per_minute };
        Self {
            messages: rate(200, 3_000),
            events: rate(200, 600),
            queries: rate(100, 1_200),
            negentropy: rate(10, 10),
            author_events: rate(100, 300),
            kinds: vec![(Kind::METADATA, rate(5, 1))],
            gift_wraps: rate(60, 60),
            bad_signatures: 20,
            ban: 600,
            trusted: Vec::new(),
            authenticated_factor: 10,
            remembered: 65_536,
        }
    }
}

impl Rates {
    /// True if clients at `ip` are not limited.
    pub fn spare(&self, ip: IpAddr) -> bool {
        ip.to_canonical().is_loopback() || self.trusted.iter().any(|network| network.contains(ip))
    }

    /// How often an author may publish events of `kind`, besides events at all.
    pub fn of_kind(&self, kind: Kind) -> Rate {
        let of_kind = self.kinds.iter().find(|(known, _)| *known == kind);
        of_kind.map_or(Rate { burst: 0, per_minute: 0 }, |(_, rate)| *rate)
    }

    /// No limits: for benchmarks, and for relays that are not reached by strangers.
    pub fn off() -> Self {
        let off = Rate { burst: 0, per_minute: 0 };
        Self {
            messages: off,
            events: off,
            queries: off,
            negentropy: off,
            author_events: off,
            kinds: Vec::new(),
            gift_wraps: off,
            bad_signatures: 0,
            ..Self::default()
        }
    }
}

/// The market for jobs.
#[derive(Clone, Debug)]
pub struct Market {
    /// How much is asked of job events (lenient).
    pub validate: Profile,
    /// Bytes of a job event's content (65,536).
    pub content_bytes: usize,
    /// Whether job feeds are narrowed to what their provider's handlers support (on).
    pub route: Switch,
    /// Whether job feeds leave out requests that name other providers (off).
    pub target_exclusive: Switch,
    /// Whether it is told who is connected and waits for jobs (on).
    pub presence: Switch,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            validate: Profile::Lenient,
            content_bytes: 65_536,
            route: Switch::On,
            target_exclusive: Switch::Off,
            presence: Switch::On,
        }
    }
}

/// How long events of some kinds are kept, from when they came, and how many of them.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// The kinds.
    pub kinds: Vec<RangeInclusive<u16>>,
    /// Seconds; `None` for ever.
    pub max_age: Option<i64>,
    /// Events; beyond them the oldest go.
    pub max_count: Option<u64>,
    /// Events of one author.
    pub per_pubkey_count: Option<u64>,
    /// Bytes of all events as canonical JSON.
    pub max_bytes: Option<u64>,
    /// Authors whose events are kept whatever the rule says.
    pub exempt: Vec<PublicKey>,
    /// Whether the events of authors on the list of those who are let in are, too (off).
    pub exempt_members: Switch,
}

impl Retention {
    /// The market's: a day for requests and feedback, a week for results.
    pub fn of_the_market() -> Vec<Self> {
        let day = 86_400;
        vec![
            Self { kinds: vec![5000..=5999, 7000..=7000], max_age: Some(day), ..Self::default() },
            Self { kinds: vec![6000..=6999], max_age: Some(7 * day), ..Self::default() },
        ]
    }
}
