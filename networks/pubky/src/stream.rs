//! `GET /events-stream`: server-sent events of the users that were asked for (spec a.2).

use crate::{
    Address, Malformed, Verb,
    lines::{Line, Lines},
    log::cursor,
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// What happened.
    pub verb: Verb,
    /// The record's URI as it was sent.
    pub uri: String,
    /// The record, or why it is passed over. The cursor moves either way.
    pub address: Result<Address, Malformed>,
    /// Its position in the homeserver's log.
    pub cursor: u64,
    /// BLAKE3 hash of the record's bytes; of every `PUT`.
    pub hash: Option<[u8; 32]>,
}

/// Most lines of one event that are kept; further ones are read over.
const MAX_DATA_LINES: usize = 16;

/// Reads a stream as it arrives, which may be for ever: it keeps one event.
#[derive(Debug, Default)]
pub struct StreamParser {
    lines: Lines,
    partial: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    name: Option<String>,
    data: Vec<String>,
    is_unreadable: bool,
}

impl StreamParser {
    /// Reads the next piece and gives the events that it completes. An event without a position is
    /// malformed as a whole; comments (keep-alives) and unknown fields are read over.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<Result<StreamEvent, Malformed>> {
        let mut complete = Vec::new();
        let partial = &mut self.partial;
        self.lines.feed(piece, |line| complete.extend(partial.line(&line)));
        complete
    }
}

impl Partial {
    fn line(&mut self, line: &Line<'_>) -> Option<Result<StreamEvent, Malformed>> {
        match line {
            Line::Text("") => return std::mem::take(self).complete(),
            Line::Text(text) => self.field(text),
            Line::Unreadable => self.is_unreadable = true,
        }
        None
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => self.name = Some(value.to_owned()),
            "data" if self.data.len() < MAX_DATA_LINES => self.data.push(value.to_owned()),
            _ => {}
        }
    }

    fn complete(self) -> Option<Result<StreamEvent, Malformed>> {
        if self.is_unreadable {
            return Some(Err(Malformed::Unreadable));
        }
        // A block of comments alone is no event.
        (self.name.is_some() || !self.data.is_empty()).then(|| self.event())
    }

    fn event(self) -> Result<StreamEvent, Malformed> {
        let verb = self.name.as_deref().and_then(Verb::from_word).ok_or(Malformed::Shape)?;
        let uri = self.data.first().ok_or(Malformed::Shape)?.clone();
        let position = self.value("cursor").and_then(cursor).ok_or(Malformed::Field("cursor"))?;
        let hash = self.value("content_hash").and_then(hash);
        let address = match (verb, hash) {
            (Verb::Put, None) => Err(Malformed::Field("content hash")),
            _ => Address::from_canonical(&uri).map_err(Malformed::from),
        };
        Ok(StreamEvent { verb, uri, address, cursor: position, hash })
    }

    fn value(&self, name: &str) -> Option<&str> {
        let named = |line: &String| line.split_once(':').is_some_and(|(key, _)| key == name);
        self.data[1..].iter().find(|line| named(line)).and_then(|line| line.split_once(':')).map(|(_, v)| v.trim())
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
