//! Merging: of several runs one, without what was removed. And which runs are worth it.

use super::{
    entry::Entry,
    ids::{IdBytes, NOBODY},
    run::Run,
};
use crate::Result;
use roaring::RoaringTreemap;
use std::sync::Arc;

/// How many entries are read at once.
const READ: usize = 2_048;

/// Shows `push` the entries of all `runs` in order, but for those of `dead` events.
pub(super) fn merge(
    runs: &[Arc<Run>],
    dead: &RoaringTreemap,
    mut push: impl FnMut(&Entry) -> Result<()>,
) -> Result<()> {
    let mut inputs = runs.iter().map(|run| Input::begin(run)).collect::<Result<Vec<_>>>()?;
    loop {
        let heads = inputs.iter().enumerate().filter_map(|(index, input)| Some((*input.head()?, index)));
        let Some((entry, index)) = heads.min() else { return Ok(()) };
        if dead.is_empty() || !dead.contains(entry.seq()) {
            push(&entry)?;
        }
        inputs[index].advance()?;
    }
}

/// Shows `push` the ids of all positions of `runs`, which follow one another, some at once, but for those of `dead`
/// events.
pub(super) fn join_ids(
    runs: &[Arc<Run>],
    dead: &RoaringTreemap,
    mut push: impl FnMut(&[IdBytes]) -> Result<()>,
) -> Result<()> {
    let mut read = Vec::with_capacity(READ);
    for run in runs {
        for first in (run.first..=run.last).step_by(READ) {
            let last = run.last.min(first + READ as u64 - 1);
            read.clear();
            run.read_ids(first, last, &mut read)?;
            if dead.range_cardinality(first..=last) > 0 {
                let positions = (first..=last).zip(&mut read);
                positions.filter(|(seq, _)| dead.contains(*seq)).for_each(|(_, id)| *id = NOBODY);
            }
            push(&read)?;
        }
    }
    Ok(())
}

/// A run that is read from its beginning to its end.
struct Input<'a> {
    run: &'a Run,
    next: usize,
    read: Vec<Entry>,
    at: usize,
}

impl<'a> Input<'a> {
    fn begin(run: &'a Run) -> Result<Self> {
        let mut input = Self { run, next: 0, read: Vec::with_capacity(READ), at: 0 };
        input.refill()?;
        Ok(input)
    }

    fn head(&self) -> Option<&Entry> {
        self.read.get(self.at)
    }

    fn advance(&mut self) -> Result<()> {
        self.at += 1;
        if self.at == self.read.len() { self.refill() } else { Ok(()) }
    }

    fn refill(&mut self) -> Result<()> {
        self.run.read(self.next, READ, &mut self.read)?;
        self.next += self.read.len();
        self.at = 0;
        Ok(())
    }
}

/// From which of some runs of these sizes on they should be one, so that each is at least `ratio` times as
/// large as all after it. `None` if they are.
pub(super) fn worth_merging(sizes: &[usize], ratio: usize) -> Option<usize> {
    let mut after = *sizes.last()?;
    let mut from = sizes.len() - 1;
    for (index, size) in sizes.iter().enumerate().rev().skip(1) {
        if *size >= ratio * after {
            break;
        }
        after += size;
        from = index;
    }
    (from + 1 < sizes.len()).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(seqs: &[(u64, u64)]) -> Arc<Run> {
        let mut entries: Vec<Entry> = seqs.iter().map(|(key, seq)| Entry::first_of(*key, 0).at(*seq)).collect();
        entries.sort_unstable();
        Arc::new(Run::in_memory(1, 1, entries, vec![[1; 32]]))
    }

    proptest! {
        #[test]
        fn merging_is_sorting_what_lives(
            parts in prop::collection::vec(prop::collection::vec((0..50_u64, 0..50_u64), 0..60), 0..5),
            dead in prop::collection::vec(0..50_u64, 0..10),
        ) {
            let runs: Vec<_> = parts.iter().map(|part| run(part)).collect();
            let dead: RoaringTreemap = dead.into_iter().collect();
            let mut merged = Vec::new();
            merge(&runs, &dead, |entry| { merged.push(*entry); Ok(()) }).unwrap();
            let mut expected: Vec<Entry> = parts.iter().flatten().map(|(key, seq)| Entry::first_of(*key, 0).at(*seq)).collect();
            expected.retain(|entry| !dead.contains(entry.seq()));
            expected.sort_unstable();
            prop_assert_eq!(merged, expected);
        }

        #[test]
        fn runs_stay_few_and_are_seldom_rewritten(flushes in 1..300_usize) {
            let mut sizes = Vec::new();
            let mut rewritten = 0;
            for flush in 0..flushes {
                sizes.push(usize::from(flush < flushes));
                if let Some(from) = worth_merging(&sizes, 2) {
                    let merged: usize = sizes.drain(from..).sum();
                    rewritten += merged;
                    sizes.push(merged);
                }
            }
            let levels = flushes.ilog2() as usize + 1;
            prop_assert!(sizes.len() <= levels, "{:?}", sizes);
            prop_assert!(rewritten <= flushes * (levels + 1), "{} of {}", rewritten, flushes);
            prop_assert_eq!(sizes.iter().sum::<usize>(), flushes);
        }
    }
}
