//! The order of search results.

use nexus_nostr::{Event, nip::nip50};

/// How quickly further occurrences of a word stop to count, and how much long texts are held back: the usual
/// constants of BM25 (Robertson and Zaragoza 2009), in thousandths.
const SATURATION: u64 = 1_200;
const LENGTH_SHARE: u64 = 750;

/// How many words an event has, about.
const USUAL_WORDS: u64 = 40;

/// How well `event` answers `query`: BM25 with all words equally rare, since all that was asked for must be
/// there. Larger is better; 0 if no words were asked for.
pub fn score(query: &nip50::Query, event: &Event) -> u64 {
    let words = nip50::words(&nip50::searchable(event).unwrap_or_default());
    let length = words.len() as u64;
    let held_back = SATURATION * (1_000 - LENGTH_SHARE + LENGTH_SHARE * length / USUAL_WORDS) / 1_000;
    let occurrences =
        |phrase: &Vec<String>| words.windows(phrase.len()).filter(|run| *run == phrase.as_slice()).count();
    let weigh = |count: u64| 1_000_000 * count * (1_000 + SATURATION) / (1_000 * count + held_back).max(1);
    query.phrases().iter().map(|phrase| weigh(occurrences(phrase) as u64)).sum()
}
