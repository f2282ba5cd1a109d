//! Compression of messages (RFC 7692), each for itself: neither side keeps a window from one to the next.

use super::frame::Fault;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use std::sync::{Mutex, PoisonError};

/// Whether a connection, or a message on it, is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    On,
    Off,
}

/// What ends a compressed message, and is left out on the wire.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// How hard messages are compressed: the least, as each is sent once to each client.
const LEVEL: u32 = 1;

/// Decompresses a message to at most `limit` bytes.
pub(crate) fn inflate(payload: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let input = [payload, &TAIL].concat();
    let mut inflater = Decompress::new(false);
    let mut output = Vec::with_capacity(limit.min(payload.len().saturating_mul(4)).max(64));
    loop {
        let read = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
        let before = output.len();
        let rest = input.get(read..).unwrap_or_default();
        let status = inflater.decompress_vec(rest, &mut output, FlushDecompress::Sync).map_err(|_| Fault::Data)?;
        let is_read = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX) >= input.len();
        if output.len() > limit {
            return Err(Fault::TooLarge);
        }
        if status == Status::StreamEnd || (is_read && output.len() < output.capacity()) {
            return Ok(output);
        }
        if output.len() < output.capacity() && output.len() == before {
            return Err(Fault::Data);
        }
        output.reserve(output.len().min(limit).max(64));
    }
}

/// Compressors that wait for the next message. There are at most as many as compressed at once.
#[derive(Debug)]
pub(crate) struct Deflater {
    idle: Mutex<Vec<Compress>>,
    /// How many are kept.
    most: usize,
}

impl Deflater {
    /// Keeps at most `most` compressors.
    pub(crate) const fn new(most: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), most }
    }

    /// Compresses a message.
    pub(crate) fn deflate(&self, payload: &[u8]) -> Vec<u8> {
        let idle = self.idle().pop();
        let mut compress = idle.unwrap_or_else(|| Compress::new(flate2::Compression::new(LEVEL), false));
        let mut output = Vec::with_capacity(payload.len() / 2 + 64);
        loop {
            let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let rest = payload.get(read..).unwrap_or_default();
            let status = compress.compress_vec(rest, &mut output, FlushCompress::Sync);
            let is_read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX) >= payload.len();
            if status.is_err() || (is_read && output.len() < output.capacity()) {
                break;
            }
            output.reserve(output.len().max(64));
        }
        compress.reset();
        let mut idle = self.idle();
        if idle.len() < self.most {
            idle.push(compress);
        }
        drop(idle);
        output.truncate(output.len() - if output.ends_with(&TAIL) { TAIL.len() } else { 0 });
        output
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Compress>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bomb_is_too_large_and_garbage_is_damaged() {
        let bomb = Deflater::new(1).deflate(&vec![b'a'; 10_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(inflate(&bomb, 131_072), Err(Fault::TooLarge));
        assert_eq!(inflate(&[0xFF; 40], 131_072), Err(Fault::Data));
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        assert_eq!(inflate(&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], 100), Ok(b"Hello".to_vec()));
    }

    proptest! {
        #[test]
        fn messages_come_back_and_depend_on_none_before(
            messages in prop::collection::vec("[a-e]{0,1500}", 1..4), limit in 0usize..3_000,
        ) {
            let deflater = Deflater::new(1);
            for message in messages {
                let sent = deflater.deflate(message.as_bytes());
                prop_assert!(!sent.ends_with(&TAIL));
                let read = inflate(&sent, limit);
                if message.len() <= limit {
                    prop_assert_eq!(read, Ok(message.into_bytes()));
                } else {
                    prop_assert_eq!(read, Err(Fault::TooLarge));
                }
            }
        }

        #[test]
        fn any_bytes_are_inflated_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = inflate(&bytes, 1_000);
        }
    }
}
