//! Entries: what stands on a list, in 32 bytes whose order as bytes is the order of the lists.

use nexus_nostr::{EventId, Filter, Kind, PublicKey, Seconds};
use nexus_relay::index::Term;
use std::mem;

/// How many bytes an entry takes in a file.
pub(super) const ENTRY_BYTES: usize = 32;

/// How many bits of a key name the sort of list; the others name the list.
const SORT_BITS: u32 = 3;

/// How many bits of `place` follow the position.
const PLACE_BITS: u32 = 17;

/// An event on a list. The parts stand in the order in which entries are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::relay) struct Entry {
    /// The list.
    pub(super) key: u64,
    /// How old: what is left from the moment to the end of time, so that the newest is first.
    pub(super) age: u64,
    /// The first bytes of the id, which orders what was written in one second.
    pub(super) id: u32,
    /// The first bytes of the author.
    author: u32,
    /// The position, whether the event expires, and its kind.
    place: u64,
}

impl Entry {
    /// The first entry that the list `key` can have of this age.
    pub(super) const fn first_of(key: u64, age: u64) -> Self {
        Self { key, age, id: 0, author: 0, place: 0 }
    }

    /// This event on another list.
    pub(in crate::relay) const fn on(self, key: u64) -> Self {
        Self { key, ..self }
    }

    /// True if this is on the list `key` and at least as old as `age`.
    pub(in crate::relay) const fn is_on(&self, key: u64, age: u64) -> bool {
        self.key == key && self.age >= age
    }

    /// This event at another position.
    pub(in crate::relay) const fn at(self, seq: u64) -> Self {
        Self { place: seq << PLACE_BITS | self.place & ((1 << PLACE_BITS) - 1), ..self }
    }

    /// The event's position in the journal.
    pub(in crate::relay) const fn seq(self) -> u64 {
        self.place >> PLACE_BITS
    }

    /// True if the event expires at some time.
    pub(in crate::relay) const fn expires(self) -> bool {
        self.place & 1 << 16 != 0
    }

    /// The event's kind.
    pub(in crate::relay) const fn kind(self) -> Kind {
        Kind::new((self.place & 0xffff) as u16)
    }

    /// The first bytes of the event's author, as [`short`] gives them.
    pub(in crate::relay) const fn author(self) -> u32 {
        self.author
    }

    /// True if only whole ids can tell which of the two is first.
    pub(in crate::relay) const fn is_twin_of(self, other: Self) -> bool {
        self.age == other.age && self.id == other.id
    }

    /// When the event was written.
    pub(in crate::relay) const fn created_at(self) -> Seconds {
        Seconds::new((u64::MAX - self.age) as i64)
    }

    /// What orders events on merged lists: entries of one event are equal, and those of events that only their
    /// whole ids tell apart begin with the same two parts.
    pub(in crate::relay) const fn rank(self) -> (u64, u32, u64) {
        (self.age, self.id, self.place)
    }

    /// The bytes in a file.
    pub(in crate::relay) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let parts: [&[u8]; 5] = [
            &self.key.to_be_bytes(),
            &self.age.to_be_bytes(),
            &self.id.to_be_bytes(),
            &self.author.to_be_bytes(),
            &self.place.to_be_bytes(),
        ];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            let (place, after) = mem::take(&mut rest).split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        bytes
    }

    /// Reads what [`Entry::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let long = |at: usize| u64::from_be_bytes(std::array::from_fn(|index| bytes[at + index]));
        let both = long(16);
        Self { key: long(0), age: long(8), id: (both >> 32) as u32, author: both as u32, place: long(24) }
    }
}

/// An event's entry, which has yet to be put on a list and given a position.
pub(in crate::relay) fn entry(
    id: &EventId,
    author: &PublicKey,
    kind: Kind,
    at: Seconds,
    expires_at: Option<Seconds>,
) -> Entry {
    let expires = u64::from(expires_at.is_some());
    Entry {
        key: 0,
        age: age(at),
        id: short(id.as_bytes()),
        author: short(author.as_bytes()),
        place: expires << 16 | u64::from(kind.get()),
    }
}

