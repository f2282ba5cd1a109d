//! Bringing a repo up to date from a whole copy: the tree and the record index, both in order, are laid side
//! by side, and what differs becomes events. Records that are gone become deletes.
//!
//! Neither side is held in memory: a page of the index, a path through the tree, and the batch being made.

use crate::effects::IndexChange;
use crate::event::{Event, Kind, RecordChange};
use crate::rules::Collections;
use nexus_atproto::{Blocks, Cid, RecordPath, RepoState, Tid, Walk};
use nexus_model::{Action, Verified};
use std::collections::{BTreeSet, VecDeque};

/// The index of one repo, as it was when the resync began or later.
pub trait Known {
    /// The failure of the store.
    type Error;

    /// The collections that have records.
    ///
    /// # Errors
    /// If the store fails.
    fn collections(&mut self) -> Result<Vec<String>, Self::Error>;

    /// At most `limit` records of a collection with keys greater than `after`, in the order of the bytes of
    /// their keys.
    ///
    /// # Errors
    /// If the store fails.
    fn records(&mut self, collection: &str, after: &str, limit: usize) -> Result<Vec<(String, Cid)>, Self::Error>;
}

/// A part of what differs: events and the index changes that belong to them, to be stored together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The revision of the copy that it was made from.
    pub rev: Tid,
    /// What is told.
    pub events: Vec<Event>,
    /// What the index learns. More than there are events, if records are forgotten that nobody wants.
    pub records: Vec<IndexChange>,
}

/// How much is handled at once.
#[derive(Clone, Copy, Debug)]
pub struct Portions {
    /// Changes in a batch at most.
    pub changes: usize,
    /// Bytes of events in a batch, exceeded by one event.
    pub bytes: usize,
    /// Records of the index read at once, at least 1.
    pub page: usize,
}

impl Default for Portions {
    fn default() -> Self {
        Self { changes: 500, bytes: 4 << 20, page: 1_000 }
    }
}

/// Why a comparison could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The copy is not what its root says.
    #[error("the fetched repo is not sound")]
    Repo(#[source] nexus_atproto::Error),
    /// The index could not be read.
    #[error("the record index can't be read")]
    Index(#[source] E),
}

/// The comparison of a whole copy with the index.
#[derive(Debug)]
pub struct Resync<'r, B, K> {
    state: Verified<RepoState>,
    portions: Portions,
    collections: &'r Collections,
    walk: Walk<B>,
    known: K,
    /// Collections of the index that the walk has not come to.
    left: BTreeSet<String>,
    current: Option<Shelf>,
    stage: Stage,
    block: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Walking,
    Clearing,
}

/// The known records of one collection, read page by page.
#[derive(Debug)]
struct Shelf {
    collection: String,
    page: VecDeque<(String, Cid)>,
    /// Where the next page begins, or `None` after the last.
    next: Option<String>,
}

impl Shelf {
    fn new(collection: &str) -> Self {
        Self { collection: collection.to_owned(), page: VecDeque::new(), next: Some(String::new()) }
    }

    fn front<K: Known>(&mut self, known: &mut K, page: usize) -> Result<Option<&(String, Cid)>, Error<K::Error>> {
        if self.page.is_empty()
            && let Some(after) = self.next.take()
        {
            self.page = known.records(&self.collection, &after, page).map_err(Error::Index)?.into();
            self.next = self.page.back().filter(|_| self.page.len() >= page).map(|(rkey, _)| rkey.clone());
        }
        Ok(self.page.front())
    }
}

impl<'r, B: Blocks, K: Known> Resync<'r, B, K> {
    /// Lays the tree of `state`, with its blocks, beside what is known.
    ///
    /// # Errors
    /// If the root of the tree is missing or the index can't be read.
    pub fn new(
        state: Verified<RepoState>,
        blocks: B,
        mut known: K,
        collections: &'r Collections,
        portions: Portions,
    ) -> Result<Self, Error<K::Error>> {
        let left = known.collections().map_err(Error::Index)?.into_iter().collect();
        let walk = Walk::new(blocks, state.get().data).map_err(Error::Repo)?;
        let (stage, current, block) = (Stage::Walking, None, Vec::new());
        Ok(Self { state, portions, collections, walk, known, left, current, stage, block })
    }

