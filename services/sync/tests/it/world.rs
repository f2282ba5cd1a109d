//! A repo as its owner has it, and what a server gives of it.

use nexus_atproto::{Blocks, Cid, Did, Op, RecordPath, RepoCommit, RepoState, Tid, Tree, record};
use nexus_model::{Action, Verified};
use std::collections::{BTreeMap, HashMap};

/// Paths and the numbers that the records there hold.
pub(crate) type Records = BTreeMap<String, u32>;

/// A repo as its owner has it.
#[derive(Clone, Debug)]
pub(crate) struct Repo {
    pub(crate) did: Did,
    pub(crate) records: Records,
    pub(crate) rev: u64,
}

/// A whole copy of a repo at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) state: Verified<RepoState>,
    pub(crate) blocks: Map,
}

/// Blocks in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map(pub(crate) HashMap<Cid, Vec<u8>>);

impl Blocks for Map {
    fn read(&mut self, cid: &Cid, into: &mut Vec<u8>) -> nexus_atproto::Result<bool> {
        let block = self.0.get(cid);
        into.clear();
        into.extend_from_slice(block.map(Vec::as_slice).unwrap_or_default());
        Ok(block.is_some())
    }
}

pub(crate) fn block(number: u32) -> Vec<u8> {
    record::from_json(&serde_json::json!({ "n": number })).unwrap()
}

pub(crate) fn cid(number: u32) -> Cid {
    Cid::of_cbor(&block(number))
}

pub(crate) fn path(text: &str) -> RecordPath {
    text.parse().unwrap()
}

impl Repo {
    pub(crate) fn new(name: &str) -> Self {
        Self { did: format!("did:plc:{name}").parse().unwrap(), records: Records::new(), rev: 1 }
    }

    fn tree(&self) -> (Cid, HashMap<Cid, Vec<u8>>) {
        let (mut tree, mut blocks) = (Tree::default(), HashMap::new());
        for (path, number) in &self.records {
            assert!(tree.insert(path.as_bytes(), cid(*number)).unwrap());
            blocks.insert(cid(*number), block(*number));
        }
        let root = tree.write_changed(&mut |cid, block| drop(blocks.insert(cid, block.to_vec())));
        (root, blocks)
    }

    pub(crate) fn copy(&self) -> Copy {
        let (data, blocks) = self.tree();
        let state = RepoState { did: self.did.clone(), rev: Tid::new(self.rev, 0), data };
        Copy { state: Verified::by_operator(state), blocks: Map(blocks) }
    }

    /// Sets (or deletes) records and gives the commit that says so.
    pub(crate) fn write(&mut self, changes: &[(&str, Option<u32>)]) -> Verified<RepoCommit> {
        let prev_data = (self.rev > 1).then(|| self.tree().0);
        let ops = changes.iter().filter_map(|(at, number)| self.change(at, *number)).collect();
        self.rev += 1;
        let (did, rev, data) = (self.did.clone(), Tid::new(self.rev, 0), self.tree().0);
        Verified::by_operator(RepoCommit { did, rev, data, prev_data, ops })
    }

    fn change(&mut self, at: &str, number: Option<u32>) -> Option<Op> {
        let before = match number {
            Some(number) => self.records.insert(at.to_owned(), number),
            None => self.records.remove(at),
        };
        let action = match (before, number) {
            (None, None) => return None,
            (None, Some(_)) => Action::Create,
            (Some(_), Some(_)) => Action::Update,
            (Some(_), None) => Action::Delete,
        };
        let record = number.map(|number| block(number).into());
        Some(Op { action, path: path(at), cid: number.map(cid), record })
    }
}
