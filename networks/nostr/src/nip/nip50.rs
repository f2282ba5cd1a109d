//! Search: what a query means, which text of an event it is held against, and how text becomes words.
//!
//! Words are runs of letters and digits in lower case, Latin letters without their accents. Stores that index text index these words, so that the
//! stored and the live half of a subscription agree.

use crate::{Event, Kind};
use std::ops::RangeInclusive;
use unicode_normalization::{UnicodeNormalization as _, char::decompose_canonical};

/// Marks that are written after their letter.
const ACCENTS: RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// Words of a text that are known to have been shown.
const SHOWN: usize = 64;

/// A search: all words and phrases must be found, no excluded word may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    text: String,
    phrases: Vec<Vec<String>>,
    excluded: Vec<Vec<String>>,
    extensions: Vec<(String, String)>,
}

impl Query {
    /// Reads a query: words, `"phrases"`, `-excluded` and `key:value` extensions. Every text is a query.
    pub fn parse(text: &str) -> Self {
        let mut query = Self { text: text.to_owned(), ..Self::default() };
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                push_words(&mut query.phrases, part);
            } else {
                part.split_whitespace().for_each(|token| query.read_token(token));
            }
        }
        query
    }

    /// The query as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What must be found: each a run of words, most of them of one.
    pub fn phrases(&self) -> &[Vec<String>] {
        &self.phrases
    }

    /// What must not be found.
    pub fn excluded(&self) -> &[Vec<String>] {
        &self.excluded
    }

    /// The value of an extension such as `language`.
    pub fn extension(&self, key: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// True if the event's text has all that is asked for. An event without searchable text never matches.
    pub fn matches(&self, event: &Event) -> bool {
        let Some(text) = searchable(event) else { return false };
        let words = words(&text);
        let has = |phrase: &Vec<String>| words.windows(phrase.len()).any(|run| run == phrase.as_slice());
        self.phrases.iter().all(has) && !self.excluded.iter().any(has)
    }

    fn read_token(&mut self, token: &str) {
        match token.split_once(':') {
            Some((key, value)) if is_extension(key, value) => {
                self.extensions.push((key.to_owned(), value.to_owned()));
            }
            _ => match token.strip_prefix('-') {
                Some(excluded) => push_words(&mut self.excluded, excluded),
                None => push_words(&mut self.phrases, token),
            },
        }
    }
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<String> {
    if text.is_ascii() {
        return runs(text).map(str::to_ascii_lowercase).collect();
    }
    runs(&plain(text)).map(str::to_lowercase).collect()
}

/// A text in one spelling, whether its accents were written with their letters or after them, and without those of
/// Latin letters: who has no key for them finds the word too.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfc() {
        let follows_latin = plain.ends_with(|last: char| last.is_ascii_alphanumeric());
        if !(follows_latin && ACCENTS.contains(&letter)) {
            plain.push(without_accent(letter));
        }
    }
    plain
}

fn without_accent(letter: char) -> char {
    let mut bare = None;
    decompose_canonical(letter, |part| {
        bare.get_or_insert(part);
    });
    bare.filter(char::is_ascii_alphabetic).unwrap_or(letter)
}

/// Shows `visit` the words of a text, for one that doesn't mind their order: a word that was shown is mostly not
/// shown again.
pub fn visit_words(text: &str, mut visit: impl FnMut(&str)) {
    if !text.is_ascii() {
        return words(text).iter().for_each(|word| visit(word));
    }
    let text = text.to_ascii_lowercase();
    let mut shown = [""; SHOWN];
    for word in runs(&text) {
        let place = word.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % SHOWN;
        if shown[place] != word {
            shown[place] = word;
            visit(word);
        }
    }
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty())
}

/// The text of an event that can be searched. `None` for kinds whose content is encrypted.
pub fn searchable(event: &Event) -> Option<String> {
    match event.kind {
        Kind::DIRECT_MESSAGE | Kind::SEAL | Kind::GIFT_WRAP | Kind::EPHEMERAL_GIFT_WRAP => None,
        Kind::METADATA => Some(json_texts(&event.content, &["name", "display_name", "about", "nip05"])),
        Kind::HANDLER => Some(json_texts(&event.content, &["name", "about"])),
        Kind(30023) => Some(with_tags(event, &["title", "summary"])),
        kind if super::nip90::is_request(kind) => Some(job_text(event)),
        _ => Some(event.content.clone()),
    }
}

fn job_text(event: &Event) -> String {
    let inputs = event.tags.named("i").filter(|tag| tag.get(2) == Some("text"));
    let texts = inputs.filter_map(|tag| tag.value());
    std::iter::once(event.content.as_str()).chain(texts).collect::<Vec<_>>().join("\n")
}

fn with_tags(event: &Event, names: &[&str]) -> String {
    let tags = names.iter().filter_map(|name| event.tags.first(name)?.value());
    tags.chain([event.content.as_str()]).collect::<Vec<_>>().join("\n")
}

fn json_texts(content: &str, members: &[&str]) -> String {
    let Ok(object) = serde_json::from_str::<serde_json::Value>(content) else {
        return String::new();
    };
    members.iter().filter_map(|member| object.get(member)?.as_str()).collect::<Vec<_>>().join("\n")
}

fn push_words(phrases: &mut Vec<Vec<String>>, text: &str) {
    let words = words(text);
    if !words.is_empty() {
        phrases.push(words);
    }
}

fn is_extension(key: &str, value: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase()) && !value.is_empty() && !value.starts_with('/')
}
