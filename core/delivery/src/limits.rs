//! The bounds of live delivery. Each can be configured; the defaults suit a small machine.

use std::time::Duration;

/// Bounds of a tail and its sessions.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sessions at the same time. One more is refused.
    pub sessions: usize,
    /// Sessions of one client at the same time.
    pub sessions_per_client: usize,
    /// Changes in the ring. Older ones are read from the journal.
    pub ring_changes: usize,
    /// Bytes of changes in the ring, as far as they can be told.
    pub ring_bytes: usize,
    /// Changes that are read from the journal, or looked through in the ring, in one go.
    pub page: usize,
    /// Bytes of frames that a session hands out at once; a single larger frame still goes out.
    pub batch_bytes: usize,
    /// Sessions that read the journal at the same time; others wait for their turn.
    pub readers: usize,
    /// Silence after which a session shows that it lives, and where it stands.
    pub heartbeat: Duration,
    /// How many positions a session may be behind without being watched.
    pub lag: u64,
    /// How many positions a session that is further behind must get through within `patience`.
    pub progress: u64,
    /// How often sessions are watched.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            sessions_per_client: 64,
            ring_changes: 8_192,
            ring_bytes: 16 << 20,
            page: 256,
            batch_bytes: 64 << 10,
            readers: 4,
            heartbeat: Duration::from_secs(15),
            lag: 100_000,
            progress: 1_000,
            patience: Duration::from_secs(30),
        }
    }
}
