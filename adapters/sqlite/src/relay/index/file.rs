//! A run in a file: its entries, then what is needed to find them, which stays in memory while the file is open.
//!
//! `NXrun003`, the first and last position that it covers, how many entries, fences and words there are, the id of
//! the store; then the entries of 32 bytes; then the ids of all positions, zeros where there is no event; then the
//! fences (key and age of each block's first entry); then the
//! words of the filter of ids; then BLAKE3 over header, fences and words. All numbers are big-endian. A file is
//! written under another name and renamed when it is durable, so one that has its name is whole.

use super::{
    bloom::Bloom,
    entry::{ENTRY_BYTES, Entry, is_id},
    ids::{ID_BYTES, IdBytes},
};
use crate::{Error, Result};
use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// How many entries a fence stands for, and how many are read at once.
pub(super) const BLOCK: usize = 128;

/// After how many entries the disk takes them, 1 MiB: if it got all of a large run at once, commits that come
/// meanwhile would wait for it.
const SYNCED: usize = (1 << 20) / ENTRY_BYTES;

const MAGIC: &[u8; 8] = b"NXrun003";
const HEADER_BYTES: u64 = 64;
const DIGEST_BYTES: usize = 32;

/// Names the store to which an index belongs.
pub(in crate::relay) type StoreId = [u8; 16];

/// A run that is in a file.
#[derive(Debug)]
pub(super) struct FileRun {
    file: File,
    path: PathBuf,
    len: usize,
    /// Where the ids are.
    ids_at: u64,
    /// Key and age of the first entry of each block.
    fences: Vec<(u64, u64)>,
    ids: Bloom,
}

/// Writes a run, entry after entry.
pub(super) struct RunWriter {
    out: BufWriter<File>,
    partial: PathBuf,
    fences: Vec<(u64, u64)>,
    len: usize,
    ids: Vec<u64>,
}

impl FileRun {
    /// Opens the run at `path` that covers the positions from `first` to `last`. `None` if it isn't one of this
    /// store's, or not whole: then it is to be made anew.
    pub(super) fn open(path: &Path, store: &StoreId, first: u64, last: u64) -> Result<Option<Self>> {
        let failed = || Error::file(path);
        let mut file = File::open(path).map_err(failed())?;
        let mut header = [0; HEADER_BYTES as usize];
        let size = file.metadata().map_err(failed())?.len();
        if size < HEADER_BYTES + DIGEST_BYTES as u64 {
            return Ok(None);
        }
        file.read_exact(&mut header).map_err(failed())?;
        let [len, fences, words] = [24, 32, 40].map(|at| usize::try_from(number(&header, at)).unwrap_or(usize::MAX));
        let expected = head(first, last, [len, fences, words], store);
        let footer = (fences as u64).saturating_mul(16).saturating_add((words as u64).saturating_mul(8));
        let entries = (len as u64).saturating_mul(ENTRY_BYTES as u64);
        let ids = last.saturating_add(1).saturating_sub(first).saturating_mul(ID_BYTES as u64);
        let rest = footer.saturating_add(ids).saturating_add(HEADER_BYTES + DIGEST_BYTES as u64);
        let whole = entries.saturating_add(rest);
        if header != expected || whole != size || fences != len.div_ceil(BLOCK) {
            return Ok(None);
        }
        let ids_at = HEADER_BYTES + entries;
        file.seek(SeekFrom::Start(ids_at + ids)).map_err(failed())?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).map_err(failed())?;
        let (footer, digest) = rest.split_at(rest.len().saturating_sub(DIGEST_BYTES));
        if digest_of(&header, footer).as_slice() != digest {
            return Ok(None);
        }
        let numbers: Vec<u64> = footer.chunks_exact(8).map(|bytes| number(bytes, 0)).collect();
        let (pairs, words) = numbers.split_at(fences * 2);
        let fences = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let Some(ids) = Bloom::from_words(words.to_vec()) else { return Ok(None) };
        Ok(Some(Self { file, path: path.to_owned(), len, ids_at, fences, ids }))
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Key and age of the first entry.
    pub(super) fn first(&self) -> Option<(u64, u64)> {
        self.fences.first().copied()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// False if the list of an id is certainly empty.
    pub(super) fn may_have_id(&self, key: u64) -> bool {
        self.ids.may_have(key)
    }

    /// Puts entries into `into`, from the first on that isn't below `bound` and while they are `wanted`, to the end
    /// of some block at most. Gives the index of the first that was not looked at, or `None` if one wasn't wanted or
    /// there are no more. `bound` is the first entry that its key and age can have.
    pub(super) fn find(
        &self,
        bound: &Entry,
        wanted: impl Fn(&Entry) -> bool,
        into: &mut Vec<Entry>,
    ) -> Result<Option<usize>> {
        let mut block = self.block_before(bound);
        into.clear();
        loop {
            let mut bytes = [0; BLOCK * ENTRY_BYTES];
            let entries = self.read_block(block, &mut bytes)?;
            let start = entries.partition_point(|bytes| Entry::from_bytes(bytes) < *bound);
            into.extend(entries[start..].iter().map(Entry::from_bytes).take_while(&wanted));
            let next = block * BLOCK + entries.len();
            if start + into.len() < entries.len() || next >= self.len {
                return Ok(None);
            }
            if start < entries.len() {
                return Ok(Some(next));
            }
            block += 1;
        }
    }

    /// How many entries lie between two bounds: exactly if they are in one block, else within one block's length.
    pub(super) fn distance(&self, from: &Entry, to: &Entry) -> Result<usize> {
        let (first, last) = (self.block_before(from), self.block_before(to));
        if last > first {
            return Ok((last - first) * BLOCK);
        }
        let mut bytes = [0; BLOCK * ENTRY_BYTES];
        let entries = self.read_block(first, &mut bytes)?;
        let place = |bound: &Entry| entries.partition_point(|bytes| Entry::from_bytes(bytes) < *bound);
        Ok(place(to).saturating_sub(place(from)))
    }

    fn read_block<'a>(
        &self,
        block: usize,
        bytes: &'a mut [u8; BLOCK * ENTRY_BYTES],
    ) -> Result<&'a [[u8; ENTRY_BYTES]]> {
        let count = self.len.saturating_sub(block * BLOCK).min(BLOCK);
        let at = HEADER_BYTES + (block * BLOCK * ENTRY_BYTES) as u64;
        let bytes = &mut bytes[..count * ENTRY_BYTES];
        self.file.read_exact_at(bytes, at).map_err(Error::file(&self.path))?;
        Ok(bytes.as_chunks::<ENTRY_BYTES>().0)
    }

    /// Puts at most `count` entries from `index` on into `into`, which is cleared before.
    pub(super) fn read(&self, index: usize, count: usize, into: &mut Vec<Entry>) -> Result<()> {
        into.clear();
        let count = self.len.saturating_sub(index).min(count);
        let mut bytes = vec![0; count * ENTRY_BYTES];
        let at = HEADER_BYTES + (index * ENTRY_BYTES) as u64;
        self.file.read_exact_at(&mut bytes, at).map_err(Error::file(&self.path))?;
        let (chunks, _) = bytes.as_chunks::<ENTRY_BYTES>();
        into.extend(chunks.iter().map(Entry::from_bytes));
        Ok(())
    }

    /// Appends `count` ids from the `start`th on.
    pub(super) fn read_ids(&self, start: usize, count: usize, into: &mut Vec<IdBytes>) -> Result<()> {
        let mut bytes = vec![0; count * ID_BYTES];
        let at = self.ids_at + (start * ID_BYTES) as u64;
        self.file.read_exact_at(&mut bytes, at).map_err(Error::file(&self.path))?;
        into.extend_from_slice(bytes.as_chunks::<ID_BYTES>().0);
        Ok(())
    }

    /// Removes the file. Whoever has it open reads on.
    pub(super) fn remove(&self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(Error::file(&self.path))
    }

    /// The last block whose first entry is below `bound`.
    fn block_before(&self, bound: &Entry) -> usize {
        self.fences.partition_point(|fence| *fence < (bound.key, bound.age)).saturating_sub(1)
    }
}

