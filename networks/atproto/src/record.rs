//! Records: DAG-CBOR to the JSON that consumers get, and back.
//!
//! The way to JSON writes while it reads, without a tree between. It refuses what lies outside the data
//! model, since existing consumers refuse the whole event for a link, a blob or a number that isn't one.

use crate::cbor::{Head, MAX_DEPTH, Reader, Writer};
use crate::cid;
use crate::error::{Error, Reason, Result};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt::Write as _;

/// The largest record, in bytes of DAG-CBOR.
pub const MAX_RECORD: usize = 1 << 20;
const MAX_ITEMS: usize = 131_072;
const MAX_KEY: usize = 8_192;

fn refused(detail: &'static str) -> Error {
    Error::new(Reason::Record, detail)
}

/// The JSON of a record's block.
///
/// Bytes become `{"$bytes": base64}`, links `{"$link": cid}`, floats without a fraction integers. Keys keep
/// the order of the block.
///
/// # Errors
/// If the block is not a map of the data model, or larger than [`MAX_RECORD`].
pub fn to_json(block: &[u8]) -> Result<String> {
    if block.len() > MAX_RECORD {
        return Err(refused("a record too large"));
    }
    let mut transcoder = Transcoder { reader: Reader::new(block), out: String::with_capacity(block.len() * 5 / 4) };
    if transcoder.value(MAX_DEPTH)? != Kind::Map {
        return Err(refused("a record that is not a map"));
    }
    transcoder.reader.finish()?;
    Ok(transcoder.out)
}

/// What a value turned out to be, as far as the map around it wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Map,
    Link,
    EmptyText,
    Text,
    /// The text `blob`, which as a `$type` stands for more than a name.
    Blob,
    /// Text that is a CID, or base64: fit for `$link` or `$bytes`.
    Natural,
    Other,
}

struct Transcoder<'a> {
    reader: Reader<'a>,
    out: String,
}

