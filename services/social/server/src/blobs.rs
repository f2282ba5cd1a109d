//! The bytes of users' files, on disk: written aside, synced, and renamed into place before the row that names
//! them is committed. What no row names is swept.
//!
//! `<owner>/<file>/<blob>` holds what the owner uploaded; a variant lies beside it as `<blob>.<variant>`. The blob's
//! own id is part of the name, so that a replaced file never meets its former bytes.

use nexus_pubky::{Address, HashId, Path as RecordPath, PubkyId};
use nexus_social::row::{FileKey, FileRow};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::io::AsyncWriteExt;

/// Where bytes lie while they arrive.
const INCOMING: &str = ".incoming";

/// The store of users' files.
#[derive(Debug)]
pub struct Blobs {
    root: PathBuf,
    quota: u64,
    used: Mutex<HashMap<PubkyId, u64>>,
    next: AtomicU64,
}

/// Bytes that are arriving. They are gone when this is dropped before [`Blobs::keep`].
#[derive(Debug)]
pub struct Arriving {
    file: tokio::fs::File,
    aside: Aside,
    size: u64,
    hash: blake3::Hasher,
}

/// A file that removes itself.
#[derive(Debug)]
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // It isn't there any more once it was kept; a leftover is cleared at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// The blob that a file's `src` names, if it names one.
pub fn blob_of(src: &str) -> Option<(PubkyId, HashId)> {
    match src.parse::<Address>().ok()? {
        Address { user, path: RecordPath::Blob(id) } => Some((user, id)),
        _ => None,
    }
}

/// What is wrong with the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They are not there.
    Missing,
    /// They are not those that the id of the blob stands for.
    Damaged,
}

/// What is wrong with the bytes of `file` below `root`, which are read for it. Nothing is, if its `src` names no blob.
///
/// # Errors
/// If they can't be read.
pub fn fault(root: &Path, file: &FileRow) -> io::Result<Option<Fault>> {
    let Some((_, blob)) = blob_of(&file.src) else { return Ok(None) };
    let place = directory(root, &file.key).join(blob.as_str());
    let Some(bytes) = if_there(fs::File::open(place))? else { return Ok(Some(Fault::Missing)) };
    let hash = blake3::Hasher::new().update_reader(bytes)?.finalize();
    Ok((HashId::of_hash(hash.as_bytes()) != blob).then_some(Fault::Damaged))
}

/// How many bytes are kept below `root` for a user, variants aside.
///
/// # Errors
/// If the directory can't be read.
pub fn used(root: &Path, owner: &PubkyId) -> io::Result<u64> {
    let mut used = 0;
    let Some(files) = if_there(fs::read_dir(root.join(owner.as_str())))? else { return Ok(0) };
    for file in files {
        each_blob(&file?.path(), |_, metadata| used += metadata.len())?;
    }
    Ok(used)
}

fn directory(root: &Path, key: &FileKey) -> PathBuf {
    root.join(key.owner.as_str()).join(key.id.as_str())
}

/// Every main blob in the directory of a file.
fn each_blob(directory: &Path, mut visit: impl FnMut(HashId, &fs::Metadata)) -> io::Result<()> {
    for blob in fs::read_dir(directory)? {
        let blob = blob?;
        if let Some(name) = named(&blob) {
            visit(name, &blob.metadata()?);
        }
    }
    Ok(())
}

impl Blobs {
    /// Opens the store below `root` and counts what is in it. Each user may keep `quota` bytes.
    ///
    /// # Errors
    /// If the directory can't be made or read.
    pub fn open(root: impl Into<PathBuf>, quota: u64) -> io::Result<Self> {
        let root = root.into();
        let incoming = root.join(INCOMING);
        fs::create_dir_all(&incoming)?;
        for leftover in fs::read_dir(&incoming)? {
            fs::remove_file(leftover?.path())?;
        }
        let blobs = Self { root, quota, used: Mutex::default(), next: AtomicU64::new(0) };
        let mut used = HashMap::new();
        blobs.each(|kept| *used.entry(kept.key.owner).or_default() += kept.size)?;
        Ok(Self { used: Mutex::new(used), ..blobs })
    }

    /// Where the bytes of a file lie, if its `src` names a blob. They may be missing: the owner's quota was full,
    /// or the file was imported without them.
    pub fn main(&self, file: &FileRow) -> Option<PathBuf> {
        let (_, blob) = blob_of(&file.src)?;
        Some(self.place(&file.key, &blob))
    }

    /// Where a variant of a file lies once somebody has made it. It is removed with the file.
    pub fn variant(&self, file: &FileRow, variant: &str) -> Option<PathBuf> {
        self.main(file).map(|main| main.with_extension(variant))
    }

