//! CAR files, version 1: a header that names the root, then blocks in any order. Every block is hashed.
//!
//! [`Decoder`] takes the bytes as they arrive and holds at most one section; where the blocks go is the
//! caller's business, so a repo of any size passes through bounded memory. [`Slice`] is the small form that
//! travels in firehose messages. Both demand blessed CIDs and refuse empty sections.

use crate::cbor::{Reader, Writer};
use crate::cid::Cid;
use crate::error::{Error, Reason, Result};
use std::collections::HashMap;

/// The largest section that is taken by default: as in the reference's own library.
pub const MAX_SECTION: usize = 32 << 20;
const MAX_HEADER: usize = 64 << 10;

fn broken(detail: &'static str) -> Error {
    Error::new(Reason::Car, detail)
}

/// A length and how many bytes it took, or `None` if more bytes are needed.
fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let value = usize::try_from(value).map_err(|_| broken("a section too large"))?;
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 9 { Ok(None) } else { Err(broken("a length that doesn't end")) }
}

fn root(header: &[u8]) -> Result<Cid> {
    let (mut version, mut root) = (None, None);
    let mut reader = Reader::new(header);
    reader.fields(|reader, key| {
        match key {
            "version" => version = Some(reader.int()?),
            "roots" => {
                for at in 0..reader.array()? {
                    let cid = reader.cid()?;
                    root = if at == 0 { Some(cid) } else { root };
                }
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    reader.finish()?;
    if version != Some(1) {
        return Err(broken("not version 1"));
    }
    root.ok_or_else(|| broken("no root"))
}

/// Splits a section into its CID and its block, and checks the hash.
fn block(section: &[u8]) -> Result<(Cid, &[u8])> {
    if section.is_empty() {
        return Err(broken("an empty section"));
    }
    let (cid, block) = section.split_at_checked(Cid::LENGTH).ok_or_else(|| broken("a section without a CID"))?;
    let cid = Cid::from_bytes(cid)?;
    if cid.is_of(block) { Ok((cid, block)) } else { Err(broken("a block that doesn't have its hash")) }
}

/// Reads a CAR as it arrives.
///
/// Push bytes, then take sections with [`Self::next_block`] until it gives `None`; at the end of the input
/// call [`Self::finish`].
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    at: usize,
    root: Option<Cid>,
    max_section: usize,
}

impl Decoder {
    /// A decoder that refuses sections of more than `max_section` bytes.
    pub const fn new(max_section: usize) -> Self {
        Self { buffer: Vec::new(), at: 0, root: None, max_section }
    }

    /// Adds what has arrived. Memory holds what was pushed and not yet taken.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The root, once the header has arrived.
    pub const fn root(&self) -> Option<Cid> {
        self.root
    }

    /// The next block, its hash checked, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// If the CAR is malformed or a block doesn't have its hash. The decoder is of no use afterwards.
    pub fn next_block(&mut self) -> Result<Option<(Cid, &[u8])>> {
        if self.root.is_none() {
            let Some((start, end)) = self.section(MAX_HEADER)? else { return Ok(None) };
            self.root = Some(root(&self.buffer[start..end])?);
            self.at = end;
        }
        let Some((start, end)) = self.section(self.max_section)? else { return Ok(None) };
        self.at = end;
        block(&self.buffer[start..end]).map(Some)
    }

    fn section(&self, limit: usize) -> Result<Option<(usize, usize)>> {
        let Some((length, taken)) = varint(&self.buffer[self.at..])? else { return Ok(None) };
        if length > limit {
            return Err(broken("a section too large"));
        }
        let start = self.at + taken;
        Ok((start + length <= self.buffer.len()).then_some((start, start + length)))
    }

    /// The root, if the input ended where a section did.
    ///
    /// # Errors
    /// If the input ended early.
    pub fn finish(&self) -> Result<Cid> {
        let whole = self.at == self.buffer.len();
        self.root.filter(|_| whole).ok_or_else(|| broken("the input ends too early"))
    }
}

/// A small CAR in memory: the part of a repo that a firehose message carries.
#[derive(Debug)]
pub struct Slice<'a> {
    root: Cid,
    blocks: HashMap<Cid, &'a [u8]>,
}

impl<'a> Slice<'a> {
    /// Reads a whole CAR and checks every hash.
    ///
    /// # Errors
    /// If it is malformed or a block doesn't have its hash.
    pub fn parse(car: &'a [u8]) -> Result<Self> {
        let (header, mut rest) = split_section(car)?;
        let mut blocks = HashMap::new();
        while !rest.is_empty() {
            let (section, after) = split_section(rest)?;
            let (cid, bytes) = block(section)?;
            blocks.insert(cid, bytes);
            rest = after;
        }
        Ok(Self { root: root(header)?, blocks })
    }

    /// The root that the header names.
    pub const fn root(&self) -> Cid {
        self.root
    }

    /// The block with this id.
    pub fn block(&self, cid: &Cid) -> Option<&'a [u8]> {
        self.blocks.get(cid).copied()
    }
}

fn split_section(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, taken) = varint(bytes)?.ok_or_else(|| broken("the input ends too early"))?;
    bytes[taken..].split_at_checked(length).ok_or_else(|| broken("the input ends too early"))
}

/// Writes a CAR: for replayers and tests.
#[derive(Debug)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// A CAR with this root and no blocks yet.
    pub fn new(root: Cid) -> Self {
        let mut header = Writer::with_capacity(64);
        header.map(2);
        header.text("roots");
        header.array(1);
        header.cid(Some(root));
        header.text("version");
        header.uint(1);
        let mut encoder = Self(Vec::new());
        encoder.section(&[&header.into_bytes()]);
        encoder
    }

    /// Appends a block.
    pub fn block(&mut self, cid: &Cid, bytes: &[u8]) {
        self.section(&[&cid.to_bytes(), bytes]);
    }

    fn section(&mut self, parts: &[&[u8]]) {
        let mut length: usize = parts.iter().map(|part| part.len()).sum();
        while length >= 0x80 {
            self.0.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.0.push(length as u8);
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
    }

    /// The bytes of the CAR.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
