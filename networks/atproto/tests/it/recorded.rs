//! A recorded session with a real server: every frame, every repo, every record.

use crate::{cid, fixture, json, text};
use nexus_atproto::{
    Cid, Decoder, Did, Document, Error, Frame, Legacy, Limits, Link, PublicKey, Reason, RepoState, Rules, Slice, Tid,
    Walk, car, link, record,
};
use nexus_model::{Raw, Timestamp, Verified};
use std::collections::HashMap;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn frames() -> Vec<Vec<u8>> {
    let all = fixture("recorded/session-a/firehose.frames");
    let mut rest = all.as_slice();
    let mut frames = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (frame, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = tail;
    }
    frames
}

fn key_of(name: &str) -> (Did, PublicKey) {
    let bytes = fixture(&format!("recorded/session-a/{name}.did.json"));
    let did: Did = text(&json(&format!("recorded/session-a/{name}.did.json")), "id").parse().unwrap();
    let key = Document::parse(&did, &bytes).unwrap().signing_key().unwrap();
    (did, key)
}

pub(crate) fn keys() -> HashMap<String, PublicKey> {
    ["alice-end", "bob-end"].map(key_of).map(|(did, key)| (did.to_string(), key)).into()
}

#[test]
fn every_commit_of_a_known_account_holds_and_follows_the_one_before() {
    let keys = keys();
    let mut known: HashMap<String, (Tid, Cid)> = HashMap::new();
    let (mut commits, mut syncs, mut last) = (0, 0, 0);
    let recorded = frames();
    assert_eq!(recorded.len(), 166);
    for bytes in &recorded {
        let frame = Frame::parse(bytes).unwrap();
        assert!(frame.seq().unwrap() > last);
        last = frame.seq().unwrap();
        let Some(key) = keys.get(frame.account().unwrap()) else { continue };
        let limits = Limits::default();
        match &frame {
            Frame::Commit(message) => {
                let commit = Raw::new(message).verify(&Rules { key, now: NOW, limits }).unwrap().into_inner();
                if let Some(before) = known.insert(commit.did.to_string(), (commit.rev, commit.data)) {
                    assert_eq!(link(before, commit.rev, commit.prev_data, Legacy::Gap), Link::Follows);
                    assert_eq!(
                        link((commit.rev, commit.data), commit.rev, commit.prev_data, Legacy::Trust),
                        Link::Replay
                    );
                } else {
                    assert!(commit.prev_data.is_none() && commit.ops.is_empty());
                }
                for op in commit.ops.iter().filter(|op| op.cid.is_some()) {
                    assert!(op.cid.unwrap().is_of(op.record.as_ref().unwrap()));
                }
                commits += 1;
            }
            Frame::Sync(message) => {
                let state = Raw::new(message).verify(&Rules { key, now: NOW, limits }).unwrap().into_inner();
                assert_eq!(known.get(state.did.as_str()), Some(&(state.rev, state.data)));
                syncs += 1;
            }
            Frame::Identity(_) | Frame::Account(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((commits, syncs), (152, 3));
}

/// One commit with operations, and the way to spoil it.
fn spoiled(
    spoil: impl Fn(&mut nexus_atproto::CommitMessage<'_>),
) -> Result<Verified<nexus_atproto::RepoCommit>, Error> {
    let keys = keys();
    for bytes in frames() {
        let Ok(Frame::Commit(mut message)) = Frame::parse(&bytes) else { continue };
        if let Some(key) = keys.get(message.repo).filter(|_| message.ops.len() == 3) {
            spoil(&mut message);
            return Raw::new(&message).verify(&Rules { key, now: NOW, limits: Limits::default() });
        }
    }
    panic!("no such commit was recorded")
}

#[test]
fn a_commit_that_was_tampered_with_is_refused_for_the_reason() {
    assert!(spoiled(|_| {}).is_ok());
    let reason = |spoil: &dyn Fn(&mut nexus_atproto::CommitMessage<'_>)| spoiled(spoil).unwrap_err().reason();
    let other = Some(Cid::of_cbor(b"other"));
    assert_eq!(reason(&|m| m.prev_data = other), Reason::Inversion);
    assert_eq!(reason(&|m| m.ops.truncate(2)), Reason::Inversion);
    assert_eq!(reason(&|m| m.ops[1] = m.ops[0].clone()), Reason::Inversion);
    assert_eq!(reason(&|m| m.commit = other), Reason::Commit);
    assert_eq!(reason(&|m| m.rev = "3n2sjqfx7d32m"), Reason::Commit);
    assert_eq!(reason(&|m| m.rev = "now"), Reason::Syntax);
    assert_eq!(reason(&|m| m.rev = "bzzzzzzzzzzzz"), Reason::FutureRev);
    assert_eq!(reason(&|m| m.repo = "did:plc:other"), Reason::Commit);
    assert_eq!(reason(&|m| m.time = "yesterday"), Reason::Syntax);
    assert_eq!(reason(&|m| m.ops[0].action = "upsert"), Reason::Frame);
    assert_eq!(reason(&|m| m.ops[0].path = "a/b/c"), Reason::Syntax);
    assert_eq!(reason(&|m| m.ops[0].cid = other), Reason::Car);
    assert_eq!(reason(&|m| m.blocks = &m.blocks[..m.blocks.len() - 1]), Reason::Car);
    assert_eq!(reason(&|m| m.ops = vec![m.ops[0].clone(); 201]), Reason::Limit);
}

#[test]
fn another_accounts_key_is_not_enough() {
    let (_, bob) = key_of("bob-end");
    let (alice, _) = key_of("alice-end");
    let recorded = frames();
    let frame = recorded.iter().map(|bytes| Frame::parse(bytes).unwrap());
    let refused = frame.filter_map(|frame| match frame {
        Frame::Commit(m) if m.repo == alice.as_str() => {
            Raw::new(&m).verify(&Rules { key: &bob, now: NOW, limits: Limits::default() }).err()
        }
        _ => None,
    });
    assert!(refused.map(|error| assert!(error.may_be_stale_key(), "{error}")).count() > 10);
}

/// Reads a whole repo in pieces of `step` bytes, as a network would bring it.
fn repo(bytes: &[u8], step: usize) -> Result<(Cid, HashMap<Cid, Vec<u8>>), Error> {
    let mut decoder = Decoder::new(car::MAX_SECTION);
    let mut blocks = HashMap::new();
    for piece in bytes.chunks(step) {
        decoder.push(piece);
        while let Some((cid, block)) = decoder.next_block()? {
            blocks.insert(cid, block.to_vec());
        }
    }
    Ok((decoder.finish()?, blocks))
}

#[test]
fn whole_repos_hold_what_the_servers_own_interface_said() {
    for name in ["alice-mid", "alice-end", "bob-end"] {
        let (did, key) = key_of(name);
        let bytes = fixture(&format!("recorded/session-a/{name}.car"));
        let expected = json(&format!("recorded/session-a/{name}.records.json"));
        let (root, blocks) = repo(&bytes, 1000).unwrap();
        assert_eq!(Some(root), cid(&expected["commit"]));
        let rules = Rules { key: &key, now: NOW, limits: Limits::default() };
        let state: RepoState = Raw::new((&did, blocks[&root].as_slice())).verify(&rules).unwrap().into_inner();
        assert_eq!(state.rev.to_string(), text(&expected, "rev"));
        let slice = Slice::parse(&bytes).unwrap();
        let mut walk = Walk::new(&slice, state.data).unwrap();
        for record in expected["records"].as_array().unwrap() {
            let leaf = walk.next_leaf().unwrap().unwrap();
            assert_eq!((leaf.key, Some(leaf.value)), (text(record, "path").as_bytes(), cid(&record["cid"])));
            let json: serde_json::Value =
                serde_json::from_str(&record::to_json(&blocks[&leaf.value]).unwrap()).unwrap();
            assert_eq!(json, record["value"]);
        }
        assert_eq!(walk.next_leaf(), Ok(None));
    }
}

#[test]
fn repos_of_others_are_walked() {
    for (name, records) in [("empty", 0), ("tiny", 8), ("little", 278)] {
        let bytes = fixture(&format!("cars/{name}.car"));
        for step in [1, 7, 4096, bytes.len()] {
            let (root, blocks) = repo(&bytes, step).unwrap();
            let data = nexus_atproto::Commit::parse(&blocks[&root]).unwrap().data;
            let slice = Slice::parse(&bytes).unwrap();
            let mut walk = Walk::new(&slice, data).unwrap();
            let mut count = 0;
            while let Some(leaf) = walk.next_leaf().unwrap() {
                assert!(record::to_json(&blocks[&leaf.value]).is_ok());
                count += 1;
            }
            assert_eq!(count, records, "{name}");
        }
    }
}

#[test]
fn a_part_of_a_repo_is_not_taken_for_the_whole() {
    let bytes = fixture("cars/slice-one.car");
    let slice = Slice::parse(&bytes).unwrap();
    let data = nexus_atproto::Commit::parse(slice.block(&slice.root()).unwrap()).unwrap().data;
    let outcome = Walk::new(&slice, data).and_then(|mut walk| {
        while walk.next_leaf()?.is_some() {}
        Ok(())
    });
    assert_eq!(outcome.unwrap_err().reason(), Reason::Tree);
}

#[test]
fn a_car_that_is_cut_or_changed_is_refused() {
    let bytes = fixture("cars/tiny.car");
    for length in [0, 1, 30, bytes.len() / 2, bytes.len() - 1] {
        assert!(repo(&bytes[..length], 100).is_err(), "{length}");
    }
    for at in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(repo(&changed, 100).is_err(), "{at}");
    }
    assert!(repo(&[bytes.as_slice(), &[0]].concat(), 100).is_err());
    let mut decoder = Decoder::new(50);
    decoder.push(&bytes);
    assert_eq!(decoder.next_block().unwrap_err().reason(), Reason::Car);
}
