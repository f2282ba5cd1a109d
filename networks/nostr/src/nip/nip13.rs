//! Proof of work: leading zero bits of the id.

use crate::{Event, EventId};

/// Whether an event must say beforehand which difficulty it aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commitment {
    /// The third element of the `nonce` tag must be there, and no more than it counts.
    Required,
    /// Luck counts too.
    Optional,
}

/// How many leading bits of the id are zero.
pub fn difficulty(id: &EventId) -> u32 {
    let bytes = id.as_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let next = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros());
    8 * u32::try_from(zeros).unwrap_or(32) + next
}

/// The work that counts: the difficulty of the id, but no more than the event committed to.
pub fn proven(event: &Event, commitment: Commitment) -> u32 {
    let actual = difficulty(&event.id);
    let target = event.tags.first("nonce").and_then(|tag| tag.get(2)?.parse::<u32>().ok());
    match (commitment, target) {
        (_, Some(target)) => actual.min(target),
        (Commitment::Optional, None) => actual,
        (Commitment::Required, None) => 0,
    }
}
