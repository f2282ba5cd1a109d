//! `GET /events/`: the log of a homeserver, a page at a time (spec a.2 and a.4).

use crate::{
    Address, AddressError,
    lines::{Line, Lines},
};
use std::fmt;

/// What a log entry says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// It is new or changed.
    Put,
    /// It is gone.
    Delete,
}

impl Verb {
    /// The word in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Delete => "DEL",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "PUT" => Some(Self::Put),
            "DEL" => Some(Self::Delete),
            _ => None,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An entry of a homeserver's log that names an indexed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// What happened.
    pub verb: Verb,
    /// To which record.
    pub address: Address,
}

/// Why an entry of a log is passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not UTF-8, or longer than any legal line.
    #[error("an unreadable line")]
    Unreadable,
    /// Not an operation, one space and a URI.
    #[error("not an operation and a URI")]
    Shape,
    /// An event of a stream without what it needs: cursor, and a hash where its verb asks for one.
    #[error("an event without a valid {0}")]
    Field(&'static str),
    /// A URI that is not the address of an indexed record.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl Malformed {
    /// The reason as a metric's label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Shape => "malformed",
            Self::Field(_) => "incomplete",
            Self::Address(error) => error.reason(),
        }
    }
}

/// One valid page of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its entries that name indexed records, in order.
    pub events: Vec<LogEvent>,
    /// Its other entries: passed over, counted by reason.
    pub passed_over: Vec<Malformed>,
    /// Where the next page begins; the cursor that was asked for when there is nothing after it.
    pub cursor: u64,
}

impl Page {
    /// How many entries it has in all.
    pub const fn len(&self) -> usize {
        self.events.len() + self.passed_over.len()
    }

    /// True if there was nothing after the cursor that was asked for.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a page is refused as a whole, before any of its events is handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// More bytes than a page may have.
    #[error("a page of more than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// More entries than were asked for.
    #[error("a page of more than the {limit} entries that were asked for")]
    TooLong {
        /// How many were asked for.
        limit: usize,
    },
    /// The cursor is no number, lies before the one that is stored, or moves without events.
    #[error("a cursor that is no number, goes backwards or moves without events")]
    CursorInvalid,
    /// Events without a cursor that lies after the one that was asked for.
    #[error("events without a cursor that advances")]
    CursorStalled,
}

impl PageError {
    /// The reason as a metric's label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "page_too_large",
            Self::TooLong { .. } => "page_too_long",
            Self::CursorInvalid => "cursor_invalid",
            Self::CursorStalled => "cursor_stalled",
        }
    }
}

/// Reads the body of one page as it arrives.
#[derive(Debug)]
pub struct PageParser {
    lines: Lines,
    read: usize,
    max_bytes: usize,
    limit: usize,
    events: Vec<LogEvent>,
    passed_over: Vec<Malformed>,
    cursor: Option<Result<u64, PageError>>,
}

impl PageParser {
    /// Most bytes of a page, where nobody says otherwise.
    pub const MAX_BYTES: usize = 5 * 1024 * 1024;

    /// Highest cursor: stores keep positions as signed numbers.
    pub const MAX_CURSOR: u64 = i64::MAX as u64;

    /// Expects a page of at most `limit` entries and `max_bytes` bytes.
    pub const fn new(limit: usize, max_bytes: usize) -> Self {
        let lines = Lines::new();
        Self { lines, read: 0, max_bytes, limit, events: Vec::new(), passed_over: Vec::new(), cursor: None }
    }

    /// Reads the next piece of the body.
    ///
    /// # Errors
    /// If the page grows beyond its limits; nothing of it may be used then.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), PageError> {
        self.read = self.read.saturating_add(piece.len());
        if self.read > self.max_bytes {
            return Err(PageError::TooLarge { limit: self.max_bytes });
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.feed(piece, |line| self.line(&line));
        self.lines = lines;
        self.within_limit()
    }

    /// Ends the page and judges it as a whole: `requested` is the cursor that was asked for, `stored` the one
    /// that is durable.
    ///
    /// # Errors
    /// If the page breaks a rule of spec a.4; nothing of it may be used then.
    pub fn finish(mut self, requested: u64, stored: u64) -> Result<Page, PageError> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(|line| self.line(&line));
        self.within_limit()?;
        let (events, passed_over) = (self.events, self.passed_over);
        let cursor = judge(self.cursor.transpose()?, events.is_empty() && passed_over.is_empty(), requested, stored)?;
        Ok(Page { events, passed_over, cursor })
    }

    fn within_limit(&self) -> Result<(), PageError> {
        let entries = self.events.len() + self.passed_over.len();
        if entries > self.limit { Err(PageError::TooLong { limit: self.limit }) } else { Ok(()) }
    }

    fn line(&mut self, line: &Line<'_>) {
        if self.within_limit().is_err() {
            return;
        }
        match line {
            Line::Unreadable => self.passed_over.push(Malformed::Unreadable),
            Line::Text("") => {}
            Line::Text(text) => match text.strip_prefix("cursor:") {
                Some(number) => self.cursor = Some(cursor(number.trim()).ok_or(PageError::CursorInvalid)),
                None => match event(text) {
                    Ok(event) => self.events.push(event),
                    Err(reason) => self.passed_over.push(reason),
                },
            },
        }
    }
}

/// A cursor's number, if it is one that can be stored.
pub(crate) fn cursor(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= PageParser::MAX_CURSOR)
}

fn event(line: &str) -> Result<LogEvent, Malformed> {
    let (word, uri) = line.split_once(' ').ok_or(Malformed::Shape)?;
    let verb = Verb::from_word(word).filter(|_| !uri.contains(' ')).ok_or(Malformed::Shape)?;
    Ok(LogEvent { verb, address: Address::from_canonical(uri)? })
}

fn judge(cursor: Option<u64>, is_empty: bool, requested: u64, stored: u64) -> Result<u64, PageError> {
    match cursor {
        Some(cursor) if cursor < stored => Err(PageError::CursorInvalid),
        Some(cursor) if is_empty && cursor != requested => Err(PageError::CursorInvalid),
        Some(cursor) if !is_empty && cursor <= requested => Err(PageError::CursorStalled),
        Some(cursor) => Ok(cursor),
        None if is_empty => Ok(requested),
        None => Err(PageError::CursorStalled),
    }
}
