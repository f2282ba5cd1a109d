//! The port for searching post texts. Its engine is a durable reader of the journal with a cursor of its
//! own: ingestion never waits for it, and it can be deleted and built again.

use crate::row::{PostKey, PostKind, PostRow};
use nexus_model::Seq;
use nexus_pubky::PubkyId;

/// A question for post texts. Terms are lower case and were checked for number and length.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentQuery {
    /// 1 to 4 words; every one must match: exactly up to 3 characters, within edit distance 1 up to 8, within 2
    /// beyond (spec d.9); the last one also as a prefix.
    pub terms: Vec<String>,
    /// Posts by this author only.
    pub author: Option<PubkyId>,
    /// Posts of this kind only.
    pub kind: Option<PostKind>,
    /// How many hits to pass over.
    pub skip: usize,
    /// How many hits to give at the most.
    pub limit: usize,
}

/// A post that matches, best first: posts that match without a typo come before those that need one. Scores are
/// comparable within one answer only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContentHit {
    /// The post.
    pub post: PostKey,
    /// How well it matches.
    pub score: f32,
}

/// What a reader of the journal tells the engine.
#[derive(Clone, Debug)]
pub enum TextChange {
    /// The post's text is this now.
    Put(PostRow),
    /// The post is gone, or its text is.
    Remove(PostKey),
}

/// An engine that finds posts by their words. Calls block.
pub trait FullText: Send + Sync {
    /// Answers a question from what was committed last.
    ///
    /// # Errors
    /// If the engine's files can't be read.
    fn search(&self, query: &ContentQuery) -> Result<Vec<ContentHit>, Error>;

    /// The journal position of the last commit, [`Seq::START`] for an empty index.
    ///
    /// # Errors
    /// If the engine's files can't be read.
    fn cursor(&self) -> Result<Seq, Error>;

    /// Takes changes in, makes them durable together with `cursor`, and shows them to searches.
    ///
    /// # Errors
    /// If the engine's files can't be written; nothing was taken then.
    fn commit(&self, changes: &[TextChange], cursor: Seq) -> Result<(), Error>;

    /// Forgets everything, so that the index is built again from the store.
    ///
    /// # Errors
    /// If the engine's files can't be written.
    fn clear(&self) -> Result<(), Error>;

    /// Rewrites what still holds the words of posts that are gone. An engine that forgets at once has nothing
    /// to do.
    ///
    /// # Errors
    /// If the engine's files can't be written.
    fn compact(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The engine failed.
#[derive(Debug, thiserror::Error)]
#[error("the full-text index failed")]
pub struct Error(#[from] pub Box<dyn std::error::Error + Send + Sync>);
