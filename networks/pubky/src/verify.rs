//! From the bytes that a homeserver served to a verified record.
//!
//! Pubky records carry no signature. What vouches for them is who served them: the homeserver that the owner's
//! signed pkarr packet names, or one that the operator configured. The caller states which, by making the
//! [`Fetched`]; the rest is checked here: hash where one was announced, schema, limits and id by `pubky-app-specs`.

use crate::{Address, Path, Record};
use bytes::Bytes;
use nexus_model::Verifier;
use pubky_app_specs::traits::Validatable;

/// Why the homeserver that served a record may speak for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The owner's pkarr packet names it.
    Pkarr,
    /// The operator configured it as a source.
    Configured,
}

/// A record's bytes as they were served.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Whose record, and which.
    pub address: Address,
    /// Why the server may speak for that user.
    pub authority: Authority,
    /// What was served.
    pub body: Bytes,
    /// The BLAKE3 hash that the log or the server announced.
    pub announced: Option<[u8; 32]>,
}

/// What a verified body says.
#[derive(Clone, Debug)]
pub struct Content {
    /// The record.
    pub record: Record,
    /// BLAKE3 hash of the bytes.
    pub hash: [u8; 32],
    /// Why it is believed.
    pub authority: Authority,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// More bytes than a record may have.
    #[error("a record of {size} bytes, {limit} are allowed")]
    TooLarge {
        /// How many it has.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The bytes are not those that were announced. They may have changed since; a newer event will tell.
    #[error("the bytes don't have the announced hash")]
    Hash,
    /// The schema, its limits or the id say no.
    #[error("{0}")]
    Schema(String),
    /// Records at this path are not read.
    #[error("records at this path are not read")]
    NotARecord,
}

impl Invalid {
    /// The reason as a metric's label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "record_too_large",
            Self::Hash => "hash",
            Self::Schema(_) => "schema",
            Self::NotARecord => "not_a_record",
        }
    }
}

/// The rule of what records may be believed.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Most bytes of a record, blobs aside.
    pub max_bytes: usize,
}

impl Default for Schema {
    fn default() -> Self {
        Self { max_bytes: 2 * 1024 * 1024 }
    }
}

impl Verifier<Fetched> for Schema {
    type Output = Content;
    type Error = Invalid;

    fn verify(&self, input: Fetched) -> Result<Content, Invalid> {
        let (size, limit) = (input.body.len(), self.max_bytes);
        if size > limit {
            return Err(Invalid::TooLarge { size, limit });
        }
        let hash = *blake3::hash(&input.body).as_bytes();
        if input.announced.is_some_and(|announced| announced != hash) {
            return Err(Invalid::Hash);
        }
        let record = parse(&input.address.path, &input.body)?;
        Ok(Content { record, hash, authority: input.authority })
    }
}

/// Parses, sanitises and validates, id included.
fn parse(path: &Path, body: &[u8]) -> Result<Record, Invalid> {
    match path {
        Path::Profile => read(body, "").map(Record::User),
        Path::Post(id) => read(body, id.as_str()).map(Record::Post),
        Path::Follow(key) => read(body, key.as_str()).map(Record::Follow),
        Path::Mute(key) => read(body, key.as_str()).map(Record::Mute),
        Path::Bookmark(id) => read(body, id.as_str()).map(Record::Bookmark),
        Path::Tag { id, .. } => read(body, id.as_str()).map(Record::Tag),
        Path::File(id) => read(body, id.as_str()).map(Record::File),
        Path::Feed(_) | Path::LastRead | Path::Blob(_) => Err(Invalid::NotARecord),
    }
}

/// What `PubkyAppObject::from_resource` does for one kind of record, without the detour over its own URI type.
fn read<T: Validatable>(body: &[u8], id: &str) -> Result<T, Invalid> {
    <T as Validatable>::try_from(body, id).map_err(Invalid::Schema)
}
