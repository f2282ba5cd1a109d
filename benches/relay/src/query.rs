//! Queries one after the other over one connection: from REQ to EOSE, for each shape that clients use.
//! What it asks for is taken from what the relay has, so it measures any relay that has events.

use crate::{
    connection::{Connection, Failure, label_of},
    report::Sample,
    sample::Known,
};
use fastrand::Rng;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// What to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Queries of each shape.
    #[arg(long, default_value_t = 1_000)]
    samples: usize,
}

/// Asks and prints the time of each shape.
pub(crate) async fn run(url: &str, seed: u64, options: &Options) -> Result<(), Failure> {
    let mut connection = Connection::open(url).await?;
    let mut dice = Rng::with_seed(seed.wrapping_add(99));
    let known = Known::of_relay(&mut connection, &mut dice).await?;
    for shape in Shape::ALL {
        let mut times = Vec::with_capacity(options.samples);
        let mut rows = 0;
        for _ in 0..options.samples {
            let filter = shape.filter(&known, &mut dice);
            let (time, found) = ask(&mut connection, &filter).await?;
            times.push(time);
            rows += found;
        }
        let average = rows as f64 / options.samples.max(1) as f64;
        println!("query {}: {}, {average:.1} events each", shape.name(), Sample::new(times));
    }
    Ok(())
}

/// What clients ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Id,
    AuthorKind,
    EventTag,
    PubkeyTag,
    Follows,
    Newest,
}

impl Shape {
    /// All shapes.
    pub(crate) const ALL: [Self; 6] =
        [Self::Id, Self::AuthorKind, Self::EventTag, Self::PubkeyTag, Self::Follows, Self::Newest];

    /// What the results call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Id => "ids",
            Self::AuthorKind => "author+kind, limit 20",
            Self::EventTag => "#e",
            Self::PubkeyTag => "#p+kinds, limit 20",
            Self::Follows => "100 authors × 2 kinds, limit 100",
            Self::Newest => "newest 50 of a kind",
        }
    }

    /// A filter of this shape, at random.
    pub(crate) fn filter(self, known: &Known, dice: &mut Rng) -> String {
        match self {
            Self::Id => format!(r#"{{"ids":["{}"]}}"#, known.id(dice)),
            Self::AuthorKind => format!(r#"{{"authors":["{}"],"kinds":[1],"limit":20}}"#, known.author(dice)),
            Self::EventTag => format!("{{\"#e\":[\"{}\"],\"limit\":100}}", known.event(dice)),
            Self::PubkeyTag => format!("{{\"#p\":[\"{}\"],\"kinds\":[1,7],\"limit\":20}}", known.person(dice)),
            Self::Follows => {
                let mut keys = BTreeSet::new();
                // A network may have fewer authors than that.
                for _ in 0..1_000 {
                    if keys.len() < 100 {
                        keys.insert(format!("\"{}\"", known.author(dice)));
                    }
                }
                let keys: Vec<_> = keys.into_iter().collect();
                format!(r#"{{"authors":[{}],"kinds":[1,7],"limit":100}}"#, keys.join(","))
            }
            Self::Newest => r#"{"kinds":[1],"limit":50}"#.into(),
        }
    }
}

/// Asks and gives the time to EOSE and the number of events before it.
async fn ask(connection: &mut Connection, filter: &str) -> Result<(Duration, usize), Failure> {
    let started = Instant::now();
    connection.send(format!(r#"["REQ","q",{filter}]"#)).await?;
    let mut found = 0;
    let elapsed = loop {
        let frame = connection.next().await?;
        match label_of(&frame) {
            "EVENT" => found += 1,
            "EOSE" => break started.elapsed(),
            "CLOSED" => return Err(Failure::Refused(frame.to_string())),
            _ => {}
        }
    };
    connection.send(r#"["CLOSE","q"]"#).await?;
    Ok((elapsed, found))
}
