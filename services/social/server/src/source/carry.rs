//! From a log to the writer: entries are fetched concurrently and handed over in the order of the log, with the
//! cursors between them, so that a cursor is never durable before what it passed.

use super::{
    fetch::{Fetcher, Halt, Job},
    homeserver::Homeserver,
    in_flight::InFlight,
};
use crate::writer::WriterHandle;
use futures_util::{StreamExt, stream};
use nexus_pubky::{Path, PubkyId, Verb};
use nexus_runtime::Clock;
use nexus_social::{effects::SourceCursor, input::Input, row::HostRow};
use std::{pin::pin, sync::Arc};
use tokio::sync::mpsc;

/// What a log holds, in order.
#[derive(Debug)]
pub(crate) enum Step {
    /// An entry.
    Event(Job),
    /// Everything before was read.
    Read(SourceCursor),
    /// Everything before was read, and there is nothing more for now.
    Head(SourceCursor),
}

/// A step whose record is there.
enum Carried {
    Event(Option<Input>, Option<PubkyId>),
    Read(SourceCursor),
    Head(SourceCursor),
}

/// Carries steps to the writer.
pub(crate) struct Carrier {
    pub(crate) fetcher: Fetcher,
    pub(crate) writer: WriterHandle,
    pub(crate) in_flight: InFlight,
    pub(crate) clock: Clock,
    /// Records fetched at once for one log.
    pub(crate) fetches: usize,
}

/// Who wants to know that a log was read to its head.
pub(crate) trait AtHead {
    /// Everything up to the head is durable and indexed.
    fn reached(&mut self);

    /// True if nobody needs to know any more.
    fn is_known(&self) -> bool;
}

/// Nobody.
pub(crate) struct Unwatched;

impl AtHead for Unwatched {
    fn reached(&mut self) {}

    fn is_known(&self) -> bool {
        true
    }
}

impl Carrier {
    /// Carries what comes until the log ends or has to stop.
    ///
    /// # Errors
    /// Why the source has to stop and replay.
    pub(crate) async fn carry(
        &self,
        at: &Homeserver,
        steps: mpsc::Receiver<Vec<Step>>,
        mut head: impl AtHead,
    ) -> Result<(), Halt> {
        let pages = stream::unfold(steps, |mut steps| async { Some((steps.recv().await?, steps)) });
        let all = pages.flat_map(stream::iter);
        let mut carried = pin!(all.map(|step| self.one(at, step)).buffered(self.fetches));
        while let Some(step) = carried.next().await {
            match step? {
                Carried::Event(Some(input), newcomer) => {
                    self.hand_over(input).await?;
                    if let Some(user) = newcomer {
                        self.bind(at, user).await?;
                    }
                }
                Carried::Event(None, _) => {}
                Carried::Head(cursor) if !head.is_known() => {
                    self.writer.ask(Input::Read(cursor)).await?;
                    head.reached();
                }
                Carried::Read(cursor) | Carried::Head(cursor) => self.writer.send(Input::Read(cursor)).await?,
            }
        }
        Ok(())
    }

    async fn one(&self, at: &Homeserver, step: Step) -> Result<Carried, Halt> {
        match step {
            Step::Read(cursor) => Ok(Carried::Read(cursor)),
            Step::Head(cursor) => Ok(Carried::Head(cursor)),
            Step::Event(job) => {
                let is_profile = job.verb == Verb::Put && job.address.path == Path::Profile;
                let newcomer = is_profile.then_some(job.address.user);
                let input = self.fetcher.input(at, job).await?;
                let newcomer = newcomer.filter(|user| {
                    matches!(input, Some(Input::Event(_))) && !self.fetcher.neighbourhood.is_bound(user)
                });
                Ok(Carried::Event(input, newcomer))
            }
        }
    }

    async fn hand_over(&self, input: Input) -> Result<(), Halt> {
        if let Input::Event(event) = &input {
            self.in_flight.supersede(&event.address);
        }
        Ok(self.writer.send(input).await?)
    }

    /// A profile came from where its owner was not known to live: now they are.
    async fn bind(&self, at: &Homeserver, user: PubkyId) -> Result<(), Halt> {
        let homeserver = Arc::clone(&at.name);
        let row = HostRow { user, homeserver, resolved_at: self.clock.now(), stale: false };
        // Learned last: whoever drops this while it waits for the writer leaves a user who is bound anew.
        self.writer.send(Input::Hosted(row.clone())).await?;
        self.fetcher.neighbourhood.learn(&row);
        Ok(())
    }
}
