//! Lines of a reader, numbered and bounded, and records that are believed as they stand.

use super::Reason;
use nexus_pubky::{Path, Record};
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, Read as _};

/// Reads lines one by one into the same buffer.
pub(super) struct Numbered<R> {
    reader: R,
    longest: usize,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Numbered<R> {
    pub(super) const fn new(reader: R, longest: usize) -> Self {
        Self { reader, longest, number: 0, buffer: Vec::new() }
    }

    /// The number of the line that was read last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line that isn't empty, or why it can't be taken; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<&[u8], Reason>>> {
        loop {
            self.buffer.clear();
            let bound = self.longest as u64 + 1;
            let read = self.reader.by_ref().take(bound).read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !self.buffer.ends_with(b"\n") && read as u64 == bound {
                self.reader.skip_until(b'\n')?;
                return Ok(Some(Err(format!("longer than {} bytes", self.longest))));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(Ok(self.buffer.trim_ascii())));
            }
        }
    }
}

/// The record at `path`, neither sanitised nor validated.
pub(super) fn trusted(path: &Path, value: &str) -> Result<Record, Reason> {
    match path {
        Path::Profile => read(value).map(Record::User),
        Path::Post(_) => read(value).map(Record::Post),
        Path::Follow(_) => read(value).map(Record::Follow),
        Path::Mute(_) => read(value).map(Record::Mute),
        Path::Bookmark(_) => read(value).map(Record::Bookmark),
        Path::Tag { .. } => read(value).map(Record::Tag),
        Path::File(_) => read(value).map(Record::File),
        Path::Feed(_) | Path::LastRead | Path::Blob(_) => Err("records at this path are not kept".into()),
    }
}

fn read<T: DeserializeOwned>(value: &str) -> Result<T, Reason> {
    serde_json::from_str(value).map_err(|error| error.to_string())
}
