//! What its owner signed, with single bytes changed: it is refused, or it still says what the owner said.

use crate::recorded::{NOW, frames, keys};
use crate::{fixture, json, text};
use nexus_atproto::{Did, Document, Error, Frame, Limits, PublicKey, RepoCommit, RepoState, Rules, Slice};
use nexus_model::Raw;
use proptest::prelude::*;

fn rules(key: &PublicKey) -> Rules<'_> {
    Rules { key, now: NOW, limits: Limits::default() }
}

/// The signed root of a recorded repo, its owner and the owner's key.
fn signed(name: &str) -> (Did, PublicKey, Vec<u8>) {
    let document = fixture(&format!("recorded/session-a/{name}.did.json"));
    let did: Did = text(&json(&format!("recorded/session-a/{name}.did.json")), "id").parse().unwrap();
    let key = Document::parse(&did, &document).unwrap().signing_key().unwrap();
    let car = fixture(&format!("recorded/session-a/{name}.car"));
    let slice = Slice::parse(&car).unwrap();
    let root = slice.block(&slice.root()).unwrap().to_vec();
    (did, key, root)
}

#[test]
fn every_bit_of_a_signed_root_counts() {
    for name in ["alice-mid", "alice-end", "bob-end"] {
        let (did, key, root) = signed(name);
        let verified = |block: &[u8]| Raw::new((&did, block)).verify(&rules(&key)).map(|state| state.into_inner());
        assert_eq!(verified(&root).unwrap().did, did);
        for bit in 0..root.len() * 8 {
            let mut changed = root.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verified(&changed).is_err(), "{name}: bit {bit}");
        }
        for length in 0..root.len() {
            assert!(verified(&root[..length]).is_err(), "{name}: {length} bytes");
        }
        assert!(verified(&[&root[..], &[0xf6]].concat()).is_err());
    }
}

/// What a message of the firehose proves.
#[derive(Debug, PartialEq)]
enum Proven {
    Commit(Box<RepoCommit>),
    State(RepoState),
    Nothing,
}

fn proven(bytes: &[u8]) -> Result<Proven, Error> {
    let frame = Frame::parse(bytes)?;
    let keys = keys();
    let Some(key) = frame.account().and_then(|account| keys.get(account)) else { return Ok(Proven::Nothing) };
    match &frame {
        Frame::Commit(message) => {
            Raw::new(message).verify(&rules(key)).map(|commit| Proven::Commit(Box::new(commit.into_inner())))
        }
        Frame::Sync(message) => Raw::new(message).verify(&rules(key)).map(|state| Proven::State(state.into_inner())),
        _ => Ok(Proven::Nothing),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_message_with_a_changed_byte_proves_nothing_else(
        message in prop::sample::select(frames()),
        at: prop::sample::Index,
        xor in 1..=255_u8,
    ) {
        let truth = proven(&message).unwrap();
        let mut changed = message;
        let at = at.index(changed.len());
        changed[at] ^= xor;
        match (proven(&changed), truth) {
            (Ok(Proven::Commit(mut now)), Proven::Commit(truth)) => {
                // The name of the field may be what was changed: then nothing is said of the tree before.
                now.prev_data = now.prev_data.or(truth.prev_data);
                prop_assert_eq!(now, truth);
            }
            (Ok(Proven::State(now)), truth) => prop_assert_eq!(Proven::State(now), truth),
            (Ok(Proven::Commit(now)), truth) => prop_assert!(false, "{:?} out of {:?}", now, truth),
            (Ok(Proven::Nothing) | Err(_), _) => {}
        }
    }
}
