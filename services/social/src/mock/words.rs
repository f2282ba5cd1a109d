//! What synthetic people say and what they are called.

use crate::dice::Dice;

const WORDS: [&str; 120] = [
    "the", "a", "of", "and", "to", "in", "is", "it", "on", "for", "with", "this", "that", "was", "are", "we", "you",
    "my", "our", "at", "by", "not", "all", "new", "one", "about", "from", "today", "time", "good", "first", "people",
    "map", "city", "river", "bridge", "garden", "train", "coffee", "bread", "music", "book", "letter", "market",
    "morning", "evening", "winter", "summer", "rain", "light", "photo", "walk", "mountain", "valley", "harbour",
    "island", "forest", "field", "village", "street", "window", "kitchen", "table", "paper", "print", "colour",
    "drawing", "story", "question", "answer", "idea", "plan", "tool", "code", "program", "server", "network", "key",
    "relay", "node", "protocol", "open", "free", "public", "private", "secure", "fast", "slow", "simple", "small",
    "large", "old", "young", "bright", "quiet", "loud", "early", "late", "next", "last", "build", "write", "read",
    "share", "learn", "teach", "find", "keep", "send", "follow", "measure", "test", "repair", "grow", "cook", "travel",
    "listen", "remember", "wonder", "begin",
];

const TOPICS: [&str; 48] = [
    "maps",
    "bitcoin",
    "art",
    "music",
    "photography",
    "books",
    "travel",
    "food",
    "coffee",
    "privacy",
    "pubky",
    "rust",
    "linux",
    "science",
    "history",
    "nature",
    "gardening",
    "cycling",
    "trains",
    "cities",
    "weather",
    "news",
    "film",
    "games",
    "chess",
    "design",
    "type",
    "poetry",
    "languages",
    "math",
    "physics",
    "space",
    "ocean",
    "birds",
    "dogs",
    "cats",
    "running",
    "climbing",
    "sailing",
    "wood",
    "radio",
    "maker",
    "robots",
    "energy",
    "law",
    "money",
    "work",
    "question",
];

const GIVEN: [&str; 24] = [
    "Ada", "Ben", "Cleo", "Dara", "Emil", "Fern", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Milo", "Nora", "Otto",
    "Pia", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Vito", "Wren", "Zoë",
];

const FAMILY: [&str; 16] = [
    "Ash", "Birch", "Clay", "Dale", "Elm", "Field", "Grove", "Hill", "Isle", "Lake", "Moor", "North", "Reed", "Stone",
    "Vale", "Wood",
];

/// A sentence or a few, of `words` words; common words come often.
pub(super) fn text(dice: &mut Dice, words: usize) -> String {
    let mut text = String::with_capacity(words * 6);
    for place in 0..words {
        let word = WORDS[super::zipf(dice, WORDS.len())];
        match place {
            0 => text.push_str(&word[..1].to_uppercase()),
            _ => text.push_str(&format!(" {}", &word[..1])),
        }
        text.push_str(&word[1..]);
    }
    text.push('.');
    text
}

/// A name of 5 to 12 letters.
pub(super) fn name(dice: &mut Dice) -> String {
    format!("{} {}", GIVEN[dice.below(GIVEN.len())], FAMILY[dice.below(FAMILY.len())])
}

/// The label at a place in the order of popularity: topics first, then topics with a number.
pub(super) fn label(place: usize) -> String {
    let topic = TOPICS[place % TOPICS.len()];
    if place < TOPICS.len() { topic.to_owned() } else { format!("{topic}{}", place / TOPICS.len()) }
}
