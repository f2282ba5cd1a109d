//! The spellings that a word of a question stands for: itself, what shares its stem, what is a typo away,
//! and for the last word what begins with it. Each has a weight, so that the closer spelling ranks higher.

use crate::schema::Stems;
use std::{cmp::Reverse, collections::HashMap, time::Instant};
use tantivy::{Searcher, Term, query::FuzzyTermQuery, schema::Field, termdict::TermDictionary};

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
pub(crate) const fn allowed_typos(characters: usize) -> u8 {
    match characters {
        0..=3 => 0,
        4..=8 => 1,
        _ => 2,
    }
}

/// At most `limit` spellings of `word` that occur in the index, best first.
pub(crate) fn expand(
    searcher: &Searcher,
    field: Field,
    word: &str,
    ending: Ending,
    limit: usize,
    deadline: Instant,
) -> tantivy::Result<Vec<Variant>> {
    let mut found = Found { word, deadline, stems: Stems::english(), variants: HashMap::new() };
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(field)?;
        found.look_into(index.terms(), field, ending)?;
    }
    Ok(found.best(limit))
}

struct Found<'a> {
    word: &'a str,
    deadline: Instant,
    stems: Stems,
    variants: HashMap<String, Variant>,
}

impl Found<'_> {
    fn look_into(&mut self, terms: &TermDictionary, field: Field, ending: Ending) -> tantivy::Result<()> {
        if let Some(info) = terms.get(self.word)? {
            self.add(self.word.to_owned(), EXACT, info.doc_freq);
        }
        let typos = allowed_typos(self.word.chars().count());
        if typos > 0 {
            self.add_typos(terms, field, typos)?;
            self.add_stems(terms)?;
        }
        if ending == Ending::Open {
            self.add_prefixed(terms, self.word, |_, _| Some(PREFIX))?;
        }
        Ok(())
    }

    fn add_typos(&mut self, terms: &TermDictionary, field: Field, typos: u8) -> tantivy::Result<()> {
        let automaton = FuzzyTermQuery::new(Term::from_field_text(field, self.word), typos, true).automaton()?;
        let mut stream = terms.search(automaton).into_stream()?;
        let mut scanned = 0;
        while stream.advance() && self.goes_on(&mut scanned) {
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            let weight = match distance(self.word, word) {
                0 => EXACT,
                1 => ONE_TYPO,
                _ => TWO_TYPOS,
            };
            self.add(word.to_owned(), weight, stream.value().doc_freq);
        }
        Ok(())
    }

    /// Words with the same stem begin with it, but for a last `i` that stands for `y`.
    fn add_stems(&mut self, terms: &TermDictionary) -> tantivy::Result<()> {
        let stem = self.stems.of(self.word);
        let prefix = stem.strip_suffix('i').unwrap_or(&stem).to_owned();
        self.add_prefixed(terms, &prefix, |found, word| (found.stems.of(word) == stem).then_some(SAME_STEM))
    }

    fn add_prefixed(
        &mut self,
        terms: &TermDictionary,
        prefix: &str,
        weight: impl Fn(&mut Self, &str) -> Option<f32>,
    ) -> tantivy::Result<()> {
        let mut stream = terms.range().ge(prefix).into_stream()?;
        let mut scanned = 0;
        while stream.advance() && stream.key().starts_with(prefix.as_bytes()) && self.goes_on(&mut scanned) {
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            if let Some(weight) = weight(self, word) {
                self.add(word.to_owned(), weight, stream.value().doc_freq);
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
    fn add(&mut self, word: String, weight: f32, frequency: u32) {
        let weight = if word == self.word { EXACT } else { weight };
        let variant = Variant { word: word.clone(), weight, frequency };
        let known = self.variants.entry(word).or_insert(variant);
        known.weight = known.weight.max(weight);
        known.frequency = known.frequency.max(frequency);
    }

    fn best(self, limit: usize) -> Vec<Variant> {
        let mut variants: Vec<_> = self.variants.into_values().collect();
        variants.sort_by(|a, b| {
            let by_weight = b.weight.total_cmp(&a.weight);
            by_weight.then_with(|| (Reverse(a.frequency), &a.word).cmp(&(Reverse(b.frequency), &b.word)))
        });
        variants.truncate(limit);
        variants
    }
}

/// How many characters were inserted, left out, replaced or swapped with their neighbour.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut older = vec![0; b.len() + 1];
    let mut old: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = old[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(old[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(older[j - 1] + 1);
            }
            row.push(best);
        }
        older = std::mem::replace(&mut old, row);
    }
    old[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_characters() {
        for (a, b, expected) in [
            ("maps", "maps", 0),
            ("maps", "map", 1),
            ("maps", "amps", 1),
            ("straße", "strasse", 2),
            ("köln", "koln", 1),
            ("", "abc", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn longer_words_may_have_more_typos() {
        let typos: Vec<_> = [1, 3, 4, 8, 9, 30].map(allowed_typos).into();
        assert_eq!(typos, [0, 0, 1, 1, 2, 2]);
    }
}
