//! Whether the index says what the rows say: two sums over all entries, taken from either side, must be equal.

use super::{
    draft,
    index::{Entry, Snapshot},
    rows,
};
use crate::Result;
use nexus_nostr::{EventId, Seconds};
use rusqlite::Connection;
use std::fmt;

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

/// The sum of the entries that the stored events should have.
pub(super) fn stored(connection: &Connection) -> Result<Sum> {
    let mut statement = connection.prepare_cached("SELECT seq, expires_at, json FROM event")?;
    let mut rows = statement.query([])?;
    let mut sum = Sum::default();
    while let Some(row) = rows.next()? {
        let (seq, expires_at) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<i64>>(1)?.map(Seconds::new));
        let event = rows::parse(&row.get::<_, String>(2)?)?;
        sum.add_id(seq, &event.id);
        draft::entries(&event, expires_at).iter().for_each(|entry| sum.add(&entry.at(seq)));
    }
    Ok(sum)
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
