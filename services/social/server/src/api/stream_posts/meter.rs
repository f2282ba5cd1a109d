//! Streams of posts around somebody, counted as Pubky Nexus counts them (spec e.7).

use metrics::{Counter, Histogram, counter, histogram};
use nexus_social::{
    query::{PostQuery, PostSource, Reach},
    view::Ranked,
};
use std::time::Instant;

/// What is told of streams by web of trust.
struct Meters {
    requests: Counter,
    empty: Counter,
    errors: Counter,
    returned: Histogram,
    duration: Histogram,
}

impl Meters {
    fn now() -> Self {
        Self {
            requests: counter!("wot.post_stream.requests"),
            empty: counter!("wot.post_stream.empty"),
            errors: counter!("wot.post_stream.errors"),
            returned: histogram!("wot.post_stream.returned_posts"),
            duration: histogram!("wot.post_stream.query_duration"),
        }
    }
}

/// Registers everything, so that what has not happened is told as 0.
pub(in crate::api) fn begin() {
    let Meters { requests, empty, errors, .. } = Meters::now();
    [requests, empty, errors].iter().for_each(|counter| counter.absolute(0));
}

/// A request for a stream by web of trust that can't be understood.
pub(super) fn refused() {
    counter!("wot.post_stream.errors").increment(1);
}

/// Answers a query, and counts it if its source is a web of trust. The time is in seconds.
pub(super) fn counted(query: &PostQuery, answer: impl FnOnce(&PostQuery) -> Vec<Ranked>) -> Vec<Ranked> {
    let is_wot = matches!(query.source, PostSource::Reach { reach: Reach::Wot(_), .. } | PostSource::WotDomain { .. });
    if !is_wot {
        return answer(query);
    }
    let began = Instant::now();
    let page = answer(query);
    let Meters { requests, empty, returned, duration, .. } = Meters::now();
    duration.record(began.elapsed().as_secs_f64());
    requests.increment(1);
    empty.increment(u64::from(page.is_empty()));
    returned.record(page.len() as f64);
    page
}
