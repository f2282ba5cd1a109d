//! Import: lines that are no events are counted and told, the rest goes on.

use crate::backend::{Backend, RelayOn};
use nexus_model::{Raw, Verified};
use nexus_nostr::Event;
use nexus_relay::{
    Intake, Protected, Terms,
    ports::{Source, StorageError},
};
use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

/// How an import is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Whether ids and signatures are checked.
    pub checked: Checked,
    /// Whether events are taken that only their author may publish.
    pub protected: Protected,
    /// Lines that are taken in together.
    pub batch: usize,
}

/// Whether ids and signatures are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// They are.
    Here,
    /// They were, when the operator's own dump was made.
    Before,
}

impl Default for ImportOptions {
    /// Everything is checked, nothing protected is taken, 10,000 lines at once.
    fn default() -> Self {
        Self { checked: Checked::Here, protected: Protected::Refused, batch: 10_000 }
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that were read, empty ones left out.
    pub lines: u64,
    /// Events that are stored now and were not before.
    pub new: u64,
    /// Events that were there, or something newer.
    pub known: u64,
    /// Events that are not wanted, by the word before the colon.
    pub refused: BTreeMap<&'static str, u64>,
    /// Lines that are no events.
    pub unreadable: u64,
}

impl Summary {
    /// Lines that are not in the store.
    pub fn left_out(&self) -> u64 {
        self.unreadable + self.refused.values().sum::<u64>()
    }
}

/// Why an import ended early. What was taken in until then is stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The lines.
    #[error("the lines can't be read")]
    Read(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Takes in all lines of `from`. `told` hears of each line that is left out: its number, and why.
///
/// # Errors
/// If the lines can't be read or the store fails.
pub async fn import<B: Backend>(
    relay: &RelayOn<B>,
    mut from: impl BufRead,
    options: ImportOptions,
    mut told: impl FnMut(u64, &str),
) -> Result<Summary, ImportError> {
    let mut summary = Summary::default();
    let mut lines = Lines::default();
    while lines.read(&mut from, options.batch.max(1), &mut summary, &mut told)? {
        let terms = Terms { source: &Source::Import, protected: options.protected, judge: None };
        let (numbers, events): (Vec<u64>, Vec<Event>) = lines.events.drain(..).unzip();
        let intakes = match options.checked {
            Checked::Here => relay.take_in(events.into_iter().map(Raw::new).collect(), terms).await?,
            Checked::Before => {
                relay.take_in_trusted(events.into_iter().map(Verified::by_operator).collect(), terms).await?
            }
        };
        for (number, intake) in numbers.into_iter().zip(intakes) {
            count(number, &intake, &mut summary, &mut told);
        }
    }
    Ok(summary)
}

fn count(number: u64, intake: &Intake, summary: &mut Summary, told: &mut impl FnMut(u64, &str)) {
    match intake {
        Intake::New => summary.new += 1,
        Intake::Known => summary.known += 1,
        Intake::Refused(reason) => {
            *summary.refused.entry(reason.prefix.as_str()).or_default() += 1;
            told(number, &reason.to_string());
        }
    }
}

/// Lines as they are read.
#[derive(Debug, Default)]
struct Lines {
    number: u64,
    bytes: Vec<u8>,
    events: Vec<(u64, Event)>,
}

impl Lines {
    /// Reads the next events, at most `batch`; false at the end.
    fn read(
        &mut self,
        from: &mut impl BufRead,
        batch: usize,
        summary: &mut Summary,
        told: &mut impl FnMut(u64, &str),
    ) -> io::Result<bool> {
        while self.events.len() < batch {
            self.bytes.clear();
            if from.read_until(b'\n', &mut self.bytes)? == 0 {
                break;
            }
            self.number += 1;
            let line = self.bytes.trim_ascii();
            if line.is_empty() {
                continue;
            }
            summary.lines += 1;
            match std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned()).and_then(parse) {
                Ok(event) => self.events.push((self.number, event)),
                Err(why) => {
                    summary.unreadable += 1;
                    told(self.number, &why);
                }
            }
        }
        Ok(!self.events.is_empty())
    }
}

fn parse(line: &str) -> Result<Event, String> {
    Event::parse(line).map_err(|error| error.to_string())
}
