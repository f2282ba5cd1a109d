//! Who may read and write what, and for how long it is kept.

use super::values::{KindNumber, KindRange, Pubkey, RelayAddress};
use nexus_config::{Bounded, Size, Span, Tables, choice, section};

section! {
    /// Who must say who they are.
    pub struct Auth {
        /// Whether clients must authenticate before anything else.
        pub required: bool = false,
        /// How long a client has for it where it must; 0 for any.
        pub timeout: Span<0, 86_400_000> = Span::of(60_000),
        /// Further addresses under which clients know the relay.
        pub relay_urls: Vec<RelayAddress> = Vec::new(),
    }
}

section! {
    /// What may be asked.
    pub struct Read {
        /// Kinds that only their author and those they name may see.
        pub restricted_kinds: Vec<KindNumber> = [4, 62, 1059, 21_059].map(KindNumber).to_vec(),
        /// What happens to filters without ids, authors and tags.
        pub scrape: Scrape = Scrape::Allow,
        /// Kinds that may be asked for; a filter must name kinds then. None: any.
        pub allowed_kinds: Vec<KindNumber> = Vec::new(),
        /// Further kinds that may be asked for, from one to another.
        pub allowed_ranges: Vec<KindRange> = Vec::new(),
        /// Whether filters must name ids, authors or a tag.
        pub require_author_or_tag: bool = false,
        /// Kinds that only clients may ask for that proved who they are.
        pub auth_kinds: Vec<KindNumber> = Vec::new(),
        /// Whether filters may search (NIP-50).
        pub search: bool = true,
        /// Whether filters may have the member `intent` of the first Nexus relay.
        pub intent: bool = true,
        /// Whether the end of stored events says if there are more (NIP-67).
        pub eose_hint: bool = true,
    }
}

choice! {
    /// What happens to filters that ask for whatever there is.
    pub enum Scrape {
        /// They are answered.
        Allow = "allow",
        /// They are answered if they ask for at most 100 events or two hours.
        Limited = "limited",
        /// They are refused.
        Deny = "deny",
    }
}

section! {
    /// What may be published.
    pub struct Write {
        /// Kinds that anybody may publish, whoever else is let in.
        pub always_kinds: Vec<KindNumber> = [0, 3, 10_002, 10_050].map(KindNumber).to_vec(),
        /// Whether seals are refused outside of a gift wrap (NIP-59).
        pub refuse_bare_seal: bool = false,
        /// Whether ephemeral events that nobody waits for are answered with `mute:`.
        pub mute: bool = false,
    }
}

section! {
    /// How much work an event must prove.
    pub struct Pow {
        /// Leading zero bits of the id.
        pub min: Bounded<0, 256> = Bounded::of(0),
        /// Other minima for single kinds.
        pub kinds: Tables<PowOfKind> = Tables::none(),
        /// Whether the event must name the difficulty it was made for, so that luck doesn't count.
        pub require_commitment: bool = true,
    }
}

section! {
    /// The work that events of one kind must prove.
    pub struct PowOfKind {
        /// The kind.
        pub kind: KindNumber = KindNumber(1),
        /// Leading zero bits of the id.
        pub min: Bounded<0, 256> = Bounded::of(0),
    }
}

section! {
    /// The market for jobs.
    pub struct Market {
        /// How much is asked of job events.
        pub validate: Profile = Profile::Lenient,
        /// The largest content of a job event.
        pub max_content: Size<0, { 1 << 30 }> = Size::of(64 << 10),
        /// Whether a provider's job feed is narrowed to what its handlers support.
        pub route: bool = true,
        /// Whether job feeds leave out requests that name other providers.
        pub target_exclusive: bool = false,
        /// Whether it is told which providers are connected and wait for jobs.
        pub presence: bool = true,
        /// Whether customers are told by the relay, under `relay.secret_key`, that nobody answered a job in time.
        pub notify_expiry: bool = false,
        /// How long requests and feedback are kept; 0 for ever.
        pub keep_requests: Span<0, 3_153_600_000_000> = Span::of(86_400_000),
        /// How long results are kept; 0 for ever.
        pub keep_results: Span<0, 3_153_600_000_000> = Span::of(7 * 86_400_000),
    }
}

choice! {
    /// How much is asked of job events.
    pub enum Profile {
        /// Nothing.
        Off = "off",
        /// What can never work is refused.
        Lenient = "lenient",
        /// Everything that the protocol says must hold.
        Strict = "strict",
    }
}

section! {
    /// How long events of some kinds are kept, and how many of them.
    pub struct Retention {
        /// Kinds.
        pub kinds: Vec<KindNumber> = Vec::new(),
        /// Kinds from one to another, both included.
        pub ranges: Vec<KindRange> = Vec::new(),
        /// How long; without it for ever.
        pub max_age: Option<Span<1_000, 3_153_600_000_000>> = None,
        /// How many; without it any number. What is beyond it, and beyond the next two, is removed within minutes, the
        /// oldest first.
        pub max_count: Option<Bounded<1, 1_000_000_000_000>> = None,
        /// How many of one author; without it any number.
        pub per_pubkey_count: Option<Bounded<1, 1_000_000_000_000>> = None,
        /// How much they may be together, as JSON; without it any size.
        pub max_bytes: Option<Size<1_024, { 1 << 60 }>> = None,
        /// Authors whose events are kept whatever the rule says, and not counted by it.
        pub exempt: Vec<Pubkey> = Vec::new(),
        /// Whether that holds for the authors too that administrators let in (NIP-86, `allowpubkey`).
        pub exempt_members: bool = false,
    }
}
