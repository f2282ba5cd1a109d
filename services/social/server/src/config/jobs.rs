//! Settings of the jobs.

use super::Key;
use nexus_config::{Bounded, Share, Span, section};
use std::path::PathBuf;

section! {
    /// Jobs that run at times, or by `nexus jobs run NAME`.
    pub struct Jobs {
        /// Computes the trust scores anew.
        pub trust_recompute as "trust-recompute": Job = Job::default(),
    }
}

section! {
    /// When a job runs.
    pub struct Job {
        /// Seconds, minutes, hours, day of month, month, day of week, in UTC. Without it: only on demand.
        pub cron: Option<String> = None,
        /// How long a run may take; then it is broken off. One that is due while another still runs is skipped.
        pub deadline: Span<1_000, 604_800_000> = Span::of(3_600_000),
    }
}

section! {
    /// Trust: personalised PageRank over who follows whom.
    pub struct TrustRank {
        /// Users who are trusted to begin with. The job fails without any.
        pub seed: Vec<Key> = Vec::new(),
        /// How much trust goes back to the seed at each step.
        pub alpha: Share = Share::of(0.35),
        /// Rounds at most.
        pub max_iterations: Bounded<1, 100_000> = Bounded::of(200),
        /// A round that changes less than this is the last.
        pub tolerance: Share = Share::of(1e-7),
        /// Whether each run writes a report of the highest scores as CSV.
        pub report_enabled: bool = false,
        /// Where reports go. Without it: `trust-reports` in the data directory.
        pub report_dir: Option<PathBuf> = None,
        /// Users in a report.
        pub report_limit: Bounded<1, 10_000_000> = Bounded::of(10_000),
    }
}
