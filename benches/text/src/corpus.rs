//! Posts of made-up words.

use fastrand::Rng;
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::row::{PostKey, PostKind, PostRow};
use std::ops::RangeInclusive;

/// Distinct words, as in the comparison of engines in the decision record.
const WORDS: usize = 57_000;
/// Words in a post: about 175 bytes.
const LENGTH: usize = 24;
const AUTHORS: usize = 10_000;
/// The characters of keys.
const KEY_LETTERS: &[u8] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// Makes posts and questions.
pub(crate) struct Corpus {
    rng: Rng,
    words: Vec<String>,
    authors: Vec<PubkyId>,
}

impl Corpus {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let words = (0..WORDS).map(|_| word(&mut rng)).collect();
        let authors = (0..AUTHORS).map(|_| key(&mut rng)).collect();
        Self { rng, words, authors }
    }

    pub(crate) fn post(&mut self, id: u32) -> PostRow {
        let words: Vec<_> = (0..LENGTH).map(|_| self.by_frequency()).collect();
        let content = words.iter().map(|rank| &*self.words[*rank]).collect::<Vec<_>>().join(" ");
        let kind = if self.rng.u8(..) < 25 { PostKind::Long } else { PostKind::Short };
        let id = format!("{id:013}").parse().expect("digits are an id");
        PostRow::of_text(PostKey { author: self.author(), id }, kind, content, Timestamp::default())
    }

    pub(crate) fn author(&mut self) -> PubkyId {
        self.authors[self.rng.usize(..AUTHORS)]
    }

    /// One of the 50 most frequent words.
    pub(crate) fn common(&mut self) -> String {
        self.words[self.rng.usize(..50)].clone()
    }

    /// One of the rarer half.
    pub(crate) fn rare(&mut self) -> String {
        self.words[self.rng.usize(WORDS / 2..WORDS)].clone()
    }

    /// A word of such a length, drawn by frequency, with one letter changed.
    pub(crate) fn misspelled(&mut self, length: RangeInclusive<usize>) -> String {
        let mut letters = loop {
            let rank = self.by_frequency();
            if length.contains(&self.words[rank].len()) {
                break self.words[rank].clone().into_bytes();
            }
        };
        let place = self.rng.usize(..letters.len());
        letters[place] = self.rng.u8(b'a'..=b'z');
        String::from_utf8(letters).expect("letters are ASCII")
    }

    /// The first 3 letters of a word, drawn by frequency.
    pub(crate) fn prefix(&mut self) -> String {
        let rank = self.by_frequency();
        self.words[rank][..3].to_owned()
    }

    /// A rank by Zipf's law: the n-th word is n times rarer than the first.
    fn by_frequency(&mut self) -> usize {
        let rank = (WORDS as f64).powf(self.rng.f64());
        (rank as usize - 1).min(WORDS - 1)
    }
}

fn word(rng: &mut Rng) -> String {
    let length = rng.usize(3..=12);
    (0..length).map(|_| rng.char('a'..='z')).collect()
}

fn key(rng: &mut Rng) -> PubkyId {
    let text: String = (0..52).map(|_| char::from(KEY_LETTERS[rng.usize(..KEY_LETTERS.len())])).collect();
    PubkyId::from_stored(&text).expect("these are a key's letters")
}
