//! What is kept in mind of a link, however events go over it: who judges them besides this relay's rules, and which
//! came, so that they are not sent back.

use super::received::Received;
use crate::plugin::{self, Plugin};
use nexus_model::Raw;
use nexus_nostr::{Event, EventId, Seconds};
use nexus_relay::ports::{Judge, Judgement, Source, StorageError, StoredEvent, Submission};

/// Events that came over a link and are not sent back to it.
const RECEIVED: usize = 65_536;

/// Who watches a link. It outlives its connections.
#[derive(Debug)]
pub(super) struct Watch {
    down: Option<Box<dyn Judge>>,
    up: Option<Box<dyn Judge>>,
    received: Received,
}

impl Watch {
    /// A watch with these plugins for the way down and the way up.
    pub(super) fn new(down: Option<plugin::Options>, up: Option<plugin::Options>) -> Self {
        let judge = |options: plugin::Options| Box::new(Plugin::new(options)) as Box<dyn Judge>;
        Self { down: down.map(judge), up: up.map(judge), received: Received::new(RECEIVED) }
    }

    /// Who judges what comes.
    pub(super) fn down(&self) -> Option<&dyn Judge> {
        self.down.as_deref()
    }

    /// Remembers what came, before it is taken in: so none is sent back, however fast the journal is.
    pub(super) fn note(&mut self, events: &[Raw<Event>]) {
        events.iter().for_each(|event| self.received.note(event.peek().id));
    }

    /// True if the event came over this link.
    pub(super) fn has_come(&self, id: &EventId) -> bool {
        self.received.has(id)
    }

    /// What may go up.
    pub(super) async fn let_up(
        &self,
        events: Vec<StoredEvent>,
        source: &Source,
        now: Seconds,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        let Some(judge) = self.up.as_deref().filter(|_| !events.is_empty()) else { return Ok(events) };
        let submission = |stored: &StoredEvent| {
            Ok(Submission { event: stored.event()?, received_at: now, source: source.clone(), sender: None })
        };
        let submissions = events.iter().map(submission).collect::<Result<_, StorageError>>()?;
        let judged = events.into_iter().zip(judge.judge(submissions).await);
        Ok(judged.filter(|(_, judgement)| *judgement == Judgement::Accept).map(|(stored, _)| stored).collect())
    }
}
