//! Where lines of an export or import lie: in a file, or on standard input or output.

use crate::failure::{Exit, Failure, Outcome};
use std::{fs::File, io, path::Path};

/// True if `path` means standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file to read from.
pub(crate) fn open(path: &Path) -> Outcome<File> {
    File::open(path).map_err(|error| cannot("read", path, &error))
}

/// A file to write to. What it held is gone.
pub(crate) fn create(path: &Path) -> Outcome<File> {
    File::create(path).map_err(|error| cannot("written", path, &error))
}

fn cannot(be: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} can't be {be}: {error}", path.display()))
}
