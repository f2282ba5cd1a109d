//! Messages of the firehose, made field by field: what is said is read, what is not known is passed over, and nothing
//! that a kind must have may be missing.

use nexus_atproto::{Cid, Frame, record};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const KINDS: [&str; 6] = ["#commit", "#sync", "#identity", "#account", "#info", "error"];

fn link(cid: Cid) -> Value {
    json!({"$link": cid.to_string()})
}

/// A message: its header and its body, one after the other.
fn message(kind: &str, body: &Map<String, Value>) -> Vec<u8> {
    let header = if kind == "error" { json!({"op": -1}) } else { json!({"op": 1, "t": kind}) };
    [record::from_json(&header).unwrap(), record::from_json(&json!(body)).unwrap()].concat()
}

/// The fields of a kind, and those of them that it can do without.
fn fields(kind: &str, words: &[String; 4], seq: i64, cid: Cid) -> (Map<String, Value>, &'static [&'static str]) {
    let [who, rev, time, more] = words;
    let op = json!({"action": "create", "path": more, "cid": link(cid), "prev": null});
    let (body, spare): (Value, &[&str]) = match kind {
        "#commit" => (
            json!({"seq": seq, "repo": who, "rev": rev, "since": more, "time": time, "commit": link(cid),
                "blocks": {"$bytes": "AAEC"}, "ops": [op], "prevData": link(cid), "blobs": [], "tooBig": false}),
            &["seq", "since", "commit", "blocks", "ops", "prevData", "blobs", "tooBig"],
        ),
        "#sync" => (
            json!({"seq": seq, "did": who, "rev": rev, "time": time, "blocks": {"$bytes": "AAEC"}}),
            &["seq", "blocks"],
        ),
        "#identity" => (json!({"seq": seq, "did": who, "time": time, "handle": more}), &["seq", "time", "handle"]),
        "#account" => (
            json!({"seq": seq, "did": who, "time": time, "active": true, "status": more}),
            &["seq", "time", "active", "status"],
        ),
        "#info" => (json!({"name": who, "message": more}), &["message"]),
        _ => (json!({"error": who, "message": more}), &["message"]),
    };
    (body.as_object().unwrap().clone(), spare)
}

fn words() -> impl Strategy<Value = [String; 4]> {
    ["[a-z:.]{1,40}", "[a-z2-7]{1,13}", "[0-9TZ:-]{1,24}", "\\PC{1,30}"]
}

proptest! {
    #[test]
    fn what_is_said_is_read(
        kind in prop::sample::select(&KINDS[..]),
        words in words(),
        seq in 1..i64::MAX,
        digest: Vec<u8>,
        strange in prop::collection::btree_map("x[a-z]{1,8}", "\\PC{0,9}", 0..4),
    ) {
        let cid = Cid::of_cbor(&digest);
        let (mut body, _) = fields(kind, &words, seq, cid);
        body.extend(strange.into_iter().map(|(key, value)| (key, Value::from(value))));
        let bytes = message(kind, &body);
        let frame = Frame::parse(&bytes).unwrap();
        let [who, rev, time, more] = &words;
        let has_position = !matches!(kind, "#info" | "error");
        prop_assert_eq!(frame.seq(), has_position.then_some(seq));
        prop_assert_eq!(frame.account(), has_position.then_some(who.as_str()));
        match &frame {
            Frame::Commit(m) => {
                prop_assert_eq!((m.rev, m.since, m.time), (rev.as_str(), Some(more.as_str()), time.as_str()));
                prop_assert_eq!((m.commit, m.prev_data, m.blocks), (Some(cid), Some(cid), &[0, 1, 2][..]));
                let op = &m.ops[0];
                prop_assert_eq!((op.action, op.path, op.cid, op.prev), ("create", more.as_str(), Some(cid), None));
            }
            Frame::Sync(m) => prop_assert_eq!((m.rev, m.time, m.blocks), (rev.as_str(), time.as_str(), &[0, 1, 2][..])),
            Frame::Identity(_) => prop_assert_eq!(kind, "#identity"),
            Frame::Account(m) => prop_assert_eq!((m.active, m.status), (true, Some(more.as_str()))),
            Frame::Info(m) | Frame::Error(m) => {
                prop_assert_eq!((m.name, m.message), (who.as_str(), Some(more.as_str())));
                prop_assert_eq!(matches!(frame, Frame::Error(_)), kind == "error");
            }
            Frame::Unknown(_) => prop_assert!(false, "{} is known", kind),
        }
    }

    #[test]
    fn what_a_kind_must_have_may_not_be_missing(
        kind in prop::sample::select(&KINDS[..]),
        words in words(),
        gone: prop::sample::Index,
    ) {
        let (mut body, spare) = fields(kind, &words, 1, Cid::of_cbor(b""));
        let name = body.keys().nth(gone.index(body.len())).unwrap().clone();
        body.remove(&name);
        let bytes = message(kind, &body);
        prop_assert_eq!(Frame::parse(&bytes).is_ok(), spare.contains(&name.as_str()), "{} without {}", kind, name);
    }

    #[test]
    fn a_field_of_another_type_is_no_field(
        kind in prop::sample::select(&KINDS[..]),
        words in words(),
        which: prop::sample::Index,
    ) {
        let (mut body, _) = fields(kind, &words, 1, Cid::of_cbor(b""));
        // Fields that nobody reads may hold anything.
        let is_read = |name: &str| match name {
            "blobs" | "tooBig" | "handle" => false,
            "time" => matches!(kind, "#commit" | "#sync"),
            _ => true,
        };
        body.retain(|name, _| is_read(name));
        let name = body.keys().nth(which.index(body.len())).unwrap().clone();
        body.insert(name.clone(), json!({"other": 1.0}));
        prop_assert!(Frame::parse(&message(kind, &body)).is_err(), "{}: {}", kind, name);
    }

    #[test]
    fn what_follows_a_message_or_is_cut_off_it_is_noticed(
        kind in prop::sample::select(&KINDS[..]),
        words in words(),
        cut: prop::sample::Index,
    ) {
        let (body, _) = fields(kind, &words, 1, Cid::of_cbor(b""));
        let mut bytes = message(kind, &body);
        prop_assert!(Frame::parse(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0xf6);
        prop_assert!(Frame::parse(&bytes).is_err());
    }

    #[test]
    fn a_kind_that_is_not_known_is_passed_over_whatever_it_says(name in "#[a-z]{9,20}", rest: Vec<u8>) {
        let bytes = [record::from_json(&json!({"op": 1, "t": name})).unwrap(), rest].concat();
        prop_assert_eq!(Frame::parse(&bytes), Ok(Frame::Unknown(&name)));
    }
}

#[test]
fn other_operations_are_refused() {
    for op in [0, 2, -2, i64::MAX] {
        let bytes = [record::from_json(&json!({"op": op, "t": "#sync"})).unwrap(), vec![0xa0]].concat();
        assert!(Frame::parse(&bytes).is_err(), "{op}");
    }
}
