//! How often a repo may be fetched again because of messages that nobody signed: anybody who can write to a relay
//! could ask for it. Five at once and then one in twelve seconds, for each repo.

use nexus_atproto::Did;
use nexus_model::Timestamp;
use std::collections::HashMap;

const AT_ONCE: i64 = 5;
const EVERY_MILLIS: i64 = 12_000;

/// Repos that are remembered; more, and those that have not been doubted lately are forgotten.
const REPOS: usize = 10_000;

/// The doubts of late.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// The moment at which all that a repo was doubted is forgiven.
    forgiven: HashMap<Did, Timestamp>,
}

impl Doubts {
    /// True if a doubt about the repo may be acted upon.
    pub(super) fn may(&mut self, did: &Did, now: Timestamp) -> bool {
        if self.forgiven.len() >= REPOS {
            self.forgiven.retain(|_, at| *at > now);
        }
        if self.forgiven.len() >= REPOS {
            return self.forgiven.contains_key(did) && self.count(did, now);
        }
        self.count(did, now)
    }

    fn count(&mut self, did: &Did, now: Timestamp) -> bool {
        let at = self.forgiven.entry(did.clone()).or_insert(now);
        let next = (*at).max(now).plus_millis(EVERY_MILLIS);
        let may = next <= now.plus_millis(AT_ONCE * EVERY_MILLIS);
        if may {
            *at = next;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(number: usize) -> Did {
        format!("did:plc:{number}").parse().unwrap()
    }

    #[test]
    fn five_at_once_and_then_one_at_a_time_for_each_repo() {
        let mut doubts = Doubts::default();
        let at = Timestamp::from_millis;
        let granted = (0..20).filter(|_| doubts.may(&did(1), at(1_000))).count();
        assert_eq!(granted, 5);
        assert!(doubts.may(&did(2), at(1_000)));
        assert!(!doubts.may(&did(1), at(12_999)));
        assert!(doubts.may(&did(1), at(13_000)));
        assert!(!doubts.may(&did(1), at(13_001)));
        let later = (0..20).filter(|_| doubts.may(&did(1), at(10_000_000))).count();
        assert_eq!(later, 5);
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_is_forgotten() {
        let mut doubts = Doubts::default();
        let now = Timestamp::from_millis(0);
        let granted = (0..2 * REPOS).filter(|n| doubts.may(&did(*n), now)).count();
        assert_eq!((granted, doubts.forgiven.len()), (REPOS, REPOS));
        assert!(doubts.may(&did(REPOS), now.plus_millis(EVERY_MILLIS)));
    }
}
