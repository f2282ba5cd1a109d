//! Queries one after the other over one connection: from REQ to EOSE, for each shape that clients use.
//! Run it against a relay that holds the network of the same seed (`ingest` puts it there).

use crate::{
    connection::{Connection, Failure, label_of},
    events::{self, Prepared, skewed},
    report::Sample,
};
use fastrand::Rng;
use std::time::{Duration, Instant};

/// What to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Queries of each shape.
    #[arg(long, default_value_t = 1_000)]
    samples: usize,
    /// Stored events that the network had (`ingest --events`), to ask for ids that exist.
    #[arg(long, default_value_t = 50_000)]
    events: usize,
}

/// Asks and prints the time of each shape.
pub(crate) async fn run(url: &str, seed: u64, options: &Options) -> Result<(), Failure> {
    let stored = events::network(seed, options.events);
    let mut connection = Connection::open(url).await?;
    let mut dice = Rng::with_seed(seed.wrapping_add(99));
    for shape in Shape::ALL {
        let mut times = Vec::with_capacity(options.samples);
        let mut rows = 0;
        for _ in 0..options.samples {
            let filter = shape.filter(seed, &stored, &mut dice);
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
    pub(crate) fn filter(self, seed: u64, stored: &[Prepared], dice: &mut Rng) -> String {
        let mut key = || events::pubkey(&events::author(seed, skewed(dice, events::AUTHORS)));
        match self {
            Self::Id => format!(r#"{{"ids":["{}"]}}"#, stored[dice.usize(..stored.len())].id),
            Self::AuthorKind => format!(r#"{{"authors":["{}"],"kinds":[1],"limit":20}}"#, key()),
            Self::EventTag => {
                use sha2::{Digest, Sha256};
                let about = hex::encode(Sha256::digest(skewed(dice, 100_000).to_le_bytes()));
                format!("{{\"#e\":[\"{about}\"],\"limit\":100}}")
            }
            Self::PubkeyTag => format!("{{\"#p\":[\"{}\"],\"kinds\":[1,7],\"limit\":20}}", key()),
            Self::Follows => {
                let keys: Vec<_> = (0..100).map(|_| format!("\"{}\"", key())).collect();
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
