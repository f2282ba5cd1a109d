//! Whether a store is whole: what SQLite says of its file, whether each row is an event with its id, and whether the
//! index says what the rows say. For the last, two sums over all entries, taken from either side, must be equal.

use super::{
    draft, folder_of,
    index::{Entry, Snapshot, Survey, survey},
    opening_state, rows,
};
use crate::{Durability, Options, Result, connection::open_reader};
use nexus_nostr::{EventId, Seconds};
use rusqlite::Connection;
use std::{fmt, path::Path};

/// How many faults of one sort are told one by one.
const TOLD: usize = 10;

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What is worth a word and isn't wrong.
    pub notes: Vec<String>,
}

/// Something that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SQLite's file.
    File(String),
    /// A row that isn't what was written.
    Row(String),
    /// The index beside it.
    Index(String),
}

impl Fault {
    /// What to do about it, for the store at `path`.
    pub fn remedy(&self, path: &Path) -> String {
        match self {
            Self::File(_) | Self::Row(_) => format!(
                "stop Nexus, keep {0} aside, put the newest backup in its place (`nexus db backup` makes them) and delete \
                 {1}; `nexus relay mirror URL` fetches from another relay what came since",
                path.display(),
                folder_of(path).display()
            ),
            Self::Index(_) => {
                format!("stop Nexus and delete {}: it is made anew at the next start", folder_of(path).display())
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(what) => write!(f, "the file: {what}"),
            Self::Row(what) => write!(f, "an event: {what}"),
            Self::Index(what) => write!(f, "the index: {what}"),
        }
    }
}

/// What is wrong with the store at `path`. Changes nothing, reads everything and blocks. The store may be in use
/// meanwhile.
///
/// # Errors
/// If it can't be read, for another reason than damage.
pub fn examine(path: &Path) -> Result<Examined> {
    let examined = open_reader(path, &Options::new(Durability::Full)).and_then(|connection| look(path, &connection));
    match examined {
        Err(error) if error.is_damage() => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Ok(Examined { faults: vec![Fault::File(format!("{error}{cause}"))], notes: Vec::new() })
        }
        examined => examined,
    }
}

fn look(path: &Path, connection: &Connection) -> Result<Examined> {
    let mut examined = Examined::default();
    examined.faults.extend(integrity(connection)?.into_iter().take(TOLD).map(Fault::File));
    if !examined.faults.is_empty() {
        return Ok(examined);
    }
    let folder = folder_of(path);
    let store = connection.query_row("SELECT store FROM journal", [], |row| row.get(0))?;
    // The files come first: what they know was committed before.
    let found = survey(&folder, &store)?;
    let snapshot = connection.unchecked_transaction()?;
    let (_, last, dead) = opening_state(&snapshot)?;
    let (stored, wrong) = stored(&snapshot, found.upto)?;
    examined.faults.extend(wrong.into_iter().take(TOLD).map(Fault::Row));
    if found.upto > last {
        let told = format!("it knows {} positions and the file {last}: they are of different times", found.upto);
        examined.faults.push(Fault::Index(told));
    } else if !found.faults.is_empty() {
        examined.faults.extend(found.faults.iter().take(TOLD).cloned().map(Fault::Index));
    } else if examined.faults.is_empty() {
        let listed = found.snapshot(dead).sum();
        if survey(&folder, &store)?.names != found.names {
            examined.notes.push("the index was not compared with the file, as it changed meanwhile".to_owned());
        } else {
            examined.compare(&found, stored, listed?, last);
        }
    }
    Ok(examined)
}

impl Examined {
    fn compare(&mut self, found: &Survey, stored: Sum, listed: Sum, last: u64) {
        if stored != listed {
            self.faults.push(Fault::Index(format!("it has {listed}, the events should have {stored}")));
        } else if found.upto < last {
            let count = last - found.upto;
            self.notes
                .push(format!("the index has the newest {count} positions in memory, or reads them at the start"));
        }
    }
}

/// What SQLite finds wrong.
fn integrity(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?;
    let found: Vec<_> = found.collect::<rusqlite::Result<_>>()?;
    Ok(if found == ["ok"] { Vec::new() } else { found })
}

/// How many entries there are, and the sum of their hashes and of those of ids with their positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    count: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, entry: &Entry) {
        self.count += 1;
        self.add_bytes(&entry.to_bytes());
    }

    fn add_id(&mut self, seq: u64, id: &EventId) {
        self.add_bytes(&[seq.to_be_bytes().as_slice(), id.as_bytes()].concat());
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let hash = blake3::hash(bytes);
        self.hashes = self.hashes.wrapping_add(u64::from_be_bytes(std::array::from_fn(|index| hash.as_bytes()[index])));
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries (sum {:016x})", self.count, self.hashes)
    }
}

/// The sum of the entries that the events stored up to a position should have, and which rows are no events.
pub(super) fn stored(connection: &Connection, upto: u64) -> Result<(Sum, Vec<String>)> {
    let mut statement = connection.prepare_cached("SELECT seq, expires_at, json FROM event")?;
    let mut rows = statement.query([])?;
    let (mut sum, mut wrong) = (Sum::default(), Vec::new());
    while let Some(row) = rows.next()? {
        let (seq, expires_at) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<i64>>(1)?.map(Seconds::new));
        // Text that is no text any more is as wrong as text that is no event.
        let event = row.get::<_, String>(2).map_err(crate::Error::from).and_then(|json| rows::parse(&json));
        match event {
            Ok(event) if event.computed_id() != event.id => wrong.push(format!("the one at {seq} has another id")),
            Ok(event) if seq <= upto => {
                sum.add_id(seq, &event.id);
                draft::entries(&event, expires_at).iter().for_each(|entry| sum.add(&entry.at(seq)));
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("the one at {seq} can't be read: {error}")),
        }
    }
    Ok((sum, wrong))
}

impl Snapshot {
    /// The sum of the entries of events that weren't removed.
    pub(super) fn sum(&self) -> Result<Sum> {
        let mut sum = Sum::default();
        self.each(|entry| {
            sum.add(entry);
            Ok(())
        })?;
        self.each_id(|seq, id| sum.add_id(seq, &id))?;
        Ok(sum)
    }
}
