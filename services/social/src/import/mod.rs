//! Lines back into a store, in two passes: objects first, then what points at them, so order doesn't matter.
//!
//! A bad line is reported with its number and the rest goes on. Lines that say what is stored already change
//! nothing, so an import that was interrupted can be run again.

mod edges;
mod lines;
mod objects;

use self::lines::Numbered;
use crate::{
    effects::{ChangeRow, Effects, RowChange},
    line::Line,
    notification::Notified,
    row::ContentHash,
    store::{Error, Result, State, Store},
};
use nexus_model::{Action, Raw, Timestamp};
use nexus_pubky::{Address, Authority, Fetched, Path, PubkyId, Record, Schema};
use std::io::{self, BufRead};

/// Whether an import believes its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Records are sanitised, validated and their ids checked, as when they come from a homeserver. They are
    /// indexed now.
    Verify,
    /// A dump of one's own: records are taken as they are, with their times, tombstones and edges.
    Trusted,
}

/// Whether an import takes notifications along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notifications {
    /// Those in the lines. None are made.
    Keep,
    /// None.
    Leave,
}

/// How lines are imported.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether lines are believed.
    pub trust: Trust,
    /// Whether notifications come along.
    pub notifications: Notifications,
    /// Lines in one commit.
    pub group: usize,
    /// Bytes that a line may have.
    pub longest_line: usize,
}

impl Default for Options {
    fn default() -> Self {
        let (trust, notifications) = (Trust::Verify, Notifications::Keep);
        Self { trust, notifications, group: 5000, longest_line: 4 << 20 }
    }
}

/// A line that was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {reason}")]
pub struct BadLine {
    /// Which line, from 1.
    pub number: u64,
    /// Why.
    pub reason: String,
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The lines can't be read.
    #[error("the lines can't be read")]
    Read(#[from] io::Error),
    /// The store failed. What was committed before stays.
    #[error("the store failed")]
    Store(#[from] Error),
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that were read.
    pub lines: u64,
    /// Rows and notifications that are new or changed.
    pub changed: u64,
    /// Lines that were left out.
    pub bad: u64,
}

/// Reads lines into a store.
#[derive(Debug)]
pub struct Importer {
    options: Options,
    now: Timestamp,
}

/// What one pass takes from the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Users, where they live, posts and files.
    Objects,
    /// What points at them.
    Edges,
}

/// Why a line is left out, in words for the operator.
type Reason = String;

/// What a line changes, or why it is left out.
type Drafted = Result<std::result::Result<Effects, Reason>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    More,
    Over,
}

/// What a line brings.
#[derive(Default)]
struct Taken {
    effects: Effects,
    /// A trust score; all of them replace the old ones at the end.
    score: Option<(PubkyId, f64)>,
}

/// What has been done so far.
struct Run<'a> {
    summary: Summary,
    scores: Vec<(PubkyId, f64)>,
    report: &'a mut dyn FnMut(BadLine),
}

impl Run<'_> {
    fn took(&mut self, taken: Taken) {
        self.summary.changed += (taken.effects.rows.len() + taken.effects.notifications.len()) as u64;
        self.scores.extend(taken.score);
    }

    fn left_out(&mut self, number: u64, reason: Reason) {
        self.summary.bad += 1;
        (self.report)(BadLine { number, reason });
    }
}

/// What can't be read at all is told in the first pass only.
fn first_time(pass: Pass, reason: Reason) -> std::result::Result<Taken, Reason> {
    if pass == Pass::Objects { Err(reason) } else { Ok(Taken::default()) }
}

impl Importer {
    /// An import at `now`.
    pub const fn new(options: Options, now: Timestamp) -> Self {
        Self { options, now }
    }

    /// Reads the lines twice, from what `open` gives each time, and tells `report` of each bad line.
    ///
    /// # Errors
    /// If the lines can't be read or the store fails.
    pub fn run<R: BufRead>(
        &self,
        store: &dyn Store,
        mut open: impl FnMut() -> io::Result<R>,
        report: &mut dyn FnMut(BadLine),
    ) -> std::result::Result<Summary, ImportError> {
        let mut run = Run { summary: Summary::default(), scores: Vec::new(), report };
        for pass in [Pass::Objects, Pass::Edges] {
            let mut lines = Numbered::new(open()?, self.options.longest_line);
            while self.group(store, pass, &mut lines, &mut run)? == Progress::More {}
            run.summary.lines = lines.number();
        }
        if !run.scores.is_empty() {
            let mut group = store.begin()?;
            group.apply(&Effects { rows: vec![RowChange::SetTrust(run.scores.into())], ..Effects::default() })?;
            group.commit()?;
        }
        Ok(run.summary)
    }

