//! The spellings that a word of a question stands for: itself, what shares its stem, for the last word what begins with
//! it, and what is a typo away. Each has a weight, so that the closer spelling ranks higher.

use crate::{schema::Stems, words::Words};
use std::{cmp::Reverse, collections::HashMap, time::Instant};
use tantivy::{Searcher, schema::Field, termdict::TermDictionary};

const EXACT: f32 = 1.0;
const SAME_STEM: f32 = 0.8;
const PREFIX: f32 = 0.7;
const ONE_TYPO: f32 = 0.5;
const TWO_TYPOS: f32 = 0.3;

/// Dictionary entries that are looked at for one word in one segment at most.
const MAX_SCANNED: usize = 20_000;
/// Entries between two looks at the clock.
const CLOCK_STRIDE: usize = 256;

/// One spelling, with its weight.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variant {
    pub(crate) word: String,
    pub(crate) weight: f32,
    frequency: u32,
}

/// Whether a word of a question is finished, or may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Open,
}

/// Typos that a word of this many characters may have (spec d.9).
const fn allowed_typos(characters: usize) -> usize {
    match characters {
        0..=3 => 0,
        4..=8 => 1,
        _ => 2,
    }
}

/// Where spellings are looked up, and until when.
pub(crate) struct Source<'a> {
    pub(crate) searcher: &'a Searcher,
    pub(crate) field: Field,
    pub(crate) deadline: Instant,
}

/// The spellings of one word that occur in the index.
pub(crate) struct Spellings<'a> {
    word: &'a str,
    typos: usize,
    deadline: Instant,
    variants: HashMap<String, Variant>,
}

impl<'a> Spellings<'a> {
    /// The word itself, what shares its stem, and what begins with it if it may go on.
    pub(crate) fn close(source: &Source<'_>, word: &'a str, ending: Ending) -> tantivy::Result<Self> {
        let typos = allowed_typos(word.chars().count());
        let mut spellings = Self { word, typos, deadline: source.deadline, variants: HashMap::new() };
        let mut stems = Stems::english();
        for segment in source.searcher.segment_readers() {
            let index = segment.inverted_index(source.field)?;
            spellings.add_close(index.terms(), &mut stems, ending)?;
        }
        Ok(spellings)
    }

    /// Adds what is a typo away. False if there is nothing.
    pub(crate) fn add_typos(&mut self, source: &Source<'_>, words: &Words) -> tantivy::Result<bool> {
        if self.typos == 0 {
            return Ok(false);
        }
        let known = self.variants.len();
        let near = words.near(self.word, self.typos, self.deadline);
        for segment in source.searcher.segment_readers() {
            let index = segment.inverted_index(source.field)?;
            for near in &near {
                if let Some(info) = index.terms().get(&near.word)? {
                    let weight = if near.typos == 1 { ONE_TYPO } else { TWO_TYPOS };
                    self.add(&near.word, weight, info.doc_freq);
                }
            }
        }
        Ok(self.variants.len() > known)
    }

    /// At most `limit` of them, best first.
    pub(crate) fn best(&self, limit: usize) -> Vec<Variant> {
        let mut variants: Vec<_> = self.variants.values().cloned().collect();
        variants.sort_by(|a, b| {
            let by_weight = b.weight.total_cmp(&a.weight);
            by_weight.then_with(|| (Reverse(a.frequency), &a.word).cmp(&(Reverse(b.frequency), &b.word)))
        });
        variants.truncate(limit);
        variants
    }

    fn add_close(&mut self, terms: &TermDictionary, stems: &mut Stems, ending: Ending) -> tantivy::Result<()> {
        if let Some(info) = terms.get(self.word)? {
            self.add(self.word, EXACT, info.doc_freq);
        }
        if self.typos > 0 {
            self.add_stems(terms, stems)?;
        }
        if ending == Ending::Open {
            self.add_prefixed(terms, self.word, |_| Some(PREFIX))?;
        }
        Ok(())
    }

    /// Words with the same stem begin with it, but for a last `i` that stands for `y`.
    fn add_stems(&mut self, terms: &TermDictionary, stems: &mut Stems) -> tantivy::Result<()> {
        let stem = stems.of(self.word);
        let prefix = stem.strip_suffix('i').unwrap_or(&stem);
        self.add_prefixed(terms, prefix, |word| (stems.of(word) == stem).then_some(SAME_STEM))
    }

    fn add_prefixed(
        &mut self,
        terms: &TermDictionary,
        prefix: &str,
        mut weight: impl FnMut(&str) -> Option<f32>,
    ) -> tantivy::Result<()> {
        let mut stream = terms.range().ge(prefix).into_stream()?;
        let mut scanned = 0;
        while stream.advance() && stream.key().starts_with(prefix.as_bytes()) && self.goes_on(&mut scanned) {
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            if let Some(weight) = weight(word) {
                self.add(word, weight, stream.value().doc_freq);
            }
        }
        Ok(())
    }

    fn goes_on(&self, scanned: &mut usize) -> bool {
        *scanned += 1;
        *scanned <= MAX_SCANNED && (!scanned.is_multiple_of(CLOCK_STRIDE) || Instant::now() < self.deadline)
    }

    /// Adds a spelling. One that is found several ways counts by the best of them; each way meets a segment
    /// once, so the frequency is the largest segment's.
    fn add(&mut self, word: &str, weight: f32, frequency: u32) {
        let weight = if word == self.word { EXACT } else { weight };
        if let Some(known) = self.variants.get_mut(word) {
            known.weight = known.weight.max(weight);
            known.frequency = known.frequency.max(frequency);
        } else {
            let variant = Variant { word: word.to_owned(), weight, frequency };
            self.variants.insert(word.to_owned(), variant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_words_may_have_more_typos() {
        let typos: Vec<_> = [1, 3, 4, 8, 9, 30].map(allowed_typos).into();
        assert_eq!(typos, [0, 0, 1, 1, 2, 2]);
    }
}
