//! The work of jobs. When they run is the program's business.

use crate::config::TrustRank;
use nexus_social::{
    index::Published,
    trust::{self, FollowGraph, Outcome, Settings},
};

/// New trust scores, with the report on them if one is wanted.
#[derive(Clone, Debug)]
pub struct Recomputed {
    /// The scores.
    pub outcome: Outcome,
    /// The highest of them as CSV.
    pub report: Option<String>,
}

/// Computes the trust scores anew (`trust-recompute`). Blocks for as long as it takes; the index is held only while
/// the follows are copied, and while the report is written.
///
/// # Errors
/// If there is no seed user, or none of them is indexed.
pub fn recompute_trust(index: &Published, settings: &TrustRank) -> Result<Recomputed, trust::Error> {
    let graph = FollowGraph::of(&index.read());
    let outcome = graph.trust(&settings.to_settings())?;
    let limit = settings.report_limit.count();
    let report = settings.report_enabled.then(|| trust::report(&*index.read(), &outcome.scores, limit));
    Ok(Recomputed { outcome, report })
}

impl TrustRank {
    fn to_settings(&self) -> Settings {
        Settings {
            seeds: self.seed.iter().map(|key| key.0).collect(),
            alpha: self.alpha.get(),
            max_rounds: u32::try_from(self.max_iterations.get()).unwrap_or(u32::MAX),
            tolerance: self.tolerance.get(),
        }
    }
}
