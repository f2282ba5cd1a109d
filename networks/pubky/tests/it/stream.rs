//! Server-sent events: in pieces, with comments, incomplete, and arbitrary.

use crate::KEYS;
use nexus_pubky::{Malformed, StreamEvent, StreamParser, Verb};
use proptest::prelude::*;

const HASH: &str = "rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=";

fn read(body: &[u8], piece: usize) -> Vec<Result<StreamEvent, Malformed>> {
    let mut parser = StreamParser::default();
    body.chunks(piece.max(1)).flat_map(|piece| parser.feed(piece)).collect()
}

fn put(cursor: &str, hash: &str) -> String {
    let uri = format!("pubky://{}/pub/pubky.app/profile.json", KEYS[0]);
    format!("event: PUT\ndata: {uri}\ndata: cursor: {cursor}\n{hash}\n")
}

#[test]
fn a_stream_as_a_homeserver_writes_it() {
    let uri = format!("pubky://{}/pub/pubky.app/posts/0034A0X7NJ52A", KEYS[0]);
    let put = put("1", &format!("data: content_hash: {HASH}\n"));
    let body = format!(": keep-alive\n\n{put}event: DEL\r\ndata: {uri}\r\ndata: cursor: 4\r\n\r\n");
    let events: Vec<_> = read(body.as_bytes(), 9).into_iter().map(Result::unwrap).collect();
    assert_eq!((events[0].verb, events[0].cursor, events[0].hash.is_some()), (Verb::Put, 1, true));
    assert_eq!((events[1].verb, events[1].cursor, events[1].hash), (Verb::Delete, 4, None));
    assert_eq!(events[1].address.as_ref().unwrap().to_string(), uri);
    assert_eq!(events.len(), 2);
}

#[test]
fn an_event_without_its_fields_is_malformed() {
    let reason = |body: String| read(body.as_bytes(), 1).pop().unwrap().and_then(|e| e.address).unwrap_err().reason();
    assert_eq!(reason(put("x", "")), "incomplete");
    assert_eq!(reason(put("7", "")), "incomplete", "a PUT needs its hash");
    assert_eq!(reason(put("7", "data: content_hash: AAAA\n")), "incomplete");
    assert_eq!(reason("event: PATCH\ndata: x\n\n".into()), "malformed");
    assert_eq!(reason("event: PUT\n\n".into()), "malformed");
    assert_eq!(reason(format!("event: DEL\ndata: pubky://x\ndata: cursor: 3\n{}\n\n", "y".repeat(5000))), "unreadable");
}

#[test]
fn a_passed_over_event_still_tells_its_cursor() {
    let event = read(b"event: DEL\ndata: pubky://x/pub/y\ndata: cursor: 3\n\n", 5).pop().unwrap().unwrap();
    assert_eq!((event.cursor, event.address.is_err()), (3, true));
}

proptest! {
    #[test]
    fn arbitrary_bytes_in_arbitrary_pieces(body in prop::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
        prop_assert_eq!(read(&body, piece), read(&body, body.len()));
    }

    #[test]
    fn arbitrary_fields(
        body in "((event: (PUT|DEL)|data: (cursor: [0-9]{0,22}|content_hash: [A-Za-z=]{0,44}|x)|:c|id: 1|)\n){0,40}",
        piece in 1usize..50,
    ) {
        let events = read(body.as_bytes(), piece);
        prop_assert_eq!(&events, &read(body.as_bytes(), body.len()));
        let blocks = body.split("\n\n").count();
        prop_assert!(events.len() <= blocks);
    }
}