    /// Begins to take bytes in.
    ///
    /// # Errors
    /// If no file can be made.
    pub async fn receive(&self) -> io::Result<Arriving> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let aside = Aside(self.root.join(INCOMING).join(number.to_string()));
        let file = tokio::fs::File::create(&aside.0).await?;
        Ok(Arriving { file, aside, size: 0, hash: blake3::Hasher::new() })
    }

    /// Puts bytes that have arrived where the file's row will name them. They survive a crash from then on.
    /// `None` if the owner's quota is full.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn keep(&self, key: &FileKey, blob: &HashId, arrived: Arriving) -> io::Result<Option<PathBuf>> {
        let place = self.place(key, blob);
        arrived.file.sync_all().await?;
        if !self.settle(key.owner, &place, &arrived)? {
            return Ok(None);
        }
        let (root, to) = (self.root.clone(), place.clone());
        let made_durable = tokio::task::spawn_blocking(move || make_durable(&to, &root)).await;
        made_durable.unwrap_or_else(|panic| Err(io::Error::other(panic)))?;
        Ok(Some(place))
    }

    /// Renames what has arrived into place and counts it, if its owner has room for it in place of what lies there.
    fn settle(&self, owner: PubkyId, place: &Path, arrived: &Arriving) -> io::Result<bool> {
        // Held from the look to the count: what else is put there or removed meanwhile would be counted wrong.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if_there(fs::metadata(place))?.map_or(0, |metadata| metadata.len());
        let bytes = used.get(&owner).copied().unwrap_or_default();
        let after = (bytes + arrived.size).saturating_sub(before);
        if after > self.quota {
            return Ok(false);
        }
        fs::create_dir_all(place.parent().unwrap_or(&self.root))?;
        fs::rename(&arrived.aside.0, place)?;
        used.insert(owner, after);
        Ok(true)
    }

    /// Removes the bytes and variants of a file that is deleted or was replaced.
    ///
    /// # Errors
    /// If the disk fails. What is gone already is no failure.
    pub fn remove(&self, file: &FileRow) -> io::Result<()> {
        let Some((_, blob)) = blob_of(&file.src) else { return Ok(()) };
        self.remove_blob(&file.key, blob.as_str())
    }

    /// Removes what `is_named` doesn't know and is older than `age`; younger bytes may belong to a row that is
    /// being committed. Gives how many blobs went.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sweep(&self, age: Duration, is_named: impl Fn(&FileKey, &HashId) -> bool) -> io::Result<usize> {
        let mut orphans = Vec::new();
        self.each(|kept| {
            let is_old = kept.modified.elapsed().is_ok_and(|since| since >= age);
            if is_old && !is_named(&kept.key, &kept.blob) {
                orphans.push((kept.key, kept.blob));
            }
        })?;
        for (key, blob) in &orphans {
            self.remove_blob(key, blob.as_str())?;
        }
        Ok(orphans.len())
    }

    /// How many bytes are kept for a user, variants aside.
    pub fn used(&self, owner: &PubkyId) -> u64 {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(owner).copied().unwrap_or_default()
    }

    fn place(&self, key: &FileKey, blob: &HashId) -> PathBuf {
        directory(&self.root, key).join(blob.as_str())
    }

    fn remove_blob(&self, key: &FileKey, blob: &str) -> io::Result<()> {
        let directory = directory(&self.root, key);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entries) = if_there(fs::read_dir(&directory))? else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let (stem, variant) =
                name.to_str().map(|name| name.split_once('.').unwrap_or((name, ""))).unwrap_or_default();
            if stem != blob {
                continue;
            }
            let size = entry.metadata()?.len();
            if_there(fs::remove_file(entry.path()))?;
            if variant.is_empty()
                && let Some(bytes) = used.get_mut(&key.owner)
            {
                *bytes = bytes.saturating_sub(size);
            }
        }
        // Fails while other blobs are in there, which is right.
        let _ = fs::remove_dir(&directory);
        let _ = directory.parent().map(fs::remove_dir);
        if used.get(&key.owner) == Some(&0) {
            used.remove(&key.owner);
        }
        Ok(())
    }

    /// Every main blob that is kept.
    fn each(&self, mut visit: impl FnMut(Kept)) -> io::Result<()> {
        for owner in fs::read_dir(&self.root)? {
            let owner = owner?;
            let Some(key) = named::<PubkyId>(&owner) else { continue };
            for file in fs::read_dir(owner.path())? {
                let file = file?;
                let Some(id) = named(&file) else { continue };
                let mut blobs = Vec::new();
                each_blob(&file.path(), |blob, metadata| blobs.push((blob, metadata.len(), metadata.modified())))?;
                for (blob, size, modified) in blobs {
                    visit(Kept { key: FileKey { owner: key, id }, blob, size, modified: modified? });
                }
            }
        }
        Ok(())
    }
}

/// Makes the names of what lies at `place` durable, up to the root. What was removed meanwhile has none.
fn make_durable(place: &Path, root: &Path) -> io::Result<()> {
    for level in place.ancestors().skip(1).take_while(|level| level.starts_with(root)) {
        if let Some(directory) = if_there(fs::File::open(level))? {
            directory.sync_all()?;
        }
    }
    Ok(())
}

struct Kept {
    key: FileKey,
    blob: HashId,
    size: u64,
    modified: SystemTime,
}

