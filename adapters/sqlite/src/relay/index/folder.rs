//! The folder of run files. Their names say which positions they cover, and that is all that is kept about them:
//! those that follow each other from the first position on are the index, the others are removed.

use super::{
    file::{FileRun, RunWriter, StoreId},
    run::Run,
    snapshot::Snapshot,
};
use crate::{Error, Result};
use roaring::RoaringTreemap;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const EXTENSION: &str = "run";

/// Where the runs of one store are.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    store: StoreId,
}

impl Folder {
    /// The folder at `path`, which is made if there is none.
    pub(super) fn open(path: PathBuf, store: StoreId) -> Result<Self> {
        std::fs::create_dir_all(&path).map_err(Error::file(&path))?;
        Ok(Self { path, store })
    }

    /// The runs that cover all positions from the first on without a gap, and none after `last`. Whatever else is
    /// in the folder is removed: files that were merged into others, files that weren't finished, and all files if
    /// they say more than the store knows.
    pub(super) fn load(&self, last: u64) -> Result<Vec<Arc<Run>>> {
        let mut files = self.files()?;
        files.sort_unstable_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
        let mut runs: Vec<Arc<Run>> = Vec::new();
        for (first, upto, path) in &files {
            let next = runs.last().map_or(1, |run: &Arc<Run>| run.last + 1);
            if *first == next
                && let Some(file) = FileRun::open(path, &self.store, *first, *upto)?
            {
                runs.push(Arc::new(Run::in_file(*first, *upto, file)));
            }
        }
        if runs.last().is_some_and(|run| run.last > last) {
            runs.clear();
        }
        let is_used = |path: &Path| runs.iter().filter_map(|run| run.file()).any(|file| file.path() == path);
        files.iter().filter(|(.., path)| !is_used(path)).try_for_each(|(.., path)| remove(path))?;
        Ok(runs)
    }

    /// Writes a run for the positions from `first` to `last`, with what `fill` pushes.
    pub(super) fn write(
        &self,
        first: u64,
        last: u64,
        fill: impl FnOnce(&mut RunWriter) -> Result<()>,
    ) -> Result<Arc<Run>> {
        let path = self.path.join(format!("{first:016x}-{last:016x}.{EXTENSION}"));
        let mut writer = RunWriter::begin(path.with_added_extension("partial"))?;
        fill(&mut writer)?;
        writer.finish(&path, &self.store, first, last)?;
        let file = FileRun::open(&path, &self.store, first, last)?;
        let file = file.ok_or_else(|| Error::Damaged(format!("{} isn't what was written", path.display())))?;
        Ok(Arc::new(Run::in_file(first, last, file)))
    }

    /// Bytes of all files. One that goes meanwhile counts as nothing.
    pub(super) fn size(&self) -> Result<u64> {
        let files = std::fs::read_dir(&self.path).map_err(Error::file(&self.path))?;
        Ok(files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum())
    }

    /// Each run file with the positions that its name tells. What wasn't finished is removed.
    fn files(&self) -> Result<Vec<(u64, u64, PathBuf)>> {
        let mut files = Vec::new();
        for file in std::fs::read_dir(&self.path).map_err(Error::file(&self.path))? {
            let path = file.map_err(Error::file(&self.path))?.path();
            match positions(&path) {
                Some((first, last)) => files.push((first, last, path)),
                None if path.extension().is_some_and(|extension| extension == "partial") => remove(&path)?,
                None => {}
            }
        }
        Ok(files)
    }
}

/// What lies in a folder, looked at without changing it.
#[derive(Debug)]
pub(in crate::relay) struct Survey {
    /// The names of all run files, in order.
    pub(in crate::relay) names: Vec<PathBuf>,
    /// The position up to which files follow each other from the first on.
    pub(in crate::relay) upto: u64,
    /// What keeps files from being used.
    pub(in crate::relay) faults: Vec<String>,
    runs: Vec<Arc<Run>>,
}

impl Survey {
    /// The index as far as it is in files, without the entries of `dead`.
    pub(in crate::relay) fn snapshot(&self, dead: RoaringTreemap) -> Snapshot {
        Snapshot { runs: self.runs.clone(), dead: Arc::new(dead), last: self.upto }
    }
}

/// Looks at the folder at `path` of the store of that name, which may be in use. A folder that isn't there has nothing.
pub(in crate::relay) fn survey(path: &Path, store: &StoreId) -> Result<Survey> {
    let mut survey = Survey { names: Vec::new(), upto: 0, faults: Vec::new(), runs: Vec::new() };
    let mut files = Vec::new();
    let listed = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(survey),
        listed => listed.map_err(Error::file(path))?,
    };
    for file in listed {
        let path = file.map_err(Error::file(path))?.path();
        files.extend(positions(&path).map(|(first, last)| (first, std::cmp::Reverse(last), path)));
    }
    files.sort_unstable();
    for (first, std::cmp::Reverse(last), path) in files {
        survey.add(first, last, &path, store)?;
        survey.names.push(path);
    }
    Ok(survey)
}