impl RunWriter {
    /// Begins a run under `partial`, a name that nobody else uses.
    pub(super) fn begin(partial: PathBuf) -> Result<Self> {
        let file = File::create(&partial).map_err(Error::file(&partial))?;
        let mut out = BufWriter::with_capacity(256 * 1024, file);
        out.write_all(&[0; HEADER_BYTES as usize]).map_err(Error::file(&partial))?;
        Ok(Self { out, partial, fences: Vec::new(), len: 0, ids: Vec::new() })
    }

    /// Appends an entry, which must not be below the one before.
    pub(super) fn push(&mut self, entry: &Entry) -> Result<()> {
        if self.len.is_multiple_of(BLOCK) {
            self.fences.push((entry.key, entry.age));
        }
        self.len += 1;
        if is_id(entry.key) {
            self.ids.push(entry.key);
        }
        self.out.write_all(&entry.to_bytes()).map_err(Error::file(&self.partial))?;
        if self.len.is_multiple_of(SYNCED) { self.sync() } else { Ok(()) }
    }

    /// Has the disk take what was written.
    fn sync(&mut self) -> Result<()> {
        let flushed = self.out.flush().and_then(|()| self.out.get_ref().sync_data());
        flushed.map_err(Error::file(&self.partial))
    }

    /// Appends ids, when all entries were pushed.
    pub(super) fn push_ids(&mut self, ids: &[IdBytes]) -> Result<()> {
        ids.iter().try_for_each(|id| self.out.write_all(id)).map_err(Error::file(&self.partial))
    }

    /// Makes the run durable under its own name. As many ids must have been pushed as it covers positions.
    pub(super) fn finish(mut self, path: &Path, store: &StoreId, first: u64, last: u64) -> Result<()> {
        let failed = || Error::file(&self.partial);
        let mut ids = Bloom::with_room(self.ids.len());
        self.ids.iter().for_each(|key| ids.insert(*key));
        let header = head(first, last, [self.len, self.fences.len(), ids.words().len()], store);
        let fences = self.fences.iter().flat_map(|(key, age)| [*key, *age]);
        let numbers = fences.chain(ids.words().iter().copied());
        let footer: Vec<u8> = numbers.flat_map(u64::to_be_bytes).collect();
        self.out.write_all(&footer).map_err(failed())?;
        self.out.write_all(&digest_of(&header, &footer)).map_err(failed())?;
        self.out.flush().map_err(failed())?;
        let file = self.out.get_ref();
        file.write_all_at(&header, 0).map_err(failed())?;
        file.sync_all().map_err(failed())?;
        std::fs::rename(&self.partial, path).map_err(Error::file(path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file(folder))
    }
}

fn head(first: u64, last: u64, [len, fences, words]: [usize; 3], store: &StoreId) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(MAGIC);
    for (index, number) in [first, last, len as u64, fences as u64, words as u64].into_iter().enumerate() {
        header[8 + index * 8..][..8].copy_from_slice(&number.to_be_bytes());
    }
    header[48..].copy_from_slice(store);
    header
}

fn digest_of(header: &[u8], footer: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(footer);
    *hasher.finalize().as_bytes()
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|index| bytes[at + index]))
}
