//! What static files ask of the index.

use nexus_pubky::PubkyId;
use nexus_social::{
    index::Published,
    read::Read,
    row::{FileKey, FileRow},
};

/// What is known of files.
pub trait Catalogue: Send + Sync {
    /// A file.
    fn file(&self, key: &FileKey) -> Option<FileRow>;
    /// The picture in a user's profile; the inner `None` for a user who has none.
    fn picture(&self, user: &PubkyId) -> Option<Option<String>>;
}

impl Catalogue for Published {
    fn file(&self, key: &FileKey) -> Option<FileRow> {
        self.read().file_row(key).cloned()
    }

    fn picture(&self, user: &PubkyId) -> Option<Option<String>> {
        self.read().user(user).map(|details| details.image)
    }
}
