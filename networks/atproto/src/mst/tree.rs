//! A tree, or the part of one that is at hand, that can be changed. Subtrees that are not at hand stay as
//! the ids by which their parents know them; an operation that would have to look inside one fails.
//!
//! Levels decrease strictly from the root, so recursion is at most 129 deep whatever the input.

use super::node::{self, broken, key_height};
use crate::car::Slice;
use crate::cid::Cid;
use crate::error::Result;

/// A mutable tree of record paths and their blocks.
#[derive(Debug)]
pub struct Tree<'a> {
    root: Node,
    source: Option<&'a Slice<'a>>,
}

#[derive(Debug)]
struct Node {
    height: u8,
    items: Vec<Item>,
    /// The id, while nothing below has changed.
    cid: Option<Cid>,
}

/// Leaves in order; a child stands right before the leaf that its keys are smaller than. Two children are
/// never neighbours.
#[derive(Debug)]
enum Item {
    Leaf { key: Vec<u8>, value: Cid },
    Child(Child),
}

/// Whether a record is looked up to be changed: the ids on the way to it don't hold any longer then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

#[derive(Debug)]
enum Child {
    Absent(Cid),
    Loaded(Box<Node>),
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Self { root: Node::bare(0), source: None }
    }
}

impl<'a> Tree<'a> {
    /// The tree below `root`, as far as `source` has its nodes.
    ///
    /// # Errors
    /// If the root is missing or malformed.
    pub fn load(source: &'a Slice<'a>, root: Cid) -> Result<Self> {
        Ok(Self { root: Node::load(source, root, None)?, source: Some(source) })
    }

    /// The record at `key`.
    ///
    /// # Errors
    /// If a node on the way is not at hand or malformed.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Cid>> {
        Ok(self.root.value_mut(self.source, key, Access::Read)?.copied())
    }

    /// Replaces the record at `key` and gives the one before, or `None` if there was none: then nothing is
    /// changed.
    ///
    /// # Errors
    /// If a node on the way is not at hand or malformed.
    pub fn replace(&mut self, key: &[u8], value: Cid) -> Result<Option<Cid>> {
        Ok(self.root.value_mut(self.source, key, Access::Write)?.map(|slot| std::mem::replace(slot, value)))
    }

    /// Adds a record. Gives false, and changes nothing, if there is one at `key`.
    ///
    /// # Errors
    /// If a node on the way is not at hand or malformed.
    pub fn insert(&mut self, key: &[u8], value: Cid) -> Result<bool> {
        let height = key_height(key);
        if self.root.items.is_empty() {
            self.root = Node::bare(height);
        }
        if height <= self.root.height {
            return self.root.insert(self.source, key, value, height);
        }
        let root = std::mem::replace(&mut self.root, Node::bare(height));
        let (left, right) = root.split(self.source, key)?;
        let raised = |node: Node| Item::Child(node.raised(height - 1).into_child());
        let leaf = Item::Leaf { key: key.to_vec(), value };
        self.root.items = left.map(raised).into_iter().chain([leaf]).chain(right.map(raised)).collect();
        Ok(true)
    }

    /// Removes the record at `key` and gives it, or `None` if there is none.
    ///
    /// # Errors
    /// If a node on the way, or one that must be merged, is not at hand or malformed.
    pub fn remove(&mut self, key: &[u8]) -> Result<Option<Cid>> {
        self.root.remove(self.source, key, key_height(key))
    }

    /// The id of the tree as it is now.
    pub fn root(&mut self) -> Cid {
        self.write_changed(&mut |_, _| {})
    }

    /// Hands out every node that was changed since the tree was loaded or last written, children first, and
    /// gives the id of the root.
    pub fn write_changed(&mut self, out: &mut impl FnMut(Cid, &[u8])) -> Cid {
        // A root without keys is not a root: its only child is. One that is not at hand is taken to have keys.
        while let [Item::Child(child)] = self.root.items.as_mut_slice() {
            match child.node(self.source, self.root.height.wrapping_sub(1)) {
                Ok(node) => self.root = std::mem::replace(node, Node::bare(0)),
                Err(_) => return child.write_changed(out),
            }
        }
        self.root.write_changed(out)
    }
}

