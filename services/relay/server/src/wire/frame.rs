//! Frames: read piece by piece into messages, and written.

use super::deflate::{self, Compression};

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(String),
    Binary(Vec<u8>),
    /// To be answered with the same bytes.
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// Why a connection can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes are no frames that a client may send.
    Protocol(&'static str),
    /// A text is not UTF-8, or compressed data is damaged.
    Data,
    /// A message is larger than it may be.
    TooLarge,
}

impl Fault {
    /// The code and the reason to close with.
    pub(crate) const fn close(self) -> (u16, &'static str) {
        match self {
            Self::Protocol(what) => (1002, what),
            Self::Data => (1007, "not what it says it is"),
            Self::TooLarge => (1009, "message is too large"),
        }
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte & 0x0F {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;
/// The largest payload of a control frame.
const CONTROL: usize = 125;

/// Reads the frames of one client.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What was fed and not yet read.
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins.
    at: usize,
    /// The frames of a message whose last one is still to come.
    fragments: Option<Fragments>,
    /// The largest message, in bytes, decompressed.
    limit: usize,
    compression: Compression,
}

#[derive(Debug)]
struct Fragments {
    kind: Kind,
    payload: Vec<u8>,
}

/// What a message is, as its first frame says.
#[derive(Clone, Copy, Debug)]
struct Kind {
    opcode: Opcode,
    compression: Compression,
}

/// The head of a frame.
struct Head {
    is_final: bool,
    kind: Kind,
    mask: [u8; 4],
    /// Where the payload begins and ends, from the beginning of the frame.
    payload: std::ops::Range<usize>,
}

impl Reader {
    /// A reader of messages of at most `limit` bytes.
    pub(crate) const fn new(limit: usize, compression: Compression) -> Self {
        Self { buffer: Vec::new(), at: 0, fragments: None, limit, compression }
    }

    /// From now on messages may have at most `limit` bytes.
    pub(crate) const fn allow(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes as they came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// True if a frame or a message has begun that has not ended.
    pub(crate) fn is_amid(&self) -> bool {
        self.at < self.buffer.len() || self.fragments.is_some()
    }

    /// The next message, if all of it is there. Without one, no memory is kept that isn't needed.
    ///
    /// # Errors
    /// After which nothing more can be read.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Fault> {
        loop {
            let Some(head) = self.head()? else {
                self.tidy();
                return Ok(None);
            };
            let end = self.at + head.payload.end;
            if self.buffer.len() < end {
                self.tidy();
                return Ok(None);
            }
            let mut payload = self.buffer[self.at + head.payload.start..end].to_vec();
            unmask(&mut payload, head.mask);
            self.at = end;
            if let Some(message) = self.take(&head, payload)? {
                return Ok(Some(message));
            }
        }
    }

    fn tidy(&mut self) {
        if self.at == self.buffer.len() {
            self.buffer = Vec::new();
        } else {
            self.buffer.drain(..self.at);
        }
        self.at = 0;
    }

    fn head(&self) -> Result<Option<Head>, Fault> {
        let bytes = &self.buffer[self.at..];
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let kind = self.kind(*first)?;
        if second & MASKED == 0 {
            return Err(Fault::Protocol("a client's frames are masked"));
        }
        let (length, at) = match second & !MASKED {
            126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 4),
            127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 10),
            short => (Some(u64::from(short)), 2),
        };
        let Some(length) = length else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| Fault::TooLarge)?;
        self.check_length(*first, kind, length)?;
        let Some(mask) = bytes.get(at..).and_then(|bytes| bytes.first_chunk()) else { return Ok(None) };
        Ok(Some(Head { is_final: first & FINAL != 0, kind, mask: *mask, payload: at + 4..at + 4 + length }))
    }

    fn kind(&self, first: u8) -> Result<Kind, Fault> {
        let opcode = Opcode::of(first).ok_or(Fault::Protocol("unknown opcode"))?;
        let compression = if first & COMPRESSED == 0 { Compression::Off } else { self.compression };
        let is_begun = !opcode.is_control() && opcode != Opcode::Continuation;
        let is_agreed = first & COMPRESSED == 0 || (self.compression == Compression::On && is_begun);
        if first & RESERVED != 0 || !is_agreed {
            return Err(Fault::Protocol("reserved bits"));
        }
        Ok(Kind { opcode, compression })
    }

    fn check_length(&self, first: u8, kind: Kind, length: usize) -> Result<(), Fault> {
        if kind.opcode.is_control() {
            let fits = length <= CONTROL && first & FINAL != 0;
            return if fits { Ok(()) } else { Err(Fault::Protocol("a control frame is short and whole")) };
        }
        let before = self.fragments.as_ref().map_or(0, |fragments| fragments.payload.len());
        if length > self.limit.saturating_sub(before) { Err(Fault::TooLarge) } else { Ok(()) }
    }

    fn take(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Message>, Fault> {
        match head.kind.opcode {
            Opcode::Ping => Ok(Some(Message::Ping(payload))),
            Opcode::Pong => Ok(Some(Message::Pong)),
            Opcode::Close => Ok(Some(Message::Close)),
            Opcode::Continuation => {
                let Some(mut fragments) = self.fragments.take() else {
                    return Err(Fault::Protocol("nothing to continue"));
                };
                fragments.payload.extend_from_slice(&payload);
                self.end_or_keep(head.is_final, fragments)
            }
            Opcode::Text | Opcode::Binary => match self.fragments {
                Some(_) => Err(Fault::Protocol("a message within a message")),
                None => self.end_or_keep(head.is_final, Fragments { kind: head.kind, payload }),
            },
        }
    }

    fn end_or_keep(&mut self, is_final: bool, fragments: Fragments) -> Result<Option<Message>, Fault> {
        if !is_final {
            self.fragments = Some(fragments);
            return Ok(None);
        }
        let Fragments { kind, payload } = fragments;
        let payload = match kind.compression {
            Compression::On => deflate::inflate(&payload, self.limit)?,
            Compression::Off => payload,
        };
        match kind.opcode {
            Opcode::Text => String::from_utf8(payload).map(|text| Some(Message::Text(text))).map_err(|_| Fault::Data),
            _ => Ok(Some(Message::Binary(payload))),
        }
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes(chunk.try_into().expect("a chunk has eight bytes")) ^ wide;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Adds a whole frame to `out`.
pub(crate) fn push_frame(out: &mut Vec<u8>, opcode: Opcode, compression: Compression, payload: &[u8]) {
    let flag = if compression == Compression::On { COMPRESSED } else { 0 };
    out.push(FINAL | flag | opcode as u8);
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Adds a frame that closes the connection.
pub(crate) fn push_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.len().min(CONTROL - 2)]);
    push_frame(out, Opcode::Close, Compression::Off, &payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Control, Data, OpCode},
    };

    /// A frame as another implementation writes it.
    fn masked(payload: &[u8], opcode: OpCode, is_final: bool) -> Vec<u8> {
        let mut frame = match opcode {
            OpCode::Control(_) => Frame::ping(payload.to_vec()),
            OpCode::Data(_) => Frame::message(payload.to_vec(), opcode, is_final),
        };
        frame.header_mut().mask = Some([1, 2, 3, 250]);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).expect("memory can be written");
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<Message>, Result<Option<Message>, Fault>) {
        let mut reader = Reader::new(1_000, Compression::Off);
        reader.feed(bytes);
        let mut messages = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                end => return (messages, end),
            }
        }
    }

    #[test]
    fn an_endless_message_is_refused_at_its_head() {
        let mut reader = Reader::new(1_000, Compression::Off);
        reader.feed(&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 0]);
        assert_eq!(reader.next(), Ok(None));
        reader.feed(&[0; 999]);
        assert_eq!(reader.next(), Ok(None));
        let mut reader = Reader::new(1_000, Compression::Off);
        reader.feed(&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 3, 233]);
        assert_eq!(reader.next(), Err(Fault::TooLarge));
    }

    #[test]
    fn many_fragments_are_one_message_and_no_larger() {
        let piece = |opcode, is_final| masked(&[b'a'; 400], opcode, is_final);
        let (text, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
        let whole =
            [piece(text, false), masked(b"?", OpCode::Control(Control::Ping), true), piece(more, true)].concat();
        let (messages, end) = read(&whole);
        assert_eq!(messages, [Message::Ping(b"?".to_vec()), Message::Text("a".repeat(800))]);
        assert_eq!(end, Ok(None));
        let large = [piece(text, false), piece(more, false), piece(more, true)].concat();
        assert_eq!(read(&large).1, Err(Fault::TooLarge));
    }

    #[test]
    fn what_a_client_must_not_send_is_a_fault() {
        for bytes in [
            &[0x81, 0x01, b'a'][..],                           // not masked
            &[0xC1, 0x81, 0, 0, 0, 0, b'a'],                   // compressed without agreement
            &[0xA1, 0x81, 0, 0, 0, 0, b'a'],                   // a reserved bit
            &[0x83, 0x80, 0, 0, 0, 0],                         // an opcode that is none
            &[0x80, 0x80, 0, 0, 0, 0],                         // nothing to continue
            &[0x09, 0x80, 0, 0, 0, 0],                         // a fragmented ping
            &[0x89, 0xFE, 0, 126, 0, 0, 0, 0],                 // a long ping
            &[0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], // a message within a message
        ] {
            assert!(matches!(read(bytes).1, Err(Fault::Protocol(_))), "{bytes:x?}");
        }
        assert_eq!(read(&masked(&[0xFF], OpCode::Data(Data::Text), true)).1, Err(Fault::Data));
    }

    #[test]
    fn nothing_is_kept_between_messages() {
        let mut reader = Reader::new(1_000, Compression::Off);
        reader.feed(&masked(&[b'a'; 900], OpCode::Data(Data::Text), true));
        assert!(matches!(reader.next(), Ok(Some(Message::Text(_)))));
        assert_eq!((reader.next(), reader.buffer.capacity(), reader.is_amid()), (Ok(None), 0, false));
    }

    proptest! {
        #[test]
        fn messages_survive_however_they_are_cut(
            texts in prop::collection::vec("\\PC{0,300}", 0..5), cuts in prop::collection::vec(1usize..50, 1..20),
        ) {
            let bytes: Vec<u8> =
                texts.iter().flat_map(|text| masked(text.as_bytes(), OpCode::Data(Data::Text), true)).collect();
            let mut reader = Reader::new(2_000, Compression::Off);
            let (mut rest, mut read, mut cuts) = (&bytes[..], Vec::new(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().expect("cuts go round").min(rest.len()));
                reader.feed(piece);
                rest = after;
                while let Some(message) = reader.next().expect("well-formed") {
                    read.push(message);
                }
            }
            let expected: Vec<Message> = texts.into_iter().map(Message::Text).collect();
            prop_assert_eq!(read, expected);
            prop_assert!(!reader.is_amid());
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = Reader::new(100, Compression::On);
            reader.feed(&bytes);
            while let Ok(Some(message)) = reader.next() {
                if let Message::Text(text) = message {
                    prop_assert!(text.len() <= 100);
                }
            }
        }

        #[test]
        fn what_is_written_is_read_by_another_implementation(
            byte in any::<u8>(), length in prop_oneof![0usize..300, 65_500usize..65_600],
        ) {
            let payload = vec![byte; length];
            let mut bytes = Vec::new();
            push_frame(&mut bytes, Opcode::Binary, Compression::Off, &payload);
            let mut socket = tokio_tungstenite::tungstenite::WebSocket::from_raw_socket(
                std::io::Cursor::new(bytes), tokio_tungstenite::tungstenite::protocol::Role::Client, None);
            prop_assert_eq!(socket.read().expect("a frame").into_data().to_vec(), payload);
        }
    }
}
