//! The names of the protocol: DIDs, handles, collections, record keys, revisions. Each is checked once,
//! when it is made; after that the type is the proof.

use crate::error::{Error, Reason, Result};
use nexus_model::Timestamp;
use std::{fmt, str::FromStr, sync::Arc};

fn refused(what: &str, text: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::new(Reason::Syntax, format!("not {what}: {shown:?}"))
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as shared text.
            pub fn to_shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(refused($what, text)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_name!(
    /// An account: `did:plc:…`, `did:web:…`, or a method that Nexus doesn't resolve.
    Did, "a DID", is_did
);

text_name!(
    /// A collection: three or more labels from the most general to a name, as `app.bsky.feed.post`.
    Nsid, "an NSID", is_nsid
);

text_name!(
    /// The key of a record in its collection.
    RecordKey, "a record key", is_record_key
);

text_name!(
    /// A domain name that an account goes by. Lower case when made by [`Handle::parse`].
    Handle, "a handle", is_handle
);

fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else { return false };
    let id_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'%' | b'-');
    text.len() <= 2048
        && !method.is_empty()
        && method.bytes().all(|b| b.is_ascii_lowercase())
        && id.bytes().all(id_char)
        && !matches!(id.as_bytes().last(), None | Some(b':' | b'%'))
}

/// A label of a domain name: letters, digits and inner hyphens, at most 63.
fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

fn starts_with_letter(label: &str) -> bool {
    label.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_nsid(text: &str) -> bool {
    let Some((authority, name)) = text.rsplit_once('.') else { return false };
    let is_name = (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
    is_name
        && text.len() <= 317
        && starts_with_letter(name)
        && starts_with_letter(authority)
        && authority.contains('.')
        && authority.split('.').all(is_label)
}

fn is_record_key(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'~' | b'.' | b':' | b'-');
    (1..=512).contains(&text.len()) && text.bytes().all(known) && text != "." && text != ".."
}

fn is_handle(text: &str) -> bool {
    let last = text.rsplit('.').next();
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label) && last.is_some_and(starts_with_letter)
}

impl Did {
    /// The method: `plc`, `web`, …
    pub fn method(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// What follows the method.
    pub fn id(&self) -> &str {
        self.0.splitn(3, ':').nth(2).unwrap_or_default()
    }
}

impl Handle {
    /// What consumers are told of an account without a verified handle.
    pub const INVALID: &'static str = "handle.invalid";

    /// Reads a handle in any case.
    ///
    /// # Errors
    /// If `text` is not a handle.
    pub fn parse(text: &str) -> Result<Self> {
        text.to_ascii_lowercase().parse()
    }

    /// True if the top-level domain can belong to somebody. The others are never looked up.
    pub fn is_resolvable(&self) -> bool {
        const RESERVED: [&str; 8] = ["local", "arpa", "invalid", "localhost", "internal", "example", "onion", "alt"];
        !self.0.rsplit('.').next().is_some_and(|top| RESERVED.contains(&top))
    }
}

/// Where a record is in its repo: `<collection>/<record key>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordPath {
    text: Arc<str>,
    slash: usize,
}

impl RecordPath {
    /// The collection.
    pub fn collection(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The key in the collection.
    pub fn rkey(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// The whole path: the record's key in the repo's tree.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RecordPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let slash = text.find('/').ok_or_else(|| refused("a record path", text))?;
        let valid = is_nsid(&text[..slash]) && is_record_key(&text[slash + 1..]);
        if valid { Ok(Self { text: text.into(), slash }) } else { Err(refused("a record path", text)) }
    }
}

impl TryFrom<&[u8]> for RecordPath {
    type Error = Error;

    fn try_from(key: &[u8]) -> Result<Self> {
        std::str::from_utf8(key).map_err(|_| refused("a record path", "(not UTF-8)"))?.parse()
    }
}

impl fmt::Display for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A revision, or the time-based key of a record: 13 characters whose order is the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u64);

impl Tid {
    const ALPHABET: &'static [u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
    const CLOCK_BITS: u32 = 10;

    /// The id of a moment. `clock` tells writers of the same microsecond apart; its low 10 bits are used.
    pub const fn new(micros: u64, clock: u16) -> Self {
        Self(micros << Self::CLOCK_BITS | (clock & 0x3ff) as u64)
    }

    /// The id with this number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The id as a number, in the same order.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The moment it stands for, to the millisecond.
    pub const fn time(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> Self::CLOCK_BITS) as i64 / 1000)
    }
}

impl FromStr for Tid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digit = |b: u8| match b {
            b'2'..=b'7' => Some(b - b'2'),
            b'a'..=b'z' => Some(b - b'a' + 6),
            _ => None,
        };
        let read = || {
            let starts_low = digit(*text.as_bytes().first()?)? < 16;
            let fold = |n: u64, b: u8| Some((n << 5) | u64::from(digit(b)?));
            if text.len() == 13 && starts_low { text.bytes().try_fold(0, fold) } else { None }
        };
        read().map(Self).ok_or_else(|| refused("a TID", text))
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..13).rev() {
            let digit = Self::ALPHABET[(self.0 >> (5 * place)) as usize & 31];
            fmt::Write::write_char(f, char::from(digit))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads an atproto datetime: RFC 3339 with an explicit zone.
///
/// # Errors
/// If `text` is no such time.
pub(crate) fn datetime(text: &str) -> Result<Timestamp> {
    let read = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let nanos = read.map_err(|_| refused("a datetime", text))?.unix_timestamp_nanos();
    Ok(Timestamp::from_millis((nanos / 1_000_000) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tid_is_a_moment() {
        let tid: Tid = "3lmxrbvasth2t".parse().unwrap();
        assert_eq!(tid.to_string(), "3lmxrbvasth2t");
        assert_eq!(tid.time(), datetime("2025-04-16T23:40:33.541Z").unwrap());
        for text in ["", "3lmxrbvasth2", "3lmxrbvasth2tt", "zlmxrbvasth2t", "3LMXRBVASTH2T", "3lmxrbvasth21"] {
            assert!(text.parse::<Tid>().is_err(), "{text}");
        }
    }

    #[test]
    fn handles_are_lower_case_domain_names() {
        assert_eq!(Handle::parse("Alice.Test").unwrap().as_str(), "alice.test");
        for text in ["", "alice", "a_b.test", "-a.test", "a.1", "a..b", "a.test."] {
            assert!(Handle::parse(text).is_err(), "{text}");
        }
        assert!(Handle::parse("a.test").unwrap().is_resolvable());
        assert!(!Handle::parse("a.onion").unwrap().is_resolvable());
    }

    #[test]
    fn a_path_has_a_collection_and_a_key() {
        let path: RecordPath = "app.bsky.feed.post/3k".parse().unwrap();
        assert_eq!((path.collection(), path.rkey()), ("app.bsky.feed.post", "3k"));
        for text in ["app.bsky.feed.post", "app.bsky.feed.post/", "/3k", "app.bsky.feed.post/a/b", "post/3k"] {
            assert!(text.parse::<RecordPath>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_did_names_its_method() {
        let did: Did = "did:web:a.example%3A80".parse().unwrap();
        assert_eq!((did.method(), did.id()), ("web", "a.example%3A80"));
    }

    proptest! {
        #[test]
        fn tids_order_as_their_text(a: u64, b: u64) {
            let (a, b) = (Tid::from_number(a), Tid::from_number(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
