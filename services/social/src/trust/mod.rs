//! Trust: personalised PageRank over follows (spec e.6; Page, Brin, Motwani, Winograd: The PageRank citation
//! ranking, 1999). Who is trusted by the operator's seed users, by those whom they follow, and so on.
//!
//! Pure: the follows are copied out of the index, so that nobody waits while scores are computed, and the
//! scores go back through the writer like everything else.

mod report;

pub use report::report;

use crate::index::Index;
use nexus_pubky::PubkyId;
use std::{collections::HashMap, sync::Arc};

/// How trust is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Users who are trusted from the outset, in equal parts.
    pub seeds: Vec<PubkyId>,
    /// The part of trust that always returns to the seeds: above 0, at most 1.
    pub alpha: f64,
    /// Rounds at the most.
    pub max_rounds: u32,
    /// The sum of changes in a round at which scores are good enough.
    pub tolerance: f64,
}

/// The defaults are upstream's, without seeds.
impl Default for Settings {
    fn default() -> Self {
        Self { seeds: Vec::new(), alpha: 0.35, max_rounds: 200, tolerance: 1e-7 }
    }
}

/// Why there are no scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No seed users are configured.
    #[error("no seed users are configured")]
    NoSeeds,
    /// None of the seed users is indexed.
    #[error("none of the seed users is indexed")]
    UnknownSeeds,
    /// The computation was told to end before it was done.
    #[error("it was broken off")]
    Stopped,
}

/// What a computation came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Scores above 0, highest first, which sum up to 1.
    pub scores: Arc<[(PubkyId, f64)]>,
    /// How many rounds it took.
    pub rounds: u32,
    /// False if rounds ran out before the tolerance was reached.
    pub converged: bool,
}

/// Who follows whom, copied: four bytes a follow.
#[derive(Clone, Debug, Default)]
pub struct FollowGraph {
    users: Vec<PubkyId>,
    /// Where the follows of each user end in `targets`.
    ends: Vec<usize>,
    targets: Vec<u32>,
}

impl FollowGraph {
    /// Copies the follows of an index.
    pub fn of(index: &Index) -> Self {
        index.follow_graph()
    }

    /// Adds a user with whom they follow, by position in the order of adding.
    pub(crate) fn push(&mut self, user: PubkyId, follows: impl Iterator<Item = u32>) {
        self.users.push(user);
        self.targets.extend(follows);
        self.ends.push(self.targets.len());
    }

    fn follows(&self, user: usize) -> &[u32] {
        let start = user.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.targets[start..self.ends[user]]
    }

    /// Computes everybody's trust. `may_go_on` is asked before each round.
    ///
    /// # Errors
    /// If there are no seeds, none of them is in the graph, or it may not go on.
    pub fn trust(&self, settings: &Settings, may_go_on: impl Fn() -> bool) -> Result<Outcome, Error> {
        let origin = self.origin(&settings.seeds)?;
        let mut trust = origin.clone();
        let (mut rounds, mut converged) = (0, false);
        while rounds < settings.max_rounds && !converged {
            if !may_go_on() {
                return Err(Error::Stopped);
            }
            let next = self.round(&trust, &origin, settings.alpha);
            let change: f64 = next.iter().zip(&trust).map(|(new, old)| (new - old).abs()).sum();
            (trust, rounds, converged) = (next, rounds + 1, change < settings.tolerance);
        }
        Ok(Outcome { scores: self.ranked(&trust), rounds, converged })
    }

    /// Equal parts of 1 for the seeds, 0 for everybody else.
    fn origin(&self, seeds: &[PubkyId]) -> Result<Vec<f64>, Error> {
        if seeds.is_empty() {
            return Err(Error::NoSeeds);
        }
        let places: HashMap<&PubkyId, usize> = self.users.iter().zip(0..).collect();
        let mut known: Vec<usize> = seeds.iter().filter_map(|seed| places.get(seed).copied()).collect();
        known.sort_unstable();
        known.dedup();
        if known.is_empty() {
            return Err(Error::UnknownSeeds);
        }
        let mut origin = vec![0.0; self.users.len()];
        known.iter().for_each(|seed| origin[*seed] = 1.0 / known.len() as f64);
        Ok(origin)
    }

    /// Everybody hands on what alpha leaves of their trust to those they follow, in equal parts. The trust of
    /// users who follow nobody is lost.
    fn round(&self, trust: &[f64], origin: &[f64], alpha: f64) -> Vec<f64> {
        let mut next: Vec<f64> = origin.iter().map(|part| alpha * part).collect();
        for (user, score) in trust.iter().enumerate().filter(|(_, score)| **score > 0.0) {
            let follows = self.follows(user);
            let part = (1.0 - alpha) * score / follows.len().max(1) as f64;
            follows.iter().for_each(|target| next[*target as usize] += part);
        }
        next
    }

    fn ranked(&self, trust: &[f64]) -> Arc<[(PubkyId, f64)]> {
        let sum: f64 = trust.iter().sum();
        let scored = self.users.iter().zip(trust).filter(|(_, score)| **score > 0.0);
        let mut scores: Vec<_> = scored.map(|(user, score)| (*user, score / sum)).collect();
        scores.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scores.into()
    }
}
