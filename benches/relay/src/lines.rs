//! The synthetic network as lines of JSON, for whatever imports such lines.

use crate::{connection::Failure, events};
use std::io::{self, Write};

/// Events that are in memory at once.
const PART: usize = 50_000;

/// What to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Events in all.
    #[arg(long, default_value_t = 200_000)]
    events: usize,
}

/// Writes each event as a line to standard output.
pub(crate) fn run(seed: u64, options: &Options) -> Result<(), Failure> {
    write(seed, options.events, &mut io::BufWriter::new(io::stdout().lock()))
}

fn write(seed: u64, count: usize, to: &mut impl Write) -> Result<(), Failure> {
    for first in (0..count).step_by(PART) {
        for event in events::part(seed, count, first..count.min(first + PART)) {
            to.write_all(event.json().as_bytes())?;
            to.write_all(b"\n")?;
        }
    }
    Ok(to.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_event() {
        let mut text = Vec::new();
        write(1, 30, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let events: Vec<nexus_nostr::Event> =
            text.lines().map(|line| nexus_nostr::Event::parse(line).unwrap()).collect();
        assert_eq!(events.len(), 30);
        assert!(events.iter().all(|event| event.computed_id() == event.id));
    }
}
