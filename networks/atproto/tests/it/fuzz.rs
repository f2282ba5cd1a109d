//! Noise into every parser. Each body is a plain function of bytes, fit for any fuzzer; here proptest runs
//! it on random bytes and on real input with a few bytes changed. A body fails by panicking.

use crate::fixture;
use nexus_atproto::{
    Cid, Commit, Decoder, Did, Document, Frame, Handle, Limits, Nsid, PublicKey, RecordKey, RecordPath, Rules, Slice,
    Tid, Tree, Walk, record,
};
use nexus_model::{Raw, Timestamp};
use proptest::prelude::*;

const KEY: &str = "zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF";

fn fuzz_frame(bytes: &[u8]) {
    let Ok(frame) = Frame::parse(bytes) else { return };
    let key = PublicKey::from_multikey(KEY).unwrap();
    let (now, limits) = (Timestamp::from_millis(i64::MAX), Limits::default());
    match &frame {
        Frame::Commit(message) => assert!(Raw::new(message).verify(&Rules { key: &key, now, limits }).is_err()),
        Frame::Sync(message) => assert!(Raw::new(message).verify(&Rules { key: &key, now, limits }).is_err()),
        _ => {}
    }
}

/// Whole and in pieces, a CAR is the same.
fn fuzz_car(bytes: &[u8]) {
    let whole = Slice::parse(bytes);
    let mut decoder = Decoder::new(1 << 20);
    let pieces = bytes.chunks(13).try_for_each(|piece| {
        decoder.push(piece);
        while decoder.next_block()?.is_some() {}
        Ok::<_, nexus_atproto::Error>(())
    });
    let streamed = pieces.and_then(|()| decoder.finish());
    assert_eq!(whole.as_ref().ok().map(Slice::root), streamed.ok());
}

fn fuzz_tree(bytes: &[u8]) {
    let mut car = nexus_atproto::car::Encoder::new(Cid::of_cbor(bytes));
    car.block(&Cid::of_cbor(bytes), bytes);
    let car = car.into_bytes();
    let slice = Slice::parse(&car).unwrap();
    if let Ok(mut walk) = Walk::new(&slice, slice.root()) {
        while let Ok(Some(_)) = walk.next_leaf() {}
    }
    if let Ok(mut tree) = Tree::load(&slice, slice.root()) {
        let _ = (tree.remove(bytes), tree.insert(bytes, slice.root()), tree.root());
    }
}

/// What passes is JSON, and a commit that passes is the block it was read from.
fn fuzz_block(bytes: &[u8]) {
    if let Ok(json) = record::to_json(bytes) {
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    }
    if let Ok(commit) = Commit::parse(bytes) {
        assert_eq!(commit.to_block(), bytes);
    }
}

fn fuzz_document(bytes: &[u8]) {
    let did: Did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap();
    if let Ok(document) = Document::parse(&did, bytes) {
        let _ = (document.signing_key(), document.pds(), document.declared_handle());
        assert!(serde_json::to_string(&document).is_ok());
    }
}

fn fuzz_names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let same = |read: Option<String>| assert!(read.is_none_or(|again| again == text));
    same(text.parse::<Did>().ok().map(|name| name.to_string()));
    same(text.parse::<Nsid>().ok().map(|name| name.to_string()));
    same(text.parse::<RecordKey>().ok().map(|name| name.to_string()));
    same(text.parse::<RecordPath>().ok().map(|name| name.to_string()));
    same(text.parse::<Handle>().ok().map(|name| name.to_string()));
    same(text.parse::<Tid>().ok().map(|name| name.to_string()));
    same(text.parse::<Cid>().ok().map(|name| name.to_string()));
    let _ = PublicKey::from_multikey(text);
}

const BODIES: [fn(&[u8]); 6] = [fuzz_frame, fuzz_car, fuzz_tree, fuzz_block, fuzz_document, fuzz_names];

/// Real input for each body.
fn samples() -> Vec<Vec<u8>> {
    let tiny = fixture("cars/tiny.car");
    let slice = Slice::parse(&tiny).unwrap();
    let commit = slice.block(&slice.root()).unwrap().to_vec();
    let node = slice.block(&Commit::parse(&commit).unwrap().data).unwrap().to_vec();
    let frames = fixture("recorded/session-a/firehose.frames");
    let frame = frames[4..][..u32::from_be_bytes(*frames.first_chunk().unwrap()) as usize].to_vec();
    let document = fixture("did-docs/did_plc_doc.json");
    vec![frame, tiny, commit, node, document, b"app.bsky.feed.post/3lmxrbvasth2t".to_vec()]
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        BODIES.iter().for_each(|body| body(&bytes));
    }

    #[test]
    fn damaged_input_never_panics(
        which in 0..6_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
        cuts: bool,
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        BODIES.iter().for_each(|body| body(&bytes));
    }
}
