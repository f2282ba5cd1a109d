//! Which events of a journal are settled: everything up to a floor, and ranges above it.
//!
//! Acknowledgements come in any order. They fill a bitmap above the floor, which is kept and stored as the
//! runs of its ones: its size follows the number of gaps, however far apart they are.

use nexus_model::Seq;
use std::collections::BTreeMap;

/// The settled part of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    floor: u64,
    /// First and last position of each run. Runs never touch one another or the floor.
    runs: BTreeMap<u64, u64>,
}

/// Stored bytes that are not a [`Settled`]: damage to our own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored state of a channel is malformed at byte {at}")]
pub struct Malformed {
    /// Where.
    pub at: usize,
}

impl Settled {
    /// Everything up to `floor` is settled, nothing above.
    pub const fn up_to(floor: Seq) -> Self {
        Self { floor: floor.get(), runs: BTreeMap::new() }
    }

    /// The position up to which everything is settled.
    pub const fn floor(&self) -> Seq {
        Seq::new(self.floor)
    }

    /// How many gaps lie between what is settled.
    pub fn gaps(&self) -> usize {
        self.runs.len()
    }

    /// How many positions up to `head` are not settled.
    pub fn unsettled(&self, head: Seq) -> u64 {
        let above: u64 = self.runs.iter().map(|(first, last)| last - first + 1).sum();
        head.get().saturating_sub(self.floor + above)
    }

    /// True if the event at `seq` is settled.
    pub fn contains(&self, seq: Seq) -> bool {
        let seq = seq.get();
        seq <= self.floor || self.runs.range(..=seq).next_back().is_some_and(|(_, last)| *last >= seq)
    }

    /// Settles one event.
    pub fn insert(&mut self, seq: Seq) {
        self.insert_range(seq.get(), seq.get());
    }

    /// Settles all positions from `first` to `last`; nothing if `first` is greater.
    pub(super) fn insert_range(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first.max(self.floor + 1), last);
        if first > last {
            return;
        }
        // Runs that overlap or touch become one.
        while let Some((start, end)) = self.runs.range(..=last.saturating_add(1)).next_back().map(|(s, e)| (*s, *e)) {
            if end.saturating_add(1) < first {
                break;
            }
            (first, last) = (first.min(start), last.max(end));
            self.runs.remove(&start);
        }
        if first == self.floor + 1 {
            self.floor = last;
        } else {
            self.runs.insert(first, last);
        }
    }

    /// The form in which it is stored: the floor, then the distances between the ends of runs, each as a
    /// base-128 number.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(10 + 4 * self.runs.len());
        let mut previous = 0;
        let ends = self.runs.iter().flat_map(|(first, last)| [*first, *last]);
        for position in [self.floor].into_iter().chain(ends) {
            let mut distance = position - previous;
            while distance >= 0x80 {
                bytes.push(distance as u8 | 0x80);
                distance >>= 7;
            }
            bytes.push(distance as u8);
            previous = position;
        }
        bytes
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// If `bytes` are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut at = 0;
        let mut settled = Self::up_to(Seq::new(number(bytes, &mut at)?));
        let mut previous = settled.floor;
        while at < bytes.len() {
            let place = at;
            let mut next = |least| -> Result<u64, Malformed> {
                let distance = number(bytes, &mut at)?;
                previous =
                    previous.checked_add(distance).filter(|_| distance >= least).ok_or(Malformed { at: place })?;
                Ok(previous)
            };
            // A position at least must lie between two runs, else they would be one.
            let (first, last) = (next(2)?, next(0)?);
            settled.runs.insert(first, last);
        }
        Ok(settled)
    }
}

fn number(bytes: &[u8], at: &mut usize) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for place in 0..10 {
        let byte = *bytes.get(*at).ok_or(Malformed { at: *at })?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        value |= bits.checked_shl(7 * place).filter(|v| v >> (7 * place) == bits).ok_or(Malformed { at: *at })?;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed { at: *at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_floor_rises_when_the_gap_below_closes() {
        let mut settled = Settled::default();
        settled.insert(Seq::new(3));
        settled.insert(Seq::new(2));
        assert_eq!((settled.floor(), settled.gaps()), (Seq::START, 1));
        settled.insert(Seq::new(1));
        assert_eq!((settled.floor(), settled.gaps()), (Seq::new(3), 0));
    }

    #[test]
    fn damage_is_noticed() {
        assert_eq!(Settled::decode(&[]), Err(Malformed { at: 0 }));
        assert!(Settled::decode(&[5, 1, 0]).is_err());
        assert!(Settled::decode(&[5, 2]).is_err());
        assert!(Settled::decode(&[0xff; 11]).is_err());
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_positions(ranges in prop::collection::vec((0..60_u64, 0..6_u64), 0..40)) {
            let (mut settled, mut model) = (Settled::default(), BTreeSet::new());
            for (first, length) in ranges {
                settled.insert_range(first, first + length);
                model.extend((first..=first + length).filter(|seq| *seq > 0));
            }
            for seq in 1..70 {
                prop_assert_eq!(settled.contains(Seq::new(seq)), model.contains(&seq));
            }
            prop_assert_eq!(settled.unsettled(Seq::new(70)), 70 - model.len() as u64);
            let floor = (1..).take_while(|seq| model.contains(seq)).last().unwrap_or(0);
            prop_assert_eq!(settled.floor(), Seq::new(floor));
            let starts = model.iter().filter(|seq| **seq > floor && !model.contains(&(*seq - 1))).count();
            prop_assert_eq!(settled.gaps(), starts);
            prop_assert_eq!(Settled::decode(&settled.encode()), Ok(settled));
        }

        #[test]
        fn any_bytes_that_are_read_are_the_ones_that_are_written(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(settled) = Settled::decode(&bytes) {
                prop_assert_eq!(Settled::decode(&settled.encode()), Ok(settled));
            }
        }
    }
}
