//! Answers that are dear, kept for a few seconds, so that many who ask the same cost as much as one.

use super::FRESH;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many answers are kept; when there are that many, the old ones go, and if none is old, all.
const MAX: usize = 256;

/// Answers by question.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<String, (Instant, String)>>);

impl Recent {
    /// The answer to `question`, if it was answered just now.
    pub(super) fn get(&self, question: &str) -> Option<String> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(question).filter(|(since, _)| is_fresh(*since)).map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer.
    pub(super) fn put(&self, question: String, answer: &str) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX {
            answers.retain(|_, (since, _)| is_fresh(*since));
        }
        if answers.len() >= MAX {
            answers.clear();
        }
        answers.insert(question, (Instant::now(), answer.to_owned()));
    }
}

fn is_fresh(since: Instant) -> bool {
    since.elapsed() < Duration::from_secs(FRESH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_and_never_more_than_so_many() {
        let recent = Recent::default();
        assert_eq!(recent.get("a"), None);
        recent.put("a".to_owned(), "1");
        assert_eq!(recent.get("a").as_deref(), Some("1"));
        for number in 0..2 * MAX {
            recent.put(number.to_string(), "x");
            assert!(recent.0.lock().unwrap().len() <= MAX);
        }
    }
}