    /// Commits what the next lines bring.
    fn group<R: BufRead>(
        &self,
        store: &dyn Store,
        pass: Pass,
        lines: &mut Numbered<R>,
        run: &mut Run<'_>,
    ) -> std::result::Result<Progress, ImportError> {
        let mut group = store.begin()?;
        let mut progress = Progress::More;
        for _ in 0..self.options.group.max(1) {
            let Some(text) = lines.next()? else {
                progress = Progress::Over;
                break;
            };
            let taken = match text {
                Ok(text) => self.line(group.state(), pass, text)?,
                Err(reason) => first_time(pass, reason),
            };
            match taken {
                Ok(taken) => {
                    group.apply(&taken.effects)?;
                    run.took(taken);
                }
                Err(reason) => run.left_out(lines.number(), reason),
            }
        }
        group.commit()?;
        Ok(progress)
    }

    /// What one line brings, in one pass.
    fn line(&self, state: &dyn State, pass: Pass, text: &[u8]) -> Result<std::result::Result<Taken, Reason>> {
        let parsed = serde_json::from_slice::<Line>(text).map_err(|error| error.to_string());
        let (address, line) = match parsed.and_then(|line| Ok((locate(&line)?, line))) {
            Ok(located) => located,
            Err(reason) => return Ok(first_time(pass, reason)),
        };
        let Some(address) = address else {
            let is_due = pass == Pass::Edges;
            let drafted = if is_due { self.notification(state, line)? } else { Ok(Effects::default()) };
            return Ok(drafted.map(|effects| Taken { effects, score: None }));
        };
        let draft = Draft { importer: self, state, address, line };
        let drafted = if pass == Pass::Objects { draft.object()? } else { draft.edges()? };
        let score = draft.score().filter(|_| pass == Pass::Edges);
        Ok(drafted.map(|effects| Taken { effects, score }))
    }

    fn notification(&self, state: &dyn State, line: Line) -> Drafted {
        let (Some(body), Some(receiver)) = (line.notification, line.receiver) else {
            return Ok(Err("a line without `uri` needs `notification` and `receiver`".into()));
        };
        let notified = Notified { receiver, body, time: line.indexed_at.unwrap_or(self.now) };
        let mut effects = Effects::default();
        if self.options.notifications == Notifications::Keep {
            let old = state.notification(&receiver, &notified.body.key())?;
            effects.notifications.extend(Some(notified).filter(|new| old.as_ref() != Some(new)));
        }
        Ok(Ok(effects))
    }
}

/// Whose record a line is; `None` for a notification.
fn locate(line: &Line) -> std::result::Result<Option<Address>, Reason> {
    line.uri.as_deref().map(|uri| Address::from_canonical(uri).map_err(|error| error.to_string())).transpose()
}

/// One line that is being decided.
struct Draft<'a> {
    importer: &'a Importer,
    state: &'a dyn State,
    address: Address,
    line: Line,
}

impl Draft<'_> {
    fn is_trusted(&self) -> bool {
        self.importer.options.trust == Trust::Trusted
    }

    /// When the row is said to have been handled.
    fn time(&self) -> Timestamp {
        self.line.indexed_at.filter(|_| self.is_trusted()).unwrap_or(self.importer.now)
    }

    /// The hash of bytes that this import hasn't seen: only a trusted line's is believed.
    fn hash(&self) -> Option<ContentHash> {
        self.line.hash.as_deref().filter(|_| self.is_trusted()).and_then(ContentHash::from_hex)
    }

    /// The line's record: verified, or as it is if the line is trusted.
    fn record(&self) -> std::result::Result<Record, Reason> {
        let value = self.line.value.as_ref().ok_or("`value` is missing")?.get();
        if self.is_trusted() {
            return lines::trusted(&self.address.path, value);
        }
        let (address, authority) = (self.address.clone(), Authority::Configured);
        let body = value.as_bytes().to_vec().into();
        let fetched = Fetched { address, authority, body, announced: None };
        let verified = Raw::new(fetched).verify(&Schema::default()).map_err(|error| error.to_string())?;
        Ok(verified.into_inner().record)
    }

    /// Rows with the journal row for the line's record.
    fn effects(&self, rows: Vec<RowChange>, action: Action, version: Option<ContentHash>) -> Effects {
        let (collection, key) = (self.address.path.collection(), crate::decide::key_of(&self.address.path).into());
        let (author, time) = (self.address.user, self.importer.now);
        let change = ChangeRow { author, collection, key, action, version, live: false, time };
        let changes = if action == Action::Delete && rows.is_empty() { Vec::new() } else { vec![change] };
        Effects { rows, changes, ..Effects::default() }
    }

    /// The trust score that the line states.
    fn score(&self) -> Option<(PubkyId, f64)> {
        let score = self.line.trust.as_ref().filter(|_| self.is_trusted())?.get().parse().ok()?;
        Some((self.address.user, score))
    }

    const fn path(&self) -> &Path {
        &self.address.path
    }
}
