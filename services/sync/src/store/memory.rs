//! A store in memory: for tests, and to say in few words what a store does.

use super::{Counts, Error, Result, SetAside, Store, StoredEvent, Transaction, value};
use crate::effects::{BufferChange, Effects, FORGOTTEN, RowChange, WholeIndex};
use crate::identity::{Found, Identity};
use crate::repo::{Name, Repo, RepoId};
use nexus_atproto::{Cid, Did, RepoCommit};
use nexus_model::{Seq, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// Everything in maps. What is committed is copied for each transaction: right, not fast.
#[derive(Debug, Default)]
pub struct Memory {
    committed: RwLock<Tables>,
    writer: Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Tables {
    last_repo: u64,
    last: u64,
    oldest: u64,
    repos: BTreeMap<Did, Repo>,
    records: BTreeMap<(RepoId, String, String), Cid>,
    buffers: BTreeMap<RepoId, Vec<Arc<RepoCommit>>>,
    events: BTreeMap<u64, StoredEvent>,
    channels: BTreeMap<String, Vec<u8>>,
    cursors: BTreeMap<String, String>,
    identities: BTreeMap<Did, Identity>,
}

struct Open<'m> {
    memory: &'m Memory,
    tables: Tables,
    _writer: MutexGuard<'m, ()>,
}

fn poisoned<T>(_: T) -> Error {
    Error::Damaged { what: "a writer panicked".into() }
}

impl Memory {
    fn look<T>(&self, read: impl FnOnce(&Tables) -> T) -> Result<T> {
        Ok(read(&*self.committed.read().map_err(poisoned)?))
    }
}

impl Store for Memory {
    fn begin(&self) -> Result<Box<dyn Transaction + '_>> {
        let writer = self.writer.lock().map_err(poisoned)?;
        Ok(Box::new(Open { memory: self, tables: self.look(Clone::clone)?, _writer: writer }))
    }

    fn repo(&self, did: &Did) -> Result<Option<Repo>> {
        self.look(|tables| tables.repos.get(did).cloned())
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Repo>> {
        self.look(|tables| {
            let mut due: Vec<_> = tables.repos.values().filter(|repo| repo.is_due(now)).cloned().collect();
            due.sort_by_key(|repo| (repo.urgency(), repo.id));
            due.truncate(limit);
            due
        })
    }

    fn repos(&self, after: RepoId, limit: usize) -> Result<Vec<Repo>> {
        self.look(|tables| {
            let mut repos: Vec<_> = tables.repos.values().filter(|repo| repo.id > after).cloned().collect();
            repos.sort_by_key(|repo| repo.id);
            repos.truncate(limit);
            repos
        })
    }

    fn counts(&self) -> Result<Counts> {
        self.look(|tables| Counts {
            repos: tables.repos.len() as u64,
            records: tables.records.len() as u64,
            events: tables.events.len() as u64,
            event_bytes: tables.events.values().map(|event| event.body.len() as u64).sum(),
            buffered: tables.buffers.values().map(Vec::len).sum::<usize>() as u64,
        })
    }

    fn record_count(&self, repo: RepoId) -> Result<u64> {
        self.look(|tables| tables.records.keys().filter(|(id, ..)| *id == repo).count() as u64)
    }

    fn collections(&self, repo: RepoId) -> Result<Vec<String>> {
        self.look(|tables| {
            let all = tables.records.keys().filter(|(id, ..)| *id == repo);
            let mut collections: Vec<_> = all.map(|(_, collection, _)| collection.clone()).collect();
            collections.dedup();
            collections
        })
    }

    fn records(&self, repo: RepoId, collection: &str, after: &str, limit: usize) -> Result<Vec<(String, Cid)>> {
        self.look(|tables| {
            let from = (repo, collection.to_owned(), after.to_owned());
            let all = tables.records.range(from..).filter(|((.., rkey), _)| rkey.as_str() > after);
            let own = all.take_while(|((id, name, _), _)| *id == repo && name == collection);
            own.take(limit).map(|((.., rkey), cid)| (rkey.clone(), *cid)).collect()
        })
    }

    fn last(&self) -> Result<Seq> {
        self.look(|tables| Seq::new(tables.last))
    }

    fn oldest(&self) -> Result<Seq> {
        self.look(|tables| Seq::new(tables.oldest))
    }

    fn events(&self, after: Seq, limit: usize) -> Result<Vec<StoredEvent>> {
        self.look(|tables| tables.events.range(after.get() + 1..).take(limit).map(|(_, event)| event.clone()).collect())
    }

    fn events_of(&self, did: &Did, after: Seq, limit: usize) -> Result<Vec<StoredEvent>> {
        self.look(|tables| {
            let all = tables.events.range(after.get() + 1..).map(|(_, event)| event);
            all.filter(|event| *event.did == *did.as_str()).take(limit).cloned().collect()
        })
    }

    fn channel(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.look(|tables| tables.channels.get(name).cloned())
    }

    fn channels(&self) -> Result<Vec<String>> {
        self.look(|tables| tables.channels.keys().cloned().collect())
    }

    fn cursor(&self, source: &str) -> Result<Option<String>> {
        self.look(|tables| tables.cursors.get(source).cloned())
    }

    fn identity(&self, did: &Did) -> Result<Option<Identity>> {
        self.look(|tables| tables.identities.get(did).cloned())
    }
}

impl Open<'_> {
    fn apply_row(&mut self, change: &RowChange) {
        match change {
            RowChange::Keep => {}
            RowChange::Put(repo) => {
                let mut repo = Repo::clone(repo);
                if repo.id == RepoId::default() {
                    self.tables.last_repo += 1;
                    repo.id = RepoId(self.tables.last_repo);
                }
                self.tables.repos.insert(repo.did.clone(), repo);
            }
            RowChange::Remove(did) => {
                let Some(repo) = self.tables.repos.remove(did) else { return };
                self.tables.records.retain(|(id, ..), _| *id != repo.id);
                self.tables.buffers.remove(&repo.id);
            }
        }
    }

    fn append(&mut self, event: &crate::event::Event, now: Timestamp) {
        self.tables.last += 1;
        let seq = Seq::new(self.tables.last);
        let (did, body) = (event.did.to_shared(), Arc::clone(&event.body));
        self.tables.events.insert(seq.get(), StoredEvent { seq, did, kind: event.kind, time: now, body });
    }
}

