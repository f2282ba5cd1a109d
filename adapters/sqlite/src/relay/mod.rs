//! The store of the relay. An answer of `OK` promises that the event survives power loss, so commits are full.
//!
//! The file has the events' rows and what must be decided in the same commit: removals, tombstones, jobs. Finding
//! events is left to an index beside it, which reads what was committed. One thread writes, in groups; some read
//! what takes long. The futures wait without blocking, whatever runs them, and work a millisecond at most.

mod check;
mod checkpoint;
mod draft;
mod glance;
mod group;
mod index;
mod jobs;
mod known;
mod near;
mod port;
mod query;
mod queue;
mod readers;
mod rows;
mod scan;
mod standing;
mod tail;
mod write;

pub use check::{Examined, Fault, examine};
pub use index::Recent;

use crate::{Checkpoints, Database, Durability, Options, Result, Schema, Upgrade};
use checkpoint::Checkpointer;
use index::{Additions, Background, Index};
use near::Near;
use nexus_model::Seq;
use nexus_nostr::{Kind, Seconds};
use nexus_relay::{market::Counter, ports::StorageError};
use queue::Queue;
use readers::Readers;
use roaring::RoaringTreemap;
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tail::Tail;

/// The tables and their versions.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4E58_726C, // "NXrl"
    newest: include_str!("schema.sql"),
    upgrades: &[
        Upgrade::script(include_str!("version_2.sql")),
        Upgrade::script(include_str!("version_3.sql")),
        Upgrade { script: include_str!("version_4.sql"), then: standing::count_again },
    ],
};

/// How many bytes of events are in memory by default.
const NEAR: usize = 128 << 20;

/// How many rows are read at once into the index when the store is opened.
const REPLAY: usize = 2_000;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the file is opened.
    pub options: Options,
    /// How much of the index is in memory.
    pub recent: Recent,
    /// How many bytes of events that were written or asked for lately are in memory.
    pub near: usize,
    /// How long questions may take.
    pub patience: Patience,
    /// How much may wait.
    pub queues: Queues,
}

impl Settings {
    /// The defaults with this durability.
    pub fn new(durability: Durability) -> Self {
        Options::new(durability).into()
    }
}

impl From<Options> for Settings {
    fn from(options: Options) -> Self {
        let (recent, patience, queues) = (Recent::default(), Patience::default(), Queues::default());
        Self { options, recent, near: NEAR, patience, queues }
    }
}

/// How much may wait for the store's threads. Where it is that much, whoever brings more waits.
#[derive(Clone, Copy, Debug)]
pub struct Queues {
    /// Calls for the writer.
    pub calls: usize,
    /// Events that make a group which is committed without looking for more.
    pub group: usize,
    /// Questions for the readers.
    pub questions: usize,
}

impl Default for Queues {
    /// 4,096 calls in groups of 1,000 events, 1,024 questions.
    fn default() -> Self {
        Self { calls: 4_096, group: 1_000, questions: 1_024 }
    }
}

/// How long questions may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// After how long a question is put behind the others.
    pub slice: Duration,
    /// How long it may work in all before it is refused. The operator's questions take as long as they take.
    pub total: Duration,
}

impl Default for Patience {
    /// Slices of 10 ms, 5 s in all.
    fn default() -> Self {
        Self { slice: Duration::from_millis(10), total: Duration::from_secs(5) }
    }
}

/// The relay's file and its index, which is a folder beside it of the same name with `-index` behind it.
#[derive(Debug)]
pub struct SqliteStorage {
    // In the order in which they end: nobody asks a thread that is gone.
    readers: Readers,
    queue: Queue,
    _checkpointer: Checkpointer,
    _background: Background,
    core: Arc<Core>,
}

/// What the threads share.
#[derive(Debug)]
struct Core {
    database: Database,
    index: Arc<Index>,
    tail: Mutex<Tail>,
    near: Arc<Near>,
    patience: Patience,
}

