//! A filter that knows for most ids that a run doesn't have them, so that the run needn't be looked into.
//! (Bloom 1970.) Keys of ids are as random as ids are, so their bits serve as the hashes.

/// How many bits a key gets, and how many of them are set: about one id in a hundred is looked for in vain.
const BITS: usize = 10;
const HASHES: u64 = 7;

/// Keys that may be there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bloom(Vec<u64>);

impl Bloom {
    /// A filter that has room for `count` keys.
    pub(super) fn with_room(count: usize) -> Self {
        Self(vec![0; (count * BITS).div_ceil(64).max(1)])
    }

    /// The filter of these words, of which there is at least one.
    pub(super) fn from_words(words: Vec<u64>) -> Option<Self> {
        if words.is_empty() { None } else { Some(Self(words)) }
    }

    /// The words to keep.
    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }

    /// Adds a key.
    pub(super) fn insert(&mut self, key: u64) {
        let bits = self.0.len() as u64 * 64;
        for bit in bits_of(key, bits) {
            self.0[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// False if the key is certainly not there.
    pub(super) fn may_have(&self, key: u64) -> bool {
        let bits = self.0.len() as u64 * 64;
        bits_of(key, bits).all(|bit| self.0[(bit / 64) as usize] >> (bit % 64) & 1 == 1)
    }
}

fn bits_of(key: u64, bits: u64) -> impl Iterator<Item = u64> {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let step = mixed >> 32 | 1;
    (0..HASHES).map(move |index| mixed.wrapping_add(index.wrapping_mul(step)) % bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_there_and_little_else() {
        let mut random = fastrand(7);
        let keys: Vec<u64> = (0..10_000).map(|_| random()).collect();
        let mut bloom = Bloom::with_room(keys.len());
        keys.iter().for_each(|key| bloom.insert(*key));
        assert!(keys.iter().all(|key| bloom.may_have(*key)));
        let wrong = (0..10_000).filter(|_| bloom.may_have(random())).count();
        assert!(wrong < 300, "{wrong}");
        assert_eq!(Bloom::from_words(bloom.words().to_vec()), Some(bloom));
    }

    fn fastrand(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }
    }
}
