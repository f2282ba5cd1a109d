//! The social service's full text, by tantivy.
//!
//! The index is derived: it keeps no text, only which words are in which post, and its journal cursor
//! travels with each commit. A directory that is damaged, or was written by another version, is emptied and
//! filled again by its reader. Deleted posts are hidden at once; their words leave the files when
//! [`compact`](nexus_social::search::FullText::compact) rewrites the segments that hold them.
//!
//! Terms are expanded here (stems, prefixes, typos) and united as plain term queries, because tantivy's own
//! fuzzy and regex queries give every hit the same score. Posts that need no typo to match come first, and typos are
//! looked for only if such posts don't fill the page.

mod dictionary;
mod distance;
mod expand;
mod files;
mod rank;
mod schema;
mod words;

use files::Directory;
use nexus_model::Seq;
use nexus_social::search::{ContentHit, ContentQuery, Error, FullText, TextChange};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How the index works.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a search may take; then it answers with what it has found so far.
    pub budget: Duration,
    /// Memory for posts that are taken in, in bytes; at least 15 MB for each thread.
    pub memory: usize,
    /// Threads that take posts in.
    pub threads: usize,
    /// Spellings that a word of a question may stand for at most; the best and most frequent ones are taken.
    pub variants: usize,
    /// Memory for the words among which typos are looked up, in bytes: about 12 for each word that the posts have. Beyond
    /// it, new words are found as they are spelled, by their stem and by their beginning.
    pub dictionary: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { budget: Duration::from_millis(50), memory: 64 << 20, threads: 1, variants: 64, dictionary: 64 << 20 }
    }
}

/// A full-text index in a directory.
#[derive(Debug)]
pub struct TextIndex {
    directory: Directory,
    options: Options,
}

impl TextIndex {
    /// Opens the index in `path`, a directory that holds nothing else. It is made if it isn't there, and
    /// emptied if it can't be used.
    ///
    /// # Errors
    /// If another process has it open, or the file system fails.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let directory = Directory::open(path, &options).map_err(failed)?;
        Ok(Self { directory, options })
    }

    /// Looks at the index in `path`, also while it is open elsewhere, and changes nothing. One that isn't there yet is
    /// sound.
    ///
    /// # Errors
    /// What is wrong with it: [`TextIndex::open`] would empty it.
    pub fn examine(path: &Path) -> Result<(), Error> {
        Directory::examine(path).map_err(failed)
    }
}

impl FullText for TextIndex {
    fn search(&self, query: &ContentQuery) -> Result<Vec<ContentHit>, Error> {
        let limits = rank::Limits { deadline: Instant::now() + self.options.budget, variants: self.options.variants };
        rank::search(&self.directory, query, &limits).map_err(failed)
    }

    fn cursor(&self) -> Result<Seq, Error> {
        self.directory.cursor().map_err(failed)
    }

    fn commit(&self, changes: &[TextChange], cursor: Seq) -> Result<(), Error> {
        self.directory.commit(changes, cursor).map_err(failed)
    }

    fn clear(&self) -> Result<(), Error> {
        self.directory.clear().map_err(failed)
    }

    fn compact(&self) -> Result<(), Error> {
        self.directory.compact().map_err(failed)
    }
}

fn failed(error: tantivy::TantivyError) -> Error {
    Error(Box::new(error))
}