impl SqliteStorage {
    /// Opens the file at `path` with the usual settings, and makes it if there is none.
    ///
    /// # Errors
    /// If the file can't be opened, is another's, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Settings::new(Durability::Full))
    }

    /// Opens the file at `path`. What its index lacks is read again: what was new when the store was closed, or
    /// everything if the folder is gone.
    ///
    /// # Errors
    /// As [`SqliteStorage::open`].
    pub fn open_with(path: &Path, settings: impl Into<Settings>) -> Result<Self> {
        let Settings { options, recent, near, patience, queues } = settings.into();
        let readers = options.readers;
        let options = Options { checkpoints: Checkpoints::Apart, ..options };
        let database = Database::open(path, &SCHEMA, options)?;
        let (store, last, dead) = database.read(opening_state)?;
        let index = Arc::new(Index::open(folder_of(path), store, recent, last, dead)?);
        let background = Background::start(&index).map_err(thread)?;
        replay(&database, &index, last)?;
        let (tail, near) = (Mutex::new(Tail::new(Seq::new(last))), Arc::new(Near::new(near)));
        let core = Arc::new(Core { database, index, tail, near, patience });
        let checkpointer = Checkpointer::start(&core).map_err(thread)?;
        let queue = Queue::start(core.clone(), checkpointer.due().clone(), last, queues).map_err(thread)?;
        let readers = Readers::start(&core, readers, queues.questions).map_err(thread)?;
        Ok(Self { readers, queue, _checkpointer: checkpointer, _background: background, core })
    }

    /// The file: for backup, checks and its size. A backup needs no index: it is made anew.
    pub fn database(&self) -> &Database {
        &self.core.database
    }

    /// Writes the index to its files, merges them as far as it is worth it, and clears removed content from the
    /// log. Blocks.
    ///
    /// # Errors
    /// If files can't be written.
    pub fn compact(&self) -> Result<()> {
        self.core.index.settle()?;
        self.core.database.scrub()
    }

    /// What is wrong with the file or its index; nothing, if all is well. Reads everything, and blocks.
    ///
    /// # Errors
    /// If the check can't be run.
    pub fn check(&self) -> Result<Vec<String>> {
        let mut faults = self.core.database.check()?;
        let ((stored, wrong), listed) =
            self.core.look(|connection, index| Ok((check::stored(connection, u64::MAX)?, index.sum()?)))?;
        faults.extend(wrong);
        if stored != listed {
            faults.push(format!("the index has {}, the events should have {}", listed, stored));
        }
        Ok(faults)
    }

    /// What the market counted on `day` for requests of `kind`. Blocks.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn tally(&self, day: i64, kind: Kind, counter: Counter) -> Result<u64> {
        self.core.database.read(|connection| {
            let sql = "SELECT amount FROM tally WHERE day = ? AND kind = ? AND counter = ?";
            let amount = connection.prepare_cached(sql)?.query_row((day, kind.get(), counter.name()), |row| row.get(0));
            Ok(optional(amount)?.map_or(0, i64::unsigned_abs))
        })
    }
}

impl Core {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        // Entries are added and taken out whole.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of the index of the file at `path`.
fn folder_of(path: &Path) -> PathBuf {
    let mut folder = path.as_os_str().to_owned();
    folder.push("-index");
    folder.into()
}

/// The store's name, the journal's newest position, and which removed events the index may still have.
fn opening_state(connection: &Connection) -> Result<(index::StoreId, u64, RoaringTreemap)> {
    let (store, last) = connection.query_row("SELECT store, last FROM journal", [], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    let mut statement = connection.prepare("SELECT event FROM gone")?;
    let removed = statement.query_map([], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))?;
    let dead = removed.collect::<rusqlite::Result<RoaringTreemap>>()?;
    Ok((store, last, dead))
}

/// Reads into the index what was committed since its newest file.
fn replay(database: &Database, index: &Index, last: u64) -> Result<()> {
    let mut done = index.snapshot().last();
    while done < last {
        index.wait_for_room()?;
        let (rows, upto) = database.read(|connection| rows_after(connection, done, last))?;
        index.publish(rows, &RoaringTreemap::new(), upto)?;
        done = upto;
    }
    Ok(())
}

/// Some events after `done`, and the position up to which these are all.
fn rows_after(connection: &Connection, done: u64, last: u64) -> Result<(Additions, u64)> {
    let sql = "SELECT seq, expires_at, json FROM event WHERE seq > ? ORDER BY seq LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((rows::number(done), rows::number(REPLAY as u64)))?;
    let (mut read, mut count, mut upto) = (Additions::default(), 0, done);
    while let Some(row) = rows.next()? {
        upto = row.get::<_, i64>(0)?.unsigned_abs();
        let expires_at = row.get::<_, Option<i64>>(1)?.map(Seconds::new);
        let event = rows::parse(&row.get::<_, String>(2)?)?;
        read.entries.extend(draft::entries(&event, expires_at).iter().map(|entry| entry.at(upto)));
        read.ids.push((upto, event.id));
        count += 1;
    }
    Ok((read, if count < REPLAY { last } else { upto }))
}

fn optional<T>(found: rusqlite::Result<T>) -> Result<Option<T>> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the port says about an error that several callers may share.
fn failed(error: &Arc<crate::Error>) -> StorageError {
    match **error {
        crate::Error::Damaged(_) => StorageError::Damaged("a row can't be what was written"),
        ref error if error.is_damage() => StorageError::Damaged("the file is no whole database"),
        _ => StorageError::Unavailable(Box::new(error.clone())),
    }
}

fn thread(source: std::io::Error) -> crate::Error {
    crate::Error::Thread(source)
}