fn named<T: std::str::FromStr>(entry: &fs::DirEntry) -> Option<T> {
    entry.file_name().to_str()?.parse().ok()
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Arriving {
    /// Takes the next piece.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece).await?;
        self.hash.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// How many bytes have arrived.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The id of a blob with these bytes. Everything is handed to the system by then.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn id(&mut self) -> io::Result<HashId> {
        self.file.flush().await?;
        Ok(HashId::of_hash(self.hash.finalize().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo";

    fn row(blob: &HashId) -> FileRow {
        FileRow {
            key: FileKey { owner: OWNER.parse().unwrap(), id: "0034A0X7NJ52A".parse().unwrap() },
            name: "x".into(),
            created_at: 0,
            src: format!("pubky://{OWNER}/pub/pubky.app/blobs/{blob}"),
            content_type: "image/png".into(),
            size: 1,
            indexed_at: nexus_model::Timestamp::default(),
            hash: None,
        }
    }

    async fn arrive(blobs: &Blobs, bytes: &[u8]) -> (Arriving, HashId) {
        let mut arriving = blobs.receive().await.unwrap();
        for piece in bytes.chunks(3) {
            arriving.write(piece).await.unwrap();
        }
        let id = arriving.id().await.unwrap();
        (arriving, id)
    }

    fn files_below(root: &Path) -> usize {
        let count = |entry: fs::DirEntry| match entry.file_type().unwrap().is_dir() {
            true => files_below(&entry.path()),
            false => 1,
        };
        fs::read_dir(root).unwrap().map(|entry| count(entry.unwrap())).sum()
    }

    #[tokio::test]
    async fn bytes_are_kept_counted_and_removed_with_their_variants() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path(), 100).unwrap();
        let (arrived, id) = arrive(&blobs, b"hello blob").await;
        assert_eq!(id, HashId::of_hash(blake3::hash(b"hello blob").as_bytes()));
        let row = row(&id);
        let place = blobs.keep(&row.key, &id, arrived).await.unwrap().unwrap();
        assert_eq!((Some(&place), fs::read(&place).unwrap()), (blobs.main(&row).as_ref(), b"hello blob".to_vec()));
        fs::write(blobs.variant(&row, "small").unwrap(), b"tiny").unwrap();
        assert_eq!(blobs.used(&row.key.owner), 10);
        assert_eq!(Blobs::open(root.path(), 100).unwrap().used(&row.key.owner), 10, "counted again at start");
        blobs.remove(&row).unwrap();
        blobs.remove(&row).unwrap();
        assert_eq!((blobs.used(&row.key.owner), files_below(root.path())), (0, 0));
    }

    #[tokio::test]
    async fn a_full_quota_keeps_nothing_more_and_replacing_is_not_adding() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path(), 12).unwrap();
        for _ in 0..3 {
            let (arrived, id) = arrive(&blobs, b"0123456789").await;
            assert!(blobs.keep(&row(&id).key, &id, arrived).await.unwrap().is_some());
        }
        let (arrived, id) = arrive(&blobs, b"abc").await;
        assert!(blobs.keep(&row(&id).key, &id, arrived).await.unwrap().is_none());
        assert_eq!((blobs.used(&OWNER.parse().unwrap()), files_below(root.path())), (10, 1));
    }

    #[tokio::test]
    async fn what_arrives_twice_at_once_is_counted_once() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path(), 15).unwrap();
        let ((one, id), (other, _)) = (arrive(&blobs, b"0123456789").await, arrive(&blobs, b"0123456789").await);
        let key = row(&id).key;
        let (one, other) = tokio::join!(blobs.keep(&key, &id, one), blobs.keep(&key, &id, other));
        assert!(one.unwrap().is_some() && other.unwrap().is_some(), "there is room for one, and it is one");
        assert_eq!((blobs.used(&key.owner), files_below(root.path())), (10, 1));
        blobs.remove(&row(&id)).unwrap();
        assert_eq!((blobs.used(&key.owner), files_below(root.path())), (0, 0));
    }

    #[tokio::test]
    async fn what_no_row_names_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path(), 100).unwrap();
        let (arrived, named) = arrive(&blobs, b"named").await;
        blobs.keep(&row(&named).key, &named, arrived).await.unwrap();
        let (arrived, orphan) = arrive(&blobs, b"orphan").await;
        blobs.keep(&row(&orphan).key, &orphan, arrived).await.unwrap();
        assert_eq!(blobs.sweep(Duration::from_secs(3600), |_, _| false).unwrap(), 0, "too young");
        assert_eq!(blobs.sweep(Duration::ZERO, |_, blob| *blob == named).unwrap(), 1);
        assert!(blobs.main(&row(&named)).unwrap().exists());
        assert!(!blobs.main(&row(&orphan)).unwrap().exists());
    }

    #[tokio::test]
    async fn bytes_that_never_finish_leave_nothing() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path(), 100).unwrap();
        drop(arrive(&blobs, b"half").await);
        assert_eq!(files_below(root.path()), 0);
    }
}
