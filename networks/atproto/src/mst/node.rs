//! One node of the tree: parsed with every check that it allows by itself, and written.

use crate::cbor::{Reader, Writer};
use crate::cid::Cid;
use crate::error::{Error, Reason, Result};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// The longest key, in bytes.
const MAX_KEY: usize = 1024;

/// The level of a key: half the zero bits that its hash begins with. At most 128.
pub fn key_height(key: &[u8]) -> u8 {
    let digest = Sha256::digest(key);
    let zeros =
        digest.iter().position(|byte| *byte != 0).map_or(256, |at| at * 8 + digest[at].leading_zeros() as usize);
    (zeros / 2) as u8
}

pub(super) fn broken(detail: &'static str) -> Error {
    Error::new(Reason::Tree, detail)
}

/// A key with its record, and the subtree that follows. The key is what the one before it has in common,
/// `prefix` bytes, and a part of the block.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    prefix: usize,
    suffix: Range<usize>,
    pub(super) value: Cid,
    pub(super) right: Option<Cid>,
}

impl Entry {
    /// Turns the key before this one into this one.
    pub(super) fn advance(&self, block: &[u8], key: &mut Vec<u8>) {
        key.truncate(self.prefix);
        key.extend_from_slice(&block[self.suffix.clone()]);
    }
}

/// A parsed node. What it says holds for its own block alone; how nodes fit together is seen by walking.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) left: Option<Cid>,
    pub(super) entries: Vec<Entry>,
    /// The height of its keys, if it has any.
    pub(super) height: Option<u8>,
}

impl Node {
    /// Reads `block` into this node, reusing its memory.
    ///
    /// Checks the canonical form, that keys increase, share as much as they can, lie within the bound and
    /// are all of one height. `key` is scratch space.
    pub(super) fn read(&mut self, block: &[u8], key: &mut Vec<u8>) -> Result<()> {
        self.entries.clear();
        self.height = None;
        key.clear();
        let mut reader = Reader::new(block);
        expect(reader.map()? == 2 && reader.text()? == "e")?;
        for _ in 0..reader.array()? {
            let entry = read_entry(&mut reader)?;
            check_order(&entry, block, key, self.entries.is_empty())?;
            entry.advance(block, key);
            let height = key_height(key);
            if key.len() > MAX_KEY || *self.height.get_or_insert(height) != height {
                return Err(broken("a key that doesn't belong into its node"));
            }
            self.entries.push(entry);
        }
        expect(reader.text()? == "l")?;
        self.left = reader.nullable(Reader::cid)?;
        reader.finish()
    }

    /// The height of this node: of its keys, or `expected` by the node above if it has none. `None` is the
    /// empty tree, whose only node is bare.
    pub(super) fn settle_height(&self, expected: Option<u8>) -> Result<Option<u8>> {
        let bare = self.left.is_none() && self.entries.is_empty();
        let height = match (self.height, expected) {
            (None, None) if bare => return Ok(None),
            (None, None) => return Err(broken("a root without keys")),
            (None, Some(_)) if bare => return Err(broken("an empty node")),
            (Some(own), Some(expected)) if own != expected => return Err(broken("a node at the wrong height")),
            (own, expected) => own.or(expected).unwrap_or_default(),
        };
        let has_child = self.left.is_some() || self.entries.iter().any(|entry| entry.right.is_some());
        if height == 0 && has_child { Err(broken("a node below the lowest")) } else { Ok(Some(height)) }
    }
}

fn expect(holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(broken("a node with other fields")) }
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry> {
    expect(reader.map()? == 4 && reader.text()? == "k")?;
    let length = reader.bytes()?.len();
    let suffix = reader.position() - length..reader.position();
    expect(reader.text()? == "p")?;
    let prefix = usize::try_from(reader.int()?).map_err(|_| broken("a negative prefix"))?;
    expect(reader.text()? == "t")?;
    let right = reader.nullable(Reader::cid)?;
    expect(reader.text()? == "v")?;
    Ok(Entry { prefix, suffix, value: reader.cid()?, right })
}

/// Keys are equal up to the prefix and must be greater right after it: greater on the whole, and the prefix
/// is as long as it can be.
fn check_order(entry: &Entry, block: &[u8], previous: &[u8], is_first: bool) -> Result<()> {
    if entry.prefix > previous.len() || (is_first && entry.prefix > 0) {
        return Err(broken("a prefix longer than the key before"));
    }
    match (block[entry.suffix.clone()].first(), previous.get(entry.prefix)) {
        (Some(here), Some(before)) if here > before => Ok(()),
        (Some(_), None) => Ok(()),
        _ => Err(broken("keys out of order")),
    }
}

/// Writes a node: its left subtree, then keys with their records and the subtrees that follow.
pub(super) fn write<'k>(
    left: Option<Cid>,
    entries: impl ExactSizeIterator<Item = (&'k [u8], Cid, Option<Cid>)>,
) -> Vec<u8> {
    let mut writer = Writer::with_capacity(64 + entries.len() * 128);
    writer.map(2);
    writer.text("e");
    writer.array(entries.len());
    let mut previous: &[u8] = &[];
    for (key, value, right) in entries {
        let shared = key.iter().zip(previous).take_while(|(a, b)| a == b).count();
        writer.map(4);
        writer.text("k");
        writer.bytes(&key[shared..]);
        writer.text("p");
        writer.uint(shared as u64);
        writer.text("t");
        writer.cid(right);
        writer.text("v");
        writer.cid(Some(value));
        previous = key;
    }
    writer.text("l");
    writer.cid(left);
    writer.into_bytes()
}
