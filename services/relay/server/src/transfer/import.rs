//! Import: lines that are no events are counted and told, the rest goes on. While one batch is stored, those after it
//! are verified and read: each step is a task of its own, and a bounded queue before the next.

use crate::backend::{Backend, RelayOn};
use nexus_model::{Raw, Verified};
use nexus_nostr::Event;
use nexus_relay::{
    Intake, Protected, Terms, Vetted,
    ports::{Source, StorageError},
};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read as _},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Batches that wait for their verification, and for the store.
const AHEAD: usize = 2;
/// Bytes of a line that are read at least, however small the relay wants messages to be: other relays may spell an
/// event at greater length.
const LINE: usize = 4 << 20;

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
    /// Everything is checked, nothing protected is taken, 2,000 lines at once.
    fn default() -> Self {
        Self { checked: Checked::Here, protected: Protected::Refused, batch: 2_000 }
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
    relay: &Arc<RelayOn<B>>,
    from: impl BufRead + Send + 'static,
    options: ImportOptions,
    mut told: impl FnMut(u64, &str),
) -> Result<Summary, ImportError> {
    let (read, batches) = mpsc::channel(AHEAD);
    let (vetted, mut to_store) = mpsc::channel(AHEAD);
    // Each ends with what it takes from, or when nobody takes from it any more.
    let lines = Lines::new(from, relay.settings().limits.message_bytes.max(LINE));
    let reading = tokio::task::spawn_blocking(move || lines.read_all(options.batch.max(1), &read));
    let vetting = tokio::spawn(vet_all::<B>(Arc::clone(relay), batches, options.checked, vetted));
    let terms = Terms { source: &Source::Import, protected: options.protected, judge: None };
    let mut summary = Summary::default();
    while let Some(next) = to_store.recv().await {
        let Next { numbers, events, unreadable, lines } = next?;
        summary.lines += lines;
        summary.unreadable += unreadable.len() as u64;
        unreadable.iter().for_each(|(number, why)| told(*number, why));
        let intakes = relay.take_in_vetted(events, terms).await?;
        for (number, intake) in numbers.into_iter().zip(intakes) {
            count(number, &intake, &mut summary, &mut told);
        }
    }
    vetting.await.map_err(io::Error::other)?;
    reading.await.map_err(io::Error::other)??;
    Ok(summary)
}

/// A batch that may be stored.
struct Next {
    numbers: Vec<u64>,
    events: Vetted,
    unreadable: Vec<(u64, String)>,
    lines: u64,
}

/// Verifies batch after batch, until the store's first failure.
async fn vet_all<B: Backend>(
    relay: Arc<RelayOn<B>>,
    mut batches: mpsc::Receiver<Batch>,
    checked: Checked,
    to: mpsc::Sender<Result<Next, StorageError>>,
) {
    while let Some(batch) = batches.recv().await {
        let next = vet::<B>(&relay, batch, checked).await;
        let failed = next.is_err();
        if to.send(next).await.is_err() || failed {
            return;
        }
    }
}

async fn vet<B: Backend>(relay: &RelayOn<B>, batch: Batch, checked: Checked) -> Result<Next, StorageError> {
    let Batch { lines, events, unreadable } = batch;
    let (numbers, events): (Vec<u64>, Vec<Event>) = events.into_iter().unzip();
    let events = match checked {
        Checked::Here => relay.vet(events.into_iter().map(Raw::new).collect()).await?,
        Checked::Before => Vetted::trusted(events.into_iter().map(Verified::by_operator).collect()),
    };
    Ok(Next { numbers, events, unreadable, lines })
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

/// Lines that were read together, each with its number.
#[derive(Debug, Default)]
struct Batch {
    /// How many, empty ones left out.
    lines: u64,
    events: Vec<(u64, Event)>,
    /// Those that are no events, and why.
    unreadable: Vec<(u64, String)>,
}

/// Lines as they are read.
struct Lines<R> {
    from: R,
    /// Bytes of a line at most. Longer ones are passed over and not kept.
    longest: usize,
    number: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    const fn new(from: R, longest: usize) -> Self {
        Self { from, longest, number: 0, bytes: Vec::new() }
    }

    /// Reads batches of `size` lines to the end.
    fn read_all(mut self, size: usize, to: &mpsc::Sender<Batch>) -> io::Result<()> {
        loop {
            let batch = self.read(size)?;
            if batch.lines == 0 || to.blocking_send(batch).is_err() {
                return Ok(());
            }
        }
    }

    /// Reads the next lines, at most `size`.
    fn read(&mut self, size: usize) -> io::Result<Batch> {
        let mut batch = Batch::default();
        while batch.lines < size as u64 {
            let Some(is_whole) = self.next_line()? else { break };
            if !is_whole {
                batch.lines += 1;
                batch.unreadable.push((self.number, format!("longer than {} bytes", self.longest)));
                continue;
            }
            let line = self.bytes.trim_ascii();
            if line.is_empty() {
                continue;
            }
            batch.lines += 1;
            match std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned()).and_then(parse) {
                Ok(event) => batch.events.push((self.number, event)),
                Err(why) => batch.unreadable.push((self.number, why)),
            }
        }
        Ok(batch)
    }

    /// Reads a line, and tells whether there is all of it; `None` at the end.
    fn next_line(&mut self) -> io::Result<Option<bool>> {
        self.bytes.clear();
        let most = self.longest as u64 + 1;
        let read = (&mut self.from).take(most).read_until(b'\n', &mut self.bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = (read as u64) < most || self.bytes.ends_with(b"\n");
        if !is_whole {
            self.from.skip_until(b'\n')?;
        }
        Ok(Some(is_whole))
    }
}

fn parse(line: &str) -> Result<Event, String> {
    Event::parse(line).map_err(|error| error.to_string())
}
