//! DAG-CBOR, read by pulling values off a slice and written straight into a buffer. No tree of values is
//! built: what is not asked for is skipped, and text and bytes are borrowed.
//!
//! The reader insists on shortest lengths and definite sizes. Key order is left to the callers: signed
//! objects and tree nodes demand it, messages and records are read leniently.

use crate::cid::Cid;
use crate::error::{Error, Reason, Result};

/// How deep values may be nested. The protocol's guideline is 32; existing clients take 200.
pub(crate) const MAX_DEPTH: usize = 128;

const CID_TAG: u64 = 42;

/// The start of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Head {
    Uint(u64),
    /// The value -1 - n.
    Nint(u64),
    Bytes(usize),
    Text(usize),
    Array(usize),
    Map(usize),
    /// Tag 42, around the bytes of a CID.
    Link,
    Bool(bool),
    Null,
    Float(f64),
}

/// A position in DAG-CBOR.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// Where the next value begins.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    /// Fails if anything follows.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.at == self.input.len() { Ok(()) } else { Err(self.error("trailing bytes")) }
    }

    fn error(&self, what: &str) -> Error {
        Error::new(Reason::Cbor, format!("{what} at byte {}", self.at))
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.rest().get(..length).ok_or_else(|| self.error("the input ends too early"))?;
        self.at += length;
        Ok(taken)
    }

    fn argument(&mut self, info: u8) -> Result<u64> {
        let (length, least) = match info {
            0..=23 => return Ok(u64::from(info)),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(self.error("an indefinite length")),
        };
        let value = self.take(length)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        if value < least { Err(self.error("a number longer than it need be")) } else { Ok(value) }
    }

    /// A length that the rest of the input can hold, as every item takes at least `item` bytes.
    fn length(&mut self, info: u8, item: usize) -> Result<usize> {
        let length = self.argument(info)?;
        let fits = usize::try_from(length).ok().filter(|n| n.checked_mul(item).is_some_and(|n| n <= self.rest().len()));
        fits.ok_or_else(|| self.error("the input ends too early"))
    }

    /// Reads the start of the next value. The content of bytes and text, the items of arrays and maps, and
    /// the byte string behind [`Head::Link`] follow.
    pub(crate) fn head(&mut self) -> Result<Head> {
        let first = self.take(1)?[0];
        let info = first & 31;
        match first >> 5 {
            0 => self.argument(info).map(Head::Uint),
            1 => self.argument(info).map(Head::Nint),
            2 => self.length(info, 1).map(Head::Bytes),
            3 => self.length(info, 1).map(Head::Text),
            4 => self.length(info, 1).map(Head::Array),
            5 => self.length(info, 2).map(Head::Map),
            6 if self.argument(info)? == CID_TAG => Ok(Head::Link),
            6 => Err(self.error("a tag other than 42")),
            _ => self.simple(first),
        }
    }

    fn simple(&mut self, first: u8) -> Result<Head> {
        match first {
            0xf4 => Ok(Head::Bool(false)),
            0xf5 => Ok(Head::Bool(true)),
            0xf6 => Ok(Head::Null),
            0xfb => {
                let bits = self.take(8)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
                Ok(Head::Float(f64::from_bits(bits)))
            }
            _ => Err(self.error("a value outside DAG-CBOR")),
        }
    }

    pub(crate) fn text_of(&mut self, length: usize) -> Result<&'a str> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("text that is not UTF-8"))
    }

    /// The bytes of a link, after [`Head::Link`], without their leading zero.
    pub(crate) fn link_bytes(&mut self) -> Result<&'a [u8]> {
        let bytes = self.bytes()?;
        bytes.strip_prefix(&[0]).ok_or_else(|| self.error("a link without its leading zero"))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        match self.head()? {
            Head::Text(length) => self.text_of(length),
            _ => Err(self.error("something else where text belongs")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        match self.head()? {
            Head::Bytes(length) => self.take(length),
            _ => Err(self.error("something else where bytes belong")),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        let number = match self.head()? {
            Head::Uint(n) => i64::try_from(n).ok(),
            Head::Nint(n) => i64::try_from(n).ok().map(|n| -1 - n),
            _ => return Err(self.error("something else where an integer belongs")),
        };
        number.ok_or_else(|| self.error("an integer beyond 64 bits"))
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        match self.head()? {
            Head::Bool(value) => Ok(value),
            _ => Err(self.error("something else where true or false belongs")),
        }
    }

    pub(crate) fn array(&mut self) -> Result<usize> {
        match self.head()? {
            Head::Array(length) => Ok(length),
            _ => Err(self.error("something else where an array belongs")),
        }
    }

    pub(crate) fn map(&mut self) -> Result<usize> {
        match self.head()? {
            Head::Map(length) => Ok(length),
            _ => Err(self.error("something else where a map belongs")),
        }
    }

    pub(crate) fn cid(&mut self) -> Result<Cid> {
        match self.head()? {
            Head::Link => Cid::from_bytes(self.link_bytes()?),
            _ => Err(self.error("something else where a link belongs")),
        }
    }

    /// `None` for null, else what `read` makes of the value.
    pub(crate) fn nullable<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.rest().first() == Some(&0xf6) {
            self.at += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// Reads a map, handing each key to `field` with the reader standing before the value. `field` reads
    /// exactly that value.
    pub(crate) fn fields(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Result<()>) -> Result<()> {
        for _ in 0..self.map()? {
            let key = self.text()?;
            field(self, key)?;
        }
        Ok(())
    }

    /// Passes over one value of any kind.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut open = vec![1_usize];
        while let Some(left) = open.last_mut() {
            if *left == 0 {
                open.pop();
                continue;
            }
            *left -= 1;
            match self.head()? {
                Head::Bytes(length) => drop(self.take(length)?),
                Head::Text(length) => drop(self.text_of(length)?),
                Head::Link => drop(self.link_bytes()?),
                Head::Array(length) => open.push(length),
                Head::Map(length) => open.push(length * 2),
                Head::Uint(_) | Head::Nint(_) | Head::Bool(_) | Head::Null | Head::Float(_) => {}
            }
            if open.len() > MAX_DEPTH {
                return Err(self.error("values nested too deep"));
            }
        }
        Ok(())
    }
}

/// Writes DAG-CBOR. The caller keeps map keys in order: shorter first, then by bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, major: u8, argument: u64) {
        let bytes = argument.to_be_bytes();
        let (info, tail) = match argument {
            0..24 => (argument as u8, &bytes[8..]),
            24..0x100 => (24, &bytes[7..]),
            0x100..0x1_0000 => (25, &bytes[6..]),
            0x1_0000..0x1_0000_0000 => (26, &bytes[4..]),
            _ => (27, &bytes[..]),
        };
        self.0.push((major << 5) | info);
        self.0.extend_from_slice(tail);
    }

    pub(crate) fn uint(&mut self, value: u64) {
        self.head(0, value);
    }

    pub(crate) fn int(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(0, value),
            Err(_) => self.head(1, value.unsigned_abs() - 1),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(2, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.head(4, length as u64);
    }

    pub(crate) fn map(&mut self, length: usize) {
        self.head(5, length as u64);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(if value { 0xf5 } else { 0xf4 });
    }

    pub(crate) fn null(&mut self) {
        self.0.push(0xf6);
    }

    pub(crate) fn link(&mut self, cid: &[u8]) {
        self.head(6, CID_TAG);
        self.head(2, cid.len() as u64 + 1);
        self.0.push(0);
        self.0.extend_from_slice(cid);
    }

    pub(crate) fn cid(&mut self, cid: Option<Cid>) {
        match cid {
            Some(cid) => self.link(&cid.to_bytes()),
            None => self.null(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skip(bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        reader.skip()?;
        reader.finish()
    }

    #[test]
    fn what_dag_cbor_leaves_out_is_refused() {
        for bytes in
            [&[0x18, 23][..], &[0x9f, 0xff], &[0xf7], &[0xf9, 0, 0], &[0xc1, 0], &[0x62, 0xff, 0xff], &[0x82, 1]]
        {
            assert!(skip(bytes).is_err(), "{bytes:02x?}");
        }
        assert!(skip(&[0xa1, 0x61, b'a', 0x83, 1, 0x20, 0xf6]).is_ok());
    }

    #[test]
    fn nesting_and_claimed_sizes_are_bounded() {
        let deep = |depth| [vec![0x81; depth], vec![0]].concat();
        assert!(skip(&deep(MAX_DEPTH - 1)).is_ok());
        assert!(skip(&deep(MAX_DEPTH)).is_err());
        assert!(skip(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(skip(&[0xbb, 0x80, 0, 0, 0, 0, 0, 0, 1, 0]).is_err());
    }

    proptest! {
        #[test]
        fn integers_come_back(value: i64) {
            let mut writer = Writer::default();
            writer.int(value);
            prop_assert_eq!(Reader::new(&writer.into_bytes()).int(), Ok(value));
        }

        #[test]
        fn strings_and_links_come_back(text: String, bytes: Vec<u8>) {
            let cid = Cid::of_cbor(&bytes);
            let mut writer = Writer::default();
            writer.text(&text);
            writer.bytes(&bytes);
            writer.cid(Some(cid));
            writer.cid(None);
            let written = writer.into_bytes();
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert_eq!(reader.bytes(), Ok(bytes.as_slice()));
            prop_assert_eq!(reader.nullable(Reader::cid), Ok(Some(cid)));
            prop_assert_eq!(reader.nullable(Reader::cid), Ok(None));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
