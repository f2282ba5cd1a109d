//! `nexus db check`: everything that a service has on disk, looked at without changing it. What is derived is made
//! anew at the next start; what is not is told with its name.

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

pub(super) fn run(settings: &Settings, service: Service) -> Outcome {
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
        Service::Social => social(settings)?,
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

fn social(settings: &Settings) -> Outcome<Vec<String>> {
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
        Ok(_) => found.extend(blobs(settings, &files)?),
        Err(error) => found.push(format!("the rows can't be read: {}", nexus_runtime::told(&error))),
    }
    Ok(found)
}

/// Bytes of files that are not what they should be. Those that are not there are told, and are no finding: an import
/// brings none.
fn blobs(settings: &Settings, files: &[FileRow]) -> Outcome<Vec<String>> {
    let (root, quota) = (settings.files(), settings.social.blob_quota.get());
    let (mut missing, mut damaged) = (Vec::new(), Vec::new());
    for file in files {
        match fault(&root, file)? {
            None => {}
            Some(Fault::Damaged) => damaged.push(&file.key),
            // Where the owner's room was full, they were never kept.
            Some(Fault::Missing) if used(&root, &file.key.owner)?.saturating_add(file.size) > quota => {}
            Some(Fault::Missing) => missing.push(&file.key),
        }
    }
    for line in named(&missing, "has no bytes here, though there is room: imported without them, or lost") {
        println!("note: {line}");
    }
    Ok(named(&damaged, "has other bytes here than its id says"))
}

/// A line for each of the first files, and one for the others.
fn named(keys: &[&FileKey], what: &str) -> Vec<String> {
    let uri = |key: &&FileKey| format!("pubky://{}/pub/pubky.app/files/{} {what}", key.owner, key.id);
    let more = keys.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more: each {what}"));
    keys.iter().take(NAMED).map(uri).chain(more).collect()
}
