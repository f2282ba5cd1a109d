//! What was used lately, in bounded memory: two generations. When the young one is full it becomes the old one, and
//! what was old and not used since is forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// At most `capacity` values, and at least the half of it that was used last.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Generations<K, V> {
    /// Nothing yet.
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// The value of `key`, which counts as a use.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(key.clone(), value.clone());
        Some(value)
    }

    /// Remembers a value.
    pub fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Forgets the value of `key`.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn what_was_used_last_is_there_and_never_more_than_allowed(
            capacity in 2_usize..12,
            uses in prop::collection::vec((0_u8..20, 0..5_u8), 0..200),
        ) {
            let mut cache = Generations::new(capacity);
            let mut newest = VecDeque::new();
            for (key, kind) in uses {
                if kind == 0 {
                    cache.remove(&key);
                    // It doesn't bring back what it had displaced.
                    newest.iter_mut().filter(|used| **used == Some(key)).for_each(|used| *used = None);
                    prop_assert_eq!(cache.get(&key), None);
                    continue;
                }
                if kind < 3 {
                    cache.put(key, u32::from(key));
                } else if cache.get(&key) != Some(u32::from(key)) {
                    prop_assert!(newest.iter().take(capacity / 2).all(|used| *used != Some(key)));
                    continue;
                }
                newest.retain(|used| *used != Some(key));
                newest.push_front(Some(key));
                prop_assert!(cache.young.len() + cache.old.len() <= capacity);
            }
        }
    }
}
