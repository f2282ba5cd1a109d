//! Pages of `/events/`: the rules of spec a.4, pieces of any size, and arbitrary bytes.

use crate::{KEYS, key};
use nexus_pubky::{Address, LogEvent, Malformed, Page, PageError, PageParser, Path, Verb};
use proptest::prelude::*;

fn read(body: &[u8], piece: usize, requested: u64, stored: u64) -> Result<Page, PageError> {
    let mut parser = PageParser::new(1000, PageParser::MAX_BYTES);
    for piece in body.chunks(piece.max(1)) {
        parser.feed(piece)?;
    }
    parser.finish(requested, stored)
}

fn profile_line(verb: &str) -> String {
    format!("{verb} pubky://{}/pub/pubky.app/profile.json", KEYS[0])
}

#[test]
fn a_page_as_a_homeserver_writes_it() {
    let body = format!("{}\n{}\ncursor: 5", profile_line("PUT"), profile_line("DEL"));
    let page = read(body.as_bytes(), 7, 3, 3).unwrap();
    let address = Address { user: key(0), path: Path::Profile };
    let event = |verb| LogEvent { verb, address: address.clone() };
    assert_eq!(page.events, [event(Verb::Put), event(Verb::Delete)]);
    assert_eq!((page.cursor, page.passed_over.len()), (5, 0));
}

#[test]
fn nothing_new_is_an_empty_body() {
    let page = read(b"", 1, 9, 9).unwrap();
    assert!(page.is_empty());
    assert_eq!(page.cursor, 9);
}

#[test]
fn cursors_are_judged_before_any_event() {
    let events = profile_line("PUT");
    let with = |cursor: &str, requested, stored| read(format!("{events}\n{cursor}").as_bytes(), 50, requested, stored);
    assert_eq!(with("cursor: x", 0, 0), Err(PageError::CursorInvalid));
    assert_eq!(with("cursor: 99999999999999999999", 0, 0), Err(PageError::CursorInvalid));
    assert_eq!(with("cursor: 18446744073709551615", 0, 0), Err(PageError::CursorInvalid));
    assert_eq!(with("cursor: 4", 5, 5), Err(PageError::CursorInvalid));
    assert_eq!(with("cursor: 4", 4, 3), Err(PageError::CursorStalled));
    assert_eq!(with("", 4, 4), Err(PageError::CursorStalled));
    assert_eq!(read(b"cursor: 7", 3, 5, 5), Err(PageError::CursorInvalid));
    assert_eq!(read(b"cursor: 5", 3, 5, 5).unwrap().cursor, 5);
    assert_eq!(with("cursor: 6\ncursor: 8", 5, 5).unwrap().cursor, 8, "the last cursor line wins");
}

#[test]
fn bad_lines_are_counted_and_the_rest_goes_on() {
    let mut body = b"PATCH x\nPUT a b\nno\nPUT https://example.org/\n\xff\xfe\n".to_vec();
    body.extend(vec![b'x'; 5000]);
    body.extend(format!("\n{}\r\ncursor: 2\n", profile_line("PUT")).as_bytes());
    let page = read(&body, 1000, 0, 0).unwrap();
    let reasons: Vec<_> = page.passed_over.iter().map(Malformed::reason).collect();
    assert_eq!(reasons, ["malformed", "malformed", "malformed", "not_pubky", "unreadable", "unreadable"]);
    assert_eq!((page.events.len(), page.cursor, page.len()), (1, 2, 7));
}

#[test]
fn a_page_is_bounded_in_bytes_and_in_lines() {
    let mut parser = PageParser::new(1000, PageParser::MAX_BYTES);
    let piece = vec![b'\n'; 1024 * 1024];
    let fed: Result<Vec<()>, _> = (0..6).map(|_| parser.feed(&piece)).collect();
    assert_eq!(fed.unwrap_err(), PageError::TooLarge { limit: 5 * 1024 * 1024 });
    let million = b"x\n".repeat(1_000_000);
    assert_eq!(read(&million, 4096, 0, 0), Err(PageError::TooLong { limit: 1000 }));
}

/// Reading in pieces gives what reading whole gives, whatever the bytes.
fn pieces_change_nothing(body: &[u8], piece: usize) {
    assert_eq!(read(body, piece, 3, 3), read(body, body.len(), 3, 3));
}

/// The obvious way to read a page: whole, as text, line by line.
fn slow_model(body: &str) -> (Vec<String>, Option<String>) {
    let lines = body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).filter(|line| !line.is_empty());
    let (cursors, events): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("cursor:"));
    let cursor = cursors.last().map(|line| line["cursor:".len()..].trim().to_owned());
    (events.into_iter().map(str::to_owned).collect(), cursor)
}

fn a_line() -> impl Strategy<Value = String> {
    let number = (0u64..20).prop_map(|n| format!("cursor: {n}"));
    let event = prop::sample::select(vec![profile_line("PUT"), profile_line("DEL"), "PUT".into(), "x y".into()]);
    prop_oneof![1 => number, 3 => event, 1 => ".{0,10}", 1 => Just(String::new())]
}

proptest! {
    #[test]
    fn arbitrary_bytes_in_arbitrary_pieces(body in prop::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
        pieces_change_nothing(&body, piece);
    }

    #[test]
    fn pages_are_what_the_slow_model_says(lines in prop::collection::vec(a_line(), 0..20), piece in 1usize..200) {
        let body = lines.join("\n");
        pieces_change_nothing(body.as_bytes(), piece);
        let (events, cursor) = slow_model(&body);
        match read(body.as_bytes(), piece, 3, 3) {
            Ok(page) => {
                prop_assert_eq!(page.len(), events.len());
                prop_assert!(page.cursor >= 3);
                prop_assert_eq!(page.cursor > 3, !events.is_empty());
                let read: Vec<_> = page.events.iter().map(|e| format!("{} {}", e.verb, e.address)).collect();
                let expected: Vec<_> = events.into_iter().filter(|l| l.ends_with("/pub/pubky.app/profile.json")).collect();
                prop_assert_eq!(read, expected);
            }
            Err(PageError::CursorStalled) => {
                prop_assert!(!events.is_empty());
                prop_assert!(cursor.is_none_or(|c| c == "3"));
            }
            Err(error) => {
                prop_assert_eq!(error, PageError::CursorInvalid);
                let number = cursor.unwrap().parse::<u64>().ok();
                prop_assert!(number.is_none_or(|n| n < 3 || (events.is_empty() && n != 3)));
            }
        }
    }
}
