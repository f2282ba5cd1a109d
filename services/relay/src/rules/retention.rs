//! How much is kept of the kinds that a rule bounds: what is beyond it goes, the oldest first.

use super::lists::Lists;
use crate::settings::{Retention, Switch};
use nexus_nostr::{Event, Kind, PublicKey};
use std::collections::HashMap;

impl Retention {
    /// The first of `rules` that names `kind`.
    pub fn of(rules: &[Self], kind: Kind) -> Option<&Self> {
        rules.iter().find(|rule| rule.kinds.iter().any(|range| range.contains(&kind.get())))
    }

    /// For how long `event` is kept: by the first of `rules` that names its kind, unless its author is exempt.
    pub fn age_of(rules: &[Self], event: &Event, lists: &Lists) -> Option<i64> {
        Self::of(rules, event.kind).filter(|rule| !rule.exempts(&event.pubkey, lists))?.max_age
    }

    /// True if the events of `author` are kept whatever the rule says.
    pub fn exempts(&self, author: &PublicKey, lists: &Lists) -> bool {
        self.exempt.contains(author) || self.exempt_members == Switch::On && lists.lets_in(author)
    }

    /// True if it says how much is kept, and not only how long.
    pub const fn is_counted(&self) -> bool {
        self.max_count.is_some() || self.per_pubkey_count.is_some() || self.max_bytes.is_some()
    }
}

/// What was kept so far, of events that are looked at the newest first.
#[derive(Debug, Default)]
pub struct Kept {
    count: u64,
    bytes: u64,
    /// True once something was too much: nothing older is kept.
    is_full: bool,
    /// Of each author, if the rule bounds that.
    authors: HashMap<PublicKey, u64>,
}

impl Kept {
    /// Counts an event of so many bytes by `author`, if `rule` keeps it. False if it is too much.
    pub fn keeps(&mut self, rule: &Retention, author: &PublicKey, bytes: u64) -> bool {
        if let Some(most) = rule.per_pubkey_count {
            let of_author = self.authors.entry(*author).or_default();
            if *of_author >= most {
                return false;
            }
            *of_author += 1;
        }
        self.is_full |= rule.max_count.is_some_and(|most| self.count >= most)
            || rule.max_bytes.is_some_and(|most| self.bytes.saturating_add(bytes) > most);
        if self.is_full {
            return false;
        }
        self.count += 1;
        self.bytes += bytes;
        true
    }
}
