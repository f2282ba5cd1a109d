//! Keeps the dictionary in step with the segments that are searched.

use crate::dictionary::{Dictionary, Near};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Instant,
};
use tantivy::{Searcher, SegmentReader, index::SegmentId, schema::Field};

/// The words of an index.
pub(crate) struct Words {
    field: Field,
    limit: usize,
    dictionary: RwLock<Dictionary>,
    /// The segments whose words are in the dictionary.
    segments: Mutex<HashSet<SegmentId>>,
}

impl Words {
    /// No words yet, and room for `limit` bytes of them.
    pub(crate) fn new(field: Field, limit: usize) -> Self {
        Self { field, limit, dictionary: RwLock::new(Dictionary::new(limit)), segments: Mutex::default() }
    }

    /// Takes in the words of segments that are new. Searches wait only while what was read of a segment is put in order.
    pub(crate) fn follow(&self, searcher: &Searcher) -> tantivy::Result<()> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in searcher.segment_readers() {
            if !segments.contains(&segment.segment_id()) {
                let index = segment.inverted_index(self.field)?;
                let news = self.dictionary().unknown_of(index.terms())?;
                self.dictionary.write().unwrap_or_else(PoisonError::into_inner).learn(&news);
            }
        }
        *segments = searcher.segment_readers().iter().map(SegmentReader::segment_id).collect();
        Ok(())
    }

    /// Forgets the words that are in no segment any more.
    pub(crate) fn renew(&self, searcher: &Searcher) -> tantivy::Result<()> {
        let fresh = Self::new(self.field, self.limit);
        fresh.follow(searcher)?;
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        *segments = fresh.segments.into_inner().unwrap_or_else(PoisonError::into_inner);
        let fresh = fresh.dictionary.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.dictionary.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Words that are a few typos away; some may be in no segment any more.
    pub(crate) fn near(&self, word: &str, most: usize, deadline: Instant) -> Vec<Near> {
        self.dictionary().near(word, most, deadline)
    }

    fn dictionary(&self) -> RwLockReadGuard<'_, Dictionary> {
        self.dictionary.read().unwrap_or_else(PoisonError::into_inner)
    }
}
