//! A whole repo on its way in: blocks are hashed as they arrive and set aside, in memory while they are few, in a
//! file that has no name when they are many. Servers send blocks in any order, so the tree can be walked only when
//! all are there; what stays in memory is where each one is.

use nexus_atproto::{Blocks, Cid, Decoder, car};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How much of one repo is taken, and where.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of blocks in memory; more go to a file.
    pub memory: usize,
    /// Bytes of blocks at all.
    pub total: u64,
    /// Blocks at all: each takes 32 bytes of memory.
    pub blocks: usize,
    /// Where the file is made.
    pub folder: PathBuf,
}

/// Why a repo can't be taken in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a CAR, or a block doesn't have its hash.
    #[error(transparent)]
    Car(#[from] nexus_atproto::Error),
    /// It is larger than allowed.
    #[error("the repo is larger than {limit} bytes")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// It has more blocks than allowed.
    #[error("the repo has more than {limit} blocks")]
    TooMany {
        /// What is allowed.
        limit: usize,
    },
    /// The file can't be made or written.
    #[error("blocks can't be set aside")]
    File(#[from] io::Error),
}

/// Half of a hash finds a block; the whole CID beside the block tells whether it is the right one.
type Key = [u8; 16];

fn key(cid: &Cid) -> Key {
    *cid.digest().first_chunk().expect("a hash of 32 bytes has 16")
}

/// Where a block is: at this byte, this long.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: Key,
    at: u64,
    length: u32,
}

/// A repo that arrives.
#[derive(Debug)]
pub struct Spool {
    limits: Limits,
    decoder: Decoder,
    /// In the order of arrival: a map would take twice the memory, and twice that while it grows.
    places: Vec<Place>,
    length: u64,
    shelf: Shelf<BufWriter<File>>,
}

#[derive(Debug)]
enum Shelf<F> {
    Memory(Vec<u8>),
    File(F),
}

impl Spool {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        let decoder = Decoder::new(car::MAX_SECTION);
        Self { limits, decoder, places: Vec::new(), length: 0, shelf: Shelf::Memory(Vec::new()) }
    }

    /// Takes what has arrived.
    ///
    /// # Errors
    /// If it is not a CAR, too large, or can't be set aside.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.decoder.push(bytes);
        while let Some((cid, block)) = self.decoder.next_block()? {
            let length = Cid::LENGTH + block.len();
            if self.length + length as u64 > self.limits.total {
                return Err(Error::TooLarge { limit: self.limits.total });
            }
            if self.places.len() >= self.limits.blocks {
                return Err(Error::TooMany { limit: self.limits.blocks });
            }
            self.shelf.put(&cid.to_bytes(), &self.limits)?;
            self.shelf.put(block, &self.limits)?;
            // Sections are bounded far below 4 GiB.
            self.places.push(Place { key: key(&cid), at: self.length, length: length as u32 });
            self.length += length as u64;
        }
        Ok(())
    }

    /// The repo, once all of it has arrived, and its root.
    ///
    /// # Errors
    /// If it ended early or can't be set aside.
    pub fn finish(self) -> Result<(Cid, Spooled), Error> {
        let root = self.decoder.finish()?;
        let shelf = match self.shelf {
            Shelf::Memory(bytes) => Shelf::Memory(bytes),
            Shelf::File(file) => Shelf::File(file.into_inner().map_err(io::IntoInnerError::into_error)?),
        };
        let mut places = self.places;
        places.sort_unstable_by_key(|place| place.key);
        Ok((root, Spooled { places, shelf }))
    }
}

impl Shelf<BufWriter<File>> {
    fn put(&mut self, bytes: &[u8], limits: &Limits) -> io::Result<()> {
        if let Self::Memory(held) = self
            && held.len() + bytes.len() > limits.memory
        {
            let mut file = BufWriter::new(nameless(&limits.folder)?);
            file.write_all(held)?;
            *self = Self::File(file);
        }
        match self {
            Self::Memory(held) => held.extend_from_slice(bytes),
            Self::File(file) => file.write_all(bytes)?,
        }
        Ok(())
    }
}

/// A file that nobody else sees, and that is gone when it is closed, however the program ends.
fn nameless(folder: &Path) -> io::Result<File> {
    for number in 0_u32.. {
        let path = folder.join(format!("spool-{}-{number}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A repo that has arrived.
#[derive(Debug)]
pub struct Spooled {
    /// In the order of their keys.
    places: Vec<Place>,
    shelf: Shelf<File>,
}

impl Spooled {
    /// True if the blocks are in a file.
    pub const fn is_on_disk(&self) -> bool {
        matches!(self.shelf, Shelf::File(_))
    }

    fn section(&mut self, at: u64, length: u32, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        into.resize(length as usize, 0);
        match &mut self.shelf {
            Shelf::Memory(bytes) => {
                let start = at as usize;
                into.copy_from_slice(&bytes[start..start + length as usize]);
                Ok(())
            }
            Shelf::File(file) => {
                file.seek(SeekFrom::Start(at))?;
                file.read_exact(into)
            }
        }
    }
}

impl Blocks for Spooled {
    fn read(&mut self, cid: &Cid, into: &mut Vec<u8>) -> nexus_atproto::Result<bool> {
        let key = key(cid);
        let Ok(found) = self.places.binary_search_by_key(&key, |place| place.key) else { return Ok(false) };
        let Place { at, length, .. } = self.places[found];
        self.section(at, length, into).map_err(|error| nexus_atproto::Error::storage(error.to_string()))?;
        let is_it = into[..Cid::LENGTH] == cid.to_bytes();
        into.drain(..Cid::LENGTH);
        Ok(is_it)
    }
}
