//! The social service's file.

use nexus_social::store::suite;
use nexus_sqlite::social::SocialStore;
use std::{cell::RefCell, path::PathBuf};
use tempfile::TempDir;

/// Folders that are removed when the test ends.
#[derive(Default)]
struct Folders(RefCell<Vec<TempDir>>);

impl Folders {
    fn file(&self) -> PathBuf {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.db");
        self.0.borrow_mut().push(folder);
        path
    }
}

#[test]
fn the_file_passes_the_suite() {
    let folders = Folders::default();
    suite::run(|| SocialStore::open(&folders.file()).unwrap());
}
