//! Posts of a label by engagement, roughly: each on a rung, from which it moves when its engagement has doubled or
//! halved. A post may carry many labels, and each event moves its engagement by one; kept exactly, every label of
//! the post would have to be touched by every event. Reading puts a rung in order, when its turn comes.

use super::{Index, columns::at};

/// A post on a rung: by rung, then id. Its author is here too, so that a stream of a few authors need not look at
/// the facts of everybody's posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rung {
    pub(super) rung: u32,
    pub(super) post: u32,
    pub(super) author: u32,
}

/// The rung that belongs to an engagement: the number of its binary digits.
pub(super) const fn rung_of(engagement: u32) -> u8 {
    (u32::BITS - engagement.leading_zeros()) as u8
}

/// The rung for a post that is on another one: the same while the engagement belongs to it or to the one below, so
/// that going back and forth by one doesn't move it each time.
pub(super) fn step_to(rung: u8, engagement: u32) -> u8 {
    let own = rung_of(engagement);
    if own > rung { own } else { rung.min(own + 1) }
}

/// What the engagement of posts on a rung is less than.
pub(super) const fn end(rung: u32) -> i64 {
    1 << rung
}

/// The least that the engagement of posts on a rung may be.
pub(super) const fn start(rung: u32) -> i64 {
    if rung < 2 { 0 } else { 1 << (rung - 2) }
}

impl Index {
    /// Moves a post from a rung to the one that its facts say, in the lists of each of its labels.
    pub(super) fn climb(&mut self, post: u32, from: u8) {
        if from == self.columns.posts[at(post)].rung {
            return;
        }
        for group in self.posts[at(post)].tags.iter() {
            self.labels[at(group.label)].posts.climb(&self.columns, post, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However engagement moves, a rung says between which numbers it is.
        #[test]
        fn a_rung_bounds_engagement(begin in 0u32..5000, moves in proptest::collection::vec(-40i32..40, 0..300)) {
            let (mut engagement, mut rung) = (begin, rung_of(begin));
            for change in moves {
                engagement = engagement.saturating_add_signed(change);
                rung = step_to(rung, engagement);
                let bounds = start(u32::from(rung))..end(u32::from(rung));
                prop_assert!(bounds.contains(&i64::from(engagement)), "{engagement} on {rung}");
            }
        }

        /// A post moves only when its engagement has halved or doubled since it last did.
        #[test]
        fn posts_climb_rarely(begin in 0u32..5000, moves in proptest::collection::vec(any::<bool>(), 0..2000)) {
            let (mut engagement, mut rung, mut last) = (begin, rung_of(begin), None);
            for up in moves {
                engagement = engagement.saturating_add_signed(if up { 1 } else { -1 });
                let next = step_to(rung, engagement);
                if next != rung {
                    let far = |last: u32| engagement >= (last * 2).saturating_sub(1) || engagement * 2 <= last + 1;
                    prop_assert!(last.is_none_or(far), "from {last:?} to {engagement}");
                    last = Some(engagement);
                }
                rung = next;
            }
        }
    }
}
