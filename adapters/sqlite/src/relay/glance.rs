//! What the text of a stored event tells at a glance. Canonical JSON begins with the id, the author, the moment and the
//! kind, in this order, and has no white space; so most events can be held against most filters without being read.

use crate::{Error, Result};
use nexus_nostr::{EventId, Filter, Kind, PublicKey, Seconds, TagCondition};
use std::str::FromStr;

/// How many values of a tag are looked for in the text. More are compared sooner in an event that was read.
const FEW: usize = 4;

/// The first members of a stored event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) id: EventId,
    pub(super) pubkey: PublicKey,
    pub(super) created_at: Seconds,
    pub(super) kind: Kind,
}

/// The first members of a stored event, and its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance<'a> {
    pub(super) head: Head,
    /// With the first members or without.
    text: &'a str,
}

impl<'a> Glance<'a> {
    /// At an event that was looked at before.
    pub(super) const fn again(head: Head, json: &'a str) -> Self {
        Self { head, text: json }
    }

    /// Looks at `json`.
    ///
    /// # Errors
    /// If it isn't what the store writes.
    pub(super) fn at(json: &'a str) -> Result<Self> {
        Self::read(json).ok_or_else(|| Error::Damaged("an event isn't in canonical form".to_owned()))
    }

    fn read(json: &'a str) -> Option<Self> {
        let (id, rest) = hex(json.strip_prefix("{\"id\":\"")?)?;
        let (pubkey, rest) = hex(rest.strip_prefix("\",\"pubkey\":\"")?)?;
        let (created_at, rest) = number(rest.strip_prefix("\",\"created_at\":")?)?;
        let (kind, rest) = number(rest.strip_prefix(",\"kind\":")?)?;
        let text = rest.strip_prefix(",\"tags\":")?;
        let head = Head { id, pubkey, created_at: Seconds::new(created_at), kind: Kind::new(kind) };
        Some(Self { head, text })
    }

    /// Whether the event is one of those that `filter` asks for; `None` if it must be read to know.
    pub(super) fn meets(&self, filter: &Filter) -> Option<bool> {
        let Head { id, pubkey, created_at, kind } = self.head;
        let is_in_columns = contains(filter.kinds(), &kind)
            && contains(filter.authors(), &pubkey)
            && contains(filter.ids(), &id)
            && filter.since().is_none_or(|since| since <= created_at)
            && filter.until().is_none_or(|until| created_at <= until);
        if !is_in_columns {
            return Some(false);
        }
        if filter.search().is_some() {
            return None;
        }
        filter.tags().iter().try_fold(true, |met, condition| Some(met && self.has(condition)?))
    }

    /// Whether some tag is as `condition` wants it. The beginning of a tag can't stand in a string, where each quote
    /// has a backslash before it.
    fn has(&self, condition: &TagCondition) -> Option<bool> {
        let is_plain = |value: &str| !value.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        let values = condition.values();
        if values.len() > FEW || !values.iter().all(|value| is_plain(value)) {
            return None;
        }
        let name = char::from(condition.name().letter());
        Some(values.iter().any(|value| self.text.contains(&format!("[\"{name}\",\"{value}\""))))
    }
}

/// The 32 bytes in hex that `text` begins with, and what stands after them.
fn hex<T: FromStr>(text: &str) -> Option<(T, &str)> {
    let (digits, after) = text.split_at_checked(64)?;
    Some((digits.parse().ok()?, after))
}

/// The number that `text` begins with, and the comma after it with what follows.
fn number<T: FromStr>(text: &str) -> Option<(T, &str)> {
    let (digits, after) = text.split_at(text.find(',')?);
    Some((digits.parse().ok()?, after))
}

fn contains<T: Ord>(list: Option<&[T]>, value: &T) -> bool {
    list.is_none_or(|list| list.binary_search(value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_nostr::{SigningKey, TagName, Tags};
    use proptest::prelude::*;

    /// Texts with what could be taken for the beginning of a tag.
    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["[", "]", "\"", "\\", ",", "e", "p", "x", "\n", "é"]), 0..9)
            .prop_map(|parts| parts.concat())
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let values = prop::collection::vec(text(), 1..6);
        (any::<bool>(), prop::option::of(1..3_u16), prop::option::of(0..4_i64), values).prop_map(
            |(tagged, kind, since, values)| {
                let mut filter = Filter::new();
                if tagged {
                    filter = filter.with_tag(TagCondition::new(TagName::E, values));
                }
                if let Some(kind) = kind {
                    filter = filter.with_kinds([Kind::new(kind)]);
                }
                if let Some(since) = since {
                    filter = filter.with_since(Seconds::new(since)).with_until(Seconds::new(since + 1));
                }
                filter
            },
        )
    }

    proptest! {
        #[test]
        fn a_glance_never_says_else_than_the_event(
            tags in prop::collection::vec(prop::collection::vec(text(), 1..4), 0..4),
            content in text(), at in 0..4_i64, kind in 1..3_u16, filter in filter(), key in 1..3_u8,
        ) {
            let tags = Tags::new(tags.iter().map(|tag| tag.iter().map(String::as_str)));
            let event = SigningKey::from_bytes([key; 32]).unwrap().sign(Kind::new(kind), Seconds::new(at), tags, &content);
            let json = event.to_json();
            let glance = Glance::at(&json).unwrap();
            let Head { id, pubkey, created_at, kind } = glance.head;
            prop_assert_eq!((id, pubkey, created_at, kind),
                (event.id, event.pubkey, event.created_at, event.kind));
            for filter in [filter.clone(), filter.clone().with_ids([event.id]), filter.with_authors([event.pubkey])] {
                let seen = glance.meets(&filter);
                prop_assert_eq!(Glance::again(glance.head, &json).meets(&filter), seen);
                prop_assert!(seen.is_none_or(|seen| seen == filter.matches(&event)), "{seen:?} {json} {filter:?}");
                let is_plain = filter.tags().iter().all(|tag| tag.values().len() <= FEW
                    && tag.values().iter().all(|value| !value.contains(['"', '\\', '\n'])));
                prop_assert_eq!(seen.is_some(), is_plain || seen == Some(false));
            }
        }
    }

    #[test]
    fn what_the_store_didnt_write_is_damaged() {
        for json in ["", "{}", "{\"id\":\"00\",\"pubkey\":\"\"}", "{ \"id\":\"\"}"] {
            assert!(Glance::at(json).is_err(), "{json}");
        }
    }
}
