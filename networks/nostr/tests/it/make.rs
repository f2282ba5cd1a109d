//! Makes what the tests speak about.

use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}

pub(crate) fn event(kind: u16, tags: &[&[&str]], content: &str) -> Event {
    key(1).sign(Kind::new(kind), Seconds::new(1_700_000_000), tags_of(tags), content)
}

pub(crate) fn tags_of(tags: &[&[&str]]) -> Tags {
    Tags::new(tags.iter().map(|tag| tag.iter().copied()))
}
