//! Messages of `com.atproto.sync.subscribeRepos`: each is two values of DAG-CBOR, a header and a body.
//!
//! Nothing is believed here. Names and times stay the text that came; [`crate::Rules`] read
//! them when they verify.

use crate::cbor::Reader;
use crate::cid::Cid;
use crate::error::{Error, Reason, Result};

/// A message of the firehose.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// A repo has a new revision.
    Commit(CommitMessage<'a>),
    /// A repo's state is asserted, without the way that led there.
    Sync(SyncMessage<'a>),
    /// Something about an identity has changed: resolve it again.
    Identity(IdentityMessage<'a>),
    /// An account's status at the sender.
    Account(AccountMessage<'a>),
    /// A word about the stream itself, as `OutdatedCursor`.
    Info(Notice<'a>),
    /// The sender gives up, as `FutureCursor` or `ConsumerTooSlow`, and closes.
    Error(Notice<'a>),
    /// A kind of message that is not known, to be passed over.
    Unknown(&'a str),
}

/// `#commit`, as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitMessage<'a> {
    /// The position in the stream.
    pub seq: i64,
    /// Whose repo.
    pub repo: &'a str,
    /// The commit's block.
    pub commit: Option<Cid>,
    /// The new revision.
    pub rev: &'a str,
    /// The revision before.
    pub since: Option<&'a str>,
    /// A CAR with the changed part of the repo.
    pub blocks: &'a [u8],
    /// What was changed.
    pub ops: Vec<OpMessage<'a>>,
    /// When the sender saw it.
    pub time: &'a str,
    /// The root of the tree before.
    pub prev_data: Option<Cid>,
}

/// An operation of a commit, as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpMessage<'a> {
    /// `create`, `update` or `delete`.
    pub action: &'a str,
    /// Which record.
    pub path: &'a str,
    /// The record's new block.
    pub cid: Option<Cid>,
    /// The record's block before.
    pub prev: Option<Cid>,
}

/// `#sync`, as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncMessage<'a> {
    /// The position in the stream.
    pub seq: i64,
    /// Whose repo.
    pub did: &'a str,
    /// A CAR with the commit alone.
    pub blocks: &'a [u8],
    /// The revision.
    pub rev: &'a str,
    /// When the sender saw it.
    pub time: &'a str,
}

/// `#identity`, as it came. The handle it may carry is a hint that nothing vouches for and is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IdentityMessage<'a> {
    /// The position in the stream.
    pub seq: i64,
    /// Whose identity.
    pub did: &'a str,
}

/// `#account`, as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AccountMessage<'a> {
    /// The position in the stream.
    pub seq: i64,
    /// Whose account.
    pub did: &'a str,
    /// Whether the sender serves the account.
    pub active: bool,
    /// Why it doesn't.
    pub status: Option<&'a str>,
}

/// A name for programs and words for people.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Notice<'a> {
    /// What happened.
    pub name: &'a str,
    /// More about it.
    pub message: Option<&'a str>,
}

