//! A set of dense ids with a bit for each, for sets that one answer fills and forgets: nothing is faster to ask.

/// Ids below a bound that is known when the set is made.
#[derive(Clone, Debug)]
pub(super) struct Bits(Vec<u64>);

const fn place(id: u32) -> (usize, u64) {
    (id as usize / 64, 1 << (id % 64))
}

impl Bits {
    /// An empty set for ids below `bound`.
    pub(super) fn below(bound: usize) -> Self {
        Self(vec![0; bound.div_ceil(64)])
    }

    /// True if the id is in the set.
    pub(super) fn contains(&self, id: u32) -> bool {
        let (word, bit) = place(id);
        self.0[word] & bit != 0
    }

    /// Adds an id. True if it is new.
    pub(super) fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = place(id);
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Takes an id out.
    pub(super) fn remove(&mut self, id: u32) {
        let (word, bit) = place(id);
        self.0[word] &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_a_set(steps in proptest::collection::vec((any::<bool>(), 0u32..130), 0..300)) {
            let (mut bits, mut model) = (Bits::below(130), std::collections::BTreeSet::new());
            for (insert, id) in steps {
                if insert {
                    prop_assert_eq!(bits.insert(id), model.insert(id));
                } else {
                    bits.remove(id);
                    model.remove(&id);
                }
            }
            prop_assert!((0..130).all(|id| bits.contains(id) == model.contains(&id)));
        }
    }
}
