//! Repos on their way in, in memory and on disk.

use nexus_atproto::car::Encoder;
use nexus_atproto::{Blocks, Cid};
use nexus_sync_server::spool::{Error, Limits, Spool, Spooled};
use std::path::PathBuf;
use tempfile::TempDir;

fn blocks() -> Vec<Vec<u8>> {
    (0..300_u32).map(|n| n.to_be_bytes().repeat(1 + n as usize % 50)).collect()
}

fn car() -> Vec<u8> {
    let blocks = blocks();
    let mut car = Encoder::new(Cid::of_cbor(&blocks[7]));
    // Blocks may repeat.
    blocks.iter().chain(&blocks[..20]).for_each(|block| car.block(&Cid::of_cbor(block), block));
    car.into_bytes()
}

fn take_in(folder: &TempDir, memory: usize, total: u64, bytes: &[u8]) -> Result<(Cid, Spooled), Error> {
    let folder: PathBuf = folder.path().to_owned();
    let mut spool = Spool::new(Limits { memory, total, blocks: 400, folder });
    bytes.chunks(333).try_for_each(|piece| spool.push(piece))?;
    spool.finish()
}

#[test]
fn every_block_is_given_back_from_memory_and_from_disk() {
    for (memory, is_on_disk) in [(1 << 20, false), (0, true), (5_000, true)] {
        let folder = tempfile::tempdir().unwrap();
        let (root, mut spooled) = take_in(&folder, memory, 1 << 30, &car()).unwrap();
        assert_eq!((root, spooled.is_on_disk()), (Cid::of_cbor(&blocks()[7]), is_on_disk));
        let mut read = Vec::new();
        for block in blocks() {
            assert!(spooled.read(&Cid::of_cbor(&block), &mut read).unwrap());
            assert_eq!(read, block);
        }
        assert!(!spooled.read(&Cid::of_cbor(b"other"), &mut read).unwrap());
        // The file has no name already while it is used.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_is_too_large_cut_or_cannot_be_set_aside_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(take_in(&folder, 100, 2_000, &car()), Err(Error::TooLarge { limit: 2_000 })));
    let cut = car();
    assert!(matches!(take_in(&folder, 100, 1 << 30, &cut[..cut.len() - 1]), Err(Error::Car(_))));
    let gone = tempfile::tempdir().unwrap();
    std::fs::remove_dir(gone.path()).unwrap();
    assert!(matches!(take_in(&gone, 100, 1 << 30, &car()), Err(Error::File(_))));
}

#[test]
fn a_million_blocks_pass_through() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory: 1 << 20, total: 1 << 30, blocks: 1_000_000, folder: folder.path().to_owned() };
    let mut spool = Spool::new(limits);
    let block = |n: u32| n.to_be_bytes();
    for thousand in 0..1_000_u32 {
        let mut car = Encoder::new(Cid::of_cbor(&block(7)));
        let header = if thousand == 0 { 0 } else { Encoder::new(Cid::of_cbor(&block(7))).into_bytes().len() };
        (0..1_000).map(|n| block(thousand * 1_000 + n)).for_each(|block| car.block(&Cid::of_cbor(&block), &block));
        spool.push(&car.into_bytes()[header..]).unwrap();
    }
    let (_, mut spooled) = spool.finish().unwrap();
    let mut read = Vec::new();
    for n in (0..1_000_000).step_by(9_973) {
        assert!(spooled.read(&Cid::of_cbor(&block(n)), &mut read).unwrap());
        assert_eq!(read, block(n));
    }
}
