//! A small world in which everything happens often: few authors, few kinds, few values, few moments.

use nexus_model::Verified;
use nexus_nostr::{Event, EventId, Filter, Kind, PublicKey, Seconds, Signature, TagCondition, TagName, Tags};
use nexus_relay::ports::{PreparedEvent, Scope, Viewer};
use std::sync::Arc;

const KINDS: [u16; 9] = [0, 1, 1, 4, 7, 10_002, 30_023, 1059, 5050];

/// Makes events and filters at random. The same seed makes the same ones.
#[derive(Debug)]
pub struct World {
    state: u64,
    made: Vec<Event>,
}

impl World {
    /// The world of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, made: Vec::new() }
    }

    /// A number below `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) % bound
    }

    /// The next event to store: new, or one that came before.
    pub fn event(&mut self) -> PreparedEvent {
        let event = if !self.made.is_empty() && self.below(8) == 0 { self.earlier() } else { self.new_event() };
        self.made.push(event.clone());
        let now = Seconds::new(1_000);
        let expires_at = (self.below(12) == 0).then(|| now.plus(i64::try_from(self.below(3)).unwrap_or(0) * 10));
        PreparedEvent::new(Verified::by_operator(event), now, expires_at)
    }

    /// A filter with a limit or without one.
    pub fn filter(&mut self) -> Filter {
        let mut filter = Filter::new();
        if self.below(5) == 0 && !self.made.is_empty() {
            filter = filter.with_ids([self.earlier().id, self.earlier().id]);
        }
        if self.below(2) == 0 {
            filter = filter.with_authors((0..=self.below(2)).map(|_| self.author()).collect::<Vec<_>>());
        }
        if self.below(2) == 0 {
            filter = filter.with_kinds((0..=self.below(2)).map(|_| self.kind()).collect::<Vec<_>>());
        }
        if self.below(3) == 0 {
            let values: Vec<String> = (0..=self.below(2)).map(|_| self.word()).collect();
            filter = filter.with_tag(TagCondition::new(self.tag_name(), values));
        }
        if self.below(4) == 0 {
            filter = filter.with_tag(TagCondition::new(TagName::P, [self.author().to_string()]));
        }
        if self.below(4) == 0 {
            filter = filter.with_since(self.moment());
        }
        if self.below(4) == 0 {
            filter = filter.with_until(self.moment());
        }
        let limit = usize::try_from(self.below(12)).unwrap_or(0);
        filter.with_limit(if self.below(3) == 0 { 1_000 } else { limit })
    }

    /// What somebody may see.
    pub fn scope(&mut self) -> Scope {
        let keys = (0..self.below(3)).map(|_| self.author()).collect();
        Scope {
            viewer: if self.below(4) == 0 { Viewer::Operator } else { Viewer::Client(keys) },
            restricted_kinds: Arc::from([Kind::DIRECT_MESSAGE, Kind::GIFT_WRAP, Kind::VANISH]),
            now: Seconds::new(1_000 + i64::try_from(self.below(3)).unwrap_or(0) * 10),
            max_seq: None,
            jobs_of: (self.below(3) == 0).then(|| vec![self.author()]),
        }
    }

    fn new_event(&mut self) -> Event {
        match self.below(24) {
            0..=2 => self.deletion(),
            3 => self.vanishing(),
            _ => {
                let mut tags = vec![vec!["d".to_owned(), self.word()], vec!["t".to_owned(), self.word()]];
                tags.push(vec!["p".to_owned(), self.author().to_string()]);
                tags.truncate(usize::try_from(self.below(4)).unwrap_or(0));
                let kind = self.kind();
                self.signed(kind, Tags::new(tags))
            }
        }
    }

    fn deletion(&mut self) -> Event {
        let mut tags = Vec::new();
        if !self.made.is_empty() {
            tags.push(vec!["e".to_owned(), self.earlier().id.to_string()]);
        }
        let later = self.new_note();
        tags.push(vec!["e".to_owned(), later.id.to_string()]);
        self.made.push(later);
        let kind = [10_002, 30_023][usize::try_from(self.below(2)).unwrap_or(0)];
        tags.push(vec!["a".to_owned(), format!("{kind}:{}:{}", self.author(), self.word())]);
        self.signed(Kind::DELETION, Tags::new(tags))
    }

    fn vanishing(&mut self) -> Event {
        self.signed(Kind::VANISH, Tags::new([["relay", "ALL_RELAYS"]]))
    }

    fn new_note(&mut self) -> Event {
        self.signed(Kind::NOTE, Tags::default())
    }

    fn signed(&mut self, kind: Kind, tags: Tags) -> Event {
        let content = format!("{} {}", self.word(), self.below(1_000_000));
        made(self.author(), kind, self.moment(), tags, &content)
    }

    fn earlier(&mut self) -> Event {
        let index = self.below(self.made.len() as u64);
        self.made[usize::try_from(index).unwrap_or(0)].clone()
    }

    fn author(&mut self) -> PublicKey {
        author(u8::try_from(self.below(4)).unwrap_or(0))
    }

    fn kind(&mut self) -> Kind {
        Kind::new(KINDS[usize::try_from(self.below(9)).unwrap_or(0)])
    }

    fn word(&mut self) -> String {
        ["", "a", "b", "c:d", "ä"][usize::try_from(self.below(5)).unwrap_or(0)].to_owned()
    }

    fn tag_name(&mut self) -> TagName {
        TagName::from_name(["d", "t"][usize::try_from(self.below(2)).unwrap_or(0)]).expect("a letter")
    }

    fn moment(&mut self) -> Seconds {
        Seconds::new(900 + i64::try_from(self.below(12)).unwrap_or(0))
    }
}

/// The author of this number.
pub(super) const fn author(number: u8) -> PublicKey {
    PublicKey::from_bytes([number + 1; 32])
}

/// An event with a valid id, and a signature that nobody checks here.
pub(super) fn made(pubkey: PublicKey, kind: Kind, created_at: Seconds, tags: Tags, content: &str) -> Event {
    let sig = Signature::from_bytes([7; 64]);
    let id = EventId::from_bytes([0; 32]);
    let mut event = Event { id, pubkey, created_at, kind, tags, content: content.to_owned(), sig };
    event.id = event.computed_id();
    event
}
