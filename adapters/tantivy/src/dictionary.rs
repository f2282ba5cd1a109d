//! The words of the index in memory, for finding those that are a few typos away: a dictionary on disk has to be walked
//! once for each segment, and most of it if a word may have two typos.
//!
//! A word takes its bytes and four more. It stays until the dictionary is made again, also if its posts are gone by
//! then; so a word that is found here need not be in the index.

use crate::distance::Measure;
use std::{collections::BTreeMap, io, time::Instant};
use tantivy::termdict::TermDictionary;

/// Words that are near one at most, the nearest ones.
const MAX_NEAR: usize = 500;

/// The words of the index, in groups of one length.
pub(crate) struct Dictionary {
    groups: BTreeMap<Length, Group>,
    bytes: usize,
    limit: usize,
}

/// The length of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Length {
    characters: usize,
    bytes: usize,
}

impl Length {
    fn of(word: &str) -> Self {
        Self { characters: word.chars().count(), bytes: word.len() }
    }
}

/// Words that a dictionary hasn't yet: of each length those of a segment, sorted, one behind the other.
#[derive(Default)]
pub(crate) struct News {
    words: BTreeMap<Length, String>,
    bytes: usize,
}

/// A word that is near.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Near {
    pub(crate) typos: usize,
    pub(crate) word: String,
}

impl Dictionary {
    /// An empty dictionary that takes words up to `limit` bytes of memory.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { groups: BTreeMap::new(), bytes: 0, limit }
    }

    /// The words of a segment that aren't known; those for which there is no room are left out.
    pub(crate) fn unknown_of(&self, terms: &TermDictionary) -> io::Result<News> {
        let mut news = News::default();
        let mut stream = terms.stream()?;
        while stream.advance() {
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            let length = Length::of(word);
            let bytes = length.bytes + size_of::<Letters>();
            let is_known = || self.groups.get(&length).is_some_and(|group| group.has(length.bytes, word));
            if self.bytes + news.bytes + bytes <= self.limit && !is_known() {
                news.bytes += bytes;
                news.words.entry(length).or_default().push_str(word);
            }
        }
        Ok(news)
    }

    /// Takes in what was unknown until now.
    pub(crate) fn learn(&mut self, news: &News) {
        self.bytes += news.bytes;
        for (length, words) in &news.words {
            self.groups.entry(*length).or_default().merge(length.bytes, words);
        }
    }

    /// Words that are 1 to `most` typos away from `word`, the nearest first. After the deadline, those that were seen.
    pub(crate) fn near(&self, word: &str, most: usize, deadline: Instant) -> Vec<Near> {
        let characters: Vec<char> = word.chars().collect();
        let mut measure = Measure::new(&characters, most);
        let shortest = Length { characters: characters.len().saturating_sub(most), bytes: 0 };
        let too_long = Length { characters: characters.len() + most + 1, bytes: 0 };
        let mut found = Vec::new();
        for (length, group) in self.groups.range(shortest..too_long) {
            if Instant::now() >= deadline {
                break;
            }
            let close = group.with_letters_near(length.bytes, Letters::of(word), most);
            let near = close.filter_map(|other| Some((measure.of(other).filter(|typos| *typos > 0)?, other)));
            found.extend(near.map(|(typos, other)| Near { typos, word: other.to_owned() }));
        }
        found.sort_unstable();
        found.truncate(MAX_NEAR);
        found
    }
}

/// Words of one length, sorted, one behind the other, and the letters of each.
#[derive(Default)]
struct Group {
    words: String,
    letters: Vec<Letters>,
}

impl Group {
    fn word(&self, width: usize, place: usize) -> &str {
        &self.words[place * width..][..width]
    }

    fn has(&self, width: usize, word: &str) -> bool {
        let places = self.letters.len();
        let first_not_less = partition_point(places, |place| self.word(width, place) < word);
        first_not_less < places && self.word(width, first_not_less) == word
    }

    /// Takes in sorted words, none of which is known.
    fn merge(&mut self, width: usize, news: &str) {
        let known = std::mem::take(self);
        self.words.reserve_exact(known.words.len() + news.len());
        self.letters.reserve_exact(known.letters.len() + news.len() / width);
        let mut place = 0;
        for start in (0..news.len()).step_by(width) {
            let new = &news[start..][..width];
            while place < known.letters.len() && known.word(width, place) < new {
                self.push(known.word(width, place), known.letters[place]);
                place += 1;
            }
            self.push(new, Letters::of(new));
        }
        self.words.push_str(&known.words[place * width..]);
        self.letters.extend_from_slice(&known.letters[place..]);
    }

    fn push(&mut self, word: &str, letters: Letters) {
        self.words.push_str(word);
        self.letters.push(letters);
    }

    /// Words that `most` typos may have made of one with such letters.
    fn with_letters_near(&self, width: usize, letters: Letters, most: usize) -> impl Iterator<Item = &str> {
        let close = self.letters.iter().enumerate().filter(move |(_, other)| letters.may_become(**other, most));
        close.map(move |(place, _)| self.word(width, place))
    }
}

/// The first of `places` for which `is_before` is false.
fn partition_point(places: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, places);
    while low < high {
        let middle = low.midpoint(high);
        if is_before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Which letters a word has, each standing for all with the same last five bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Letters(u32);

impl Letters {
    fn of(word: &str) -> Self {
        Self(word.chars().fold(0, |letters, letter| letters | 1 << (u32::from(letter) % 32)))
    }

    /// A typo adds one letter, takes one away, or does both.
    const fn may_become(self, other: Self, typos: usize) -> bool {
        (self.0 ^ other.0).count_ones() as usize <= 2 * typos
    }
}
