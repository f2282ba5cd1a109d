//! Job feeds: subscriptions of providers that ask with `"intent":"job_request"` for jobs that are for them. Every
//! other subscription gets what its filters say, whoever it is for.

use super::Session;
use crate::settings::{Settings, Switch};
use nexus_nostr::Filter;
use std::sync::Arc;

/// What a provider's filters say.
const INTENT: &str = "job_request";

impl Session {
    /// True if filters, as the client wrote them, make a job feed.
    pub(super) fn is_feed_wanted(&self, filters: &[Filter], settings: &Settings) -> bool {
        settings.market.route == Switch::On
            && !self.keys.is_empty()
            && filters.iter().all(|filter| filter.intent() == Some(INTENT))
    }

    /// Notes whether a subscription is a job feed.
    pub(super) fn note_feed(&mut self, sub: &Arc<str>, is_feed: bool) {
        if is_feed {
            self.feeds.insert(sub.clone());
        } else {
            self.feeds.remove(sub);
        }
    }

    /// True if the subscription is a job feed.
    pub fn is_feed(&self, sub: &str) -> bool {
        self.feeds.contains(sub)
    }
}
