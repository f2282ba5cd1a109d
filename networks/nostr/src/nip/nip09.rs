//! Deletion: what a kind 5 event asks to be deleted.

use crate::{Event, EventId, Kind, PublicKey};

/// What names all versions of a replaceable or addressable event: `kind:pubkey:d`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The kind.
    pub kind: Kind,
    /// The author.
    pub pubkey: PublicKey,
    /// The value of `d`, empty for replaceable kinds. It may hold colons.
    pub d: String,
}

impl Address {
    /// Reads `kind:pubkey:d`; for replaceable kinds the last colon may be missing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let kind = Kind::new(parts.next()?.parse().ok()?);
        let pubkey = parts.next()?.parse().ok()?;
        let d = parts.next().unwrap_or_default().to_owned();
        Some(Self { kind, pubkey, d })
    }

    /// The address of a versioned event.
    pub fn of(event: &Event) -> Option<Self> {
        let d = event.version_key()?.to_owned();
        Some(Self { kind: event.kind, pubkey: event.pubkey, d })
    }
}

/// The events that a deletion names. Whether they are the author's to delete is known once they are found.
pub fn event_ids(deletion: &Event) -> impl Iterator<Item = EventId> + '_ {
    deletion.tags.values("e").filter_map(|value| value.parse().ok())
}

/// The addresses that a deletion names, its own author's alone: nobody else's can be deleted.
pub fn addresses(deletion: &Event) -> impl Iterator<Item = Address> + '_ {
    let named = deletion.tags.values("a").filter_map(Address::parse);
    named.filter(|address| address.pubkey == deletion.pubkey && address.kind.is_versioned()).map(canonical)
}

/// True if `author` may delete `event`: it is their own, or a gift wrap for them. Deletions and requests to
/// vanish can't be undone by deleting them.
pub fn may_delete(author: &PublicKey, event: &Event) -> bool {
    if matches!(event.kind, Kind::DELETION | Kind::VANISH) {
        return false;
    }
    event.pubkey == *author || event.kind.is_gift_wrap() && super::nip59::is_recipient(event, author)
}

fn canonical(mut address: Address) -> Address {
    if address.kind.class() == crate::KindClass::Replaceable {
        address.d.clear();
    }
    address
}
