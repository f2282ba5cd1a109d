//! Reading another relay page by page, from the newest to the oldest event.

use super::{
    link::{Link, LinkError},
    sync::SyncError,
};
use nexus_model::Raw;
use nexus_nostr::{Ask, Event, EventId, Filter, Reply, Seconds};
use std::collections::HashSet;

/// The name of the subscription that pages are read with.
const SUB: &str = "nexus-page";
/// Events that are asked for at once.
const PAGE: usize = 500;

/// A reader of all that another relay has for a filter.
#[derive(Debug)]
pub(super) struct Pages {
    filter: Filter,
    until: Option<Seconds>,
    seen: HashSet<EventId>,
    is_over: bool,
}

impl Pages {
    pub(super) fn new(filter: Filter) -> Self {
        Self { until: filter.until(), filter, seen: HashSet::new(), is_over: false }
    }

    /// What was seen so far.
    pub(super) const fn seen(&self) -> &HashSet<EventId> {
        &self.seen
    }

    /// The next events that weren't seen yet; none at the end.
    pub(super) async fn next(&mut self, link: &mut Link) -> Result<Vec<Raw<Event>>, SyncError> {
        while !self.is_over {
            let limit = self.filter.limit().map_or(PAGE, |limit| limit.saturating_sub(self.seen.len()).min(PAGE));
            let page = self.page(link, limit).await?;
            let oldest = page.iter().map(|event| event.peek().created_at).min();
            let fresh: Vec<Raw<Event>> = page.into_iter().filter(|event| self.seen.insert(event.peek().id)).collect();
            self.advance(oldest, fresh.is_empty());
            if !fresh.is_empty() {
                return Ok(fresh);
            }
        }
        Ok(Vec::new())
    }

    /// Goes on at the oldest second, which may have more; past it, if it has nothing new.
    fn advance(&mut self, oldest: Option<Seconds>, is_stuck: bool) {
        let Some(oldest) = oldest else {
            self.is_over = true;
            return;
        };
        let full = self.filter.limit().is_some_and(|limit| self.seen.len() >= limit);
        self.is_over = full || is_stuck && oldest.get() == 0;
        self.until = Some(if is_stuck { oldest.plus(-1) } else { oldest });
    }

    async fn page(&self, link: &mut Link, limit: usize) -> Result<Vec<Raw<Event>>, SyncError> {
        let mut filter = self.filter.clone().with_limit(limit);
        if let Some(until) = self.until {
            filter = filter.with_until(until);
        }
        events(link, SUB, &filter).await
    }
}

/// What another relay says about a subscription.
enum Said {
    Event(Box<Raw<Event>>),
    End,
    Closed(String),
}

/// What `reply` says about the subscription `name`, if it does.
fn said(name: &str, reply: Reply) -> Result<Said, Reply> {
    match reply {
        Reply::Event { sub, event } if sub == name => Ok(Said::Event(event)),
        Reply::Eose { sub } if sub == name => Ok(Said::End),
        Reply::Closed { sub, message } if sub == name => Ok(Said::Closed(message)),
        other => Err(other),
    }
}

/// All stored events that another relay sends for a filter, which has a limit. What doesn't match it is left out. A
/// relay that completes the last second may send some more than were asked for (NIP-67); twice as many are all that is
/// heard.
pub(super) async fn events(link: &mut Link, name: &str, filter: &Filter) -> Result<Vec<Raw<Event>>, SyncError> {
    let (mut events, mut may_retry) = (Vec::new(), true);
    let mut room = filter.limit().unwrap_or(PAGE).saturating_mul(2);
    link.send(Ask::Req(name, filter)).await?;
    while room > 0 {
        match link.answer_to(|reply| said(name, reply)).await? {
            Said::Event(event) => {
                room -= 1;
                events.extend(Some(*event).filter(|event| filter.matches(event.peek())));
            }
            Said::End => break,
            Said::Closed(message) => {
                if !(may_retry && message.starts_with("auth-required") && link.authenticate().await?) {
                    return Err(SyncError::Refused(message));
                }
                may_retry = false;
                link.send(Ask::Req(name, filter)).await?;
            }
        }
    }
    close(link, name).await?;
    Ok(events)
}

async fn close(link: &mut Link, name: &str) -> Result<(), LinkError> {
    link.send(Ask::Close(name)).await
}
