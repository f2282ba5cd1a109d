//! Sends a file of the disk over HTTP: whole or a range of it, or the news that the client has it already.

use super::variant::Variant;
use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use nexus_model::Timestamp;
use std::{io, ops::RangeInclusive, path::Path};
use time::{OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
};
use tokio_util::io::ReaderStream;

/// RFC 9110, 5.6.7.
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
/// Bytes that are read from the disk at once.
const CHUNK: usize = 64 << 10;
/// A stranger's page may be looked at; it may not run scripts, load anything or have our origin.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; sandbox";

/// Whether the browser is to show a file or to save it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Inline,
    Download,
}

/// What is sent besides the bytes.
pub(super) struct Item<'a> {
    pub(super) content_type: &'a str,
    pub(super) name: &'a str,
    pub(super) delivery: Delivery,
    pub(super) validators: Validators,
}

/// By what a client recognises bytes that it has.
#[derive(Debug)]
pub(super) struct Validators {
    etag: String,
    modified: OffsetDateTime,
}

impl Validators {
    pub(super) fn new(blob: &str, variant: Variant, indexed_at: Timestamp) -> Self {
        let seconds = indexed_at.millis().div_euclid(1000);
        let modified = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { etag: format!("\"{blob}-{variant}-{:x}\"", indexed_at.millis()), modified }
    }

    fn last_modified(&self) -> String {
        self.modified.format(HTTP_DATE).unwrap_or_default()
    }

    /// RFC 9110, 13.2.2: a tag counts more than a date.
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        if let Some(tags) = text(headers, IF_NONE_MATCH) {
            let mut tags = tags.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
            return tags.any(|tag| tag == "*" || tag == self.etag);
        }
        text(headers, IF_MODIFIED_SINCE).and_then(parse_date).is_some_and(|since| self.modified <= since)
    }

    /// RFC 9110, 13.1.5: a range of other bytes than the client has parts of would be no use.
    fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = text(headers, IF_RANGE) else { return !headers.contains_key(IF_RANGE) };
        condition == self.etag || parse_date(condition) == Some(self.modified)
    }
}

fn parse_date(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, HTTP_DATE).ok().map(PrimitiveDateTime::assume_utc)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The answer with the bytes at `place`.
///
/// # Errors
/// If they can't be read.
pub(super) async fn answer(
    place: &Path,
    item: &Item<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> io::Result<Response> {
    let file = File::open(place).await?;
    let length = file.metadata().await?.len();
    let mut response = if item.validators.is_known_to(headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match requested(method, headers, &item.validators, length) {
            Requested::Whole => whole(file, length),
            Requested::Part(range) => part(file, range, length).await?,
            Requested::Nothing => unsatisfiable(length),
        }
    };
    describe(&mut response, item);
    Ok(response)
}

fn whole(file: File, length: u64) -> Response {
    let body = Body::from_stream(ReaderStream::with_capacity(file, CHUNK));
    ([(CONTENT_LENGTH, length)], body).into_response()
}

async fn part(mut file: File, range: RangeInclusive<u64>, length: u64) -> io::Result<Response> {
    let (first, last) = range.into_inner();
    file.seek(SeekFrom::Start(first)).await?;
    let count = last - first + 1;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(count), CHUNK));
    let place = format!("bytes {first}-{last}/{length}");
    Ok((StatusCode::PARTIAL_CONTENT, [(CONTENT_LENGTH, count.to_string()), (CONTENT_RANGE, place)], body)
        .into_response())
}

fn unsatisfiable(length: u64) -> Response {
    (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, format!("bytes */{length}"))]).into_response()
}