impl Survey {
    /// Adds a file, if it goes on where the others end. One that others stand for was merged into them.
    fn add(&mut self, first: u64, last: u64, path: &Path, store: &StoreId) -> Result<()> {
        if first > self.upto + 1 {
            self.faults.push(format!("no file has the positions from {} to {}", self.upto + 1, first - 1));
        }
        if first <= self.upto {
            return Ok(());
        }
        match FileRun::open(path, store, first, last) {
            Ok(Some(file)) if first == self.upto + 1 => {
                self.runs.push(Arc::new(Run::in_file(first, last, file)));
                self.upto = last;
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                self.faults.push(format!("{} is not whole, of another version, or another store's", path.display()))
            }
            // It was merged into another meanwhile.
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The positions that a file's name tells.
fn positions(path: &Path) -> Option<(u64, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let (first, last) = name.split_once('-')?;
    Some((u64::from_str_radix(first, 16).ok()?, u64::from_str_radix(last, 16).ok()?))
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::index::entry::Entry;

    const STORE: StoreId = [7; 16];

    fn folder(at: &tempfile::TempDir) -> Folder {
        Folder::open(at.path().join("index"), STORE).unwrap()
    }

    fn write(folder: &Folder, first: u64, last: u64) -> Arc<Run> {
        let entries = (first..=last).map(|seq| Entry::first_of(0, u64::MAX - seq).at(seq));
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort_unstable();
        let fill = |out: &mut RunWriter| {
            entries.iter().try_for_each(|entry| out.push(entry))?;
            out.push_ids(&ids(first, last))
        };
        folder.write(first, last, fill).unwrap()
    }

    /// An id for each position, which begins with it.
    fn ids(first: u64, last: u64) -> Vec<[u8; 32]> {
        let id = |seq: u64| std::array::from_fn(|at| seq.to_be_bytes().get(at).copied().unwrap_or(1));
        (first..=last).map(id).collect()
    }

    fn covered(folder: &Folder, last: u64) -> Vec<(u64, u64)> {
        folder.load(last).unwrap().iter().map(|run| (run.first, run.last)).collect()
    }

    fn names(folder: &Folder) -> usize {
        std::fs::read_dir(&folder.path).unwrap().count()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let at = tempfile::tempdir().unwrap();
        let folder = folder(&at);
        write(&folder, 1, 1_000);
        let run = &folder.load(1_000).unwrap()[0];
        let mut entries = Vec::new();
        run.read(0, 2_000, &mut entries).unwrap();
        assert_eq!(entries.len(), 1_000);
        assert!(entries.is_sorted() && entries.iter().all(|entry| (1..=1_000).contains(&entry.seq())));
        let mut read = Vec::new();
        run.read_ids(17, 900, &mut read).unwrap();
        assert_eq!(read, ids(17, 900));
    }

    #[test]
    fn what_was_merged_before_a_crash_is_removed_after_it() {
        let at = tempfile::tempdir().unwrap();
        let folder = folder(&at);
        for (first, last) in [(1, 10), (11, 20), (21, 30), (11, 30)] {
            write(&folder, first, last);
        }
        assert_eq!(covered(&folder, 30), [(1, 10), (11, 30)]);
        assert_eq!(names(&folder), 2);
    }

    #[test]
    fn after_a_gap_nothing_is_used() {
        let at = tempfile::tempdir().unwrap();
        let folder = folder(&at);
        write(&folder, 1, 10);
        write(&folder, 12, 20);
        assert_eq!(covered(&folder, 30), [(1, 10)]);
        assert_eq!(names(&folder), 1);
    }

    #[test]
    fn files_that_know_more_than_the_store_are_of_another_time() {
        let at = tempfile::tempdir().unwrap();
        let folder = folder(&at);
        write(&folder, 1, 10);
        write(&folder, 11, 20);
        assert_eq!(covered(&folder, 19), []);
        assert_eq!(names(&folder), 0);
    }

    #[test]
    fn files_that_are_not_whole_or_anothers_are_not_used() {
        for spoil in [truncate, flip, rename, make_anothers] {
            let at = tempfile::tempdir().unwrap();
            let folder = folder(&at);
            write(&folder, 1, 10);
            let run = write(&folder, 11, 400);
            spoil(&folder, run.file().unwrap().path());
            assert_eq!(covered(&folder, 400), [(1, 10)]);
        }
    }

    fn truncate(_: &Folder, path: &Path) {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }

    fn flip(_: &Folder, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        let place = bytes.len() - 40;
        bytes[place] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn rename(_: &Folder, path: &Path) {
        std::fs::rename(path, path.with_extension("run.partial")).unwrap();
    }

    fn make_anothers(folder: &Folder, _: &Path) {
        write(&Folder { path: folder.path.clone(), store: [8; 16] }, 11, 400);
    }

    #[test]
    fn lists_are_found_across_blocks() {
        let at = tempfile::tempdir().unwrap();
        let folder = folder(&at);
        let mut entries: Vec<Entry> = (0..5_u64)
            .flat_map(|key| (0..300).map(move |age| Entry::first_of(key, age * 2).at(key * 300 + age + 1)))
            .collect();
        entries.sort_unstable();
        let fill = |out: &mut RunWriter| {
            entries.iter().try_for_each(|entry| out.push(entry))?;
            out.push_ids(&ids(1, 1_500))
        };
        let file = folder.write(1, 1_500, fill).unwrap();
        let memory = Run::in_memory(1, 1_500, entries.clone(), ids(1, 1_500));
        for key in 0..6 {
            for (from, to) in [(0, u64::MAX), (0, 0), (1, 1), (77, 301), (250, 10_000), (600, 601)] {
                let stretch = crate::relay::index::run::Stretch { key, from, to };
                let expected: Vec<Entry> = entries
                    .iter()
                    .filter(|entry| entry.key == key && (from..=to).contains(&entry.age))
                    .copied()
                    .collect();
                for run in [&*file, &memory] {
                    let mut read = Vec::new();
                    let mut next = run.find(&stretch, &mut read).unwrap();
                    let mut found = read.clone();
                    while let Some(index) = next {
                        next = run.follow(index, &stretch, &mut read).unwrap();
                        found.extend(&read);
                    }
                    assert_eq!(found, expected, "{stretch:?}");
                    assert!(run.estimate(&stretch).unwrap().abs_diff(expected.len()) <= 128, "{stretch:?}");
                }
            }
        }
    }
}