impl Transcoder<'_> {
    fn value(&mut self, depth: usize) -> Result<Kind> {
        match self.reader.head()? {
            Head::Uint(number) => {
                push(&mut self.out, number);
                return Ok(Kind::Natural);
            }
            Head::Nint(number) => push(&mut self.out, -1 - i128::from(i64::try_from(number).map_err(too_wide)?)),
            Head::Float(number) => return self.whole(number),
            Head::Bool(value) => push(&mut self.out, value),
            Head::Null => self.out.push_str("null"),
            Head::Bytes(length) => self.bytes(length)?,
            Head::Text(length) => return self.text(length),
            Head::Link => return self.link(),
            Head::Array(length) => self.array(length, deeper(depth)?)?,
            Head::Map(length) => return self.map(length, deeper(depth)?),
        }
        Ok(Kind::Other)
    }

    fn whole(&mut self, number: f64) -> Result<Kind> {
        const EDGE: f64 = 9_223_372_036_854_775_808.0;
        if number.fract() != 0.0 || !(-EDGE..EDGE).contains(&number) {
            return Err(refused("a number with a fraction"));
        }
        push(&mut self.out, number as i64);
        Ok(if number < 0.0 { Kind::Other } else { Kind::Natural })
    }

    fn bytes(&mut self, length: usize) -> Result<()> {
        let bytes = self.reader.take(length)?;
        self.out.push_str("{\"$bytes\":\"");
        STANDARD_NO_PAD.encode_string(bytes, &mut self.out);
        self.out.push_str("\"}");
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<Kind> {
        let text = self.reader.text_of(length)?;
        push_text(text, &mut self.out);
        Ok(match text {
            "" => Kind::EmptyText,
            "blob" => Kind::Blob,
            _ => Kind::Text,
        })
    }

    fn link(&mut self) -> Result<Kind> {
        let bytes = self.reader.link_bytes()?;
        if !cid::is_any_v1(bytes) {
            return Err(refused("a link that is not a CID"));
        }
        self.out.push_str("{\"$link\":\"");
        cid::push_text(bytes, &mut self.out);
        self.out.push_str("\"}");
        Ok(Kind::Link)
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<()> {
        bounded(length)?;
        self.out.push('[');
        for at in 0..length {
            if at > 0 {
                self.out.push(',');
            }
            self.value(depth)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Kind> {
        bounded(length)?;
        let mut shape = Shape::default();
        let mut keys = Keys::new(self.reader.clone());
        self.out.push('{');
        for at in 0..length {
            if at > 0 {
                self.out.push(',');
            }
            let key = self.reader.text()?;
            keys.next(key, at)?;
            push_text(key, &mut self.out);
            self.out.push(':');
            if matches!(key, "$link" | "$bytes") {
                self.plain_form(key, length)?;
                continue;
            }
            let kind = self.value(depth)?;
            shape.note(key, kind)?;
        }
        self.out.push('}');
        shape.check(length)?;
        Ok(Kind::Map)
    }

    /// A map may spell a link or bytes as JSON does, if it does so rightly.
    fn plain_form(&mut self, key: &str, length: usize) -> Result<()> {
        let text = self.reader.text()?;
        let fits = length == 1 && if key == "$link" { is_cid(text) } else { from_base64(text).is_some() };
        if !fits {
            return Err(refused("a map that is neither a link nor bytes"));
        }
        push_text(text, &mut self.out);
        Ok(())
    }
}

fn too_wide(_: std::num::TryFromIntError) -> Error {
    refused("an integer beyond 64 bits")
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // Writing into a `String` can't fail.
    let _ = write!(out, "{value}");
}

fn deeper(depth: usize) -> Result<usize> {
    depth.checked_sub(1).filter(|depth| *depth > 0).ok_or_else(|| refused("values nested too deep"))
}

fn bounded(length: usize) -> Result<()> {
    if length <= MAX_ITEMS { Ok(()) } else { Err(refused("too many items")) }
}

/// Finds a key that is there twice. Keys in canonical order are told apart by looking at neighbours; only a
/// map in another order is read again.
struct Keys<'a> {
    start: Reader<'a>,
    last: &'a str,
    seen: Option<HashSet<&'a str>>,
}

impl<'a> Keys<'a> {
    fn new(start: Reader<'a>) -> Self {
        Self { start, last: "", seen: None }
    }

    fn next(&mut self, key: &'a str, at: usize) -> Result<()> {
        if key.len() > MAX_KEY {
            return Err(refused("a key too long"));
        }
        let in_order = at == 0 || (self.last.len(), self.last) < (key.len(), key);
        if !in_order && self.seen.is_none() {
            self.seen = Some(self.before(at)?);
        }
        self.last = key;
        let is_new = self.seen.as_mut().is_none_or(|seen| seen.insert(key));
        if is_new { Ok(()) } else { Err(refused("a key that is there twice")) }
    }

    fn before(&mut self, count: usize) -> Result<HashSet<&'a str>> {
        let mut keys = HashSet::with_capacity(count);
        for _ in 0..count {
            keys.insert(self.start.text()?);
            self.start.skip()?;
        }
        Ok(keys)
    }
}

/// What a map says about itself.
#[derive(Default)]
struct Shape {
    is_blob: bool,
    has_ref: bool,
    has_mime_type: bool,
    has_size: bool,
}

impl Shape {
    fn note(&mut self, key: &str, kind: Kind) -> Result<()> {
        match (key, kind) {
            ("$type", Kind::Blob) => self.is_blob = true,
            ("$type", Kind::Text) => {}
            ("$type", _) => return Err(refused("a $type that is not a name")),
            ("ref", kind) => self.has_ref = kind == Kind::Link,
            ("mimeType", kind) => self.has_mime_type = matches!(kind, Kind::Text | Kind::Blob | Kind::EmptyText),
            ("size", kind) => self.has_size = kind == Kind::Natural,
            _ => {}
        }
        Ok(())
    }

    fn check(&self, length: usize) -> Result<()> {
        let whole = length == 4 && self.has_ref && self.has_mime_type && self.has_size;
        if self.is_blob && !whole { Err(refused("a blob that is not well formed")) } else { Ok(()) }
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            push(out, format_args!("\\u{byte:04x}"))
        } else {
            out.push_str(escape)
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// The block of a record given as JSON, in canonical form: for replayers and tests.
///
/// # Errors
/// If the JSON is not a record of the data model.
pub fn from_json(record: &Value) -> Result<Vec<u8>> {
    let mut writer = Writer::default();
    write(record, &mut writer, MAX_DEPTH)?;
    let block = writer.into_bytes();
    to_json(&block)?;
    Ok(block)
}

fn write(value: &Value, writer: &mut Writer, depth: usize) -> Result<()> {
    match value {
        Value::Null => writer.null(),
        Value::Bool(value) => writer.bool(*value),
        Value::Number(number) => return write_number(number, writer),
        Value::String(text) => writer.text(text),
        Value::Array(items) => {
            let depth = deeper(depth)?;
            writer.array(items.len());
            items.iter().try_for_each(|item| write(item, writer, depth))?;
        }
        Value::Object(fields) => return write_map(fields, writer, deeper(depth)?),
    }
    Ok(())
}

fn write_number(number: &serde_json::Number, writer: &mut Writer) -> Result<()> {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(number), ..) => writer.uint(number),
        (_, Some(number), _) => writer.int(number),
        (.., Some(number)) if number.fract() == 0.0 && number.abs() < 9e15 => writer.int(number as i64),
        _ => return Err(refused("a number with a fraction")),
    }
    Ok(())
}

fn write_map(fields: &serde_json::Map<String, Value>, writer: &mut Writer, depth: usize) -> Result<()> {
    let special = |key: &str| fields.get(key).map(|value| value.as_str().filter(|_| fields.len() == 1));
    if let Some(link) = special("$link") {
        let bytes = link.and_then(cid::bytes_of_text).filter(|bytes| cid::is_any_v1(bytes));
        writer.link(&bytes.ok_or_else(|| refused("a link that is not a CID"))?);
        return Ok(());
    }
    if let Some(text) = special("$bytes") {
        writer.bytes(&text.and_then(from_base64).ok_or_else(|| refused("bytes that are not base64"))?);
        return Ok(());
    }
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| (key.len(), key.as_str()));
    writer.map(fields.len());
    for (key, value) in fields {
        writer.text(key);
        write(value, writer, depth)?;
    }
    Ok(())
}

fn is_cid(text: &str) -> bool {
    cid::bytes_of_text(text).is_some_and(|bytes| cid::is_any_v1(&bytes))
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
