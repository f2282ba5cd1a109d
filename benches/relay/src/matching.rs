//! The live index alone, without sockets and store: how long it takes to find the subscriptions that want an event,
//! for subscriptions as clients make them and as somebody would who wants the relay to be slow. Like `store` it is of
//! our own code.

use crate::{
    events::{AUTHORS, skewed},
    report::Sample,
};
use fastrand::Rng;
use nexus_filter::LiveIndex;
use nexus_nostr::{Event, EventId, Filter, Kind, PublicKey, Seconds, Signature, TagCondition, TagName, Tags};
use std::{sync::Arc, time::Instant};

/// What to file and show.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Subscriptions.
    #[arg(long, default_value_t = 10_000)]
    subscriptions: usize,
    /// Events that are shown, one after the other.
    #[arg(long, default_value_t = 20_000)]
    events: usize,
}

/// The moment of all events.
const NOW: i64 = 1_700_000_000;
/// How many events are talked about.
const THREADS: usize = 100_000;

/// Files, shows, and prints for each mix.
pub(crate) fn run(seed: u64, options: &Options) {
    for mix in Mix::ALL {
        let mut dice = Rng::with_seed(seed);
        let mut index = LiveIndex::<usize, Filter>::default();
        let filed = Instant::now();
        for number in 0..options.subscriptions {
            index.insert(number, Arc::from([mix.filter(number, &mut dice)]));
        }
        let filed = filed.elapsed();
        let (mut times, mut found) = (Vec::with_capacity(options.events), 0);
        for number in 0..options.events {
            let event = mix.event(number, options.subscriptions, &mut dice);
            let started = Instant::now();
            index.matching(&event, &event.routes(), |_| found += 1);
            times.push(started.elapsed());
        }
        let micros = times.iter().sum::<std::time::Duration>().as_secs_f64() * 1e6;
        println!(
            "match {}: {:.2} µs an event with {:.2} matches, {}; filed {} in {:.0} ms",
            mix.name(),
            micros / options.events.max(1) as f64,
            found as f64 / options.events.max(1) as f64,
            Sample::new(times),
            options.subscriptions,
            filed.as_secs_f64() * 1e3
        );
    }
}

/// What subscribers want, and what is written.
#[derive(Clone, Copy, Debug)]
enum Mix {
    /// Each wants an author of its own, and each event has one reader.
    Distinct,
    /// Feeds of 50 authors by a Zipf law, mentions, threads, topics, and a few who want everything of a kind.
    Clients,
    /// All ask for the author who writes, each for a topic of its own.
    OneAuthor,
    /// All ask for the tag that every event has, each by an author of its own.
    OneTag,
    /// All ask for the kind that every event has, each up to a moment long ago: nothing tells them apart.
    LongAgo,
}

impl Mix {
    const ALL: [Self; 5] = [Self::Distinct, Self::Clients, Self::OneAuthor, Self::OneTag, Self::LongAgo];

    const fn name(self) -> &'static str {
        match self {
            Self::Distinct => "distinct authors",
            Self::Clients => "clients' mix",
            Self::OneAuthor => "adversarial, one author and many topics",
            Self::OneTag => "adversarial, one topic and many authors",
            Self::LongAgo => "adversarial, one kind and long ago",
        }
    }

    fn filter(self, number: usize, dice: &mut Rng) -> Filter {
        match self {
            Self::Distinct => Filter::new().with_authors([key(number)]),
            Self::Clients => Self::client(dice),
            Self::OneAuthor => Filter::new().with_authors([key(0)]).with_kinds([Kind::NOTE]).with_tag(topic(number)),
            Self::OneTag => Filter::new().with_authors((0..2).map(|n| key(number + n))).with_tag(topic(0)),
            Self::LongAgo => Filter::new().with_kinds([Kind::NOTE]).with_until(Seconds::new(1)),
        }
    }

    fn client(dice: &mut Rng) -> Filter {
        let notes = Filter::new().with_kinds([Kind::NOTE, Kind::new(7)]);
        match dice.usize(..100) {
            0..40 => notes.with_authors((0..50).map(|_| key(skewed(dice, AUTHORS * 50)))),
            40..70 => notes.with_tag(TagCondition::new(TagName::P, [key(skewed(dice, AUTHORS * 50)).to_string()])),
            70..90 => notes.with_tag(TagCondition::new(TagName::E, [id(skewed(dice, THREADS)).to_string()])),
            90..99 => notes.with_tag(topic(skewed(dice, 500))),
            // One in a thousand of all: whoever wants everything gets it, which is no work of the index.
            _ if dice.usize(..10) == 0 => notes,
            _ => Filter::new().with_authors([key(skewed(dice, AUTHORS * 50))]),
        }
    }

    fn event(self, number: usize, subscriptions: usize, dice: &mut Rng) -> Event {
        let thread = id(skewed(dice, THREADS)).to_string();
        let person = key(skewed(dice, AUTHORS * 50)).to_string();
        let (author, subject) = match self {
            Self::Distinct => (dice.usize(..subscriptions.max(1)), number),
            Self::Clients => (skewed(dice, AUTHORS * 50), skewed(dice, 500)),
            Self::OneAuthor => (0, dice.usize(..subscriptions.max(1))),
            Self::OneTag | Self::LongAgo => (dice.usize(..subscriptions.max(1)), 0),
        };
        let subject = format!("topic{subject}");
        let tags = [["e", thread.as_str()], ["p", person.as_str()], ["t", subject.as_str()]];
        Event {
            id: id(THREADS + number),
            pubkey: key(author),
            created_at: Seconds::new(NOW),
            kind: Kind::NOTE,
            tags: Tags::new(tags),
            content: "some words that a person could have written".to_owned(),
            sig: Signature::from_bytes([0; 64]),
        }
    }
}

fn topic(number: usize) -> TagCondition {
    let name = TagName::from_name("t").expect("a letter is a name");
    TagCondition::new(name, [format!("topic{number}")])
}

fn key(number: usize) -> PublicKey {
    PublicKey::from_bytes(bytes(0, number))
}

fn id(number: usize) -> EventId {
    EventId::from_bytes(bytes(1, number))
}

/// 32 bytes that differ from those of other numbers.
fn bytes(sort: u64, number: usize) -> [u8; 32] {
    let mut dice = Rng::with_seed(number as u64 * 2 + sort);
    std::array::from_fn(|_| dice.u8(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_wanted_by_one_or_two_where_something_tells_subscribers_apart() {
        for mix in [Mix::Distinct, Mix::OneAuthor, Mix::OneTag] {
            let mut dice = Rng::with_seed(5);
            let filters: Vec<Filter> = (0..50).map(|number| mix.filter(number, &mut dice)).collect();
            for number in 0..50 {
                let event = mix.event(number, 50, &mut dice);
                let count = filters.iter().filter(|filter| filter.matches(&event)).count();
                assert!((1..=2).contains(&count), "{mix:?}: {count}");
            }
        }
    }
}
