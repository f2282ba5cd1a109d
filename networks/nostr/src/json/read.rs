//! A pull reader over JSON text. It gives what it is asked for in the order of the text and builds no tree,
//! so an event is read in one pass; where a string has no escapes it is not even copied.

use crate::{Error, Result, hex};
use std::{borrow::Cow, str::FromStr};

/// How deep arrays and objects may nest.
const MAX_DEPTH: u8 = 8;

/// Reads one JSON text from front to back.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Visits each element of the array that comes next. The visitor must read exactly one value.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self, usize) -> Result<()>) -> Result<()> {
        self.open(b'[', "expected an array")?;
        let mut index = 0;
        if !self.next_is(b']') {
            loop {
                element(self, index)?;
                index += 1;
                if !self.next_is(b',') {
                    break;
                }
            }
            self.take(b']', "expected , or ]")?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Visits each member of the object that comes next. The visitor must read exactly one value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.open(b'{', "expected an object")?;
        if !self.next_is(b'}') {
            loop {
                let name = self.string()?;
                self.take(b':', "expected :")?;
                member(self, &name)?;
                if !self.next_is(b',') {
                    break;
                }
            }
            self.take(b'}', "expected , or }")?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// The string that comes next.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        self.take(b'"', "expected a string")?;
        let run = self.plain_run()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(run));
        }
        let mut text = run.to_owned();
        self.rest_of_string(&mut text)?;
        Ok(Cow::Owned(text))
    }

    /// Appends the string that comes next to `out`.
    pub(crate) fn string_into(&mut self, out: &mut String) -> Result<()> {
        self.take(b'"', "expected a string")?;
        self.rest_of_string(out)
    }

    /// The integer that comes next, held within 64 bits.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        self.space();
        let start = self.at;
        let negative = self.byte() == Some(b'-');
        self.at += usize::from(negative);
        let digits = self.digits();
        if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
            return Err(self.fault_at(start, "expected an integer"));
        }
        if matches!(self.byte(), Some(b'.' | b'e' | b'E')) {
            return Err(self.fault_at(start, "not an integer"));
        }
        let size =
            digits.bytes().fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
        Ok(if negative { -size } else { size })
    }

    /// The id, key or signature that comes next.
    pub(crate) fn bytes<T: FromStr<Err = Error>>(&mut self) -> Result<T> {
        self.string()?.parse()
    }

    /// Reads over the value that comes next, of whatever type.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.space();
        match self.byte() {
            Some(b'[') => self.array(|reader, _| reader.skip()),
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    /// The text of the value that comes next.
    pub(crate) fn raw(&mut self) -> Result<&'a str> {
        self.space();
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// True if the next value is a string.
    pub(crate) fn is_string(&mut self) -> bool {
        self.space();
        self.byte() == Some(b'"')
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.space();
        if self.at < self.text.len() { Err(self.fault("expected the end")) } else { Ok(()) }
    }

    fn rest_of_string(&mut self, out: &mut String) -> Result<()> {
        loop {
            out.push_str(self.plain_run()?);
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.fault("control character in a string")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// The bytes up to the next quote, backslash or control character.
    fn plain_run(&mut self) -> Result<&'a str> {
        let rest = &self.text[self.at..];
        let stop = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        let Some(length) = stop else {
            return Err(self.fault("string without end"));
        };
        self.at += length;
        Ok(&rest[..length])
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(self.fault_at(start, "bad escape")),
        })
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char> {
        let lone = |reader: &Self| reader.fault_at(start, "lone surrogate");
        let first = self.code_unit()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or_else(|| lone(self));
        }
        if first >= 0xdc00 || !self.text[self.at..].starts_with("\\u") {
            return Err(lone(self));
        }
        self.at += 2;
        let second = self.code_unit()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(lone(self));
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(|| lone(self))
    }

    fn code_unit(&mut self) -> Result<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let unit = digits.and_then(|digits| hex::array::<2>(&digits.to_ascii_lowercase()));
        let Some(unit) = unit else {
            return Err(self.fault("bad escape"));
        };
        self.at += 4;
        Ok(u32::from(u16::from_be_bytes(unit)))
    }

    fn number(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.byte(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let valid = serde_json::from_str::<serde_json::Number>(&self.text[start..self.at]).is_ok();
        if valid { Ok(()) } else { Err(self.fault_at(start, "bad number")) }
    }

    fn word(&mut self) -> Result<()> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        let Some(word) = word else {
            return Err(self.fault("expected a value"));
        };
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn open(&mut self, bracket: u8, problem: &'static str) -> Result<()> {
        self.take(bracket, problem)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.fault("nested too deeply")) } else { Ok(()) }
    }

    fn take(&mut self, byte: u8, problem: &'static str) -> Result<()> {
        if self.next_is(byte) { Ok(()) } else { Err(self.fault(problem)) }
    }

    /// Steps over `byte` if it comes next.
    fn next_is(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn fault(&self, problem: &'static str) -> Error {
        self.fault_at(self.at, problem)
    }

    const fn fault_at(&self, at: usize, problem: &'static str) -> Error {
        Error::Json { at, problem }
    }
}