impl Node {
    const fn bare(height: u8) -> Self {
        Self { height, items: Vec::new(), cid: None }
    }

    fn load(source: &Slice<'_>, cid: Cid, expected: Option<u8>) -> Result<Self> {
        let block = source.block(&cid).ok_or_else(|| broken("a node is missing"))?;
        let (mut parsed, mut key) = (node::Node::default(), Vec::new());
        parsed.read(block, &mut key)?;
        let height = parsed.settle_height(expected)?.unwrap_or_default();
        key.clear();
        let child = |cid: Option<Cid>| cid.map(|cid| Item::Child(Child::Absent(cid)));
        let mut items: Vec<Item> = child(parsed.left).into_iter().collect();
        for entry in &parsed.entries {
            entry.advance(block, &mut key);
            items.push(Item::Leaf { key: key.clone(), value: entry.value });
            items.extend(child(entry.right));
        }
        Ok(Self { height, items, cid: Some(cid) })
    }

    fn into_child(self) -> Child {
        Child::Loaded(Box::new(self))
    }

    /// This node below as many nodes without keys as it takes to stand at `height`.
    fn raised(self, height: u8) -> Self {
        let mut node = self;
        while node.height < height {
            node = Self { height: node.height + 1, items: vec![Item::Child(node.into_child())], cid: None };
        }
        node
    }

    /// The first leaf that is not smaller than `key`, or the end; and whether it is `key` itself.
    fn position(&self, key: &[u8]) -> (usize, bool) {
        let found = self.items.iter().enumerate().find_map(|(at, item)| match item {
            Item::Leaf { key: own, .. } if own.as_slice() >= key => Some((at, own == key)),
            _ => None,
        });
        found.unwrap_or((self.items.len(), false))
    }

    /// The subtree that would hold keys right before the item at `at`.
    fn gap(&mut self, source: Option<&Slice<'_>>, at: usize) -> Result<Option<&mut Self>> {
        let below = self.height.wrapping_sub(1);
        match at.checked_sub(1).map(|before| &mut self.items[before]) {
            Some(Item::Child(child)) => child.node(source, below).map(Some),
            _ => Ok(None),
        }
    }

    fn value_mut(&mut self, source: Option<&Slice<'_>>, key: &[u8], access: Access) -> Result<Option<&mut Cid>> {
        let (at, is_key) = self.position(key);
        if access == Access::Write {
            self.cid = None;
        }
        if is_key {
            let leaf = self.items.get_mut(at);
            return Ok(leaf.and_then(|item| if let Item::Leaf { value, .. } = item { Some(value) } else { None }));
        }
        match self.gap(source, at)? {
            Some(below) => below.value_mut(source, key, access),
            None => Ok(None),
        }
    }

    fn insert(&mut self, source: Option<&Slice<'_>>, key: &[u8], value: Cid, height: u8) -> Result<bool> {
        let (at, is_key) = self.position(key);
        if is_key {
            return Ok(false);
        }
        self.cid = None;
        if height < self.height {
            if let Some(below) = self.gap(source, at)? {
                return below.insert(source, key, value, height);
            }
            let leaf = Item::Leaf { key: key.to_vec(), value };
            let node = Self { height, items: vec![leaf], cid: None }.raised(self.height - 1);
            self.items.insert(at, Item::Child(node.into_child()));
            return Ok(true);
        }
        let (mut left, mut right, mut from) = (None, None, at);
        if self.gap(source, at)?.is_some() {
            from = at - 1;
            let Item::Child(child) = self.items.remove(from) else { return Err(broken("a gap without a subtree")) };
            (left, right) = child.into_node(source, self.height - 1)?.split(source, key)?;
        }
        let leaf = Item::Leaf { key: key.to_vec(), value };
        let child = |node: Self| Item::Child(node.into_child());
        let new = left.map(child).into_iter().chain([leaf]).chain(right.map(child));
        self.items.splice(from..from, new);
        Ok(true)
    }

