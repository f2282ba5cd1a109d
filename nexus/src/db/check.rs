//! `nexus db check`: everything that a service has on disk, looked at without changing it. What is derived is made
//! anew at the next start; what is not is told with its name. Bytes of files can be had again.

use super::refetch;
use crate::{
    failure::{Exit, Failure, Outcome},
    relay,
    settings::{Service, Settings},
    social::open_store,
    sync,
};
use nexus_social::{
    row::{FileKey, FileRow},
    store::{Store as _, Stored},
};
use nexus_social_server::blobs::{Fault, fault, used};
use nexus_tantivy::TextIndex;

/// Files that are named one by one; of more, the number is told.
const NAMED: usize = 10;

/// What becomes of files whose bytes are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// They are told.
    Told,
    /// And fetched again.
    Refetched,
}

pub(super) fn run(settings: &Settings, service: Service, lost: Lost) -> Outcome {
    let exists = super::database(settings, service).exists();
    if service == Service::Relay && exists {
        // Whether a damaged file has this program's schema can't be told.
        relay::check(settings)?;
        return super::pending(settings, service);
    }
    super::pending(settings, service)?;
    if !exists {
        return Ok(());
    }
    let found = match service {
        Service::Social => social(settings, lost)?,
        Service::Sync => sync::open_store(settings)?.check()?,
        Service::Relay => Vec::new(),
    };
    for finding in &found {
        println!("{finding}");
    }
    match found.len() {
        0 => {
            println!("nothing is wrong with it");
            Ok(())
        }
        1 => Err(Failure::new(Exit::Failed, "one thing is wrong with the database")),
        count => Err(Failure::new(Exit::Failed, format!("{count} things are wrong with the database"))),
    }
}

fn social(settings: &Settings, lost: Lost) -> Outcome<Vec<String>> {
    let store = open_store(settings)?;
    let mut found = store.check()?;
    if let Err(error) = TextIndex::examine(&settings.full_text()) {
        let (path, told) = (settings.full_text(), nexus_runtime::told(&error));
        found.push(format!("{}: {told}; the next start builds it anew", path.display()));
    }
    let mut files = Vec::new();
    let loaded = store.load(&mut |row| {
        if let Stored::File(row) = row {
            files.push(row);
        }
    });
    match loaded {
        Ok(_) => {
            let bytes = Bytes::look_at(settings, &files)?;
            found.extend(bytes.told());
            if lost == Lost::Refetched {
                refetch::ask(settings, &*store, &bytes.lost())?;
            }
        }
        Err(error) => found.push(format!("the rows can't be read: {}", nexus_runtime::told(&error))),
    }
    Ok(found)
}

/// Files whose bytes are not what they should be.
#[derive(Default)]
struct Bytes {
    missing: Vec<FileKey>,
    damaged: Vec<FileKey>,
}

impl Bytes {
    fn look_at(settings: &Settings, files: &[FileRow]) -> Outcome<Self> {
        let (root, quota) = (settings.files(), settings.social.blob_quota.get());
        let mut bytes = Self::default();
        for file in files {
            match fault(&root, file)? {
                None => {}
                Some(Fault::Damaged) => bytes.damaged.push(file.key),
                // Where the owner's room was full, they were never kept.
                Some(Fault::Missing) if used(&root, &file.key.owner)?.saturating_add(file.size) > quota => {}
                Some(Fault::Missing) => bytes.missing.push(file.key),
            }
        }
        Ok(bytes)
    }

    /// What is wrong. Those that are not there are noted, and are no finding: an import brings none.
    fn told(&self) -> Vec<String> {
        for line in named(&self.missing, "has no bytes here, though there is room: imported without them, or lost") {
            println!("note: {line}");
        }
        named(&self.damaged, "has other bytes here than its id says")
    }

    fn lost(&self) -> Vec<FileKey> {
        [&*self.missing, &self.damaged].concat()
    }
}

/// A line for each of the first files, and one for the others.
fn named(keys: &[FileKey], what: &str) -> Vec<String> {
    let uri = |key: &FileKey| format!("pubky://{}/pub/pubky.app/files/{} {what}", key.owner, key.id);
    let more = keys.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more: each {what}"));
    keys.iter().take(NAMED).map(uri).chain(more).collect()
}
