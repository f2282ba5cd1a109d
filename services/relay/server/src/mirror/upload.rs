//! Sending events up, and counting what becomes of them.

use super::link::{Link, LinkError};
use nexus_nostr::{Ask, EventId, Reply};
use std::collections::HashSet;

/// Events that are sent before their answers are waited for.
const WINDOW: usize = 64;

/// What became of events that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The other relay took them, or had them.
    pub taken: u64,
    /// It didn't.
    pub refused: u64,
}

/// Sends events, each with its id as JSON, and waits until each is answered. Other messages are put aside.
pub(super) async fn upload(link: &mut Link, events: &[(EventId, std::sync::Arc<str>)]) -> Result<Sent, LinkError> {
    let mut sent = Sent::default();
    for window in events.chunks(WINDOW) {
        for (_, json) in window {
            link.send(Ask::Event(json)).await?;
        }
        let waiting = window.iter().map(|(id, _)| *id).collect();
        settle(link, waiting, &mut sent).await?;
    }
    Ok(sent)
}

async fn settle(link: &mut Link, mut waiting: HashSet<EventId>, sent: &mut Sent) -> Result<(), LinkError> {
    while !waiting.is_empty() {
        let verdict = |reply| match reply {
            Reply::Ok { id, taken, message } if waiting.remove(&id) => Ok((id, taken, message)),
            other => Err(other),
        };
        let (id, taken, message) = link.answer_to(verdict).await?;
        if taken {
            sent.taken += 1;
        } else {
            sent.refused += 1;
            tracing::debug!(url = link.url(), %id, message, "another relay refuses an event");
        }
    }
    Ok(())
}
