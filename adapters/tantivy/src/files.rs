//! The directory: opening what is sound, emptying what isn't, committing, and rewriting what holds deleted words.

use crate::{
    Options,
    schema::{Fields, VERSION, register_tokenizer, schema},
    words::Words,
};
use nexus_model::Seq;
use nexus_social::search::TextChange;
use std::{
    fs, io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyError, directory::error::OpenDirectoryError,
    schema::Schema,
};

/// Rounds of rewriting before `compact` gives way to merges that run beside it.
const MAX_ROUNDS: u32 = 600;
/// Pause between such rounds.
const ROUND: Duration = Duration::from_millis(50);

/// An open index with its one writer.
pub(crate) struct Directory {
    index: Index,
    fields: Fields,
    reader: IndexReader,
    words: Words,
    writer: Mutex<IndexWriter>,
}

impl Directory {
    pub(crate) fn open(path: &Path, options: &Options) -> tantivy::Result<Self> {
        fs::create_dir_all(path)?;
        match unbroken(|| Self::open_sound(path, options)) {
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, path = %path.display(), "the full-text index can't be used and is built again");
                empty(path)?;
                Self::open_sound(path, options)
            }
            opened => opened,
        }
    }

    /// Looks at what is in a directory, and changes nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn examine(path: &Path) -> tantivy::Result<()> {
        let is_new = !path.exists() || fs::read_dir(path)?.next().is_none();
        if is_new {
            return Ok(());
        }
        unbroken(|| {
            let index = Index::open_in_dir(path)?;
            examine(&index, &schema().0)?;
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map(|_: IndexReader| ())
        })
    }

    fn open_sound(path: &Path, options: &Options) -> tantivy::Result<Self> {
        let (schema, fields) = schema();
        let is_new = fs::read_dir(path)?.next().is_none();
        let index = if is_new { Index::create_in_dir(path, schema.clone())? } else { Index::open_in_dir(path)? };
        examine(&index, &schema)?;
        let writer = index.writer_with_num_threads(options.threads, options.memory)?;
        let reader: IndexReader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let words = Words::new(fields.text, options.dictionary);
        words.follow(&reader.searcher())?;
        Ok(Self { index, fields, reader, words, writer: Mutex::new(writer) })
    }

    pub(crate) const fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    pub(crate) const fn words(&self) -> &Words {
        &self.words
    }

    pub(crate) fn cursor(&self) -> tantivy::Result<Seq> {
        read_cursor(&self.index)
    }

    pub(crate) fn commit(&self, changes: &[TextChange], cursor: Seq) -> tantivy::Result<()> {
        let mut writer = self.writer();
        let committed = self.write(&mut writer, changes).and_then(|()| seal(&mut writer, cursor));
        if let Err(error) = committed {
            writer.rollback()?;
            return Err(error);
        }
        self.reader.reload()?;
        self.words.follow(&self.reader.searcher())
    }

    pub(crate) fn clear(&self) -> tantivy::Result<()> {
        let mut writer = self.writer();
        writer.delete_all_documents()?;
        seal(&mut writer, Seq::START)?;
        self.reader.reload()?;
        self.words.renew(&self.reader.searcher())?;
        writer.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Rewrites every segment that hides deleted posts, and removes the files of the old ones.
    pub(crate) fn compact(&self) -> tantivy::Result<()> {
        let mut writer = self.writer();
        for _ in 0..MAX_ROUNDS {
            let segments = self.index.searchable_segment_metas()?;
            let stale: Vec<_> = segments.iter().filter(|segment| segment.has_deletes()).collect();
            if stale.is_empty() {
                break;
            }
            for segment in stale {
                // Fails while a merge of the same segment runs already; the next round sees what came of it.
                if let Err(error) = writer.merge(&[segment.id()]).wait() {
                    tracing::debug!(%error, "a segment is being merged already");
                    std::thread::sleep(ROUND);
                }
            }
        }
        self.reader.reload()?;
        self.words.renew(&self.reader.searcher())?;
        writer.garbage_collect_files().wait()?;
        Ok(())
    }

    fn write(&self, writer: &mut IndexWriter, changes: &[TextChange]) -> tantivy::Result<()> {
        for change in changes {
            match change {
                TextChange::Put(post) => {
                    writer.delete_term(self.fields.key_term(&post.key));
                    writer.add_document(self.fields.document(post))?;
                }
                TextChange::Remove(key) => {
                    writer.delete_term(self.fields.key_term(key));
                }
            }
        }
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, IndexWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Does `work` on files that may be torn: over one that is shorter than its own footer the library panics, which is
/// damage like any other.
fn unbroken<T>(work: impl FnOnce() -> tantivy::Result<T>) -> tantivy::Result<T> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    outcome.unwrap_or_else(|_| Err(unusable("a file is torn")))
}

/// What it takes to be sound.
fn examine(index: &Index, schema: &Schema) -> tantivy::Result<()> {
    if index.schema() != *schema {
        return Err(TantivyError::SchemaError("written by another version".to_owned()));
    }
    register_tokenizer(index);
    check_files(index)?;
    read_cursor(index).map(drop)
}

/// Makes what was written durable, together with `cursor`.
fn seal(writer: &mut IndexWriter, cursor: Seq) -> tantivy::Result<()> {
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&format!("{VERSION} {cursor}"));
    commit.commit()?;
    Ok(())
}

fn read_cursor(index: &Index) -> tantivy::Result<Seq> {
    let meta = index.load_metas()?;
    let Some(payload) = meta.payload else {
        let is_empty = meta.segments.is_empty();
        return is_empty.then_some(Seq::START).ok_or_else(|| unusable("it has no cursor"));
    };
    let cursor = payload.split_once(' ').filter(|(version, _)| *version == VERSION.to_string());
    let number = cursor.and_then(|(_, cursor)| cursor.parse().ok());
    number.map(Seq::new).ok_or_else(|| unusable("written by another version"))
}

fn check_files(index: &Index) -> tantivy::Result<()> {
    let damaged = index.validate_checksum()?;
    let Some(file) = damaged.iter().next() else { return Ok(()) };
    Err(unusable(&format!("{} has changed since it was written", file.display())))
}

fn unusable(why: &str) -> TantivyError {
    TantivyError::DataCorruption(tantivy::error::DataCorruption::comment_only(why.to_owned()))
}

/// True if emptying the directory helps. A lock that another process holds, or a disk that fails, is no damage.
fn is_damage(error: &TantivyError) -> bool {
    match error {
        TantivyError::LockFailure(..) | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError { .. }) => false,
        TantivyError::IoError(error) => is_broken_content(error.kind()),
        _ => true,
    }
}

fn is_broken_content(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
}

fn empty(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
