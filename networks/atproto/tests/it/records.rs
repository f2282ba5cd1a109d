//! Records, to JSON and back.

use crate::{base64, cid, json};
use nexus_atproto::{Cid, Reason, record};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn the_listed_records_have_the_listed_blocks() {
    for case in json("interop/data-model/data-model-fixtures.json").as_array().unwrap() {
        let block = base64(case["cbor_base64"].as_str().unwrap());
        assert_eq!(record::from_json(&case["json"]).unwrap(), block);
        assert_eq!(Some(Cid::of_cbor(&block)), cid(&case["cid"]));
        assert_eq!(serde_json::from_str::<Value>(&record::to_json(&block).unwrap()).unwrap(), case["json"]);
    }
}

#[test]
fn valid_and_invalid_records_are_told_apart_as_listed() {
    for case in json("interop/data-model/data-model-valid.json").as_array().unwrap() {
        assert!(record::from_json(&case["json"]).is_ok(), "{}", case["note"]);
    }
    for case in json("interop/data-model/data-model-invalid.json").as_array().unwrap() {
        let error = record::from_json(&case["json"]).expect_err(case["note"].as_str().unwrap());
        assert_eq!(error.reason(), Reason::Record);
    }
}

#[test]
fn what_a_strict_consumer_would_refuse_is_refused() {
    let link = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
    let blob =
        |size: Value, mime: Value| json!({"$type": "blob", "ref": {"$link": link}, "mimeType": mime, "size": size});
    assert!(record::from_json(&blob(json!(1), json!("a/b"))).is_ok());
    for bad in [blob(json!(-1), json!("a/b")), blob(json!(null), json!("a/b")), blob(json!(1), json!(2))] {
        assert!(record::from_json(&json!({ "blob": bad.clone() })).is_err(), "{bad}");
    }
    assert!(record::from_json(&json!({"cid": link, "mimeType": "a/b"})).is_ok());
}

#[test]
fn keys_are_there_once_in_whatever_order() {
    let twice = |keys: &[&str]| {
        let fields: Vec<u8> =
            keys.iter().flat_map(|key| [&[0x60 + key.len() as u8][..], key.as_bytes(), &[1]].concat()).collect();
        record::to_json(&[&[0xa0 + keys.len() as u8], fields.as_slice()].concat())
    };
    assert_eq!(twice(&["b", "a", "aa"]).unwrap(), r#"{"b":1,"a":1,"aa":1}"#);
    for keys in [&["a", "a"][..], &["b", "a", "b"], &["a", "b", "a"], &["aa", "b", "aa"], &["c", "b", "a", "b"]] {
        assert!(twice(keys).is_err(), "{keys:?}");
    }
}

#[test]
fn numbers_keep_what_they_are() {
    let float =
        |number: f64| record::to_json(&[&[0xa1, 0x61, b'n', 0xfb][..], &number.to_bits().to_be_bytes()].concat());
    assert_eq!(float(123.0).unwrap(), r#"{"n":123}"#);
    for number in [0.5, f64::NAN, f64::INFINITY, 1e19, -1e19] {
        assert!(float(number).is_err(), "{number}");
    }
    let edge = json!({"max": u64::MAX, "min": i64::MIN});
    assert_eq!(
        serde_json::from_str::<Value>(&record::to_json(&record::from_json(&edge).unwrap()).unwrap()).unwrap(),
        edge
    );
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert!(record::from_json(&nested(100)).is_ok());
    assert!(record::from_json(&nested(200)).is_err());
    assert!(record::from_json(&json!({"a": "x".repeat(record::MAX_RECORD)})).is_err());
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,4}".prop_map(Value::from),
        Just(json!({"$link": "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"})),
        Just(json!({"$bytes": "nFERjvLLiw9qm45JrqH9QTzyC2Lu1Xb4ne6+sBrCzI0"})),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,8}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn records_come_back(fields in prop::collection::btree_map("[a-z]{1,8}", values(), 0..6)) {
        let record = json!(fields);
        let block = record::from_json(&record).unwrap();
        let again: Value = serde_json::from_str(&record::to_json(&block).unwrap()).unwrap();
        prop_assert_eq!(&again, &record);
        prop_assert_eq!(record::from_json(&again).unwrap(), block);
    }
}
