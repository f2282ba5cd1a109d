//! What may be believed of a commit, an asserted state, or a whole repo (Sync v1.1, proposal 0006): syntax,
//! limits, hashes, the tree, the way back to the tree before, and at last the signature.

use crate::car::Slice;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, Reason, Result};
use crate::frame::{CommitMessage, OpMessage, SyncMessage};
use crate::key::PublicKey;
use crate::mst::Tree;
use crate::syntax::{Did, RecordPath, Tid, datetime};
use nexus_model::{Action, Timestamp, Verifier};
use std::collections::HashSet;

/// What a message may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a commit's blocks.
    pub commit_blocks: usize,
    /// Operations in a commit.
    pub ops: usize,
    /// Bytes of an asserted state's blocks.
    pub sync_blocks: usize,
    /// How far a revision may lie in the future, in milliseconds: one that lies too far would make every
    /// later commit look old.
    pub future_millis: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { commit_blocks: 2_000_000, ops: 200, sync_blocks: 10_000, future_millis: 5 * 60 * 1000 }
    }
}

/// A commit that holds: signed by its owner, complete, and its operations lead from the tree before to the
/// tree after.
#[derive(Clone, Debug, PartialEq)]
pub struct RepoCommit {
    /// Whose repo.
    pub did: Did,
    /// The new revision.
    pub rev: Tid,
    /// The root of the tree after.
    pub data: Cid,
    /// The root of the tree before. `None` for the first commit of a repo, and from servers that are older
    /// than Sync v1.1: then nothing is known of the tree before.
    pub prev_data: Option<Cid>,
    /// What was changed, in the sender's order.
    pub ops: Vec<Op>,
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// What happened.
    pub action: Action,
    /// To which record.
    pub path: RecordPath,
    /// The record's new block.
    pub cid: Option<Cid>,
    /// The bytes of that block, unless the record was deleted.
    pub record: Option<Box<[u8]>>,
}

/// A state that its owner signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoState {
    /// Whose repo.
    pub did: Did,
    /// The revision.
    pub rev: Tid,
    /// The root of the tree.
    pub data: Cid,
}

/// Verifies what one account is said to have signed: a `#commit`, a `#sync`, or the root block of a whole
/// repo, together with whose repo was asked for. A whole repo's tree is verified by walking it
/// ([`crate::Walk`]).
#[derive(Clone, Copy, Debug)]
pub struct Rules<'k> {
    /// The account's signing key.
    pub key: &'k PublicKey,
    /// The present.
    pub now: Timestamp,
    /// What a message may be at most.
    pub limits: Limits,
}

impl<'m> Verifier<&'m CommitMessage<'m>> for Rules<'_> {
    type Output = RepoCommit;
    type Error = Error;

    fn verify(&self, message: &'m CommitMessage<'m>) -> Result<RepoCommit> {
        at_most(message.blocks.len(), self.limits.commit_blocks, "bytes of blocks")?;
        at_most(message.ops.len(), self.limits.ops, "operations")?;
        datetime(message.time)?;
        let car = Slice::parse(message.blocks)?;
        if message.commit != Some(car.root()) {
            return Err(Error::new(Reason::Commit, "the announced commit is not the root of the blocks"));
        }
        let commit = signed_root(&car, message.repo, message.rev, self.now, self.limits)?;
        let ops = message.ops.iter().map(|op| read_op(op, &car)).collect::<Result<Vec<_>>>()?;
        check_tree(&car, commit.data, &ops, message)?;
        commit.verify(self.key)?;
        Ok(RepoCommit { did: commit.did, rev: commit.rev, data: commit.data, prev_data: message.prev_data, ops })
    }
}

impl<'m> Verifier<&'m SyncMessage<'m>> for Rules<'_> {
    type Output = RepoState;
    type Error = Error;

    fn verify(&self, message: &'m SyncMessage<'m>) -> Result<RepoState> {
        at_most(message.blocks.len(), self.limits.sync_blocks, "bytes of blocks")?;
        datetime(message.time)?;
        let car = Slice::parse(message.blocks)?;
        let commit = signed_root(&car, message.did, message.rev, self.now, self.limits)?;
        commit.verify(self.key)?;
        Ok(RepoState { did: commit.did, rev: commit.rev, data: commit.data })
    }
}

impl<'m> Verifier<(&'m Did, &'m [u8])> for Rules<'_> {
    type Output = RepoState;
    type Error = Error;

    fn verify(&self, (did, block): (&'m Did, &'m [u8])) -> Result<RepoState> {
        let commit = Commit::parse(block)?;
        if commit.did != *did {
            return Err(Error::new(Reason::Commit, "another account's repo"));
        }
        not_in_future(commit.rev, self.now, self.limits)?;
        commit.verify(self.key)?;
        Ok(RepoState { did: commit.did, rev: commit.rev, data: commit.data })
    }
}

fn at_most(count: usize, limit: usize, what: &str) -> Result<()> {
    if count <= limit { Ok(()) } else { Err(Error::new(Reason::Limit, format!("{count} {what}, {limit} allowed"))) }
}

