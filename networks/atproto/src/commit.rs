//! The signed commit object: the root of a repo at one revision.

use crate::cbor::{Reader, Writer};
use crate::cid::Cid;
use crate::error::{Error, Reason, Result};
use crate::key::PublicKey;
use crate::syntax::{Did, Tid};

/// A repo at one revision, as its owner signed it. Only [`Self::verify`] says that it is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Whose repo it is.
    pub did: Did,
    /// The revision.
    pub rev: Tid,
    /// The root of the tree of records.
    pub data: Cid,
    /// A link that newer repos leave null.
    pub prev: Option<Cid>,
    /// 64 bytes over the other fields.
    pub sig: Vec<u8>,
}

const VERSION: i64 = 3;

impl Commit {
    /// Reads a commit block. Only the canonical form with exactly the known fields is taken, since that is
    /// what the signature covers.
    ///
    /// # Errors
    /// If the block is anything else.
    pub fn parse(block: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(block);
        let commit = Self::read(&mut reader)?;
        if commit.to_block() == block { Ok(commit) } else { Err(broken("not in canonical form")) }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut did, mut rev, mut data, mut sig, mut version, mut prev) = (None, None, None, None, None, None);
        reader.fields(|reader, key| {
            match key {
                "did" => did = Some(reader.text()?.parse()?),
                "rev" => rev = Some(reader.text()?.parse()?),
                "data" => data = Some(reader.cid()?),
                "prev" => prev = reader.nullable(Reader::cid)?,
                "sig" => sig = Some(reader.bytes()?.to_vec()),
                "version" => version = Some(reader.int()?),
                _ => return Err(broken("an unknown field")),
            }
            Ok(())
        })?;
        match (version, did, rev, data, sig) {
            (Some(VERSION), Some(did), Some(rev), Some(data), Some(sig)) => Ok(Self { did, rev, data, prev, sig }),
            (Some(VERSION), ..) => Err(broken("a field is missing")),
            _ => Err(broken("not version 3")),
        }
    }

    fn fields(&self, sig: Option<&[u8]>) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        writer.map(5 + usize::from(sig.is_some()));
        writer.text("did");
        writer.text(self.did.as_str());
        writer.text("rev");
        writer.text(&self.rev.to_string());
        if let Some(sig) = sig {
            writer.text("sig");
            writer.bytes(sig);
        }
        writer.text("data");
        writer.cid(Some(self.data));
        writer.text("prev");
        writer.cid(self.prev);
        writer.text("version");
        writer.int(VERSION);
        writer.into_bytes()
    }

    /// The bytes that are signed.
    pub fn signed_bytes(&self) -> Vec<u8> {
        self.fields(None)
    }

    /// The commit's block.
    pub fn to_block(&self) -> Vec<u8> {
        self.fields(Some(&self.sig))
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// If the commit is not signed by `key`.
    pub fn verify(&self, key: &PublicKey) -> Result<()> {
        key.verify(&self.signed_bytes(), &self.sig)
    }
}

fn broken(detail: &'static str) -> Error {
    Error::new(Reason::Commit, detail)
}
