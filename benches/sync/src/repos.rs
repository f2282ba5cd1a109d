//! Accounts and their repos: keys from a seed, records of a realistic mix, commits of one record each.

use crate::Error;
use sha2::{Digest, Sha256};
use shrike::{
    cbor::{Value, encode_value},
    crypto::{K256SigningKey, SigningKey},
    repo::{CommitData, Repo},
    syntax::{Did, Nsid, RecordKey, Tid, TidClock},
};

/// One account: its identity and its repo as it stands after the backfill part.
pub(crate) struct Account {
    /// The account's DID.
    pub(crate) did: String,
    /// The handle that its document claims.
    pub(crate) handle: String,
    /// `did:key` form of its signing key.
    pub(crate) did_key: String,
    /// Revision and commit CID at the time of [`Account::car`].
    pub(crate) head: (String, String),
    /// The whole repo, as `getRepo` serves it before any live commit.
    pub(crate) car: axum::body::Bytes,
    /// Live commits, to be replayed after the backfill.
    pub(crate) commits: Vec<CommitData>,
}

/// What to build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Makes keys and texts.
    pub(crate) seed: u64,
    /// Records before the backfill.
    pub(crate) records: usize,
    /// Live commits after it.
    pub(crate) commits: usize,
    /// Bytes of filler in each record.
    pub(crate) filler: usize,
}

const COLLECTIONS: [&str; 4] =
    ["app.bsky.feed.post", "app.bsky.feed.like", "app.bsky.graph.follow", "app.bsky.feed.post"];

/// Builds and signs the account with this number.
pub(crate) fn build(plan: Plan, number: usize) -> Result<Account, Error> {
    let digest = Sha256::digest(format!("nexus replayer {} {number}", plan.seed));
    let key = K256SigningKey::from_bytes(&digest.into())?;
    let did = format!("did:plc:{}", base32(&digest[..15]));
    let mut repo = Repo::new(Did::try_from(did.as_str())?, TidClock::new(number as u16 % 1_024)?);
    let keys = TidClock::new(7)?;
    let mut written = Vec::with_capacity(plan.records);
    for n in 0..plan.records {
        written.push(create(&mut repo, &keys, number, n, plan.filler)?);
    }
    let first = repo.commit(&key)?;
    let car = repo.export_car()?.into();
    let commits = (0..plan.commits)
        .map(|n| {
            write(&mut repo, &keys, &mut written, number, plan.records + n, plan.filler)?;
            Ok(repo.commit(&key)?)
        })
        .collect::<Result<_, Error>>()?;
    let did_key = key.public_key().did_key();
    let head = (first.rev().to_string(), first.cid.to_string());
    Ok(Account { did, handle: format!("user{number}.test"), did_key, head, car, commits })
}

type Written = (Nsid, RecordKey);

/// Eight creates, then an update, then a delete, and so on.
fn write(
    repo: &mut Repo,
    keys: &TidClock,
    written: &mut Vec<Written>,
    author: usize,
    n: usize,
    filler: usize,
) -> Result<(), Error> {
    match (n % 10, written.last().cloned()) {
        (8, Some((collection, rkey))) => {
            repo.update(&collection, &rkey, &record(collection.as_str(), author, n, filler)?)?;
        }
        (9, Some((collection, rkey))) => {
            repo.delete(&collection, &rkey)?;
            written.pop();
        }
        _ => written.push(create(repo, keys, author, n, filler)?),
    }
    Ok(())
}

fn create(repo: &mut Repo, keys: &TidClock, author: usize, n: usize, filler: usize) -> Result<Written, Error> {
    let collection = Nsid::try_from(COLLECTIONS[n % COLLECTIONS.len()])?;
    let key: Tid = keys.next();
    let rkey = RecordKey::try_from(key.to_string().as_str())?;
    repo.create(&collection, &rkey, &record(collection.as_str(), author, n, filler)?)?;
    Ok((collection, rkey))
}

fn record(collection: &str, author: usize, n: usize, filler: usize) -> Result<Vec<u8>, Error> {
    let text = format!("record {n} of account {author} {}", "x".repeat(filler));
    let mut fields = vec![
        ("$type", Value::Text(collection)),
        ("text", Value::Text(&text)),
        ("langs", Value::Array(vec![Value::Text("en")])),
        ("createdAt", Value::Text("2026-01-01T00:00:00.000Z")),
    ];
    fields.sort_by(|(a, _), (b, _)| shrike::cbor::cbor_key_cmp(a, b));
    Ok(encode_value(&Value::Map(fields))?)
}

/// Lower-case base32 without padding: the form of a `did:plc` identifier.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bit = |n: usize| bytes[n / 8] >> (7 - n % 8) & 1;
    let digits = (0..bytes.len() * 8).step_by(5).map(|n| (n..n + 5).fold(0, |digit, n| digit << 1 | bit(n)));
    digits.map(|digit| char::from(ALPHABET[usize::from(digit)])).collect()
}