fn not_in_future(rev: Tid, now: Timestamp, limits: Limits) -> Result<()> {
    let latest = now.plus_millis(limits.future_millis);
    if rev.time() <= latest { Ok(()) } else { Err(Error::new(Reason::FutureRev, format!("revision {rev}"))) }
}

/// The commit at the root of `car`, which must be of the account and revision that the message names.
fn signed_root(car: &Slice<'_>, did: &str, rev: &str, now: Timestamp, limits: Limits) -> Result<Commit> {
    let (did, rev): (Did, Tid) = (did.parse()?, rev.parse()?);
    not_in_future(rev, now, limits)?;
    let block = car.block(&car.root()).ok_or_else(|| Error::new(Reason::Commit, "the commit is missing"))?;
    let commit = Commit::parse(block)?;
    if commit.did == did && commit.rev == rev {
        return Ok(commit);
    }
    Err(Error::new(Reason::Commit, "the commit is of another account or revision than the message says"))
}

fn read_op(op: &OpMessage<'_>, car: &Slice<'_>) -> Result<Op> {
    let path: RecordPath = op.path.parse()?;
    let action = match (op.action, op.cid, op.prev) {
        ("create", Some(_), None) => Action::Create,
        ("update", Some(_), _) => Action::Update,
        ("delete", None, _) => Action::Delete,
        _ => return Err(Error::new(Reason::Frame, format!("an operation that is not well formed at {path}"))),
    };
    let record = op.cid.map(|cid| {
        let block = car.block(&cid).map(Box::from);
        block.ok_or_else(|| Error::new(Reason::Car, format!("the record at {path} is missing")))
    });
    Ok(Op { action, cid: op.cid, record: record.transpose()?, path })
}

/// The tree after must hold what was created and updated; undoing the operations must give the tree before.
/// Messages that don't name the tree before need not carry what undoing takes: for them the first part alone.
fn check_tree(car: &Slice<'_>, data: Cid, ops: &[Op], message: &CommitMessage<'_>) -> Result<()> {
    let mut seen = HashSet::with_capacity(ops.len());
    if let Some(op) = ops.iter().find(|op| !seen.insert(op.path.as_str())) {
        return Err(Error::new(Reason::Inversion, format!("two operations at {}", op.path)));
    }
    if ops.is_empty() {
        return same_tree(message.prev_data, data);
    }
    let mut tree = Tree::load(car, data)?;
    if message.prev_data.is_none() {
        return ops.iter().filter(|op| op.cid.is_some()).try_for_each(|op| is_there(&mut tree, op));
    }
    same_tree(message.prev_data, undo(&mut tree, ops, &message.ops)?)
}

fn same_tree(announced: Option<Cid>, before: Cid) -> Result<()> {
    if announced.is_none_or(|announced| announced == before) {
        return Ok(());
    }
    Err(Error::new(Reason::Inversion, "the operations don't lead back to the tree before"))
}

fn is_there(tree: &mut Tree<'_>, op: &Op) -> Result<()> {
    if tree.get(op.path.as_str().as_bytes())? == op.cid { Ok(()) } else { Err(contradiction(op)) }
}

fn contradiction(op: &Op) -> Error {
    Error::new(Reason::Inversion, format!("the tree doesn't hold what was done at {}", op.path))
}

/// Undoes `ops`, deletes first, then by path: senders include the blocks that this order needs.
fn undo(tree: &mut Tree<'_>, ops: &[Op], messages: &[OpMessage<'_>]) -> Result<Cid> {
    let mut order: Vec<_> = ops.iter().zip(messages.iter().map(|message| message.prev)).collect();
    order.sort_unstable_by_key(|(op, _)| (op.action != Action::Delete, op.path.as_str()));
    for (op, prev) in order {
        let key = op.path.as_str().as_bytes();
        let held = match (op.action, prev) {
            (Action::Create, _) => tree.remove(key)? == op.cid,
            (Action::Update, Some(prev)) => tree.replace(key, prev)? == op.cid,
            (Action::Delete, Some(prev)) => tree.insert(key, prev)?,
            (Action::Update | Action::Delete, None) => false,
        };
        if !held {
            return Err(contradiction(op));
        }
    }
    Ok(tree.root())
}

/// How a commit stands to what is known of its repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is known already, or older than what is known.
    Replay,
    /// It continues what is known.
    Follows,
    /// Something between is missing: the repo must be fetched again.
    Gap,
}

/// What to make of a commit that doesn't say which tree was before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legacy {
    /// It leaves a gap, as Sync v1.1 has it.
    #[default]
    Gap,
    /// It is taken to follow.
    Trust,
}

/// Places a commit after the revision and tree that are known.
pub fn link(known: (Tid, Cid), rev: Tid, prev_data: Option<Cid>, legacy: Legacy) -> Link {
    match prev_data {
        _ if rev <= known.0 => Link::Replay,
        Some(prev_data) if prev_data == known.1 => Link::Follows,
        None if legacy == Legacy::Trust => Link::Follows,
        _ => Link::Gap,
    }
}
