//! The folder of run files. Their names say which positions they cover, and that is all that is kept about them:
//! those that follow each other from the first position on are the index, the others are removed.

use super::{
    file::{FileRun, RunWriter, StoreId},
    run::Run,
};
use crate::{Error, Result};
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

/// The positions that a file's name tells.
fn positions(path: &Path) -> Option<(u64, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let (first, last) = name.split_once('-')?;
    Some((u64::from_str_radix(first, 16).ok()?, u64::from_str_radix(last, 16).ok()?))
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::file(path))
}