impl Transaction for Open<'_> {
    fn repo(&self, did: &Did) -> Result<Option<Repo>> {
        Ok(self.tables.repos.get(did).cloned())
    }

    fn buffered(&self, repo: RepoId, most_bytes: usize) -> Result<SetAside> {
        let mut aside = SetAside::within(most_bytes);
        for commit in self.tables.buffers.get(&repo).into_iter().flatten() {
            if aside.take(&value::encode(commit))?.is_break() {
                break;
            }
        }
        Ok(aside)
    }

    fn apply(&mut self, did: &Did, effects: &Effects, now: Timestamp) -> Result<()> {
        self.apply_row(&effects.repo);
        if let Some(repo) = self.tables.repos.get(did).map(|repo| repo.id) {
            if effects.index == WholeIndex::Forget {
                let own = self.tables.records.iter_mut().filter(|((id, ..), _)| *id == repo);
                own.for_each(|(_, cid)| *cid = FORGOTTEN);
            }
            for change in &effects.records {
                let key = (repo, change.path.collection().to_owned(), change.path.rkey().to_owned());
                match change.cid {
                    Some(cid) => drop(self.tables.records.insert(key, cid)),
                    None => drop(self.tables.records.remove(&key)),
                }
            }
            match &effects.buffer {
                BufferChange::Keep => {}
                BufferChange::Append(commit) => self.tables.buffers.entry(repo).or_default().push(Arc::clone(commit)),
                BufferChange::Clear => drop(self.tables.buffers.remove(&repo)),
            }
        }
        effects.events.iter().for_each(|event| self.append(event, now));
        Ok(())
    }

    fn put_channel(&mut self, name: &str, settled: &[u8]) -> Result<()> {
        self.tables.channels.insert(name.to_owned(), settled.to_vec());
        Ok(())
    }

    fn drop_channel(&mut self, name: &str) -> Result<()> {
        self.tables.channels.remove(name);
        Ok(())
    }

    fn put_cursor(&mut self, source: &str, cursor: &str) -> Result<()> {
        self.tables.cursors.insert(source.to_owned(), cursor.to_owned());
        Ok(())
    }

    fn drop_cursor(&mut self, source: &str) -> Result<()> {
        self.tables.cursors.remove(source);
        Ok(())
    }

    fn put_document(&mut self, did: &Did, document: &Found, fetched: Timestamp) -> Result<()> {
        let unknown = || Identity::unnamed(did.clone(), document.clone(), fetched);
        let known = self.tables.identities.entry(did.clone()).or_insert_with(unknown);
        (known.document, known.fetched) = (document.clone(), fetched);
        Ok(())
    }

    fn name(&self, did: &Did) -> Result<Name> {
        Ok(self.tables.identities.get(did).map_or(Name::Unknown, |identity| identity.name.clone()))
    }

    fn put_name(&mut self, did: &Did, name: &Name, verified: Timestamp) -> Result<()> {
        if let Some(known) = self.tables.identities.get_mut(did) {
            (known.name, known.verified) = (name.clone(), verified);
        }
        Ok(())
    }

    fn expire(&mut self, through: Seq, before: Timestamp, limit: usize) -> Result<usize> {
        let old = |(seq, event): (&u64, &StoredEvent)| (*seq <= through.get() && event.time < before).then_some(*seq);
        let gone: Vec<u64> = self.tables.events.iter().map_while(old).take(limit).collect();
        for seq in &gone {
            self.tables.events.remove(seq);
            self.tables.oldest = *seq;
        }
        Ok(gone.len())
    }

    fn commit(self: Box<Self>) -> Result<Seq> {
        let last = Seq::new(self.tables.last);
        *self.memory.committed.write().map_err(poisoned)? = self.tables;
        Ok(last)
    }
}
