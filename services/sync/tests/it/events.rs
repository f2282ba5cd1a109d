//! The text that consumers get, letter by letter.

use nexus_atproto::{Cid, Did, Tid, record};
use nexus_model::{Action, Seq};
use nexus_sync::event::{Dialect, Event, Kind, RecordChange, collection, with_id};
use nexus_sync::repo::{Name, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

fn did() -> Did {
    "did:plc:aaaabbbbccccddddeeeeffff".parse().unwrap()
}

fn record(action: Action, kind: Kind, block: Option<&[u8]>) -> Event {
    let path = "app.bsky.feed.post/3n2sie47qfc26".parse().unwrap();
    let rev: Tid = "3n2sie4gce526".parse().unwrap();
    Event::record(&RecordChange { did: &did(), rev, path: &path, action, cid: block.map(Cid::of_cbor), block }, kind)
}

#[test]
fn a_record_is_told_as_consumers_know_it() {
    let json = json!({"$type": "app.bsky.feed.post", "createdAt": "2026-01-01T00:00:00Z", "text": "hi"});
    let block = record::from_json(&json).unwrap();
    let event = record(Action::Create, Kind::Live, Some(&block));
    assert_eq!(
        with_id(Seq::new(731), &event.body),
        r#"{"id":731,"type":"record","record":{"live":true,"did":"did:plc:aaaabbbbccccddddeeeeffff","#.to_owned()
            + r#""rev":"3n2sie4gce526","collection":"app.bsky.feed.post","rkey":"3n2sie47qfc26","action":"create","#
            + r#""record":{"text":"hi","$type":"app.bsky.feed.post","createdAt":"2026-01-01T00:00:00Z"},"#
            + &format!(r#""cid":"{}"}}}}"#, Cid::of_cbor(&block))
    );
}

#[test]
fn what_is_not_there_is_left_out() {
    let gone = with_id(Seq::new(1), &record(Action::Delete, Kind::Historical, None).body);
    assert!(gone.ends_with(r#""action":"delete"}}"#) && gone.contains(r#""live":false"#), "{gone}");
    let undecodable = with_id(Seq::new(1), &record(Action::Update, Kind::Live, Some(b"\xff")).body);
    assert!(undecodable.contains(&format!(r#""action":"update","cid":"{}""#, Cid::of_cbor(b"\xff"))), "{undecodable}");
}

#[test]
fn an_account_is_told_in_both_dialects() {
    let told =
        |name: &Name, status, dialect| with_id(Seq::new(732), &Event::account(&did(), name, status, dialect).body);
    let name = Name::Handle("dora.example.com".parse().unwrap());
    assert_eq!(
        told(&name, Status::Active, Dialect::Tap),
        r#"{"id":732,"type":"identity","identity":{"did":"did:plc:aaaabbbbccccddddeeeeffff","handle":"dora.example.com","is_active":true,"status":"active"}}"#
    );
    assert_eq!(
        told(&Name::Invalid, Status::Takendown, Dialect::Nexus),
        r#"{"id":732,"type":"user","user":{"did":"did:plc:aaaabbbbccccddddeeeeffff","handle":"handle.invalid","isActive":false,"is_active":false,"status":"takendown"}}"#
    );
    assert!(told(&Name::Unknown, Status::Deleted, Dialect::Tap).contains(r#""handle":"handle.invalid""#));
}

#[test]
fn the_collection_of_an_event_is_read_from_its_text() {
    assert_eq!(collection(&record(Action::Delete, Kind::Live, None).body), Some("app.bsky.feed.post"));
    let account = Event::account(&did(), &Name::Unknown, Status::Active, Dialect::Tap);
    assert_eq!(collection(&account.body), None);
    assert_eq!(collection(&Event::status(&did(), Status::Active).body), None);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let fields = prop::collection::btree_map("[a-z\"\\\\]{1,6}", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_text_is_the_json_of_what_it_tells(
        did in "did:[a-z]{1,8}:[A-Za-z0-9._:%-]{0,40}[A-Za-z0-9]",
        collection in "[a-z]{1,9}(\\.[a-z][a-z0-9-]{0,9}[a-z0-9]){1,3}\\.[a-zA-Z]{1,12}",
        rkey in "[A-Za-z0-9_~:-][A-Za-z0-9_~.:-]{0,60}",
        rev in 0..1_u64 << 53,
        action in prop_oneof![Just(Action::Create), Just(Action::Update), Just(Action::Delete)],
        kind in prop_oneof![Just(Kind::Live), Just(Kind::Historical)],
        fields in prop::collection::btree_map("[a-z]{1,6}", value(), 0..4),
    ) {
        let (did, rev): (Did, Tid) = (did.parse().unwrap(), Tid::new(rev, 7));
        let path = format!("{collection}/{rkey}").parse().unwrap();
        let record: Value = Value::Object(fields.into_iter().collect());
        let block = record::from_json(&record).unwrap();
        let (block, cid) = (Some(&block[..]), Cid::of_cbor(&block));
        let is_gone = action == Action::Delete;
        let (block, cid) = if is_gone { (None, None) } else { (block, Some(cid)) };
        let event = Event::record(&RecordChange { did: &did, rev, path: &path, action, cid, block }, kind);
        let mut told = json!({
            "live": kind == Kind::Live, "did": did.as_str(), "rev": rev.to_string(), "collection": collection,
            "rkey": rkey, "action": action.as_str(), "record": record, "cid": cid.map(|cid| cid.to_string()),
        });
        if is_gone {
            told.as_object_mut().unwrap().retain(|field, _| field != "record" && field != "cid");
        }
        let text: Value = serde_json::from_str(&with_id(Seq::new(rev.number()), &event.body)).unwrap();
        prop_assert_eq!(text, json!({"id": rev.number(), "type": "record", "record": told}));
        prop_assert_eq!(nexus_sync::event::collection(&event.body), Some(collection.as_str()));
    }
}