    /// The keys before `key` and those after it, as two nodes of this height.
    fn split(mut self, source: Option<&Slice<'_>>, key: &[u8]) -> Result<(Option<Self>, Option<Self>)> {
        let (at, _) = self.position(key);
        let mut right = self.items.split_off(at);
        if let Some(Item::Child(child)) = self.items.pop_if(|item| matches!(item, Item::Child(_))) {
            let below = self.height.wrapping_sub(1);
            let (smaller, greater) = child.into_node(source, below)?.split(source, key)?;
            self.items.extend(smaller.map(|node| Item::Child(node.into_child())));
            right.splice(0..0, greater.map(|node| Item::Child(node.into_child())));
        }
        let node = |items: Vec<Item>| (!items.is_empty()).then_some(Self { height: self.height, items, cid: None });
        Ok((node(self.items), node(right)))
    }

    fn remove(&mut self, source: Option<&Slice<'_>>, key: &[u8], height: u8) -> Result<Option<Cid>> {
        let (at, is_key) = self.position(key);
        if height < self.height {
            let Some(below) = self.gap(source, at)? else { return Ok(None) };
            let removed = below.remove(source, key, height)?;
            let is_empty = below.items.is_empty();
            if is_empty {
                self.items.remove(at - 1);
            }
            self.cid = if removed.is_some() { None } else { self.cid };
            return Ok(removed);
        }
        if !is_key || height > self.height {
            return Ok(None);
        }
        let Item::Leaf { value, .. } = self.items.remove(at) else { return Ok(None) };
        self.cid = None;
        self.join(source, at)?;
        Ok(Some(value))
    }

    /// Merges the children on both sides of `at`, if both are there.
    fn join(&mut self, source: Option<&Slice<'_>>, at: usize) -> Result<()> {
        let both = at > 0 && matches!(self.items.get(at - 1..=at), Some([Item::Child(_), Item::Child(_)]));
        if !both {
            return Ok(());
        }
        let below = self.height.wrapping_sub(1);
        if let (Item::Child(right), Item::Child(left)) = (self.items.remove(at), self.items.remove(at - 1)) {
            let mut left = left.into_node(source, below)?;
            let seam = left.items.len();
            left.items.extend(right.into_node(source, below)?.items);
            left.cid = None;
            left.join(source, seam)?;
            self.items.insert(at - 1, Item::Child(left.into_child()));
        }
        Ok(())
    }

    fn write_changed(&mut self, out: &mut impl FnMut(Cid, &[u8])) -> Cid {
        if let Some(cid) = self.cid {
            return cid;
        }
        let (mut left, mut entries) = (None, Vec::<(&[u8], Cid, Option<Cid>)>::new());
        for item in &mut self.items {
            match item {
                Item::Leaf { key, value } => entries.push((key, *value, None)),
                Item::Child(child) => {
                    let cid = Some(child.write_changed(out));
                    entries.last_mut().map_or_else(|| left = cid, |entry| entry.2 = cid);
                }
            }
        }
        let block = node::write(left, entries.into_iter());
        let cid = Cid::of_cbor(&block);
        out(cid, &block);
        self.cid = Some(cid);
        cid
    }
}

impl Child {
    fn node(&mut self, source: Option<&Slice<'_>>, height: u8) -> Result<&mut Node> {
        if let Self::Absent(cid) = *self {
            let source = source.ok_or_else(|| broken("a node is missing"))?;
            *self = Node::load(source, cid, Some(height))?.into_child();
        }
        match self {
            Self::Loaded(node) => Ok(node),
            Self::Absent(_) => Err(broken("a node is missing")),
        }
    }

    fn into_node(mut self, source: Option<&Slice<'_>>, height: u8) -> Result<Node> {
        self.node(source, height)?;
        match self {
            Self::Loaded(node) => Ok(*node),
            Self::Absent(_) => Err(broken("a node is missing")),
        }
    }

    fn write_changed(&mut self, out: &mut impl FnMut(Cid, &[u8])) -> Cid {
        match self {
            Self::Absent(cid) => *cid,
            Self::Loaded(node) => node.write_changed(out),
        }
    }
}