fn describe(response: &mut Response, item: &Item<'_>) {
    let content_type = HeaderValue::from_str(item.content_type);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    for (name, value) in [
        (ACCEPT_RANGES, "bytes"),
        (CACHE_CONTROL, "public, max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, SANDBOX),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let named = (item.delivery == Delivery::Download).then(|| (CONTENT_DISPOSITION, disposition(item.name)));
    let validators = [(ETAG, item.validators.etag.clone()), (LAST_MODIFIED, item.validators.last_modified())];
    for (name, value) in validators.into_iter().chain(named) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// RFC 6266: the name as it is where ASCII suffices, else also in UTF-8.
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '_' };
    let quoted: String = name.chars().map(plain).map(|c| if matches!(c, '"' | '\\') { '_' } else { c }).collect();
    let mut value = format!("attachment; filename=\"{quoted}\"");
    if quoted != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => value.push(byte.into()),
                _ => value.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    value
}

/// Which bytes a request is for.
#[derive(Debug, PartialEq, Eq)]
enum Requested {
    Whole,
    Part(RangeInclusive<u64>),
    /// A range that lies outside.
    Nothing,
}

fn requested(method: &Method, headers: &HeaderMap, validators: &Validators, length: u64) -> Requested {
    match text(headers, RANGE) {
        Some(range) if method == Method::GET && validators.allow_range(headers) => parse_range(range, length),
        _ => Requested::Whole,
    }
}

/// One range of bytes (RFC 9110, 14.1.2). What isn't understood, and several ranges at once, are answered with
/// the whole.
fn parse_range(range: &str, length: u64) -> Requested {
    let bounds = range.trim().strip_prefix("bytes=").filter(|list| !list.contains(','));
    let Some((first, last)) = bounds.and_then(|bounds| bounds.trim().split_once('-')) else { return Requested::Whole };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    match (first, last) {
        ("", "") => Requested::Whole,
        ("", suffix) => match number(suffix) {
            None => Requested::Whole,
            Some(count) if count == 0 || length == 0 => Requested::Nothing,
            Some(count) => Requested::Part(length.saturating_sub(count)..=length - 1),
        },
        (first, last) => {
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match (number(first), last) {
                (Some(first), Some(last)) if first > last => Requested::Whole,
                (Some(first), Some(_)) if first >= length => Requested::Nothing,
                (Some(first), Some(last)) => Requested::Part(first..=last.min(length - 1)),
                _ => Requested::Whole,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        for (range, expected) in [
            ("bytes=0-0", Requested::Part(0..=0)),
            ("bytes=2-", Requested::Part(2..=9)),
            ("bytes=-3", Requested::Part(7..=9)),
            ("bytes=-30", Requested::Part(0..=9)),
            ("bytes=5-99999999999999999999999", Requested::Part(5..=9)),
            ("bytes=10-", Requested::Nothing),
            ("bytes=-0", Requested::Nothing),
            ("bytes=3-2", Requested::Whole),
            ("bytes=0-1,3-4", Requested::Whole),
            ("bytes=-", Requested::Whole),
            ("bytes=+1-2", Requested::Whole),
            ("lines=1-2", Requested::Whole),
        ] {
            assert_eq!(parse_range(range, 10), expected, "{range}");
        }
        assert_eq!(parse_range("bytes=-1", 0), Requested::Nothing);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within(range in "bytes=[0-9]{0,3}-[0-9]{0,3}", length in 0..500_u64) {
            if let Requested::Part(part) = parse_range(&range, length) {
                prop_assert!(part.start() <= part.end() && *part.end() < length);
            }
        }
    }

    #[test]
    fn names_are_quoted_and_never_break_the_header() {
        assert_eq!(disposition("map.png"), "attachment; filename=\"map.png\"");
        let foreign = disposition("Über \"uns\"\r\nx: y.png");
        assert!(foreign.starts_with("attachment; filename=\"_ber _uns___x: y.png\"; filename*=UTF-8''%C3%9Cber%20"));
        assert!(HeaderValue::from_str(&foreign).is_ok());
    }

    #[test]
    fn dates_are_written_and_read_back() {
        let validators = Validators::new("x", Variant::Main, Timestamp::from_millis(784_111_777_999));
        assert_eq!(validators.last_modified(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_date(&validators.last_modified()), Some(validators.modified));
    }
}
