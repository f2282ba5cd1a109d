//! Reading a whole tree in key order, with one node per level in memory.

use super::node::{Node, broken};
use crate::cid::Cid;
use crate::error::Result;

/// Where a walk finds blocks: memory, a file, whatever held them when the CAR came in.
pub trait Blocks {
    /// Replaces the content of `into` by the block, or gives false if there is no such block.
    ///
    /// # Errors
    /// [`crate::Error::storage`] if a block is there but can't be read.
    fn read(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool>;
}

impl Blocks for &crate::car::Slice<'_> {
    fn read(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool> {
        let block = self.block(cid);
        into.clear();
        into.extend_from_slice(block.unwrap_or_default());
        Ok(block.is_some())
    }
}

/// A record in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'w> {
    /// The record's path.
    pub key: &'w [u8],
    /// The record's block.
    pub value: Cid,
}

/// A walk over all records of a tree. It fails rather than pass over anything: a missing node, a key out of
/// order or at the wrong height. Memory: a node per level.
#[derive(Debug)]
pub struct Walk<B> {
    blocks: B,
    levels: Vec<Level>,
    depth: usize,
    last: Vec<u8>,
    scratch: Vec<u8>,
}

#[derive(Debug, Default)]
struct Level {
    block: Vec<u8>,
    node: Node,
    height: u8,
    next: usize,
    pending: Option<Cid>,
    key: Vec<u8>,
}

impl<B: Blocks> Walk<B> {
    /// Begins at the root of a tree.
    ///
    /// # Errors
    /// If the root is missing or malformed.
    pub fn new(blocks: B, root: Cid) -> Result<Self> {
        let mut walk = Self { blocks, levels: Vec::new(), depth: 0, last: Vec::new(), scratch: Vec::new() };
        walk.enter(root, None)?;
        Ok(walk)
    }

    /// Replaces the content of `into` by a record's block.
    ///
    /// # Errors
    /// If the block is missing: a repo that lacks it is not whole.
    pub fn read_record(&mut self, record: &Cid, into: &mut Vec<u8>) -> Result<()> {
        if self.blocks.read(record, into)? { Ok(()) } else { Err(broken("a record is missing")) }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// If the tree is malformed or incomplete. The walk is over then.
    pub fn next_leaf(&mut self) -> Result<Option<Leaf<'_>>> {
        loop {
            let Some(level) = self.depth.checked_sub(1).map(|top| &mut self.levels[top]) else { return Ok(None) };
            if let Some(child) = level.pending.take() {
                let below = level.height.checked_sub(1).ok_or_else(|| broken("a node below the lowest"))?;
                self.enter(child, Some(below))?;
                continue;
            }
            let Some(entry) = level.node.entries.get(level.next) else {
                self.depth -= 1;
                continue;
            };
            level.next += 1;
            level.pending = entry.right;
            entry.advance(&level.block, &mut level.key);
            if level.key <= self.last {
                return Err(broken("keys out of order"));
            }
            self.last.clone_from(&level.key);
            return Ok(Some(Leaf { key: &self.last, value: entry.value }));
        }
    }

    fn enter(&mut self, cid: Cid, expected: Option<u8>) -> Result<()> {
        if self.levels.len() == self.depth {
            self.levels.push(Level::default());
        }
        let level = &mut self.levels[self.depth];
        if !self.blocks.read(&cid, &mut level.block)? {
            return Err(broken("a node is missing"));
        }
        level.node.read(&level.block, &mut self.scratch)?;
        level.height = level.node.settle_height(expected)?.unwrap_or_default();
        level.pending = level.node.left;
        level.next = 0;
        level.key.clear();
        self.depth += 1;
        Ok(())
    }
}
