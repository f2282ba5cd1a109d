//! Lines out of bytes that arrive in pieces. What is kept is at most one line of bounded length.

/// Longest line that is kept. The longest legal one, a universal tag of an app with a long name, is far shorter.
const MAX_LINE: usize = 2048;

/// Splits pieces of a body at line feeds and hands each line on, without its line end (LF or CR LF).
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    is_overlong: bool,
}

/// A line that was read.
pub(crate) enum Line<'a> {
    /// Its text.
    Text(&'a str),
    /// Longer than any legal line, or not UTF-8.
    Unreadable,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self { partial: Vec::new(), is_overlong: false }
    }

    /// Reads the next piece.
    pub(crate) fn feed(&mut self, mut piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = piece.iter().position(|b| *b == b'\n') {
            if self.partial.is_empty() && !self.is_overlong {
                each(line(&piece[..end]));
            } else {
                self.keep(&piece[..end]);
                self.end(&mut each);
            }
            piece = &piece[end + 1..];
        }
        self.keep(piece);
    }

    /// Hands on what stood after the last line feed, if anything did.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.partial.is_empty() || self.is_overlong {
            self.end(&mut each);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > MAX_LINE {
            self.is_overlong = true;
            self.partial.clear();
        } else if !self.is_overlong {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(Line<'_>)) {
        each(if self.is_overlong { Line::Unreadable } else { line(&self.partial) });
        self.partial.clear();
        self.is_overlong = false;
    }
}

fn line(bytes: &[u8]) -> Line<'_> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= MAX_LINE => Line::Text(text),
        _ => Line::Unreadable,
    }
}