    /// The next part of what differs, or `None` at the end. What came before holds whatever comes after.
    ///
    /// # Errors
    /// If the tree or a record's block is malformed or missing, or the index can't be read.
    pub fn next_batch(&mut self) -> Result<Option<Verified<Batch>>, Error<K::Error>> {
        let mut batch = Batch { rev: self.state.get().rev, events: Vec::new(), records: Vec::new() };
        let mut bytes = 0;
        while batch.records.len() < self.portions.changes && bytes < self.portions.bytes {
            let before = batch.events.len();
            let goes_on = match self.stage {
                Stage::Walking => self.step(&mut batch)?,
                Stage::Clearing => self.clear(&mut batch)?,
            };
            bytes += batch.events[before..].iter().map(|event| event.body.len()).sum::<usize>();
            if !goes_on {
                break;
            }
        }
        // Everything in it was reached by hashes from the verified root.
        Ok((!batch.records.is_empty()).then(|| self.state.clone().map(|_| batch)))
    }

    /// One leaf of the tree.
    fn step(&mut self, batch: &mut Batch) -> Result<bool, Error<K::Error>> {
        let Some(leaf) = self.walk.next_leaf().map_err(Error::Repo)? else {
            self.close(batch)?;
            self.stage = Stage::Clearing;
            return Ok(true);
        };
        // Keys that are no paths are no records; a repo that has some is still a repo.
        let Ok(path) = RecordPath::try_from(leaf.key) else { return Ok(true) };
        let cid = leaf.value;
        if self.current.as_ref().is_none_or(|shelf| shelf.collection != path.collection()) {
            self.close(batch)?;
            self.left.remove(path.collection());
            self.current = Some(Shelf::new(path.collection()));
        }
        if !self.collections.wants(path.collection()) {
            return Ok(true);
        }
        match self.known_at(&path, batch)? {
            Some(known) if known == cid => {}
            Some(_) => self.tell(&path, Action::Update, Some(cid), batch)?,
            None => self.tell(&path, Action::Create, Some(cid), batch)?,
        }
        Ok(true)
    }

    /// What is known at `path`. Known records before it are gone.
    fn known_at(&mut self, path: &RecordPath, batch: &mut Batch) -> Result<Option<Cid>, Error<K::Error>> {
        while let Some(shelf) = &mut self.current {
            match shelf.front(&mut self.known, self.portions.page)? {
                Some((rkey, _)) if rkey.as_str() < path.rkey() => self.drop_front(batch)?,
                Some((rkey, cid)) if rkey == path.rkey() => {
                    let cid = *cid;
                    shelf.page.pop_front();
                    return Ok(Some(cid));
                }
                _ => break,
            }
        }
        Ok(None)
    }

    /// The record at the front of the current shelf is gone, or not wanted any longer.
    fn drop_front(&mut self, batch: &mut Batch) -> Result<(), Error<K::Error>> {
        let Some(shelf) = &mut self.current else { return Ok(()) };
        let Some((rkey, _)) = shelf.page.pop_front() else { return Ok(()) };
        let path: RecordPath = format!("{}/{rkey}", shelf.collection).parse().map_err(Error::Repo)?;
        if self.collections.wants(path.collection()) {
            return self.tell(&path, Action::Delete, None, batch);
        }
        batch.records.push(IndexChange { path, cid: None });
        Ok(())
    }

    /// The walk has left the current collection: what it has left is gone.
    fn close(&mut self, batch: &mut Batch) -> Result<(), Error<K::Error>> {
        while let Some(shelf) = &mut self.current {
            if shelf.front(&mut self.known, self.portions.page)?.is_none() {
                self.current = None;
                break;
            }
            self.drop_front(batch)?;
        }
        Ok(())
    }

    /// One record of the collections that the walk never came to.
    fn clear(&mut self, batch: &mut Batch) -> Result<bool, Error<K::Error>> {
        let Some(shelf) = &mut self.current else {
            self.current = self.left.pop_first().map(|collection| Shelf::new(&collection));
            return Ok(self.current.is_some());
        };
        if shelf.front(&mut self.known, self.portions.page)?.is_none() {
            self.current = None;
            return Ok(true);
        }
        self.drop_front(batch)?;
        Ok(true)
    }

    fn tell(
        &mut self,
        path: &RecordPath,
        action: Action,
        cid: Option<Cid>,
        batch: &mut Batch,
    ) -> Result<(), Error<K::Error>> {
        if let Some(cid) = cid {
            self.walk.read_record(&cid, &mut self.block).map_err(Error::Repo)?;
        }
        let block = cid.map(|_| self.block.as_slice());
        let RepoState { did, rev, .. } = self.state.get();
        let change = RecordChange { did, rev: *rev, path, action, cid, block };
        batch.events.push(Event::record(&change, Kind::Historical));
        batch.records.push(IndexChange { path: path.clone(), cid });
        Ok(())
    }
}