impl<'a> Frame<'a> {
    /// Reads one binary message. Fields that are not known are passed over.
    ///
    /// # Errors
    /// If the message is malformed or lacks something that its kind must have.
    pub fn parse(message: &'a [u8]) -> Result<Self> {
        let (mut op, mut kind) = (0, "");
        let mut reader = Reader::new(message);
        reader.fields(|reader, key| {
            match key {
                "op" => op = reader.int()?,
                "t" => kind = reader.text()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let frame = match (op, kind) {
            (1, "#commit") => Self::Commit(commit(&mut reader)?),
            (1, "#sync") => Self::Sync(sync(&mut reader)?),
            (1, "#identity") => Self::Identity(identity(&mut reader)?),
            (1, "#account") => Self::Account(account(&mut reader)?),
            (1, "#info") => Self::Info(notice(&mut reader, "name")?),
            (-1, _) => Self::Error(notice(&mut reader, "error")?),
            (1, _) => return Ok(Self::Unknown(kind)),
            _ => return Err(Error::new(Reason::Frame, format!("unknown operation {op}"))),
        };
        reader.finish()?;
        Ok(frame)
    }

    /// The position in the stream, for the kinds that have one.
    pub const fn seq(&self) -> Option<i64> {
        match self {
            Self::Commit(message) => Some(message.seq),
            Self::Sync(message) => Some(message.seq),
            Self::Identity(message) => Some(message.seq),
            Self::Account(message) => Some(message.seq),
            Self::Info(_) | Self::Error(_) | Self::Unknown(_) => None,
        }
    }

    /// The account that the message is about, as it came: what is in order is in order per account.
    pub const fn account(&self) -> Option<&'a str> {
        match self {
            Self::Commit(message) => Some(message.repo),
            Self::Sync(message) => Some(message.did),
            Self::Identity(message) => Some(message.did),
            Self::Account(message) => Some(message.did),
            Self::Info(_) | Self::Error(_) | Self::Unknown(_) => None,
        }
    }
}

fn complete<T>(message: T, fields: &[&str]) -> Result<T> {
    if fields.iter().any(|field| field.is_empty()) {
        return Err(Error::new(Reason::Frame, "a field is missing"));
    }
    Ok(message)
}

fn commit<'a>(reader: &mut Reader<'a>) -> Result<CommitMessage<'a>> {
    let mut m = CommitMessage::default();
    reader.fields(|reader, key| {
        match key {
            "seq" => m.seq = reader.int()?,
            "repo" => m.repo = reader.text()?,
            "commit" => m.commit = reader.nullable(Reader::cid)?,
            "rev" => m.rev = reader.text()?,
            "since" => m.since = reader.nullable(Reader::text)?,
            "blocks" => m.blocks = reader.bytes()?,
            "ops" => m.ops = (0..reader.array()?).map(|_| op(reader)).collect::<Result<_>>()?,
            "time" => m.time = reader.text()?,
            "prevData" => m.prev_data = reader.nullable(Reader::cid)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let fields = [m.repo, m.rev, m.time];
    complete(m, &fields)
}

fn op<'a>(reader: &mut Reader<'a>) -> Result<OpMessage<'a>> {
    let mut op = OpMessage::default();
    reader.fields(|reader, key| {
        match key {
            "action" => op.action = reader.text()?,
            "path" => op.path = reader.text()?,
            "cid" => op.cid = reader.nullable(Reader::cid)?,
            "prev" => op.prev = reader.nullable(Reader::cid)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let fields = [op.action, op.path];
    complete(op, &fields)
}

fn sync<'a>(reader: &mut Reader<'a>) -> Result<SyncMessage<'a>> {
    let mut m = SyncMessage::default();
    reader.fields(|reader, key| {
        match key {
            "seq" => m.seq = reader.int()?,
            "did" => m.did = reader.text()?,
            "blocks" => m.blocks = reader.bytes()?,
            "rev" => m.rev = reader.text()?,
            "time" => m.time = reader.text()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let fields = [m.did, m.rev, m.time];
    complete(m, &fields)
}

fn identity<'a>(reader: &mut Reader<'a>) -> Result<IdentityMessage<'a>> {
    let mut m = IdentityMessage::default();
    reader.fields(|reader, key| {
        match key {
            "seq" => m.seq = reader.int()?,
            "did" => m.did = reader.text()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    complete(m, &[m.did])
}

fn account<'a>(reader: &mut Reader<'a>) -> Result<AccountMessage<'a>> {
    let mut m = AccountMessage::default();
    reader.fields(|reader, key| {
        match key {
            "seq" => m.seq = reader.int()?,
            "did" => m.did = reader.text()?,
            "active" => m.active = reader.bool()?,
            "status" => m.status = reader.nullable(Reader::text)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    complete(m, &[m.did])
}

fn notice<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Notice<'a>> {
    let mut notice = Notice::default();
    reader.fields(|reader, key| {
        match key {
            "message" => notice.message = reader.nullable(Reader::text)?,
            key if key == name => notice.name = reader.text()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    complete(notice, &[notice.name])
}