/// The first four bytes of an id or a public key.
pub(in crate::relay) const fn short(bytes: &[u8; 32]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// How old what was written at `at` is.
pub(in crate::relay) const fn age(at: Seconds) -> u64 {
    u64::MAX - at.get().unsigned_abs()
}

/// The ages between a filter's `until` and `since`, both included.
pub(in crate::relay) fn ages(filter: &Filter) -> (u64, u64) {
    (age(filter.until().unwrap_or(Seconds::MAX)), age(filter.since().unwrap_or_default()))
}

/// The list of all events.
pub(super) const EVERYTHING: u64 = 0;

/// The list of events that expire. Its entries are sorted by when they do, instead of when they were written.
pub(in crate::relay) const EXPIRY: u64 = 1;

/// The list's number. Names that are long or chosen by people are hashed to 61 bits: whoever must be certain
/// looks at the event. Ids are told apart by these bits and the 32 in their entries, 93 in all.
pub(in crate::relay) fn key(term: Term<'_>) -> u64 {
    match term {
        Term::Everything => EVERYTHING,
        Term::Version(author, kind, d) => hashed(0, &[author.as_bytes(), &kind.get().to_be_bytes(), d.as_bytes()]),
        Term::Kind(kind) => sort(1, kind.get().into()),
        Term::Author(author) => sort(2, long(author.as_bytes(), 4)),
        Term::AuthorKind(author, kind) => hashed(3, &[author.as_bytes(), &kind.get().to_be_bytes()]),
        Term::Tag(name, value) => hashed(4, &[&[name.letter()], value.as_bytes()]),
        Term::TagKind(name, value, kind) => hashed(5, &[&[name.letter()], &kind.get().to_be_bytes(), value.as_bytes()]),
        Term::Word(word) => hashed(6, &[word.as_bytes()]),
        Term::Id(id) => sort(IDS, long(id.as_bytes(), 4)),
    }
}

/// True for the list of one id.
pub(super) const fn is_id(key: u64) -> bool {
    key >> (u64::BITS - SORT_BITS) == IDS
}

const IDS: u64 = 7;

const fn sort(sort: u64, name: u64) -> u64 {
    sort << (u64::BITS - SORT_BITS) | name
}

/// The bytes from `at` on, without those bits for which there is no room.
fn long(bytes: &[u8; 32], at: usize) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|index| bytes[at + index])) >> SORT_BITS
}

/// How long names are hashed without being copied to the heap.
const SHORT: usize = 128;

fn hashed(sort_: u64, parts: &[&[u8]]) -> u64 {
    let mut name = [0; SHORT];
    let mut len = 0;
    let hash = if parts.iter().map(|part| part.len()).sum::<usize>() <= SHORT {
        for part in parts {
            name[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        blake3::hash(&name[..len])
    } else {
        blake3::hash(&parts.concat())
    };
    // The two smallest numbers of the first sort are names already.
    sort(sort_, long(hash.as_bytes(), 0)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_sorted_as_entries_are(parts in prop::collection::vec(any::<(u64, u64, u32, u32, u64)>(), 2)) {
            let entries: Vec<Entry> =
                parts.iter().map(|&(key, age, id, author, place)| Entry { key, age, id, author, place }).collect();
            let bytes: Vec<_> = entries.iter().map(|entry| entry.to_bytes()).collect();
            prop_assert_eq!(bytes[0].cmp(&bytes[1]), entries[0].cmp(&entries[1]));
            prop_assert_eq!(Entry::from_bytes(&bytes[0]), entries[0]);
        }

        #[test]
        fn an_entry_keeps_what_it_was_made_of(seq in 0..1_u64 << 47, kind: u16, at in 0..i64::MAX, ends: bool) {
            let (id, author) = (EventId::from_bytes([3; 32]), PublicKey::from_bytes([4; 32]));
            let end = ends.then_some(Seconds::new(9));
            let made = entry(&id, &author, Kind::new(kind), Seconds::new(at), end).at(seq).on(5);
            prop_assert_eq!((made.seq(), made.kind().get(), made.expires(), made.key), (seq, kind, ends, 5));
            prop_assert_eq!(made.author(), 0x0404_0404);
            let later = entry(&id, &author, Kind::new(kind), Seconds::new(at).plus(1), end).at(seq).on(5);
            prop_assert!(at == i64::MAX || later < made);
        }
    }

    #[test]
    fn lists_have_their_own_numbers() {
        let author = PublicKey::from_bytes([4; 32]);
        let name = nexus_nostr::TagName::P;
        let terms = [
            Term::Everything,
            Term::Id(EventId::from_bytes([4; 32])),
            Term::Author(author),
            Term::AuthorKind(author, Kind::NOTE),
            Term::Kind(Kind::NOTE),
            Term::Tag(name, "a"),
            Term::TagKind(name, "a", Kind::NOTE),
            Term::Word("a"),
            Term::Version(author, Kind::NOTE, ""),
        ];
        let keys: std::collections::BTreeSet<u64> = terms.into_iter().map(key).chain([EXPIRY]).collect();
        assert_eq!(keys.len(), terms.len() + 1);
        assert_eq!(keys.iter().filter(|key| is_id(**key)).count(), 1);
    }
}
