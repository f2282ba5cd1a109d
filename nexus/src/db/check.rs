//! `nexus db check`: everything that a service has on disk, looked at without changing it. What is derived is made
//! anew at the next start; what is not is told with its name.

use crate::{
    failure::{Exit, Failure, Outcome, told},
    relay,
    settings::{Service, Settings},
    social::open_store,
    sync,
};
use nexus_pubky::PubkyId;
use nexus_social::{
    row::FileRow,
    store::{Store as _, Stored},
};
use nexus_social_server::blobs::{Fault, fault, used};
use nexus_tantivy::TextIndex;
use std::collections::HashMap;

/// Files that are named one by one; of more, the number is told.
const NAMED: usize = 10;

pub(super) fn run(settings: &Settings, service: Service) -> Outcome {
    super::pending(settings, service)?;
    if !super::database(settings, service).exists() {
        return Ok(());
    }
    let found = match service {
        Service::Social => social(settings)?,
        Service::Sync => sync::open_store(settings)?.check()?,
        Service::Relay => relay::check(settings)?,
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
        let (path, told) = (settings.full_text(), told(&error));
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
        Err(error) => found.push(format!("the rows can't be read: {}", told(&error))),
    }
    Ok(found)
}

/// What is wrong with the bytes of files. Those for which their owner had no room are no finding.
fn blobs(settings: &Settings, files: &[FileRow]) -> Outcome<Vec<String>> {
    let (root, quota) = (settings.files(), settings.social.blob_quota.get());
    let (mut missing, mut damaged) = (Vec::new(), Vec::new());
    let mut taken: HashMap<PubkyId, u64> = HashMap::new();
    for file in files {
        match fault(&root, file)? {
            None => {}
            Some(Fault::Damaged) => damaged.push(&file.key),
            Some(Fault::Missing) => {
                let owner = file.key.owner;
                let taken = match taken.get(&owner) {
                    Some(taken) => *taken,
                    None => *taken.entry(owner).or_insert(used(&root, &owner)?),
                };
                let size = file.size;
                missing.extend((taken.saturating_add(size) <= quota).then_some(&file.key));
            }
        }
    }
    let tell = |keys: &[&nexus_social::row::FileKey], what: &str| {
        let named =
            keys.iter().take(NAMED).map(|key| format!("pubky://{}/pub/pubky.app/files/{} {what}", key.owner, key.id));
        let more = keys.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("{more} more files {what}"));
        named.chain(more).collect::<Vec<_>>()
    };
    let found = tell(&missing, "has no bytes here, though there was room: lost, or imported without them");
    Ok(found.into_iter().chain(tell(&damaged, "has other bytes here than its id says")).collect())
}
